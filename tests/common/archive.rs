//! The real `callrec-server archive` over the folder of a recording server, and requests to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use super::postgres::database_options;
use super::server::Server;
use super::{command, run, wait_for, Process, PATIENCE};

/// A running archive, and the folder that it serves.
pub struct Archive {
    pub dir: PathBuf,
    options: Vec<String>,
    environment: Vec<(String, String)>,
    process: Process,
    log: PathBuf,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Archive {
    /// One over this folder, which has read all recordings that are there.
    pub fn new(dir: &Path, options: &[&str]) -> Self {
        Self::with(dir, options, vec![])
    }

    /// One with more in its environment.
    pub fn with(dir: &Path, options: &[&str], environment: Vec<(String, String)>) -> Self {
        let mut archive = Self {
            dir: dir.into(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            environment,
            process: Process::default(),
            log: dir.with_file_name("archive-log"),
        };
        archive.start();
        archive
    }

    pub fn start(&mut self) {
        let _ = std::fs::remove_file(&self.log);
        let log = std::fs::File::create(&self.log).unwrap();
        let mut program = command(env!("CARGO_BIN_EXE_callrec-server"));
        program.arg("archive").arg("--dir").arg(&self.dir);
        program.args(["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]);
        program.args(self.database());
        program.args(&self.options).env("TZ", "UTC");
        program.envs(self.environment.clone());
        self.process.start(&mut program, log);
        wait_for("the archive", || {
            let lives = self.process.lives();
            assert!(lives, "the archive did not start: {}", self.log());
            let log = self.log();
            log.contains("all recordings are in the catalogue")
                && log.contains("archive is ready on ")
        });
    }

    /// One is in the options, or chosen for all tests.
    fn database(&self) -> Vec<String> {
        match self.options.iter().any(|option| option == "--database") {
            true => vec![],
            false => database_options(&self.dir),
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    fn said(&self, words: &str) -> SocketAddr {
        let log = self.log();
        let after = log.split(words).nth(1).unwrap();
        let text = after.split([' ', ',', '\n']).next().unwrap();
        text.parse().unwrap()
    }

    pub fn address(&self) -> SocketAddr {
        self.said("archive is ready on ")
    }

    pub fn metrics_address(&self) -> SocketAddr {
        self.said("metrics on ")
    }

    pub fn metrics(&self) -> String {
        let reply = send(self.metrics_address(), "GET /metrics", &[], b"");
        String::from_utf8(reply.body).unwrap()
    }

    /// The path of the one-time link.
    pub fn first_link(&self) -> String {
        let log = self.log();
        let link = log.split("/first?token=").nth(1).unwrap();
        format!("/first?token={}", link.split_whitespace().next().unwrap())
    }

    /// A command over the same folder.
    pub fn command(&self, words: &[&str]) -> Output {
        let mut options = self.options.iter().map(String::as_str);
        let database = options.position(|option| option == "--database");
        let url = database.and_then(|_| options.next());
        let more = url.map(|url| vec!["--database", url]).unwrap_or_default();
        archive_command(&self.dir, &[words, &more].concat())
    }

    /// A new token.
    pub fn token(&self, name: &str, role: &str, more: &[&str]) -> String {
        let words = ["token", "new", name, "--role", role];
        let mut all = vec![];
        // The tenants are in the options.
        let mut options = self.options.iter().map(String::as_str);
        while let Some(option) = options.next() {
            if option == "--tenant" {
                all.push(format!("--tenant={}", options.next().unwrap()));
            }
        }
        let conf = self.dir.with_file_name("tenants.conf");
        let lines: String = all
            .iter()
            .map(|tenant| format!("tenant = {}\n", tenant.trim_start_matches("--tenant=")))
            .collect();
        std::fs::write(&conf, lines).unwrap();
        let conf = conf.to_str().unwrap();
        let output = self.command(&[&words[..], more, &["-c", conf]].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A request with a token.
    pub fn ask(&self, token: &str, request: &str, headers: &[&str], body: &[u8]) -> Reply {
        let bearer = format!("Authorization: Bearer {token}");
        let mut all = headers.to_vec();
        if !token.is_empty() {
            all.push(&bearer);
        }
        send(self.address(), request, &all, body)
    }

    pub fn get(&self, token: &str, path: &str) -> Reply {
        self.ask(token, &format!("GET {path}"), &[], b"")
    }

    /// A change with a JSON body.
    pub fn change(&self, token: &str, request: &str, body: &Value) -> Reply {
        let kind = "Content-Type: application/json";
        self.ask(token, request, &[kind], body.to_string().as_bytes())
    }

    /// Has the process killed before the call of this number that a thread makes from now on, of these
    /// system calls. The tracer ends with it.
    pub fn kill_before(&mut self, calls: &str, number: usize) -> Child {
        let pid = self.process.pid().to_string();
        let inject = format!("inject={calls}:signal=KILL:when={number}");
        let log = self.dir.with_file_name("strace-said");
        let said = std::fs::File::create(&log).unwrap();
        let strace = Command::new("strace")
            .args(["-f", "-p", &pid, "-o", "/dev/null"])
            .args(["-e", &format!("trace={calls}"), "-e", &inject])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .unwrap();
        wait_for("strace", || {
            std::fs::read_to_string(&log).unwrap().contains("attached")
        });
        strace
    }

    /// Asks for a deletion; `None`: the archive has not answered.
    pub fn delete(&self, token: &str, id: &str) -> Option<u16> {
        let bearer = format!("Authorization: Bearer {token}");
        let headers = [bearer.as_str(), "Content-Type: application/json"];
        let request = format!("DELETE /api/v1/recordings/{id}");
        let body = r#"{"reason": "asked for"}"#;
        let mut answer = String::new();
        let mut reader = begin(self.address(), &request, &headers, body.as_bytes());
        let _ = reader.read_to_string(&mut answer);
        answer.split(' ').nth(1)?.parse().ok()
    }

    /// All recordings of a search.
    pub fn list(&self, token: &str, search: &str) -> Vec<Value> {
        let reply = self.get(token, &format!("/api/v1/recordings?{search}"));
        assert_eq!(reply.status, 200, "{search}: {}", reply.text());
        reply.json()["recordings"].as_array().unwrap().clone()
    }

    /// All lines of the audit log.
    pub fn audit_lines(&self) -> Vec<Value> {
        let files = std::fs::read_dir(self.dir.join(".archive")).unwrap();
        let files = files
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|kind| kind == "ndjson"));
        let text: String = files
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Waits until a search finds so many.
    pub fn wait_for(&self, token: &str, search: &str, count: usize) -> Vec<Value> {
        let mut found = vec![];
        wait_for(&format!("{count} recordings of '{search}'"), || {
            found = self.list(token, search);
            found.len() == count
        });
        found
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the archive's log\n{}", self.log());
        }
        self.kill();
    }
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        let found = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    /// The cookie that it sets, for a request.
    pub fn cookie(&self) -> String {
        self.header("set-cookie")
            .split(';')
            .next()
            .unwrap()
            .to_owned()
    }
}

/// The folder of a server's recordings.
pub fn recordings(server: &Server) -> PathBuf {
    server.dir.join("recordings")
}

/// A whole call of this many packets.
pub fn record(server: &Server, id: &str, keys: &str, packets: u32) {
    let mut phone = server.phone(id, keys);
    phone.send(packets, false);
    assert!(phone.stop().success());
}

/// A command of the archive over a folder.
pub fn archive_command(dir: &Path, words: &[&str]) -> Output {
    let is_chosen = words.contains(&"--database");
    let database = if is_chosen {
        vec![]
    } else {
        database_options(dir)
    };
    let database: Vec<&str> = database.iter().map(String::as_str).collect();
    let words = [
        &["archive"],
        words,
        &["--dir", dir.to_str().unwrap()],
        &database,
    ]
    .concat();
    run(env!("CARGO_BIN_EXE_callrec-server"), &words)
}

/// The same with a line on standard input.
pub fn archive_command_with(dir: &Path, words: &[&str], line: &str) -> Output {
    let mut program = command(env!("CARGO_BIN_EXE_callrec-server"));
    program.arg("archive").args(words).arg("--dir").arg(dir);
    program.args(database_options(dir));
    let piped = program.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// One request on a connection of its own.
pub fn send(to: SocketAddr, request: &str, headers: &[&str], body: &[u8]) -> Reply {
    let mut reader = begin(to, request, headers, body);
    let (status, headers) = read_head(&mut reader);
    let mut rest = vec![];
    let _ = reader.read_to_end(&mut rest);
    let is_chunked = headers
        .iter()
        .any(|(key, value)| key.eq_ignore_ascii_case("transfer-encoding") && value == "chunked");
    Reply {
        status,
        headers,
        body: if is_chunked { unchunked(&rest) } else { rest },
    }
}

/// Sends a request; the answer is to be read.
pub fn begin(to: SocketAddr, request: &str, headers: &[&str], body: &[u8]) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = format!("{request} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|line| line.starts_with("Host:")) {
        head += &format!("Host: {to}\r\n");
    }
    for line in headers {
        head += &format!("{line}\r\n");
    }
    if !body.is_empty() {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    stream.write_all((head + "\r\n").as_bytes()).unwrap();
    let _ = stream.write_all(body);
    BufReader::new(stream)
}

/// The status and the headers.
pub fn read_head(reader: &mut BufReader<TcpStream>) -> (u16, Vec<(String, String)>) {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap_or("0").parse().unwrap();
    let mut headers = vec![];
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end().split_once(": ") {
            Some((key, value)) => headers.push((key.to_owned(), value.to_owned())),
            None => return (status, headers),
        }
    }
}

/// The bytes of a chunked body, as far as it goes.
pub fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = vec![];
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).unwrap_or("0");
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        let chunk = &rest[end + 2..];
        if size == 0 || chunk.len() < size {
            break;
        }
        body.extend_from_slice(&chunk[..size]);
        rest = &chunk[(size + 2).min(chunk.len())..];
    }
    body
}

/// Writes a file from its base64.
pub fn write_base64(path: &Path, text: &str) {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text
        .bytes()
        .filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte));
    let digits: Vec<usize> = digits.collect();
    let mut bytes = vec![];
    for four in digits.chunks(4) {
        let bits = four
            .iter()
            .enumerate()
            .fold(0, |bits, (at, digit)| bits | digit << (18 - 6 * at));
        let three = [bits >> 16, bits >> 8, bits].map(|byte| byte as u8);
        bytes.extend_from_slice(&three[..four.len() - 1]);
    }
    std::fs::write(path, bytes).unwrap();
}
