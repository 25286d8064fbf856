//! `cpufence apply`: one round.

use std::io::{IsTerminal, Write};

use super::args::SearchLimits;
use super::exit::{self, Failure};
use super::log::Log;
use super::plan::{failure, print_round};
use super::settings::{Session, with_limits, with_policy};
use crate::engine::shell::{self, End};
use crate::placement::Status;

pub(super) fn run(
    session: &Session,
    limits: &SearchLimits,
    json: bool,
    log: &Log,
    out: &mut dyn Write,
) -> Result<u8, Failure> {
    let config = with_policy(session.config()?, limits);
    let (sight, round, end) =
        shell::apply(&session.site(&config), &with_limits(&config.solve, limits))
            .map_err(failure)?;
    // A round that is done says nothing to cron.
    if json || session.verbose || std::io::stdout().is_terminal() {
        print_round(&sight, &round, json, log, out)?;
    } else {
        sight.notes.iter().for_each(|note| log.note(note));
        let alone = &round.decision.plan.left_alone;
        alone
            .iter()
            .for_each(|(id, reason)| log.note(&format!("{id}: left alone: {reason}")));
    }
    match end {
        End::Done => Ok(exit::DONE),
        End::Kept(reason) => {
            let kept = match round.decision.plan.answer.status {
                Status::Relaxed => "rules were given up",
                _ => "kept the old placement",
            };
            log.note(&format!("{kept}: {reason}"));
            Ok(exit::KEPT)
        }
        End::RolledBack(reason) => Err(Failure::new(
            exit::ROLLED_BACK,
            format_args!("the round was undone: {reason}"),
        )),
    }
}
