//! A recording server whose every word a test chooses.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use super::{wait_for, Answer, PATIENCE};

/// Where phones connect to.
pub struct Scripted {
    listener: TcpListener,
}

impl Scripted {
    pub fn new() -> Self {
        Self {
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
        }
    }

    /// Configuration lines of a phone that records there; its messages end with LF.
    pub fn config(&self) -> String {
        let port = self.listener.local_addr().unwrap().port();
        format!(
            "recordType = server\nserverAddr = 127.0.0.1\nserverPort = {port}\nmessageEnd = lf\n"
        )
    }

    /// The next phone's connection, which has asked for a recording.
    pub fn accept(&self) -> Talk {
        self.listener.set_nonblocking(true).unwrap();
        let mut stream = None;
        wait_for("a phone", || {
            stream = self.listener.accept().ok();
            stream.is_some()
        });
        let (stream, _) = stream.unwrap();
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let media = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut talk = Talk {
            stream,
            media,
            id: String::new(),
            start: Answer(String::new()),
        };
        talk.start = talk.hear();
        assert_eq!(talk.start.value("cmd"), "RecordStartRequest");
        talk.id = talk.start.id();
        talk
    }
}

/// One recording's conversation.
pub struct Talk {
    pub stream: TcpStream,
    pub media: UdpSocket,
    pub id: String,
    pub start: Answer,
}

impl Talk {
    /// The phone's next message.
    pub fn hear(&mut self) -> Answer {
        let mut line = vec![];
        let mut byte = [0];
        while line.last() != Some(&b'\n') {
            self.stream.read_exact(&mut byte).unwrap();
            line.push(byte[0]);
        }
        Answer(String::from_utf8(line).unwrap().trim_end().to_owned())
    }

    pub fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    /// What a server says that records.
    pub fn yes(&self) -> String {
        let port = self.media.local_addr().unwrap().port();
        format!(
            "cmd=RecordStartResponse&id={}&result=success&reason=&server=&port={port}\n",
            self.id
        )
    }

    pub fn agree(&mut self) {
        self.say(&self.yes());
    }

    pub fn stopped(&self) -> String {
        format!("cmd=RecordStopResponse&id={}&result=success\n", self.id)
    }

    /// Answers the stop that comes.
    pub fn finish(&mut self) -> Answer {
        let stop = self.hear();
        assert_eq!(
            (stop.value("cmd").as_str(), stop.id()),
            ("RecordStopRequest", self.id.clone())
        );
        self.say(&self.stopped());
        stop
    }

    /// The connection has ended; nothing was said before.
    pub fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }

    /// The RTP packets that have come; waits for at least so many.
    pub fn packets(&self, least: usize) -> Vec<Vec<u8>> {
        let mut packets = vec![];
        let mut buffer = [0; 2048];
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let wait = if packets.len() < least {
                PATIENCE
            } else {
                Duration::from_millis(1)
            };
            self.media.set_read_timeout(Some(wait)).unwrap();
            match self.media.recv(&mut buffer) {
                Ok(len) => packets.push(buffer[..len].to_vec()),
                Err(_) => break,
            }
        }
        assert!(packets.len() >= least, "{} packets", packets.len());
        packets
    }
}
