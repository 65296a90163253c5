//! A child process that is talked to through its standard input and output, in lines. Its standard
//! error is this process's.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};

use nix::fcntl::{fcntl, FcntlArg, OFlag};
use nix::sys::signal::{kill, Signal};
use nix::unistd::{pipe2, Pid};

use crate::io::sys;

/// A running program. Dropping it kills the process.
pub struct HelperProcess {
    process: Pid,
    /// It has ended and was taken back: its number may be another process's by now.
    has_ended: bool,
    /// `None`: it was said goodbye.
    stdin: Option<File>,
    stdout: File,
}

impl HelperProcess {
    /// Starts a program with one argument and these variables (`NAME=VALUE`) besides this process's
    /// own; writes this text to its standard input, which must fit into a pipe.
    pub fn start(
        program: &str,
        argument: &str,
        variables: &[CString],
        input: &[u8],
    ) -> io::Result<Self> {
        let (its_stdin, stdin) = pipe2(OFlag::O_CLOEXEC)?;
        let (stdout, its_stdout) = pipe2(OFlag::O_CLOEXEC)?;
        for end in [&stdin, &stdout] {
            fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        let process = sys::spawn(
            &CString::new(program)?,
            &CString::new(argument)?,
            variables,
            its_stdin.as_fd(),
            its_stdout.as_fd(),
        )?;
        let mut stdin = File::from(stdin);
        // A program that reads nothing has ended, or will say so.
        let _ = stdin.write_all(input);
        Ok(Self {
            process: Pid::from_raw(process),
            has_ended: false,
            stdin: Some(stdin),
            stdout: stdout.into(),
        })
    }

    /// For the poll's registry: readable when it has said something, or has ended.
    pub fn fd(&self) -> RawFd {
        self.stdout.as_raw_fd()
    }

    /// Reads what it has said: 0 at the end, `None` when there is nothing.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.stdout.read(buffer) {
                Ok(count) => return Ok(Some(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes a last line and ends its standard input.
    pub fn say_goodbye(&mut self, line: &[u8]) {
        if let Some(mut stdin) = self.stdin.take() {
            let _ = stdin.write_all(line);
        }
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    fn signal(&self, signal: Signal) {
        if !self.has_ended {
            let _ = kill(self.process, signal);
        }
    }

    /// It has ended.
    pub fn has_ended(&mut self) -> bool {
        self.has_ended = self.has_ended || sys::reap(self.process.as_raw(), false).unwrap_or(true);
        self.has_ended
    }
}

impl Drop for HelperProcess {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.signal(Signal::SIGKILL);
            let _ = sys::reap(self.process.as_raw(), true);
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
        let variables = [CString::new("WORD=hello").unwrap()];
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
    #[cfg_attr(target_arch = "arm", ignore = "qemu-user takes signals itself")]
    fn a_program_takes_every_signal_as_usual() {
        use nix::sys::signal::{SigSet, SigmaskHow};
        let before = SigSet::all()
            .thread_swap_mask(SigmaskHow::SIG_BLOCK)
            .unwrap();
        let mut helper = HelperProcess::start("/bin/cat", "/proc/self/status", &[], b"").unwrap();
        before.thread_set_mask().unwrap();
        let status = said(&mut helper);
        let signals = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            u64::from_str_radix(line.unwrap().trim(), 16).unwrap()
        };
        assert_eq!(signals("SigBlk:"), 0);
        // A program in Rust, as this one, ignores SIGPIPE.
        assert_eq!(signals("SigIgn:") & 1 << (Signal::SIGPIPE as u64 - 1), 0);
    }

    #[test]
    fn variables_are_added_to_the_environment_or_replaced() {
        let variables = ["PATH=/replaced", "WORD=hello=x"].map(|text| CString::new(text).unwrap());
        let mut helper = HelperProcess::start("/usr/bin/env", "LAST=1", &variables, b"").unwrap();
        let text = said(&mut helper);
        let lines: Vec<_> = text.lines().collect();
        let paths = lines.iter().filter(|line| line.starts_with("PATH="));
        assert_eq!(paths.collect::<Vec<_>>(), [&"PATH=/replaced"]);
        assert!(lines.contains(&"WORD=hello=x") && lines.contains(&"LAST=1"));
        for (key, value) in std::env::vars().filter(|(key, _)| key != "PATH") {
            assert!(text.contains(&format!("{key}={value}\n")), "{key}");
        }
    }

    #[test]
    fn a_program_does_not_hold_the_pipes_of_another_one() {
        let mut first = HelperProcess::start("/bin/cat", "-", &[], b"words").unwrap();
        let mut second = HelperProcess::start("/bin/sleep", "1000", &[], b"").unwrap();
        first.say_goodbye(b"");
        assert_eq!(said(&mut first), "words");
        assert!(!second.has_ended());
    }

    #[test]
    fn a_program_that_stays_is_ended() {
        let mut helper = HelperProcess::start("/bin/sleep", "1000", &[], b"").unwrap();
        assert!(!helper.has_ended());
        helper.terminate();
        assert_eq!(said(&mut helper), "");
    }

    #[test]
    fn no_process_is_left_behind() {
        for is_told in [false, true] {
            let helper = HelperProcess::start("/bin/sleep", "1000", &[], b"").unwrap();
            let process = helper.process;
            assert_eq!(kill(process, None), Ok(()));
            if is_told {
                helper.terminate();
            }
            drop(helper);
            assert_eq!(kill(process, None), Err(nix::errno::Errno::ESRCH));
        }
    }

    #[test]
    fn a_program_that_cannot_be_started_is_an_error() {
        for (program, kind) in [
            ("/nowhere/helper", io::ErrorKind::NotFound),
            ("sleep", io::ErrorKind::NotFound),
            ("/etc/passwd", io::ErrorKind::PermissionDenied),
            ("/bin/sle\0ep", io::ErrorKind::InvalidInput),
        ] {
            let error = HelperProcess::start(program, "open", &[], b"")
                .err()
                .unwrap();
            assert_eq!(error.kind(), kind, "{program}");
        }
    }
}
