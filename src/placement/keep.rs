//! Keep-and-fit: every container stays where it was, newcomers are placed by
//! best fit. It is what a host without a solver does, the plan that a guardrail
//! falls back to, and a yardstick like [`super::greedy`].
//!
//! A container that requests fewer threads than it had gives up those whose
//! loss is cheapest, one after the other (ties: largest CPU number); one that
//! requests more gets the rest by best fit, on its own cells first.

use super::greedy::best_way;
use super::problem::Problem;
use super::state::State;

/// The placement described above.
pub(super) fn keep_and_fit(problem: &Problem) -> State<'_> {
    let mut state = State::empty(problem);
    for (k, container) in (0u32..).zip(&problem.containers) {
        for &thread in container.previous() {
            state.set(thread, Some(k));
        }
    }
    for (k, container) in (0u32..).zip(&problem.containers) {
        let mut own: Vec<usize> = container.previous().to_vec();
        while own.len() > container.request {
            let cheapest = own.iter().copied().min_by_key(|&thread| {
                state.set(thread, None);
                let cost = state.cost();
                state.set(thread, Some(k));
                (cost, std::cmp::Reverse(thread))
            });
            let Some(thread) = cheapest else { break };
            state.set(thread, None);
            own.retain(|&t| t != thread);
        }
    }
    best_way(&state)
}
