//! The folder for a phone's files: each phone has its own, since recordings of two phones may have
//! the same names.

use std::fs::{create_dir_all, remove_file, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::console::shown;
use crate::cli::failure::{usage, Failure};
use crate::cli::fetch::arguments::{FetchOptions, ALL_RECORDINGS};
use crate::cli::fetch::phone_sidecars::find_device;
use crate::cli::fetch::remote::{FetchError, Remote};
use crate::io::host::OsStrExt;
use crate::wire::recording::name::NAME_PREFIX;

/// Refuses a DIR that has recordings directly in it: an earlier version, or `--flat`, has put them
/// there, and this run would fetch all of them again.
pub(super) fn check_layout(options: &FetchOptions) -> Result<(), Failure> {
    let to = &options.to;
    let Some(name) = first_recording(to).filter(|_| !options.flat) else {
        return Ok(());
    };
    let dir = shown(to);
    usage(&format!(
        "fetch: {dir} has {} of an earlier fetch, which kept phones in one folder; each phone has a folder of its own \
         now: move it to {dir}/NAME and add '--as NAME', or go on as before with --flat",
        shown(Path::new(&name))
    ))
}

fn first_recording(to: &Path) -> Option<std::ffi::OsString> {
    let entries = std::fs::read_dir(to).ok()?;
    let names = entries.flatten().map(|entry| entry.file_name());
    let is_recording =
        |name: &[u8]| name == ALL_RECORDINGS.as_bytes() || name.starts_with(NAME_PREFIX.as_bytes());
    let mut found: Vec<_> = names.filter(|name| is_recording(name.as_bytes())).collect();
    found.sort();
    found.into_iter().next()
}

/// The phone's folder, which is created and can be written. `address`: the phone's name for a
/// folder, if no sidecar has its MAC address.
pub(super) fn open(
    remote: &mut Remote,
    options: &FetchOptions,
    address: &str,
) -> Result<PathBuf, FetchError> {
    let folder = match &options.folder {
        _ if options.flat => options.to.clone(),
        Some(name) => options.to.join(name),
        None => {
            let device = find_device(remote)?;
            options.to.join(device.as_deref().unwrap_or(address))
        }
    };
    probe(&folder).map_err(|error| {
        FetchError::Fatal(format!(
            "nothing can be written to {} (--to): {error}",
            shown(&folder)
        ))
    })?;
    Ok(folder)
}

/// Creates a file and removes it.
fn probe(folder: &Path) -> io::Result<()> {
    create_dir_all(folder)?;
    let file = folder.join(format!(".callrec-fetch-{}", std::process::id()));
    File::create_new(&file)?;
    remove_file(&file)
}

/// An address as the name of a folder.
pub(super) fn name_of(address: &str) -> String {
    let replaced = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' || c == '.' {
            c
        } else {
            '_'
        }
    };
    let name: String = address.chars().map(replaced).collect();
    match name.strip_prefix('.') {
        Some(rest) => format!("_{rest}"), // not hidden, and not the parent folder
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_nowhere() {
        for (address, name) in [
            ("192.168.1.20", "192.168.1.20"),
            ("fe80::1", "fe80__1"),
            ("..", "_."),
            ("../x", "_._x"),
            ("a b\n", "a_b_"),
        ] {
            assert_eq!(name_of(address), name);
        }
    }
}
