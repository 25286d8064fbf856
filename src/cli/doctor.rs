//! `cpufence doctor`.
use super::exit::Failure;
use super::settings::Session;
use std::io::Write;
pub(super) fn run(_: &Session, _: bool, _: &mut dyn Write) -> Result<u8, Failure> {
    Ok(0)
}
