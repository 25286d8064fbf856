//! What the rows say beyond themselves: cliques, implications, variable bounds.
