//! What `callrec-box` tells the property's server, and that a server which is away delays nothing.
#![cfg(feature = "box")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{channel, Receiver};

use crate::common::home_box::HomeBox;
use crate::common::intercom::{Peer, CALL_REQ};
use crate::common::PATIENCE;
use serde_json::Value;

/// A server that replies with this status to each request; what it was sent: path and form.
struct Property {
    address: String,
    requests: Receiver<(String, Vec<(String, String)>)>,
}

impl Property {
    fn new(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = sender.send(serve(stream.unwrap(), status));
            }
        });
        Self { address, requests }
    }

    /// The form of the next event of this name.
    fn event(&self, name: &str) -> Value {
        loop {
            let (path, form) = self.requests.recv_timeout(PATIENCE).expect(name);
            let value = |key: &str| {
                let pair = form.iter().find(|(found, _)| found == key);
                pair.map_or("", |(_, value)| value.as_str()).to_owned()
            };
            if value("event") == name {
                assert_eq!(path, "/propserver/api/device/event");
                assert_eq!(
                    (value("dev_type"), value("dev_id")),
                    ("1".into(), "box-7".into())
                );
                assert_eq!(value("encode"), "json");
                assert!(value("time").parse::<u64>().unwrap() > 1_700_000_000);
                return serde_json::from_str(&value("content")).unwrap();
            }
        }
    }
}

fn serve(mut stream: TcpStream, status: &str) -> (String, Vec<(String, String)>) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = String::new();
    let mut buffer = [0; 1000];
    let body = loop {
        let count = stream.read(&mut buffer).unwrap();
        text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: "));
            if body.len() == length.unwrap().parse::<usize>().unwrap() {
                break body.to_owned();
            }
        }
    };
    let reply = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(reply.as_bytes()).unwrap();
    let path = text.split(' ').nth(1).unwrap().to_owned();
    let pairs = body.split('&').map(|pair| {
        let (key, value) = pair.split_once('=').unwrap();
        (key.to_owned(), decoded(value))
    });
    (path, pairs.collect())
}

fn decoded(value: &str) -> String {
    let mut bytes = vec![];
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            let digits = std::str::from_utf8(&digits).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn home(server: &str) -> HomeBox {
    HomeBox::new(&format!("boxId = box-7\npropertyServer = {server}"))
}

#[test]
fn calls_joins_and_alarms_are_reported() {
    let property = Property::new("200 OK");
    let home = home(&property.address);
    property.event("start");
    let mut panel = home.screen("panel", "1");
    assert_eq!(property.event("join_family")["id"], "panel");
    let mut door = Peer::connect(&home.call());
    door.say(CALL_REQ);
    panel.hear("call_req");
    assert_eq!(property.event("callin")["id"], "2-1-1");
    panel.say(r#"{"name":"call_reject","values":{"sid":"c0ffee","reason":"declined"}}"#);
    assert_eq!(property.event("call_reject")["reason"], "declined");
    let alarm = home.ask("cmd=AlarmRequest&port=3&name=烟感&message=");
    let told = property.event("emergency");
    assert_eq!(told["port"], "3");
    assert_eq!(told["name"], "烟感");
    assert_eq!(told["rand_key"], alarm.value("alarm"));
}

#[test]
fn a_server_that_refuses_or_is_away_delays_no_call() {
    let refusing = Property::new("500 Internal Server Error");
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    for server in [&refusing.address, &nobody] {
        let home = home(server);
        let mut panel = home.screen("panel", "1");
        for _ in 0..20 {
            let mut door = Peer::connect(&home.call());
            door.say(CALL_REQ);
            panel.hear("call_req");
            drop(door);
            panel.hear("call_end");
        }
        assert!(home.log().contains("property server: "), "{}", home.log());
        assert_eq!(
            home.log().matches("property server: ").count(),
            1,
            "told once"
        );
    }
}
