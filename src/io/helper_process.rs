//! A child process that is talked to through its standard input and output, in lines. Its standard
//! error is this process's.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::process::{Child, Command, Stdio};

use nix::fcntl::{fcntl, FcntlArg, OFlag};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;

use crate::io::sys;

/// A running program. Dropping it kills the process.
pub struct HelperProcess {
    child: Child,
}

impl HelperProcess {
    /// Starts a program with one argument and these variables besides this process's own; writes
    /// this text to its standard input, which must fit into a pipe.
    pub fn start(
        program: &str,
        argument: &str,
        variables: &[(&str, String)],
        input: &[u8],
    ) -> io::Result<Self> {
        let mut command = Command::new(program);
        command
            .arg(argument)
            .envs(variables.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        sys::unblock_signals(&mut command);
        let mut this = Self {
            child: command.spawn()?,
        };
        if let Some(stdout) = &this.child.stdout {
            fcntl(stdout, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        if let Some(stdin) = &mut this.child.stdin {
            fcntl(&*stdin, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
            // A program that reads nothing has ended, or will say so.
            let _ = stdin.write_all(input);
        }
        Ok(this)
    }

    /// For the poll's registry: readable when it has said something, or has ended.
    pub fn fd(&self) -> Option<RawFd> {
        self.child.stdout.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Reads what it has said: 0 at the end, `None` when there is nothing.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(stdout) = &mut self.child.stdout else {
            return Ok(Some(0));
        };
        loop {
            match stdout.read(buffer) {
                Ok(count) => return Ok(Some(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes a last line and ends its standard input.
    pub fn say_goodbye(&mut self, line: &[u8]) {
        if let Some(mut stdin) = self.child.stdin.take() {
            let _ = stdin.write_all(line);
        }
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
    }

    /// It has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for HelperProcess {
    fn drop(&mut self) {
        if !self.has_ended() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it says until its end. One that stays is killed, and fails the test.
    fn said(helper: &mut HelperProcess) -> String {
        let mut text = vec![];
        let mut buffer = [0; 64];
        let patience = std::time::Duration::from_secs(20);
        let began = std::time::Instant::now();
        loop {
            assert!(began.elapsed() < patience, "the program stays");
            match helper.read(&mut buffer).unwrap() {
                Some(0) => return String::from_utf8(text).unwrap(),
                Some(count) => text.extend(&buffer[..count]),
                None => std::thread::sleep(std::time::Duration::from_millis(5)),
            }
        }
    }

    #[test]
    fn a_program_gets_lines_and_says_some() {
        let script = "#!/bin/sh\necho \"$1 $WORD\"; while read -r line; do echo \"<$line>\"; done; echo over\n";
        let path = std::env::temp_dir().join(format!("callrec-helper-{}", std::process::id()));
        std::fs::write(&path, script).unwrap();
        let variables = [("WORD", "hello".to_string())];
        let program = path.to_str().unwrap();
        // Started by the shell: a file that was just written may still be open in a child of
        // another test.
        let mut helper =
            HelperProcess::start("/bin/sh", program, &variables, b"one\ntwo\n").unwrap();
        helper.say_goodbye(b"bye\n");
        assert_eq!(said(&mut helper), " hello\n<one>\n<two>\n<bye>\nover\n");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn signals_reach_a_program_though_this_process_blocks_them() {
        use nix::sys::signal::{SigSet, Signal};
        let mut blocked = SigSet::empty();
        blocked.add(Signal::SIGTERM);
        let before = blocked
            .thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK)
            .unwrap();
        let mut helper = HelperProcess::start("/bin/sleep", "1000", &[], b"").unwrap();
        before.thread_set_mask().unwrap();
        helper.terminate();
        assert_eq!(said(&mut helper), "");
    }

    #[test]
    fn a_program_that_stays_is_ended() {
        let mut helper = HelperProcess::start("/bin/sleep", "1000", &[], b"").unwrap();
        assert!(!helper.has_ended());
        helper.terminate();
        assert_eq!(said(&mut helper), "");
        let missing = HelperProcess::start("/nowhere/helper", "open", &[], b"");
        assert_eq!(missing.err().unwrap().kind(), io::ErrorKind::NotFound);
    }
}
