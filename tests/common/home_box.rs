//! A running `callrec-box` with addresses of its own, so that several tests run at once with the
//! ports that users have.

use std::fs::{self, File};
use std::path::PathBuf;

use nix::sys::signal::Signal;

use super::intercom::Peer;
use super::{command, folder, run, wait_for, Control, Process};

pub struct HomeBox {
    dir: PathBuf,
    process: Process,
    /// The first three numbers of its addresses.
    network: String,
}

impl HomeBox {
    /// A running box; `config` is added to what places it in its folder.
    pub fn new(config: &str) -> Self {
        let (dir, number) = folder();
        let process = std::process::id();
        let network = format!("127.{}.{}", 16 + process % 200, number % 250);
        let text = format!(
            "roomId = 2-1-201\nhomeAddr = {network}.1\ncommunityAddr = {network}.2\n\
             streamPort = 9540\nstateDir = {0}/state\ncontrolSocket = {0}/box.sock\n{config}\n",
            dir.display()
        );
        fs::write(dir.join("box.conf"), text).unwrap();
        let mut this = Self {
            dir,
            process: Process::default(),
            network,
        };
        this.start();
        this
    }

    pub fn start(&mut self) {
        let mut program = command(env!("CARGO_BIN_EXE_callrec-box"));
        program.args(["run", "-c", &self.path("box.conf")]);
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path("log"));
        self.process.start(&mut program, log.unwrap());
        let socket = self.dir.join("box.sock");
        wait_for("the box to start", || {
            assert!(self.process.lives(), "{}", self.log());
            std::os::unix::net::UnixStream::connect(&socket).is_ok()
        });
    }

    pub fn path(&self, name: &str) -> String {
        self.dir.join(name).to_str().unwrap().to_owned()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Its exit status after SIGTERM.
    pub fn end(&mut self) -> Option<i32> {
        self.process.signal(Signal::SIGTERM);
        self.process.wait()
    }

    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// Where screens join.
    pub fn family(&self) -> String {
        format!("{}.1:7891", self.network)
    }

    /// Where the community calls.
    pub fn call(&self) -> String {
        format!("{}.2:7892", self.network)
    }

    /// The stream server, on either side.
    pub fn streams_at_home(&self) -> String {
        format!("{}.1:9540", self.network)
    }

    pub fn streams_outside(&self) -> String {
        format!("{}.2:9540", self.network)
    }

    pub fn control(&self) -> Control {
        Control::open(&self.dir.join("box.sock"))
    }

    pub fn ask(&self, request: &str) -> super::Answer {
        self.control().ask(request)
    }

    /// A file with a new token for a device.
    pub fn token_file(&self, device: &str, device_type: &str) -> String {
        let path = self.path(&format!("token-{device}"));
        fs::write(&path, self.token(device, device_type)).unwrap();
        path
    }

    pub fn token(&self, device: &str, device_type: &str) -> String {
        let config = self.path("box.conf");
        let arguments = [
            "token",
            "new",
            "--device",
            device,
            "--type",
            device_type,
            "-c",
            &config,
        ];
        let output = run(env!("CARGO_BIN_EXE_callrec-box"), &arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A screen of the test that has joined.
    pub fn screen(&self, device: &str, device_type: &str) -> Peer {
        let token = self.token(device, device_type);
        let mut screen = Peer::connect(&self.family());
        screen.say(&format!(
            r#"{{"name":"join_family","values":{{"token":"{token}"}}}}"#
        ));
        screen.hear("join_accept");
        screen
    }
}

impl Drop for HomeBox {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the box's log\n{}", self.log());
        }
        self.process.kill();
        let _ = fs::remove_dir_all(&self.dir);
    }
}
