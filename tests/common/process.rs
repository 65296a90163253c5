//! A program that a test has started, its own and not a thread: it can be stopped, and killed.

use std::process::{Child, Command, Stdio};

use nix::sys::signal::{kill, killpg, Signal};
use nix::unistd::{getpgid, Pid};

use super::wait_for;

#[derive(Default)]
pub struct Process(Option<Child>);

impl Process {
    /// Starts it; it may neither read nor print, but for its log.
    pub fn start(&mut self, command: &mut Command, log: std::fs::File) {
        self.0 = Some(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap(),
        );
    }

    pub fn lives(&mut self) -> bool {
        self.0
            .as_mut()
            .is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    pub fn pid(&self) -> i32 {
        self.0.as_ref().unwrap().id() as i32
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Power cut, as far as a process can have one. Of a group of its own all are killed: one that is
    /// traced cannot be waited for while its tracer stands still.
    pub fn kill(&mut self) {
        let lives = self.lives();
        if let Some(mut child) = self.0.take() {
            let pid = Pid::from_raw(child.id() as i32);
            if lives && getpgid(Some(pid)) == Ok(pid) {
                let _ = killpg(pid, Signal::SIGKILL);
            }
            let _ = child.kill();
            child.wait().unwrap();
        }
    }

    /// Waits for its own end; the exit status.
    pub fn wait(&mut self) -> Option<i32> {
        let mut child = self.0.take().unwrap();
        let mut status = None;
        wait_for("the program's end", || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
