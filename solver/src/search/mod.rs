//! The branch-and-cut search.
