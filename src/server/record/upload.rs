//! Moves finished recordings to object storage (`--store`). The transfer is one-way.
//!
//! Recordings with a `.json` are uploaded: it exists once the recording is whole, so uploads
//! continue after whatever ends the server. The recording is uploaded first, then its sidecar, each
//! in one request; then the recording is deleted, and last the sidecar. An interrupted upload is
//! repeated. A recording is claimed while it is uploaded, so that several servers that share a
//! folder do not upload it twice. Several uploads run at once, independently.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use log::{debug, info, warn};

use crate::base::limits::server::{UPLOADS, UPLOAD_INTERVAL, UPLOAD_PAUSE};
use crate::io::clock;
use crate::io::dir::Dir;
use crate::io::file::claim;
use crate::server::record::archive::{Archive, RecordingPath, FINISHED};
use crate::server::record::counters::{Counters, Gauge};
use crate::server::record::finished_index::FinishedIndex;
use crate::server::record::settings::RecordSettings;
use crate::server::record::store::Store;
use crate::server::record::upload_queue::{UploadOutcome, UploadQueue};

/// The threads that upload, and the one that searches the folder for them.
pub(super) struct Uploader {
    orders: Sender<()>,
    shared: Arc<Shared>,
}

/// The state that the threads share.
struct Shared {
    store: Store,
    /// The recordings' folder. It is opened anew each time, since it may have been replaced.
    dir: String,
    queue: Mutex<UploadQueue>,
    /// The queue has changed.
    changed: Condvar,
    uploaded: AtomicU64,
    failures: AtomicU64,
}

impl Uploader {
    /// Starts the threads; `None`: there is no store, or the parent process uploads.
    pub(super) fn open(settings: &RecordSettings) -> Result<Option<Self>, String> {
        let Some(url) = settings.store.as_ref().filter(|_| !settings.worker) else {
            return Ok(None);
        };
        let shared = Arc::new(Shared {
            store: Store::open(url, settings.store_ca.as_deref())?,
            dir: settings.dir.clone(),
            queue: Mutex::default(),
            changed: Condvar::new(),
            uploaded: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        });
        let problem = |problem: io::Error| format!("thread: {problem}");
        for number in 0..UPLOADS {
            let shared = shared.clone();
            let thread = thread::Builder::new().name(format!("upload-{number}"));
            thread
                .spawn(move || shared.upload_forever())
                .map_err(problem)?;
        }
        let (orders, inbox) = channel();
        let scanner = shared.clone();
        thread::Builder::new()
            .name("scan".into())
            .spawn(move || scan(&scanner, &inbox))
            .map_err(problem)?;
        Ok(Some(Self { orders, shared }))
    }

    /// Shows the progress of the uploads.
    pub(super) fn set_gauges(&self, counters: &mut Counters) {
        let uploaded = self.shared.uploaded.load(Ordering::Relaxed);
        let failures = self.shared.failures.load(Ordering::Relaxed);
        let (waiting, running) = self.shared.queue().counts();
        for (gauge, count) in [
            (Gauge::UploadedTotal, uploaded),
            (Gauge::Uploaded, uploaded),
            (Gauge::UploadFailuresTotal, failures),
            (Gauge::UploadFailures, failures),
            (Gauge::UploadsWaiting, waiting as u64),
            (Gauge::UploadsRunning, running as u64),
        ] {
            counters.set(gauge, count);
        }
    }

    /// A recording has been finished.
    pub(super) fn wake(&self) {
        let _ = self.orders.send(());
    }
}

