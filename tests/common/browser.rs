//! Chromium with one page, driven by the DevTools protocol over a pipe: a JSON object and a NUL for
//! each message.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{channel, Receiver};
use std::time::{Duration, Instant};

use nix::sys::signal::{killpg, Signal};
use nix::unistd::Pid;
use serde_json::{json, Value};

use super::made::Folder;

/// A browser's start, or hours of audio, on a machine with other things to do.
pub const PATIENCE: Duration = Duration::from_secs(180);

const ARGUMENTS: [&str; 8] = [
    "--headless=new",
    "--no-sandbox", // root has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--mute-audio",
    "--remote-debugging-pipe", // descriptors 3 and 4
];

/// The browser; it goes away with the test.
pub struct Browser {
    process: Child,
    requests: ChildStdin,
    messages: Receiver<Value>,
    /// Events that nobody has asked for yet.
    events: Vec<Value>,
    /// The page's session; empty for messages to the browser itself.
    session: String,
    last: u64,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.process.id() as i32), Signal::SIGKILL);
        let _ = self.process.wait();
    }
}

impl Browser {
    /// Starts one whose language is `language`, with its profile and its downloads in the folder.
    pub fn start(folder: &Folder, language: &str) -> Self {
        let mut command = Command::new("sh");
        let script = "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";
        command.args(["-c", script, "sh"]).args(ARGUMENTS);
        command.arg(format!("--user-data-dir={}", folder.path("profile")));
        command.arg(format!("--accept-lang={language}"));
        // A group of its own, that ends as one.
        let piped = command.process_group(0).stdin(Stdio::piped());
        let mut process = piped.stdout(Stdio::piped()).spawn().expect("chromium");
        let requests = process.stdin.take().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            let mut message = vec![];
            while matches!(output.read_until(0, &mut message), Ok(1..)) {
                message.pop();
                let value = serde_json::from_slice(&message).unwrap();
                message.clear();
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        let mut this = Self {
            process,
            requests,
            messages,
            events: vec![],
            session: String::new(),
            last: 0,
        };
        this.open_page(folder);
        this
    }

    fn open_page(&mut self, folder: &Folder) {
        let downloads = json!({"behavior": "allow", "downloadPath": folder.path("downloads"), "eventsEnabled": true});
        self.call("Browser.setDownloadBehavior", downloads);
        let target = self.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = self.call("Target.attachToTarget", attach);
        self.session = session["sessionId"].as_str().unwrap().to_owned();
        self.call("Page.enable", json!({}));
    }

    /// A command of the protocol, and its result.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut request = json!({"id": self.last, "method": method, "params": params});
        if !self.session.is_empty() {
            request["sessionId"] = json!(self.session);
        }
        let mut bytes = request.to_string().into_bytes();
        bytes.push(0);
        self.requests.write_all(&bytes).unwrap();
        loop {
            let message = self.messages.recv_timeout(PATIENCE).expect(method);
            if message["id"] == self.last {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    /// Waits for an event, and returns its parameters.
    pub fn event(&mut self, method: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let is_it = |event: &Value| event["method"] == method && is_it(&event["params"]);
        loop {
            if let Some(at) = self.events.iter().position(is_it) {
                return self.events.remove(at)["params"].clone();
            }
            let message = self.messages.recv_timeout(PATIENCE).expect(method);
            self.events.push(message);
        }
    }

    /// Does what makes the page load another one, or itself again, by its own script, and waits until
    /// that has loaded: what is evaluated while the old page goes is lost.
    pub fn loads_after<T>(&mut self, act: impl FnOnce() -> T) -> T {
        const LOADED: &str = "Page.loadEventFired";
        self.events.extend(self.messages.try_iter());
        self.events.retain(|event| event["method"] != LOADED);
        let done = act();
        self.event(LOADED, |_| true);
        done
    }

    /// The value of an expression in the page; of a promise, once it is fulfilled.
    pub fn value(&mut self, expression: &str) -> Value {
        let params = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
        });
        let result = self.call("Runtime.evaluate", params);
        assert!(
            result["exceptionDetails"].is_null(),
            "{expression}: {result}"
        );
        result["result"]["value"].clone()
    }

    pub fn text(&mut self, expression: &str) -> String {
        self.value(expression).as_str().unwrap().to_owned()
    }

    /// Waits until an expression in the page is true.
    pub fn wait(&mut self, expression: &str) {
        let started = Instant::now();
        while self.value(&format!("Boolean(({expression}))")) != json!(true) {
            if started.elapsed() > PATIENCE {
                let page = self.text("document.body.innerText");
                panic!("waited in vain: {expression}\n{page}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn navigate(&mut self, path: &str) {
        let result = self.call("Page.navigate", json!({"url": format!("file://{path}")}));
        assert!(result["errorText"].is_null(), "{result}");
        self.wait("document.readyState === 'complete'");
    }

    /// Chooses files, or a folder, as in the dialogue of an input.
    pub fn choose(&mut self, selector: &str, paths: &[String]) {
        let document = self.call("DOM.getDocument", json!({}));
        let query = json!({"nodeId": document["root"]["nodeId"], "selector": selector});
        let node = self.call("DOM.querySelector", query);
        let files = json!({"nodeId": node["nodeId"], "files": paths});
        self.call("DOM.setFileInputFiles", files);
    }

    /// Drops files and folders on the page.
    pub fn drop_files(&mut self, paths: &[String]) {
        for kind in ["dragEnter", "dragOver", "drop"] {
            let data = json!({"items": [], "files": paths, "dragOperationsMask": 1});
            let event = json!({"type": kind, "x": 100, "y": 100, "data": data});
            self.call("Input.dispatchDragEvent", event);
        }
    }

    /// Presses and releases a key.
    pub fn press(&mut self, key: &str, code: u32) {
        for kind in ["rawKeyDown", "keyUp"] {
            let event = json!({"type": kind, "key": key, "windowsVirtualKeyCode": code});
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Resident bytes of the processes that run pages.
    pub fn resident_bytes(&self) -> u64 {
        let group = self.process.id().to_string();
        let is_renderer = |path: &Path| {
            let read = |name| std::fs::read_to_string(path.join(name)).unwrap_or_default();
            let stat = read("stat");
            let after_name = stat.rsplit(')').next().unwrap_or_default();
            let of_group = after_name.split_whitespace().nth(2) == Some(&group);
            of_group && read("cmdline").contains("--type=renderer")
        };
        let processes = std::fs::read_dir("/proc").unwrap();
        let paths = processes.map(|entry| entry.unwrap().path());
        let pages = paths.filter(|path| is_renderer(path)).map(|path| {
            let statm = std::fs::read_to_string(path.join("statm")).unwrap_or_default();
            let resident = statm.split(' ').nth(1).map(str::parse::<u64>);
            resident.and_then(Result::ok).unwrap_or(0) * 4096
        });
        pages.sum()
    }
}
