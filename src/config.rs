//! Settings from `config.toml`, checked.
