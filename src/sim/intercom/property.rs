//! The property's phone: waits for calls and answers them, or calls a home.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::io::random::Random;
use crate::sim::intercom::call::{random_key, random_stream, DEVICE_PORT};
use crate::sim::intercom::callee::{take, Reaction};
use crate::sim::intercom::caller::place;
use crate::sim::intercom::link::{Input, Link};
use crate::sim::intercom::options::{PropertyMode, PropertyOptions};
use crate::sim::intercom::output::{say, shown};
use crate::sim::intercom::streams::StreamPlan;
use crate::sim::intercom::talk::Plan;
use crate::wire::intercom::{peer_type, text, Message, Party, Sid};

/// A caller sends its `call_req` within this time.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The same for one that is refused: its `call_req` tells the key to refuse it by.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a call that this phone has placed lasts if nothing is said about it.
const TALK_FOR: Duration = Duration::from_secs(10);

/// Runs the phone.
pub(super) fn run(options: &PropertyOptions) -> Result<(), String> {
    match &options.mode {
        PropertyMode::Listen(address) => listen(*address, options),
        PropertyMode::Call { address, to } => call(address, to, options),
    }
}

fn listen(address: SocketAddr, options: &PropertyOptions) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot listen on {address}: {error}");
    let listener = TcpListener::bind(address).map_err(failed)?;
    let own_address = listener.local_addr().map_err(failed)?;
    say(&format!("listening addr={own_address}"));
    let is_busy = Arc::new(AtomicBool::new(false));
    let (sender, callers) = channel();
    let busy = is_busy.clone();
    std::thread::spawn(move || accept(&listener, &busy, &sender));
    take_calls(&callers, &is_busy, options)
}

/// Passes one caller at a time on, and refuses those that come meanwhile.
fn accept(listener: &TcpListener, is_busy: &AtomicBool, callers: &Sender<TcpStream>) {
    while let Ok((stream, _)) = listener.accept() {
        if is_busy.swap(true, Ordering::SeqCst) {
            std::thread::spawn(move || refuse(stream));
        } else if callers.send(stream).is_err() {
            return;
        }
    }
}

fn refuse(stream: TcpStream) {
    let Ok(mut link) = Link::new(stream) else {
        return;
    };
    let (sid, src, _) = request(&mut link, BUSY_TIMEOUT).unwrap_or_default();
    say(&format!("busy from={} sid={}", shown(&src.id), shown(&sid)));
    let reason = text("line_busy");
    link.send(&Message::CallReject { sid, reason });
    link.finish();
}

fn take_calls(
    callers: &Receiver<TcpStream>,
    is_busy: &AtomicBool,
    options: &PropertyOptions,
) -> Result<(), String> {
    let own_id = text(&options.id);
    let mut count = 0;
    while options.calls.is_none_or(|calls| count < calls) {
        let Ok(stream) = callers.recv() else {
            return Err("no more calls can be accepted".into());
        };
        if let Ok(mut link) = Link::new(stream) {
            if let Some((sid, src, dest)) = request(&mut link, REQUEST_TIMEOUT) {
                let streams = StreamPlan::new(&stream_server(&link, options), &dest, &src);
                let plan = plan(options, options.talk_for, streams);
                take(&mut link, &sid, &src.id, &own_id, Reaction::Answer, &plan);
                count += 1;
            }
            link.finish();
        }
        is_busy.store(false, Ordering::SeqCst);
    }
    Ok(())
}

/// Who calls has the streams.
fn stream_server(link: &Link, options: &PropertyOptions) -> String {
    let peer = link.peer_address().map(|peer| peer.ip().to_string());
    format!("{}:{}", peer.unwrap_or_default(), options.stream_port)
}

/// Waits for a `call_req`; its key, who calls, and who is called.
fn request(link: &mut Link, patience: Duration) -> Option<(Sid, Party, Party)> {
    let until = Instant::now() + patience;
    loop {
        match link.next(Some(until)) {
            Input::Message(Message::CallReq { sid, src, dest }) => return Some((sid, src, dest)),
            Input::Message(_) => {}
            Input::TimeUp | Input::Closed(_) => return None,
        }
    }
}

fn call(address: &str, to: &str, options: &PropertyOptions) -> Result<(), String> {
    let mut link = Link::connect(address)?;
    let mut random = Random::open();
    let sid = text(&random_key(&mut random));
    let own = link.local_address();
    let peer = link.peer_address();
    let src = Party {
        id: text(&options.id),
        peer_type: peer_type::PROPERTY_APP,
        ip: own.map_or_else(Default::default, |own| text(&own.ip().to_string())),
        port: DEVICE_PORT,
        audio: random_stream(&mut random),
        ..Party::default()
    };
    let dest = Party {
        id: text(to),
        peer_type: peer_type::INNER_BOX,
        ip: peer.map_or_else(Default::default, |peer| text(&peer.ip().to_string())),
        port: peer.map_or(0, |peer| peer.port()),
        audio: random_stream(&mut random),
        ..Party::default()
    };
    let talk_for = Some(options.talk_for.unwrap_or(TALK_FOR));
    let streams = StreamPlan::new(&stream_server(&link, options), &src, &dest);
    let plan = plan(options, talk_for, streams);
    let result = place(&mut link, sid, src, dest, &plan);
    link.finish();
    result.map(|_| ())
}

fn plan(options: &PropertyOptions, talk_for: Option<Duration>, streams: StreamPlan) -> Plan {
    Plan {
        talk_for,
        open_door: options.open_door,
        is_door: false,
        streams,
    }
}
