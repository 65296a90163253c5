//! The running archive: scans, rounds of deletion, and the page.

use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{debug, error, info, warn};
use tokio::net::TcpListener;
use tokio::signal::unix::{signal, SignalKind};

use crate::io::file_lock::FileLock;
use crate::server::archive::app::App;
use crate::server::archive::bucket_watch::watch;
use crate::server::archive::interrupted_deletion::{find_interrupted, finish_interrupted};
use crate::server::archive::journal_reader;
use crate::server::archive::metrics;
use crate::server::archive::peer::watch as peer_watch;
use crate::server::archive::rebuild::{lock_path, REBUILT};
use crate::server::archive::retention;
use crate::server::archive::scan::{now, Scanner};
use crate::server::archive::settings::ArchiveSettings;
use crate::server::archive::tls;
use crate::server::archive::web;

/// The least time between two scans; they may not take more than a tenth of the time.
const SCAN_EVERY: Duration = Duration::from_millis(500);
const SCAN_SHARE: u32 = 10;
/// The slowest.
const SCAN_AT_LEAST: Duration = Duration::from_secs(60);
/// The pause after which a database that is away is asked again.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// Runs until SIGTERM.
pub(super) fn run(settings: ArchiveSettings) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| format!("threads: {error}"))?;
    runtime.block_on(serve(settings))
}

