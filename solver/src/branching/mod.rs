//! Which column to branch on.
