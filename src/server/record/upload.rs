//! Finished recordings go to object storage (`--store`), and from there nowhere.
//!
//! What is to go is what has a `.json` beside it: that it is there says the recording is whole, so uploads survive
//! whatever ends the server. First the recording is put, then its sidecar, each in one request; then the recording is
//! deleted, and last the sidecar: whenever that is interrupted, it is done again. A recording that goes is claimed, so
//! that several servers over one folder do not send it twice.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use log::{debug, info, warn};

use crate::base::limits::server::{UPLOADS, UPLOAD_INTERVAL, UPLOAD_PAUSE, UPLOAD_RETRY, UPLOAD_RETRY_MOST};
use crate::io::dir::Dir;
use crate::io::file::claim;
use crate::server::record::archive::{Archive, Place, FINISHED};
use crate::server::record::counters::{Counters, Gauge};
use crate::server::record::settings::Settings;
use crate::server::record::store::Store;
use crate::wire::recording::NAME_PREFIX;

/// The thread that uploads.
pub(super) struct Uploader {
    orders: Sender<()>,
    counts: Arc<Counts>,
}

/// What it has done.
#[derive(Default)]
struct Counts {
    uploaded: AtomicU64,
    failures: AtomicU64,
    waiting: AtomicU64,
}

impl Uploader {
    /// Starts the thread; `None`: there is no store, or another process uploads for all.
    pub(super) fn open(settings: &Settings) -> Result<Option<Self>, String> {
        let Some(url) = settings.store.as_ref().filter(|_| !settings.worker) else { return Ok(None) };
        let store = Store::parse(url, |name| std::env::var(name).ok())?;
        let archive = Archive::open(&settings.dir).map_err(|problem| format!("{}: {problem}", settings.dir))?;
        let (orders, inbox) = channel();
        let counts = Arc::new(Counts::default());
        let uploader = Self { orders, counts: counts.clone() };
        let thread = thread::Builder::new().name("upload".into());
        thread.spawn(move || run(&archive, &store, &inbox, &counts)).map_err(|problem| format!("thread: {problem}"))?;
        Ok(Some(uploader))
    }

    /// Shows what it has done.
    pub(super) fn show(&self, counters: &mut Counters) {
        let Counts { uploaded, failures, waiting } = &*self.counts;
        for (gauge, count) in
            [(Gauge::Uploaded, uploaded), (Gauge::UploadFailures, failures), (Gauge::UploadsWaiting, waiting)]
        {
            counters.set(gauge, count.load(Ordering::Relaxed));
        }
    }

    /// A recording has been finished.
    pub(super) fn wake(&self) {
        let _ = self.orders.send(());
    }
}

fn run(archive: &Archive, store: &Store, inbox: &Receiver<()>, counts: &Counts) {
    let interval = |length: crate::base::time::Duration| Duration::from_millis(length.millis());
    let (mut retry, mut failed) = (interval(UPLOAD_RETRY), HashSet::new());
    loop {
        let before = counts.uploaded.load(Ordering::Relaxed);
        let problem = match list(archive) {
            Ok(mut places) => {
                counts.waiting.store(places.len() as u64, Ordering::Relaxed);
                // What has failed comes last: it may be its own fault.
                places.make_contiguous().sort_by_key(|place| failed.contains(place));
                failed.clear();
                upload_all(archive, store, places, counts, &mut failed)
            }
            Err(problem) => Some(problem.to_string()),
        };
        if problem.is_none() || counts.uploaded.load(Ordering::Relaxed) > before {
            retry = interval(UPLOAD_RETRY);
        }
        let wait = match problem {
            None => interval(UPLOAD_INTERVAL),
            Some(problem) => {
                warn!("upload: {problem}; tried again in {} s", retry.as_secs());
                thread::sleep(retry); // what has been finished since waits as well
                retry = (retry * 2).min(interval(UPLOAD_RETRY_MOST));
                Duration::ZERO
            }
        };
        thread::sleep(interval(UPLOAD_PAUSE));
        match inbox.recv_timeout(wait) {
            Err(RecvTimeoutError::Disconnected) => return,
            Ok(()) | Err(RecvTimeoutError::Timeout) => while inbox.try_recv().is_ok() {},
        }
    }
}

/// All recordings that are finished and still here.
fn list(archive: &Archive) -> io::Result<VecDeque<Place>> {
    let mut places = VecDeque::new();
    archive.each(FINISHED, |_, place| {
        if place.stem.starts_with(NAME_PREFIX) {
            places.push_back(place);
        }
    })?;
    Ok(places)
}

/// Uploads them, a few at once. Each of these ends with its first failure: when nothing gets through, not everything is
/// tried. What failed, and the last problem.
fn upload_all(
    archive: &Archive,
    store: &Store,
    places: VecDeque<Place>,
    counts: &Counts,
    failed: &mut HashSet<Place>,
) -> Option<String> {
    let (queue, failures) = (Mutex::new(places), Mutex::new((failed, None)));
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let work = || {
        while let Some(place) = next() {
            if let Err(problem) = upload(archive, store, &place) {
                counts.failures.fetch_add(1, Ordering::Relaxed);
                let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                failures.0.insert(place);
                failures.1 = Some(problem);
                return;
            }
            counts.uploaded.fetch_add(1, Ordering::Relaxed);
            counts.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| (0..UPLOADS).for_each(|_| drop(scope.spawn(work))));
    failures.into_inner().unwrap_or_else(PoisonError::into_inner).1
}

fn upload(archive: &Archive, store: &Store, place: &Place) -> Result<(), String> {
    let path = format!("{}/{}", place.folder, place.stem);
    let failed = |problem: io::Error| format!("{path}: {problem}");
    let dir = archive.folder(place).map_err(failed)?;
    let (recording, sidecar) = (place.recording(), place.name(FINISHED));
    match dir.open_file(recording.as_bytes()) {
        Ok(file) if claim(&file) => {
            store.put(place, &recording, &file)?;
            put_sidecar(store, place, &dir, &sidecar)?;
            dir.remove(recording.as_bytes()).map_err(failed)?;
        }
        Ok(_) => {
            debug!("{path}: is being finished, or uploaded by another process");
            return Ok(());
        }
        // The last time it was interrupted behind the recording's deletion.
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => put_sidecar(store, place, &dir, &sidecar)?,
        Err(problem) => return Err(failed(problem)),
    }
    let _ = dir.remove(sidecar.as_bytes());
    info!("{path}: uploaded");
    Ok(())
}

fn put_sidecar(store: &Store, place: &Place, dir: &Dir, name: &str) -> Result<(), String> {
    match dir.open_file(name.as_bytes()) {
        Ok(file) => store.put(place, name, &file),
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(()), // another process was quicker
        Err(problem) => Err(format!("{}/{name}: {problem}", place.folder)),
    }
}
