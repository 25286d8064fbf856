//! Reductions before the search, and the stack that undoes them.
