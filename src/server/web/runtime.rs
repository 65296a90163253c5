//! tokio and the signals of a server.

use std::future::Future;
use std::net::SocketAddr;
use std::process::ExitCode;

use axum::Router;
use log::info;
use tokio::net::TcpListener;
use tokio::signal::unix::{signal, SignalKind};

use crate::cli::failure::Failure;
use crate::io::descriptors::raise_limit;
use crate::server::web::service::{serve, with_refusals};

/// Runs a future on all processors.
pub(in crate::server) fn block_on(
    future: impl Future<Output = Result<(), String>>,
) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|problem| Failure::Failed(format!("threads: {problem}")))?;
    runtime.block_on(future).map_err(Failure::Failed)?;
    // What still runs is waited for no longer.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

/// Opens the listener; from then on the process may have as many connections as the system allows.
pub(in crate::server) async fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    raise_limit();
    let listener = TcpListener::bind(address).await;
    listener.map_err(|problem| format!("listen {address}: {problem}"))
}

/// Serves until SIGTERM or SIGINT; SIGHUP calls `reload`.
pub(in crate::server) async fn run(
    name: &str,
    listener: TcpListener,
    router: Router,
    reload: impl Fn(),
) -> Result<(), String> {
    let open = |kind| signal(kind).map_err(|problem| format!("signals: {problem}"));
    let mut terminate = open(SignalKind::terminate())?;
    let mut interrupt = open(SignalKind::interrupt())?;
    let mut hangup = open(SignalKind::hangup())?;
    let address = listener
        .local_addr()
        .map_err(|problem| format!("listen: {problem}"))?;
    info!("{name} is ready on {address}");
    let serving = serve(listener, with_refusals(router));
    tokio::pin!(serving);
    loop {
        tokio::select! {
            () = &mut serving => return Ok(()),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => reload(),
        }
    }
    info!("{name} ends");
    Ok(())
}
