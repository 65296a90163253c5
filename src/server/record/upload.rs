//! Finished recordings go to object storage (`--store`), one-way.
//!
//! What is to go is what has a `.json` beside it: that it is there says the recording is whole, so uploads survive
//! whatever ends the server. First the recording is put, then its sidecar, each in one request; then the recording is
//! deleted, and last the sidecar: whenever that is interrupted, it is done again. A recording that goes is claimed, so
//! that several servers over one folder do not send it twice. Several go at once, each by itself.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use log::{debug, info, warn};

use crate::base::limits::server::{UPLOADS, UPLOAD_INTERVAL, UPLOAD_PAUSE};
use crate::io::clock;
use crate::io::dir::Dir;
use crate::io::file::claim;
use crate::server::record::archive::{Archive, Place, FINISHED};
use crate::server::record::counters::{Counters, Gauge};
use crate::server::record::settings::Settings;
use crate::server::record::store::Store;
use crate::server::record::upload_queue::{Outcome, Queue};
use crate::wire::recording::NAME_PREFIX;

/// The threads that upload, and the one that looks for what is to be.
pub(super) struct Uploader {
    orders: Sender<()>,
    shared: Arc<Shared>,
}

/// What the threads share.
struct Shared {
    store: Store,
    /// The recordings' folder. It is opened anew each time: it may have been exchanged.
    dir: String,
    queue: Mutex<Queue>,
    /// There may be something to be uploaded.
    changed: Condvar,
    uploaded: AtomicU64,
    failures: AtomicU64,
}

impl Uploader {
    /// Starts the threads; `None`: there is no store, or another process uploads for all.
    pub(super) fn open(settings: &Settings) -> Result<Option<Self>, String> {
        let Some(url) = settings.store.as_ref().filter(|_| !settings.worker) else {
            return Ok(None);
        };
        let shared = Arc::new(Shared {
            store: Store::parse(url, |name| std::env::var(name).ok())?,
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
                .spawn(move || shared.upload_for_ever())
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

    /// Shows what they have done.
    pub(super) fn show(&self, counters: &mut Counters) {
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

/// Looks for what is to be uploaded.
fn scan(shared: &Shared, inbox: &Receiver<()>) {
    let interval = |length: crate::base::time::Duration| Duration::from_millis(length.millis());
    let mut last_problem: Option<String> = None;
    loop {
        let problem = match Archive::open_existing(&shared.dir).and_then(|archive| list(&archive)) {
            Ok(places) => {
                shared.queue().set(clock::monotonic(), places);
                shared.changed.notify_all();
                None
            }
            Err(problem) => Some(problem.to_string()),
        };
        match &problem {
            Some(text) if problem != last_problem => {
                warn!(
                    "{}: cannot be looked through for recordings to be uploaded: {text}",
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

/// All recordings that are finished and still here.
fn list(archive: &Archive) -> io::Result<Vec<Place>> {
    let mut places = vec![];
    archive.each(FINISHED, |_, place| {
        if place.stem.starts_with(NAME_PREFIX) {
            places.push(place);
        }
    })?;
    Ok(places)
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One thread's life.
    fn upload_for_ever(&self) {
        loop {
            let place = self.next();
            let outcome = match upload(&self.dir, &self.store, &place) {
                Ok(outcome) => outcome,
                Err(problem) => {
                    self.fail(&place, &problem);
                    continue;
                }
            };
            if outcome == Outcome::Uploaded {
                self.uploaded.fetch_add(1, Ordering::Relaxed);
            }
            self.queue()
                .handle_done(clock::monotonic(), &place, outcome);
            self.changed.notify_all();
        }
    }

    /// Waits for the next one.
    fn next(&self) -> Place {
        let mut queue = self.queue();
        loop {
            let now = clock::monotonic();
            match queue.take(now) {
                Ok(place) => return place,
                Err(until) => {
                    let wait = Duration::from_nanos(until.since(now).nanos());
                    let woken = self.changed.wait_timeout(queue, wait);
                    queue = woken.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }

    fn fail(&self, place: &Place, problem: &str) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let now = clock::monotonic();
        let again_at = self.queue().handle_done(now, place, Outcome::Failed);
        let seconds = again_at.map_or(0, |at| at.since(now).millis().div_ceil(1000));
        warn!("upload: {problem}; tried again in {seconds} s");
        self.changed.notify_all();
    }
}

fn upload(dir: &str, store: &Store, place: &Place) -> Result<Outcome, String> {
    let path = format!("{}/{}", place.folder, place.stem);
    let failed = |problem: io::Error| format!("{path}: {problem}");
    let dir = Archive::open_existing(dir)
        .and_then(|archive| archive.folder(place))
        .map_err(failed)?;
    let (recording, sidecar) = (place.recording(), place.name(FINISHED));
    match dir.open_file(recording.as_bytes()) {
        Ok(mut file) if claim(&file) => {
            store.put(place, &recording, &mut file)?;
            put_sidecar(store, place, &dir, &sidecar)?;
            dir.remove(recording.as_bytes()).map_err(failed)?;
        }
        Ok(_) => {
            debug!("{path}: is being finished, or uploaded by another process");
            return Ok(Outcome::Elsewhere);
        }
        // The last time it was interrupted behind the recording's deletion.
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => {
            put_sidecar(store, place, &dir, &sidecar)?
        }
        Err(problem) => return Err(failed(problem)),
    }
    let _ = dir.remove(sidecar.as_bytes());
    info!("{path}: uploaded");
    Ok(Outcome::Uploaded)
}

fn put_sidecar(store: &Store, place: &Place, dir: &Dir, name: &str) -> Result<(), String> {
    match dir.open_file(name.as_bytes()) {
        Ok(mut file) => store.put(place, name, &mut file),
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(()), // another process was quicker
        Err(problem) => Err(format!("{}/{name}: {problem}", place.folder)),
    }
}
