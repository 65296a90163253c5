//! Firefox and WebKit, Safari's engine, with one page. Both obey the commands of WebDriver: Firefox takes them
//! as Marionette (JSON with its length in front, over TCP), WebKit's driver over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use nix::sys::signal::{killpg, Signal};
use nix::unistd::Pid;
use serde_json::{json, Value};

use super::browser::PATIENCE;
use super::made::Folder;

/// A program and what it starts: they end together.
struct Group(Child);

impl Group {
    fn start(command: &mut Command) -> Self {
        let what = format!("{command:?}");
        let command = command.process_group(0).stdin(Stdio::null());
        Self(command.spawn().expect(&what))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.0.id() as i32), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

enum Connection {
    /// Firefox's own connection, and the number of the last command.
    Marionette(BufReader<TcpStream>, u64),
    /// The driver's address, and the path of the session.
    Http(String, String),
}

/// The browser; it goes away with the test.
pub struct DrivenBrowser {
    connection: Connection,
    /// The browser and, behind it, its display.
    _processes: Vec<Group>,
}

/// What Firefox is told beforehand: any free port; downloads without a question; no packet leaves the
/// computer; a device for sound that is made up, without which no sound ever begins.
const PREFERENCES: [(&str, &str); 7] = [
    ("marionette.port", "0"),
    ("browser.download.folderList", "2"),
    ("browser.shell.checkDefaultBrowser", "false"),
    ("datareporting.policy.dataSubmissionEnabled", "false"),
    ("network.captive-portal-service.enabled", "false"),
    ("network.connectivity-service.enabled", "false"),
    ("media.cubeb.force_mock_context", "true"),
];

impl DrivenBrowser {
    /// Firefox, with its profile and its downloads in the folder.
    pub fn firefox(folder: &Folder) -> Self {
        let mut preferences = String::new();
        let downloads = format!("{:?}", folder.path("downloads"));
        let own = ("browser.download.dir", downloads.as_str());
        for (name, value) in PREFERENCES.iter().chain([&own]) {
            preferences += &format!("user_pref(\"{name}\", {value});\n");
        }
        folder.file("profile/user.js", preferences.as_bytes());
        let mut command = Command::new("firefox-esr");
        command.args(["--headless", "--no-remote", "--marionette", "--profile"]);
        command.arg(folder.path("profile"));
        command.env("HOME", folder.path("profile"));
        let process = Group::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
        let port = folder.path("profile/MarionetteActivePort");
        let stream = connect(|| {
            let port = std::fs::read_to_string(&port).ok()?.trim().parse().ok()?;
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        let mut this = Self {
            connection: Connection::Marionette(BufReader::new(stream), 0),
            _processes: vec![process],
        };
        this.marionette_message(); // it introduces itself
        this.command("NewSession", "", json!({}));
        this
    }

    /// WebKit in its own small browser, on a display that nobody sees; its home and its downloads are in
    /// the folder.
    pub fn webkit(folder: &Folder) -> Self {
        let mut command = Command::new("Xvfb");
        command.args(["-displayfd", "1", "-nolisten", "tcp"]);
        let mut display = Group::start(command.stdout(Stdio::piped()).stderr(Stdio::null()));
        let mut number = String::new();
        let mut output = BufReader::new(display.0.stdout.take().unwrap());
        output.read_line(&mut number).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = port.local_addr().unwrap();
        drop(port);
        let home = folder.path("downloads");
        std::fs::create_dir_all(&home).unwrap();
        let mut command = Command::new("WebKitWebDriver");
        command.arg(format!("--port={}", address.port()));
        command.env("DISPLAY", format!(":{}", number.trim()));
        command.env("HOME", &home).env("XDG_RUNTIME_DIR", &home);
        let driver = Group::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
        connect(|| TcpStream::connect(address).ok());
        let mut this = Self {
            connection: Connection::Http(address.to_string(), "/session".into()),
            _processes: vec![driver, display],
        };
        let session = this.command("NewSession", "", json!({"capabilities": {}}));
        let path = format!("/session/{}", session["sessionId"].as_str().unwrap());
        this.connection = Connection::Http(address.to_string(), path);
        this
    }

    /// A command by its name in Marionette and its path in HTTP; its parameters are the same.
    fn command(&mut self, name: &str, path: &str, parameters: Value) -> Value {
        if let Connection::Http(address, session) = &self.connection {
            return http(address, &format!("{session}{path}"), &parameters);
        }
        let Connection::Marionette(stream, last) = &mut self.connection else {
            unreachable!()
        };
        *last += 1;
        let number = *last;
        let message = json!([0, number, format!("WebDriver:{name}"), parameters]).to_string();
        let framed = format!("{}:{message}", message.len());
        stream.get_mut().write_all(framed.as_bytes()).unwrap();
        let answer = self.marionette_message();
        assert!(
            answer[1] == number && answer[2].is_null(),
            "{name}: {answer}"
        );
        answer[3]["value"].clone()
    }

    fn marionette_message(&mut self) -> Value {
        let Connection::Marionette(stream, _) = &mut self.connection else {
            unreachable!()
        };
        let mut length = vec![];
        stream.read_until(b':', &mut length).unwrap();
        let length = std::str::from_utf8(&length).unwrap();
        let length: usize = length.trim_end_matches(':').parse().unwrap();
        let mut message = vec![0; length];
        stream.read_exact(&mut message).unwrap();
        serde_json::from_slice(&message).unwrap()
    }

    pub fn navigate(&mut self, path: &str) {
        let url = json!({"url": format!("file://{path}")});
        self.command("Navigate", "/url", url);
    }

    /// The value of an expression in the page; of a promise, once it is fulfilled. The page's own names
    /// are known only to its scripts, and its policy forbids `eval`: the expression becomes a script.
    pub fn value(&mut self, expression: &str) -> Value {
        let script = format!(
            "(async () => [await ({expression})])().catch(error => String(error))
                .then(value => document.body.setAttribute('data-value', JSON.stringify(value)))"
        );
        let run = json!({"script": RUN, "args": [script]});
        let answer = self.command("ExecuteAsyncScript", "/execute/async", run);
        let value: Value = serde_json::from_str(answer.as_str().unwrap()).unwrap();
        assert!(value.is_array(), "{expression}: {value}");
        value[0].clone()
    }

    pub fn text(&mut self, selector: &str) -> String {
        let text = format!("document.querySelector('{selector}').innerText");
        self.value(&text).as_str().unwrap().to_owned()
    }

    /// Waits until an expression in the page is true.
    pub fn wait(&mut self, expression: &str) {
        let started = Instant::now();
        while self.value(&format!("Boolean(({expression}))")) != json!(true) {
            if started.elapsed() > PATIENCE {
                panic!("waited in vain: {expression}\n{}", self.text("body"));
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    fn element(&mut self, selector: &str) -> String {
        let find = json!({"using": "css selector", "value": selector});
        let found = self.command("FindElement", "/element", find);
        let id = found.as_object().unwrap().values().next().unwrap();
        id.as_str().unwrap().to_owned()
    }

    /// Clicks as a user does: browsers play no sound before.
    pub fn click(&mut self, selector: &str) {
        let id = self.element(selector);
        let path = format!("/element/{id}/click");
        self.command("ElementClick", &path, json!({"id": id}));
    }

    /// Types into an element.
    pub fn press(&mut self, selector: &str, keys: &str) {
        let id = self.element(selector);
        let path = format!("/element/{id}/value");
        let keys = json!({"id": id, "text": keys});
        self.command("ElementSendKeys", &path, keys);
    }

    /// Chooses files, as in the dialogue of an input.
    pub fn choose(&mut self, selector: &str, paths: &[String]) {
        self.press(selector, &paths.join("\n"));
    }
}

/// Runs a script of the page, and waits for the value that it leaves at the body.
const RUN: &str = "const [text, done] = arguments;
document.body.removeAttribute('data-value');
const script = document.createElement('script');
script.textContent = text;
document.body.append(script);
script.remove();
const look = () => {
    const value = document.body.getAttribute('data-value');
    if (value === null) setTimeout(look, 5); else done(value);
};
look();";

fn connect(mut attempt: impl FnMut() -> Option<TcpStream>) -> TcpStream {
    let started = Instant::now();
    loop {
        if let Some(stream) = attempt() {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            return stream;
        }
        assert!(started.elapsed() < PATIENCE, "the browser does not start");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// The value of the answer to a POST request.
fn http(address: &str, path: &str, body: &Value) -> Value {
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all((head + &body).as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    let (mut status, mut length) = (String::new(), 0);
    stream.read_line(&mut status).unwrap();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert!(status.contains(" 200 "), "{path}: {status} {answer}");
    answer["value"].clone()
}
