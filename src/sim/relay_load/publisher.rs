//! Publishes the film as fast as it plays.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::sim::relay_load::film::Film;
use crate::wire::http::url::StreamUrl;

const PATIENCE: Duration = Duration::from_secs(10);

/// Returns how late the latest tag was sent.
pub(super) fn publish(url: &str, film: &Film) -> Result<Duration, String> {
    let StreamUrl {
        server, host, path, ..
    } = StreamUrl::parse(url.as_bytes()).ok_or_else(|| format!("{url}: no URL of a stream"))?;
    let problem = |error: std::io::Error| format!("publishing to {server}: {error}");
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE).map_err(problem)?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
        .and_then(|()| stream.set_nodelay(true))
        .map_err(problem)?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    .map_err(problem)?;
    let began = Instant::now();
    let mut late = Duration::ZERO;
    for (due, piece) in film.pieces() {
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        late = late.max(began.elapsed().saturating_sub(due));
        let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
        chunk.extend_from_slice(piece);
        chunk.extend_from_slice(b"\r\n");
        stream.write_all(&chunk).map_err(problem)?;
    }
    stream.write_all(b"0\r\n\r\n").map_err(problem)?;
    let mut reply = [0; 512];
    let count = stream.read(&mut reply).map_err(problem)?;
    let reply = String::from_utf8_lossy(&reply[..count]);
    match reply.contains(" 200 ") {
        true => Ok(late),
        false => Err(format!("publishing to {server} was refused: {reply}")),
    }
}
