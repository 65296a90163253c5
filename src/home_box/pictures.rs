//! The pictures of doors that nobody answered: an FLV file of one key frame for a call, in the folder
//! `pictures` of `stateDir`.

use std::fmt::Write;
use std::fs;

use log::warn;

use crate::home_box::state_dir;
use crate::io::atomic_file;

/// The folder.
pub(super) struct Pictures {
    folder: String,
}

impl Pictures {
    /// The folder is made if it does not exist.
    pub(super) fn open(state_dir: &str) -> Result<Self, String> {
        let folder = format!("{state_dir}/pictures");
        state_dir::create(&folder)?;
        Ok(Self { folder })
    }

    /// Writes a call's picture; the file's name, or `None` if it could not be written.
    pub(super) fn add(&self, sid: &[u8], picture: &[u8]) -> Option<String> {
        let name = name_of(sid);
        let path = format!("{}/{name}", self.folder);
        match atomic_file::replace(&path, picture) {
            Ok(()) => Some(name),
            Err(problem) => {
                warn!("picture {path}: {problem}");
                None
            }
        }
    }

    /// Removes all files but these.
    pub(super) fn keep(&self, is_kept: impl Fn(&str) -> bool) {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if !name.to_str().is_some_and(&is_kept) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// `SID.flv`. The sid is the caller's: what could leave the folder is written as `%XX`.
fn name_of(sid: &[u8]) -> String {
    let mut name = String::new();
    for byte in sid {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            name.push(char::from(*byte));
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
    }
    name + ".flv"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_key_names_no_other_file() {
        assert_eq!(name_of(b"9f3c61d2a07be845"), "9f3c61d2a07be845.flv");
        assert_eq!(name_of(b"../x\0"), "%2E%2E%2Fx%00.flv");
        assert_eq!(name_of(&[b'/'; 64]).len(), 64 * 3 + 4);
    }
}