/// The loop of the thread that searches the folder.
fn scan(shared: &Shared, inbox: &Receiver<()>) {
    let interval = |length: crate::base::time::Duration| Duration::from_millis(length.millis());
    let mut index = FinishedIndex::default();
    let mut last_problem: Option<String> = None;
    loop {
        let problem = match search(&mut index, &shared.dir) {
            Ok(paths) => {
                shared.queue().set(clock::monotonic(), paths);
                shared.changed.notify_all();
                None
            }
            Err(problem) => Some(problem.to_string()),
        };
        match &problem {
            Some(text) if problem != last_problem => {
                warn!(
                    "{}: cannot be searched for recordings to be uploaded: {text}",
                    shared.dir
                );
            }
            _ => {}
        }
        last_problem = problem;
        thread::sleep(interval(UPLOAD_PAUSE));
        match inbox.recv_timeout(interval(UPLOAD_INTERVAL)) {
            Err(RecvTimeoutError::Disconnected) => return,
            Ok(()) | Err(RecvTimeoutError::Timeout) => while inbox.try_recv().is_ok() {},
        }
    }
}

fn search(index: &mut FinishedIndex, dir: &str) -> io::Result<Vec<RecordingPath>> {
    let archive = Archive::open_existing(dir)?;
    index.search(&archive, SystemTime::now())
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, UploadQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The loop of an upload thread.
    fn upload_forever(&self) {
        loop {
            let path = self.next();
            let outcome = match upload(&self.dir, &self.store, &path) {
                Ok(outcome) => outcome,
                Err(problem) => {
                    self.fail(&path, &problem);
                    continue;
                }
            };
            if outcome == UploadOutcome::Uploaded {
                self.uploaded.fetch_add(1, Ordering::Relaxed);
            }
            self.queue().handle_done(clock::monotonic(), &path, outcome);
            self.changed.notify_all();
        }
    }

    /// Waits for the next recording to be uploaded.
    fn next(&self) -> RecordingPath {
        let mut queue = self.queue();
        loop {
            let now = clock::monotonic();
            match queue.take(now) {
                Ok(path) => return path,
                Err(until) => {
                    let wait = Duration::from_nanos(until.since(now).nanos());
                    let woken = self.changed.wait_timeout(queue, wait);
                    queue = woken.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }

    fn fail(&self, path: &RecordingPath, problem: &str) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let now = clock::monotonic();
        let again_at = self.queue().handle_done(now, path, UploadOutcome::Failed);
        let seconds = again_at.map_or(0, |at| at.since(now).millis().div_ceil(1000));
        warn!("upload: {problem}; tried again in {seconds} s");
        self.changed.notify_all();
    }
}

fn upload(dir: &str, store: &Store, path: &RecordingPath) -> Result<UploadOutcome, String> {
    let name = path.to_string();
    let failed = |problem: io::Error| format!("{name}: {problem}");
    let dir = Archive::open_existing(dir)
        .and_then(|archive| archive.folder(path))
        .map_err(failed)?;
    let (recording, sidecar) = (path.recording(), path.name(FINISHED));
    match dir.open_file(recording.as_bytes()) {
        Ok(mut file) if claim(&file) => {
            store.put(path, &recording, &mut file)?;
            put_sidecar(store, path, &dir, &sidecar)?;
            dir.remove(recording.as_bytes()).map_err(failed)?;
        }
        Ok(_) => {
            debug!("{name}: is being finished, or is being uploaded by another process");
            return Ok(UploadOutcome::Elsewhere);
        }
        // The last upload was interrupted after the recording was deleted.
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => {
            put_sidecar(store, path, &dir, &sidecar)?
        }
        Err(problem) => return Err(failed(problem)),
    }
    let _ = dir.remove(sidecar.as_bytes());
    info!("{name}: uploaded");
    Ok(UploadOutcome::Uploaded)
}

fn put_sidecar(store: &Store, path: &RecordingPath, dir: &Dir, name: &str) -> Result<(), String> {
    match dir.open_file(name.as_bytes()) {
        Ok(mut file) => store.put(path, name, &mut file),
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(()), // another process has uploaded it
        Err(problem) => Err(format!("{}/{name}: {problem}", path.folder)),
    }
}
