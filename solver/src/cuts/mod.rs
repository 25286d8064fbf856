//! Cutting planes: separators, pool, selection.
