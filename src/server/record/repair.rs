//! Repairs the recordings that an earlier server has left unfinished because it was killed or lost
//! its power: those whose sidecar is still named `....json.part`, and that no other process has
//! claimed.
//!
//! It runs on a thread of its own, since each repair is synced: at the start, when the folder has
//! been replaced, and when the disk works again.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::thread;

use log::{info, warn};

use crate::io::clock;
use crate::io::dir::Dir;
use crate::io::file::claim;
use crate::recordings::repair::{self, Refusal, RepairOutcome};
use crate::server::record::archive::{Archive, RecordingPath, UNFINISHED};
use crate::server::record::journal::{self, JournalEvent};
use crate::server::record::sidecar::finish_interrupted;
use crate::wire::g711::Law;
use crate::wire::json::Object;
use crate::wire::recording::{Header, HEADER_BYTES};
use crate::wire::riff;

/// The longest sidecar that is read, to bound the memory.
const SIDECAR_BYTES: u64 = 64 * 1024;

/// Starts a thread that repairs all unfinished recordings and ends; `repaired` counts them. Several
/// threads may run: each claims the recordings that it repairs.
pub(super) fn start(archive: Arc<Archive>, repaired: Arc<AtomicU64>) -> io::Result<()> {
    thread::Builder::new()
        .name("repair".into())
        .spawn(move || {
            if let Err(problem) = repair(&archive, &repaired) {
                warn!("unfinished recordings cannot be searched for: {problem}");
            }
        })?;
    Ok(())
}

fn repair(archive: &Archive, repaired: &AtomicU64) -> io::Result<()> {
    archive.each(UNFINISHED, |dir, path| {
        match repair_one(archive, dir, &path) {
            Ok(Some(frames)) => {
                info!("{path}: repaired, {frames} frames");
                repaired.fetch_add(1, Ordering::Relaxed);
            }
            Ok(None) => {}
            Err(problem) => warn!("{path}: cannot be repaired: {problem}"),
        }
    })
}

/// Repairs a recording and returns its frames; `None`: another process has claimed it.
fn repair_one(archive: &Archive, dir: &Dir, path: &RecordingPath) -> io::Result<Option<u64>> {
    let file = match dir.open_file(path.recording().as_bytes()) {
        Ok(file) if claim(&file) => file,
        Ok(_) => return Ok(None),
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => {
            dir.remove(path.name(UNFINISHED).as_bytes())?; // the recording was moved away
            return Ok(None);
        }
        Err(problem) => return Err(problem),
    };
    let mut begun = vec![];
    let unfinished = match dir.open_file(path.name(UNFINISHED).as_bytes()) {
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(None), // another worker has finished it
        opened => opened?,
    };
    io::Read::read_to_end(&mut io::Read::take(unfinished, SIDECAR_BYTES), &mut begun)?;
    let ended = clock::civil(file.metadata()?.mtime());
    let frames = frames_of(&file)?;
    let finish = |sidecar: &[u8]| finish_interrupted(sidecar, &path.recording(), frames, &ended);
    let sidecar = finish(&begun).or_else(|| finish(b"{}"));
    archive.finish(path, &sidecar.unwrap_or_default())?;
    note_end(archive, path, &begun);
    Ok(Some(frames))
}

/// The journal's line of an end that no server has seen.
fn note_end(archive: &Archive, path: &RecordingPath, begun: &[u8]) {
    let Ok(begun) = Object::parse(begun) else {
        return;
    };
    let call = begun.text::<512>("call");
    let call = core::str::from_utf8(&call).ok();
    let event = JournalEvent::End {
        call: call.filter(|call| !call.is_empty()).unwrap_or(&path.stem),
        parts: begun
            .number("part")
            .and_then(|part| part.try_into().ok())
            .unwrap_or(1),
        reason: "interrupted",
        success: false,
    };
    let now = clock::now();
    let time = now.local(now.monotonic);
    let (device, id) = (begun.text::<512>("device"), begun.text::<512>("id"));
    journal::note(archive, &time, &device, &id, path, event);
}

/// Repairs the file in either format, and returns its frames.
fn frames_of(file: &File) -> io::Result<u64> {
    match repair::repair(file, false)? {
        RepairOutcome::Repaired { extent, .. } => return Ok(extent.frames),
        RepairOutcome::Refused(Refusal::Riff) => return repair_riff(file),
        // A RIFF header is shorter than a phone's: the file has no audio yet.
        RepairOutcome::Refused(Refusal::Short)
            if file.metadata()?.len() >= riff::HEADER_BYTES as u64 =>
        {
            return repair_riff(file);
        }
        RepairOutcome::Refused(refusal) => return Err(io::Error::other(refusal.description())),
        RepairOutcome::Whole | RepairOutcome::Inconsistent | RepairOutcome::InUse => {}
    }
    let mut head = [0; HEADER_BYTES];
    file.read_exact_at(&mut head, 0)?;
    let header =
        Header::parse(&head).map_err(|_| io::Error::other(Refusal::Damaged.description()))?;
    Ok(header.extent(file.metadata()?.len()).frames)
}

fn repair_riff(file: &File) -> io::Result<u64> {
    let mut head = [0; riff::HEADER_BYTES];
    file.read_exact_at(&mut head, 0)?;
    let has_format_of = |law: &Law| riff::header(*law, None)[20..22] == head[20..22];
    let law = [Law::Mu, Law::A].into_iter().find(has_format_of);
    let law = law.ok_or_else(|| io::Error::other("is not G.711"))?;
    let length = file.metadata()?.len();
    let frames = length.saturating_sub(riff::HEADER_BYTES as u64) / 160;
    file.set_len(riff::HEADER_BYTES as u64 + frames * 160)?;
    file.write_all_at(&riff::header(law, Some(frames * 160)), 0)?;
    file.sync_all()?;
    Ok(frames)
}
