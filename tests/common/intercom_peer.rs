//! The other devices of a building intercom: the test reads the wire with a JSON reader of its own.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use serde_json::{json, Value};

use super::{wait_for, Control, Phone, PATIENCE};

/// The test's end of a connection.
pub struct Peer(BufReader<TcpStream>);

impl Peer {
    pub fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// The next message that is no `call_keep`; `None` at the end.
    pub fn next(&mut self) -> Option<Value> {
        loop {
            let mut frame = vec![];
            self.0.read_until(0, &mut frame).unwrap();
            if frame.pop()? != 0 {
                panic!("a frame without its end: {frame:?}");
            }
            let message: Value = serde_json::from_slice(&frame).unwrap();
            if message["name"] != "call_keep" {
                return Some(message);
            }
        }
    }

    /// The values of the next message, which has this name.
    pub fn expect(&mut self, name: &str) -> Value {
        let message = self
            .next()
            .unwrap_or_else(|| panic!("closed before {name}"));
        assert_eq!(message["name"], name, "{message}");
        message["values"].clone()
    }

    pub fn say(&mut self, name: &str, values: Value) {
        let message = json!({"id": "", "name": name, "values": values});
        self.raw(&serde_json::to_string_pretty(&message).unwrap());
    }

    pub fn raw(&mut self, text: &str) {
        let stream = self.0.get_mut();
        stream.write_all(text.as_bytes()).unwrap();
        stream.write_all(&[0]).unwrap();
    }

    pub fn assert_closed(&mut self) {
        assert_eq!(self.next(), None);
    }

    pub fn close(self) {
        self.0.get_ref().shutdown(Shutdown::Both).unwrap();
    }
}

pub fn accept(listener: &TcpListener) -> Peer {
    listener.set_nonblocking(true).unwrap();
    let mut stream = None;
    wait_for("a connection", || {
        stream = listener.accept().ok();
        stream.is_some()
    });
    let (stream, _) = stream.unwrap();
    stream.set_nonblocking(false).unwrap();
    Peer::of(stream)
}

pub fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    listen().1
}

/// A phone in this role, whose log is in its own folder.
pub fn device(keys: &str) -> Phone {
    let mut phone = Phone::prepared(keys);
    let state = phone.path("state");
    std::fs::create_dir(&state).unwrap();
    phone.reconfigure(&format!("intercomState = {}", state.display()));
    phone.start();
    // It replies once everything is open, its port for calls too.
    phone.control().ask_lines("cmd=CallStatusRequest");
    phone
}

/// A door unit, and the port at which it takes calls.
pub fn door() -> (Phone, u16) {
    let (listener, port) = listen();
    drop(listener);
    let keys = format!(
        "intercomRole = door\nintercomId = 2-1-1\nintercomAddr = 127.0.0.1\nintercomPort = {port}"
    );
    (device(&keys), port)
}

/// A screen that has joined the test's box.
pub fn screen(keys: &str) -> (Phone, TcpListener, Peer) {
    let (listener, port) = listen();
    let token = std::env::temp_dir().join(format!("callrec-token-{port}"));
    std::fs::write(&token, "a-token\n").unwrap();
    let phone = device(&format!(
        "intercomRole = screen\nintercomId = 2-1-201\nboxAddr = 127.0.0.1\nboxPort = {port}\nboxTokenFile = {}\n{keys}",
        token.display()
    ));
    let mut home = accept(&listener);
    let join = home.expect("join_family");
    assert_eq!(
        (&join["token"], &join["id"]),
        (&json!("a-token"), &json!("2-1-201"))
    );
    std::fs::remove_file(token).unwrap();
    (phone, listener, home)
}

pub fn joined() -> (Phone, TcpListener, Peer, Control) {
    joined_with("")
}

pub fn joined_with(keys: &str) -> (Phone, TcpListener, Peer, Control) {
    let (phone, listener, mut home) = screen(keys);
    let mut events = phone.watch();
    home.say("join_accept", json!({"room_id": "2-1-201"}));
    let event = events.until("BoxEvent", "joined");
    assert_eq!(event.value("room_id"), "2-1-201");
    (phone, listener, home, events)
}

pub fn call_req(sid: &str) -> Value {
    json!({
        "sid": sid,
        "src": {"id": "2-1-1", "type": 3, "ip": "192.168.1.22", "port": 7895, "video_stream_id": "b1f0c4"},
        "dest": {"id": "2-1-201", "type": 1, "audio_stream_id": "c7d2e9"},
    })
}
