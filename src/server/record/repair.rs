//! Recordings that a server before us left unfinished (it was killed, or lost its power) are made whole: those whose
//! sidecar is still called `....json.part`, and which no other process holds. On a thread of its own, since each one is
//! synced; new recordings need not wait for it. It is done at the start, when the folder has been exchanged, and when
//! the disk takes data again.

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
use crate::server::record::archive::{Archive, Place, UNFINISHED};
use crate::server::record::sidecar::finish_interrupted;
use crate::wire::g711::Law;
use crate::wire::recording::{Header, HEADER_BYTES};
use crate::wire::riff;

/// The longest sidecar that is read.
const SIDECAR_BYTES: u64 = 64 * 1024;

/// Starts the thread, which ends when it has looked at all; `repaired` counts. It may be started again while another one
/// runs: each of them claims what it works on.
pub(super) fn start(archive: Arc<Archive>, repaired: Arc<AtomicU64>) -> io::Result<()> {
    thread::Builder::new()
        .name("repair".into())
        .spawn(move || {
            if let Err(problem) = repair(&archive, &repaired) {
                warn!("looking for unfinished recordings: {problem}");
            }
        })?;
    Ok(())
}

fn repair(archive: &Archive, repaired: &AtomicU64) -> io::Result<()> {
    archive.each(UNFINISHED, |dir, place| {
        match repair_one(archive, dir, &place) {
            Ok(Some(frames)) => {
                info!(
                    "{}/{}: made whole, {frames} frames",
                    place.folder,
                    place.recording()
                );
                repaired.fetch_add(1, Ordering::Relaxed);
            }
            Ok(None) => {}
            Err(problem) => warn!(
                "{}/{}: cannot be repaired: {problem}",
                place.folder,
                place.recording()
            ),
        }
    })
}

/// The frames it has now; `None`: another process is writing it.
fn repair_one(archive: &Archive, dir: &Dir, place: &Place) -> io::Result<Option<u64>> {
    let file = match dir.open_file(place.recording().as_bytes()) {
        Ok(file) if claim(&file) => file,
        Ok(_) => return Ok(None),
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => {
            dir.remove(place.name(UNFINISHED).as_bytes())?; // it has been moved away
            return Ok(None);
        }
        Err(problem) => return Err(problem),
    };
    let mut begun = vec![];
    let unfinished = match dir.open_file(place.name(UNFINISHED).as_bytes()) {
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(None), // another worker was quicker
        opened => opened?,
    };
    io::Read::read_to_end(&mut io::Read::take(unfinished, SIDECAR_BYTES), &mut begun)?;
    let ended = clock::civil(file.metadata()?.mtime());
    let frames = frames_of(&file)?;
    let whole = finish_interrupted(&begun, &place.recording(), frames, &ended);
    let whole = whole.or_else(|| finish_interrupted(b"{}", &place.recording(), frames, &ended));
    archive.finish(place, &whole.unwrap_or_default())?;
    Ok(Some(frames))
}

/// Makes the file whole, whichever format it is in; how many frames it has.
fn frames_of(file: &File) -> io::Result<u64> {
    match repair::repair(file, false)? {
        RepairOutcome::Repaired { extent, .. } => return Ok(extent.frames),
        RepairOutcome::Refused(Refusal::Riff) => return make_riff_whole(file),
        // A RIFF header is shorter than ours: the call had no audio yet.
        RepairOutcome::Refused(Refusal::Short)
            if file.metadata()?.len() >= riff::HEADER_BYTES as u64 =>
        {
            return make_riff_whole(file);
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

fn make_riff_whole(file: &File) -> io::Result<u64> {
    let mut head = [0; riff::HEADER_BYTES];
    file.read_exact_at(&mut head, 0)?;
    let law = [Law::Mu, Law::A]
        .into_iter()
        .find(|law| riff::header(*law, None)[20..22] == head[20..22]);
    let law = law.ok_or_else(|| io::Error::other("is no G.711"))?;
    let frames = file
        .metadata()?
        .len()
        .saturating_sub(riff::HEADER_BYTES as u64)
        / 160;
    file.set_len(riff::HEADER_BYTES as u64 + frames * 160)?;
    file.write_all_at(&riff::header(law, Some(frames * 160)), 0)?;
    file.sync_all()?;
    Ok(frames)
}
