//! Connections: each has a time for its headers, and there is a number that is not exceeded.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::connect_info::ConnectInfo;
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::Request;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

/// For the request line and the headers.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// Bytes of them.
const HEADER_BYTES: usize = 32 * 1024;
/// Connections at once: each browser has six.
const CONNECTIONS: usize = 4096;
/// After SIGTERM, requests may be finished so long.
const SHUTDOWN: Duration = Duration::from_secs(3);

/// Serves until the future is done.
pub(in crate::server::archive) async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<TlsAcceptor>,
    end: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut end = std::pin::pin!(end);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut end => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Without descriptors it fails at once, and again.
                log::warn!("accept: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            continue; // closed
        };
        let _ = stream.set_nodelay(true);
        let (router, tls) = (router.clone(), tls.clone());
        let watcher = graceful.watcher();
        tokio::spawn(async move {
            match tls {
                None => talk(stream, peer, router, watcher).await,
                Some(tls) => match timeout(HEADER_TIME, tls.accept(stream)).await {
                    Ok(Ok(stream)) => talk(stream, peer, router, watcher).await,
                    Ok(Err(problem)) => log::debug!("{peer}: {problem}"),
                    Err(_) => log::debug!("{peer}: has not begun TLS in time"),
                },
            }
            drop(place);
        });
    }
    drop(listener);
    let _ = timeout(SHUTDOWN, graceful.shutdown()).await;
}

/// One connection, to its end.
async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
    watcher: Watcher,
) {
    let service =
        service_fn(move |request: Request<Incoming>| answer(router.clone(), peer, request));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEADER_BYTES);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    if let Err(problem) = watcher.watch(connection).await {
        log::debug!("{peer}: {problem}");
    }
}

async fn answer(
    mut router: Router,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<axum::response::Response, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    router.call(request).await
}
