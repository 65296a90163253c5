//! What the recording server is told.

use crate::server::options::{unknown, Options};

pub(super) const HELP: &str = "\
callrec-server record [OPTIONS]: takes recordings that phones upload, and stores them

  -c, --config FILE    'key = value' lines; a key is an option's name without its dashes
      --dir DIR        where recordings are stored [/var/lib/callrec]

Example: callrec-server record --dir recordings
";

/// The options' values.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) dir: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { dir: "/var/lib/callrec".into() }
    }
}

impl Options for Settings {
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "dir" => self.dir = value.into(),
            _ => return unknown(),
        }
        Ok(())
    }
}
