//! Connections, and what each answer has: an id, and the connection's end where the request has not
//! been read to its own.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use axum::extract::{ConnectInfo, Path};
use axum::http::{header, HeaderName, HeaderValue, Request};
use axum::response::Response;
use axum::Router;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use log::{debug, warn};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpListener, TcpStream};
use tower_service::Service as _;

use crate::server::web::answer::{Answer, NoAnswer};
use crate::server::web::body::BodySlot;
use crate::server::web::gate::Gate;
use crate::server::web::ids::random_hex;

/// A connection that asks for nothing is closed after so long.
const IDLE_TIME: Duration = Duration::from_secs(75);
/// A peer that has not acknowledged for so long is gone: milliseconds.
const ACKNOWLEDGE_MS: u32 = 20_000;
/// After a failed accept: most likely no descriptor is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// hyper's own bound of a head; `gate` has the lower one.
const HYPER_BUFFER: usize = 64 * 1024;

/// The id of a request.
#[derive(Clone, Debug)]
pub(in crate::server) struct RequestId(pub(in crate::server) String);

/// Adds what `gate` puts in place of heads that are refused.
pub(super) fn with_refusals(router: Router) -> Router {
    router.route("/refused/{status}", axum::routing::get(refused))
}

/// 404.
pub(in crate::server) fn no_such_path() -> Answer {
    Answer::refusal(404, "not-found", "there is no such path")
}

/// 405; axum names the methods.
pub(in crate::server) fn no_such_method() -> Answer {
    Answer::refusal(
        405,
        "method-not-allowed",
        "Allow names the methods of this path",
    )
}

/// What `gate` has put in place of a request.
async fn refused(Path(status): Path<u16>) -> Answer {
    match status {
        431 => Answer::refusal(431, "too-long", "the head is longer than 16384 bytes").and_close(),
        _ => Answer::bad_request("the head is malformed, or says in two ways where its body ends")
            .and_close(),
    }
}

/// Serves until the program ends.
pub(in crate::server) async fn serve(listener: TcpListener, router: Router) {
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => {
                tokio::spawn(connection(socket, peer, router.clone()));
            }
            Err(problem) => {
                warn!("accept: {problem}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(socket: TcpStream, peer: SocketAddr, router: Router) {
    if let Err(problem) = prepare(&socket) {
        debug!("{peer}: {problem}");
    }
    let service = service_fn(move |request| respond(router.clone(), peer, request));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIME)
        .max_buf_size(HYPER_BUFFER)
        .serve_connection(TokioIo::new(Gate::new(socket)), service);
    if let Err(problem) = connection.await {
        debug!("{peer}: {problem}");
    }
}

fn prepare(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    setsockopt(&socket.as_fd(), sockopt::TcpUserTimeout, &ACKNOWLEDGE_MS)?;
    Ok(())
}

/// The request did not come to its end.
#[derive(Debug)]
struct Unfinished;

impl std::fmt::Display for Unfinished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the request did not come to its end")
    }
}

impl std::error::Error for Unfinished {}

async fn respond(
    mut router: Router,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response, Unfinished> {
    let id = random_hex::<16>();
    let (parts, body) = request.into_parts();
    let slot = BodySlot::new(body);
    let mut request = Request::from_parts(parts, axum::body::Body::empty());
    request.extensions_mut().insert(slot.clone());
    request.extensions_mut().insert(ConnectInfo(peer));
    request.extensions_mut().insert(RequestId(id.clone()));
    let Ok(mut response) = router.call(request).await;
    if response.extensions().get::<NoAnswer>().is_some() {
        return Err(Unfinished);
    }
    if let Some(answer) = response.extensions_mut().remove::<Answer>() {
        let allow = response.headers_mut().remove(header::ALLOW);
        response = answer.finish(&id);
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    if slot.drain() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        let name = HeaderName::from_static("x-request-id");
        response.headers_mut().insert(name, id);
    }
    Ok(response)
}
