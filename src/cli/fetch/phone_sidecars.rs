//! What the sidecars on a phone say about the phone itself: its MAC address, and the offset of its
//! clock from UTC. FSP tells neither.

use crate::cli::fetch::arguments::ALL_RECORDINGS;
use crate::cli::fetch::remote::{is_safe, FetchError, Remote, RemoteEntry};
use crate::wire::json::Object;
use crate::wire::recording::name::has_sidecar_suffix;
use crate::wire::recording::sidecar::Start;

/// Days that are searched, from the newest one on: a month.
const DAYS: usize = 31;
/// Sidecars that are read in one folder. The first one is enough unless it is damaged.
const SIDECARS: usize = 4;
/// The longest sidecar that is read. Ours have at most a tenth of this.
pub(super) const SIDECAR_BYTES: usize = 64 * 1024;

/// The phone's MAC address, from its newest sidecar.
pub(super) fn find_device(remote: &mut Remote) -> Result<Option<String>, FetchError> {
    find(remote, device_of)
}

/// The offset from UTC, in minutes, of the newest recording of a folder, else of the phone.
pub(super) fn find_offset(
    remote: &mut Remote,
    folder: &str,
    entries: &[RemoteEntry],
) -> Result<Option<i16>, FetchError> {
    match find_in(remote, folder, entries, offset_of)? {
        None => find(remote, offset_of),
        offset => Ok(offset),
    }
}

/// The offsets that a run has found: a folder's is searched once, the phone's too.
#[derive(Default)]
pub(super) struct KnownOffsets {
    /// The folder that was asked for last, and the offset of its newest recording.
    folder: Option<(String, Option<i16>)>,
    /// That of the phone's newest recording, once it has been searched.
    phone: Option<Option<i16>>,
}

impl KnownOffsets {
    /// The same as `find_offset`, for a folder that may not have been listed.
    pub(super) fn find(
        &mut self,
        remote: &mut Remote,
        folder: &str,
    ) -> Result<Option<i16>, FetchError> {
        if let Some(offset) = self.in_folder(remote, folder)? {
            return Ok(Some(offset));
        }
        if let Some(offset) = self.phone {
            return Ok(offset);
        }
        let offset = find(remote, offset_of)?;
        self.phone = Some(offset);
        Ok(offset)
    }

    fn in_folder(&mut self, remote: &mut Remote, folder: &str) -> Result<Option<i16>, FetchError> {
        match &self.folder {
            Some((known, offset)) if known == folder => return Ok(*offset),
            _ => {}
        }
        let entries = list(remote, folder)?;
        let offset = find_in(remote, folder, &entries, offset_of)?;
        self.folder = Some((folder.to_owned(), offset));
        Ok(offset)
    }
}

fn device_of(sidecar: &Object) -> Option<String> {
    let device = sidecar.text::<64>("device");
    let device = core::str::from_utf8(&device).ok().filter(is_safe)?;
    Some(device.to_owned())
}

fn offset_of(sidecar: &Object) -> Option<i16> {
    let start = Start::parse(&sidecar.text::<40>("start"))?;
    Some(start.offset_minutes)
}

/// Searches the newest folders of days.
fn find<T>(
    remote: &mut Remote,
    value_of: fn(&Object) -> Option<T>,
) -> Result<Option<T>, FetchError> {
    let mut days = list(remote, ALL_RECORDINGS)?;
    days.retain(|entry| entry.is_folder);
    days.sort_by(|one, other| other.name.cmp(&one.name));
    for day in days.iter().take(DAYS) {
        let folder = format!("{ALL_RECORDINGS}/{}", day.name);
        let entries = list(remote, &folder)?;
        let value = find_in(remote, &folder, &entries, value_of)?;
        if value.is_some() {
            return Ok(value);
        }
    }
    Ok(None)
}

/// Searches the newest sidecars of a folder.
fn find_in<T>(
    remote: &mut Remote,
    folder: &str,
    entries: &[RemoteEntry],
    value_of: fn(&Object) -> Option<T>,
) -> Result<Option<T>, FetchError> {
    let names = entries.iter().map(|entry| &entry.name);
    let mut names: Vec<&String> = names
        .filter(|name| has_sidecar_suffix(name.as_bytes()))
        .collect();
    names.sort();
    for name in names.into_iter().rev().take(SIDECARS) {
        let path = format!("{folder}/{name}");
        let bytes = remote.read_short(path.trim_start_matches('/'), SIDECAR_BYTES)?;
        let bytes = bytes.unwrap_or_default();
        let value = Object::parse(&bytes)
            .ok()
            .and_then(|sidecar| value_of(&sidecar));
        if value.is_some() {
            return Ok(value);
        }
    }
    Ok(None)
}

/// The entries of a folder; none if the phone does not have it.
fn list(remote: &mut Remote, folder: &str) -> Result<Vec<RemoteEntry>, FetchError> {
    match remote.list(folder) {
        Err(FetchError::Refused(_)) => Ok(vec![]),
        entries => entries,
    }
}
