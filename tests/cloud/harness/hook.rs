//! Whoever receives webhooks, or plays a cloud: an HTTP server whose answers the test chooses.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::common::wait_for;

/// A request that has come.
#[derive(Clone, Debug)]
pub struct Request {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map_or("", |(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

type Respond = Box<dyn Fn(&Request) -> Option<Vec<u8>> + Send + Sync>;

/// A server that remembers what has come.
pub struct Hook {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Hook {
    /// Answers with these statuses, one after the other, then with 200.
    pub fn with_statuses(statuses: &[u16]) -> Self {
        let statuses = Mutex::new(VecDeque::from(statuses.to_vec()));
        Self::new(move |_| {
            let status = statuses.lock().unwrap().pop_front().unwrap_or(200);
            Some(reply(status, "{}"))
        })
    }

    /// `None`: no answer is ever given.
    pub fn new(respond: impl Fn(&Request) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(vec![]));
        let respond: Arc<Respond> = Arc::new(Box::new(respond));
        let kept = requests.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (kept, respond) = (kept.clone(), respond.clone());
                thread::spawn(move || serve(stream.unwrap(), &kept, &**respond));
            }
        });
        Self { address, requests }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits for so many.
    pub fn wait_for(&self, count: usize) -> Vec<Request> {
        wait_for("requests", || self.requests().len() >= count);
        self.requests()
    }
}

pub fn reply(status: u16, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn serve(
    stream: TcpStream,
    kept: &Mutex<Vec<Request>>,
    respond: &(dyn Fn(&Request) -> Option<Vec<u8>> + Send + Sync),
) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        kept.lock().unwrap().push(request.clone());
        match respond(&request) {
            Some(bytes) => {
                if writer.write_all(&bytes).is_err() {
                    return;
                }
            }
            None => {
                // Until the other side gives up.
                let _ = reader.read_to_end(&mut vec![]);
                return;
            }
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut headers: Vec<(String, String)> = vec![];
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        line: line.trim_end().to_owned(),
        headers,
        body: String::from_utf8(body).unwrap(),
    })
}
