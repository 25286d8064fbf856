//! Bounds that follow from bounds: domains, propagators, conflicts.
