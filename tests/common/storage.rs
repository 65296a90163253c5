//! A real S3 server (moto) on loopback.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::socket::{
    bind, getsockname, setsockopt, socket, sockopt, AddressFamily, SockFlag, SockType, SockaddrIn,
};

use super::{wait_for, PATIENCE};

/// The server takes any.
const SIGN: &str =
    "Authorization: AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request\r\n";

/// An S3 server that can be stopped and started again on its port; it forgets what it had.
pub struct Storage {
    pub address: SocketAddr,
    child: Option<Child>,
    /// Nobody else gets the port meanwhile.
    _reserved: OwnedFd,
}

impl Storage {
    pub fn prepared() -> Self {
        Self::prepared_at(Ipv4Addr::LOCALHOST)
    }

    /// At another address of this computer, on any port.
    pub fn prepared_at(address: Ipv4Addr) -> Self {
        let reserved = socket(
            AddressFamily::Inet,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC,
            None,
        )
        .unwrap();
        setsockopt(&reserved, sockopt::ReuseAddr, &true).unwrap();
        let any_port = SockaddrIn::from(SocketAddrV4::new(address, 0));
        bind(reserved.as_raw_fd(), &any_port).unwrap();
        let port = getsockname::<SockaddrIn>(reserved.as_raw_fd())
            .unwrap()
            .port();
        Self {
            address: SocketAddr::from((address, port)),
            child: None,
            _reserved: reserved,
        }
    }

    /// Without its bucket.
    pub fn start_empty(&mut self) {
        let own = "target/moto/bin/moto_server";
        let program = if Path::new(own).exists() {
            own
        } else {
            "moto_server"
        };
        let mut command = Command::new(program);
        command.args(["-H", &self.address.ip().to_string()]);
        command.args(["-p", &self.address.port().to_string()]);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.expect("moto_server is not there: scripts/test installs it"));
        wait_for("the S3 server", || TcpStream::connect(self.address).is_ok());
    }

    pub fn start(&mut self) {
        self.start_empty();
        self.make_bucket();
    }

    pub fn make_bucket(&self) {
        assert_eq!(self.ask("PUT", "/calls").0, 200);
    }

    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Instead of it, somebody who takes so much of one request and holds the connection.
    pub fn pretend(&self, bytes: usize) -> (TcpListener, TcpStream, Vec<u8>) {
        let listener = TcpListener::bind(self.address).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut taken = vec![0; bytes];
        stream.read_exact(&mut taken).unwrap();
        (listener, stream, taken)
    }

    /// Status and body.
    pub fn ask(&self, method: &str, path: &str) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: s3\r\n{SIGN}Content-Length: 0\r\n\r\n"
        )
        .unwrap();
        let mut bytes = vec![];
        stream.read_to_end(&mut bytes).unwrap();
        let end = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .unwrap();
        let status = String::from_utf8_lossy(&bytes[9..12]).parse().unwrap();
        (status, bytes[end + 4..].to_vec())
    }

    /// Stores an object.
    pub fn put(&self, key: &str, bytes: &[u8]) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = bytes.len();
        write!(
            stream,
            "PUT /calls/{key} HTTP/1.0\r\nHost: s3\r\n{SIGN}Content-Length: {length}\r\n\r\n"
        )
        .unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer.split(' ').nth(1), Some("200"), "{answer}");
    }

    /// The environment by which programs find it.
    pub fn environment(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://{}", self.address);
        let pairs = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", "k"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("NO_PROXY", "127.0.0.1"),
        ];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        pairs.into()
    }

    /// The keys of all objects in the bucket.
    pub fn keys(&self) -> Vec<String> {
        let (status, list) = self.ask("GET", "/calls?list-type=2&max-keys=1000");
        let list = String::from_utf8(list).unwrap();
        assert_eq!(status, 200, "{list}");
        let keys = list.split("<Key>").skip(1);
        keys.map(|rest| rest.split("</Key>").next().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.stop();
    }
}
