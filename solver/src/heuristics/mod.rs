//! Primal heuristics: each proposes points, none changes the search.
