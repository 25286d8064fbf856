//! Symmetry of the model: detection by colour refinement, orbital fixing.