async fn serve(settings: ArchiveSettings) -> Result<(), String> {
    let listen = settings.listen;
    let failed = |error: std::io::Error| format!("--listen {listen}: {error}");
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let app = Arc::new(App::open(settings)?);
    let lock = FileLock::try_acquire(&lock_path(&app.home));
    let lock = lock.map_err(|error| format!("{}: {error}", app.home.display()))?;
    let Some(_lock) = lock else {
        let home = app.home.display();
        return Err(format!(
            "{home}: another archive serves this folder already"
        ));
    };
    prepare(&app)?;
    let tls = tls::acceptor(&app.settings)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let base = app
        .settings
        .public
        .clone()
        .unwrap_or_else(|| format!("{scheme}://{address}"));
    offer_first_link(&app, &base)?;
    let metrics = match app.settings.metrics {
        Some(at) => {
            let failed = |error: std::io::Error| format!("--metrics {at}: {error}");
            let listener = TcpListener::bind(at).await.map_err(failed)?;
            let address = listener.local_addr().map_err(failed)?;
            tokio::spawn(web::serve::serve(
                listener,
                metrics::router(app.clone()),
                None,
                std::future::pending(),
            ));
            format!(", metrics on {address}")
        }
        None => String::new(),
    };
    start_threads(&app)?;
    for number in 0..app.peers.all().len() {
        tokio::spawn(peer_watch::watch(app.clone(), number));
    }
    let version = env!("CARGO_PKG_VERSION");
    info!("callrec-server {version} archive is ready on {address}{metrics}");
    let mut end = signal(SignalKind::terminate()).map_err(|error| format!("signals: {error}"))?;
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(|error| format!("signals: {error}"))?;
    let ended = async {
        tokio::select! {
            _ = end.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    web::serve::serve(listener, web::router(app.clone()), tls, ended).await;
    info!("shutting down");
    // Requests that still run are given up: files and records are whole at any time.
    std::process::exit(0);
}

/// Where there is a page, the first administrator is made by a link.
fn offer_first_link(app: &App, base: &str) -> Result<(), String> {
    if app.settings.peers.running_only {
        return Ok(());
    }
    if let Some(link) = app.accounts.make_first_link(&app.home, base, now())? {
        info!("the first administrator is made here, within a day: {link}");
    }
    Ok(())
}

/// The threads that look at folders and buckets.
fn start_threads(app: &Arc<App>) -> Result<(), String> {
    let start = |name: &str, work: fn(&App)| {
        let app = app.clone();
        let thread = std::thread::Builder::new().name(name.into());
        let started = thread.spawn(move || work(&app));
        started
            .map(drop)
            .map_err(|error| format!("thread: {error}"))
    };
    start("scan", scan)?;
    if app.settings.shared().is_some() {
        start("listen", listen)?;
    }
    if !app.cache.buckets().is_empty() && !app.settings.peers.running_only {
        start("buckets", watch)?;
    }
    Ok(())
}

/// The thread that hears what other archives tell: for ever.
fn listen(app: &App) {
    loop {
        let heard = app
            .catalogue
            .listen(&app.peers.instance, |changes| app.events.add(changes));
        if let Some(Err(problem)) = heard {
            debug!("{problem}");
        }
        std::thread::sleep(LISTEN_AGAIN);
    }
}

/// What an earlier run has left behind, and what its keeper should know.
fn prepare(app: &App) -> Result<(), String> {
    app.audit.recover(&app.accounts)?;
    find_interrupted(app)?;
    app.cache.clear()?;
    app.peers.clear()?;
    peer_watch::forget_all(app)?;
    for network in &app.settings.trusted_proxy {
        info!("{network} may say in X-Forwarded-User who somebody is: a proxy there must not pass on that of a client");
    }
    Ok(())
}

/// The thread of scans: for ever.
fn scan(app: &App) {
    let dirs = app.places.dirs().to_vec();
    let mut scanner = Scanner::new(app.catalogue.clone(), app.key.clone(), dirs);
    scanner.forgets = app.settings.peers.running_only;
    let mut reads_all = true;
    let mut rebuilt = None;
    let mut next_round = Instant::now();
    let mut failing = String::new();
    loop {
        let began = Instant::now();
        let scanned = scan_once(app, &mut scanner, &mut reads_all, &mut rebuilt);
        // What is deleted below takes its time as well, and is no reason to look less often.
        let took = began.elapsed();
        match scanned.and_then(|()| finish_interrupted(app)) {
            Ok(()) => {
                failing.clear();
                if !app.is_ready.swap(true, Ordering::Relaxed) {
                    info!("all recordings are in the catalogue");
                }
                if Instant::now() >= next_round {
                    keep(app);
                    next_round = Instant::now() + Duration::from_secs(app.settings.retain_every);
                } else if app.stopped_round.load(Ordering::Relaxed) > 0 && is_let_through(app) {
                    next_round = Instant::now();
                }
            }
            Err(problem) => {
                if problem != failing {
                    error!("scan: {problem}");
                    failing = problem;
                }
            }
        }
        let pause = (took * SCAN_SHARE).clamp(SCAN_EVERY, SCAN_AT_LEAST);
        std::thread::sleep(pause);
    }
}

fn scan_once(
    app: &App,
    scanner: &mut Scanner,
    reads_all: &mut bool,
    rebuilt: &mut Option<String>,
) -> Result<(), String> {
    let newest = app.accounts.flag(REBUILT)?;
    if *rebuilt != newest {
        *rebuilt = newest;
        scanner.forget();
        *reads_all = true;
    }
    if *reads_all {
        app.catalogue.write(|session| app.records.load(session))?;
        scanner.bury_all()?;
    }
    let changes = scanner.scan()?;
    // The balance is that of an archive that sees what becomes of calls.
    if !app.settings.peers.running_only {
        app.catalogue.write(|session| {
            journal_reader::read(session, &app.key, app.places.dirs(), *reads_all)
        })?;
    }
    *reads_all = false;
    app.announce(changes);
    Ok(())
}

fn is_let_through(app: &App) -> bool {
    app.accounts
        .flag(retention::ALLOWED)
        .is_ok_and(|flag| flag.is_some())
}

/// A round of deletion, and what else is due now and then.
fn keep(app: &App) {
    retention::check_disk(app);
    // What a host that shows no page has recorded is kept and deleted elsewhere.
    if app.settings.peers.running_only {
        return;
    }
    if let Err(problem) = retention::round(app) {
        warn!("retention: {problem}");
    }
    if app.settings.audit_days > 0 {
        let before = now() - app.settings.audit_days as i64 * 86_400;
        if let Err(problem) = app.audit.expire(before) {
            warn!("audit log: {problem}");
        }
    }
}
