//! Log lines on stderr, as text or JSON, names escaped.

use std::io::Write;

use serde::Serialize;

use super::args::LogFormat;

/// Writes log lines; a stderr that cannot be written is ignored.
#[derive(Debug)]
pub(crate) struct Log {
    format: LogFormat,
}

#[derive(Serialize)]
struct Line<'a> {
    level: &'a str,
    message: &'a str,
}

impl Log {
    pub(crate) fn new(format: LogFormat) -> Self {
        Self { format }
    }

    /// Something the operator should know; the round goes on.
    pub(crate) fn note(&self, message: &str) {
        self.line("note", message);
    }

    /// What ended the command.
    pub(crate) fn error(&self, message: &str) {
        self.line("error", message);
    }

    fn line(&self, level: &str, message: &str) {
        let text = match self.format {
            LogFormat::Text if level == "error" => format!("cpufence: error: {message}"),
            LogFormat::Text => format!("cpufence: {message}"),
            LogFormat::Json => serde_json::to_string(&Line { level, message }).unwrap_or_default(),
        };
        let _ = writeln!(std::io::stderr(), "{}", crate::report::display_name(&text));
    }
}
