//! Child processes: posix_spawn(3) and waitpid(2). The standard library's `Command` does more, and
//! has 20 KB more of code on ARM.

use std::ffi::{c_char, CStr, CString};
use std::io;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{null, null_mut};

use crate::io::sys::raw::check;

extern "C" {
    /// This process's variables, `NAME=VALUE` each (environ(7)); the libc crate does not have it
    /// for musl.
    static environ: *const *const c_char;
}

/// Starts a program with one argument, and returns its process, which `reap` must take back.
/// `program` is a path; it is not looked for in `PATH`. It gets this process's environment, in
/// which `variables` (`NAME=VALUE`) are added or replaced.
///
/// `input` and `output` become its standard input and output. It inherits every other descriptor
/// without `FD_CLOEXEC`. No signal is blocked in it, not even one that this process takes by other
/// means, and SIGPIPE, which a program in Rust ignores, ends it.
pub fn spawn(
    program: &CStr,
    argument: &CStr,
    variables: &[CString],
    input: BorrowedFd,
    output: BorrowedFd,
) -> io::Result<libc::pid_t> {
    let words = [program.as_ptr(), argument.as_ptr(), null()];
    let environment = environment(variables);
    let mut process = 0;
    // SAFETY: all zeros are valid for the three structures, which are initialized before they are
    // used, stay where they are, and are destroyed at the end. `words` and `environment` end with
    // a null pointer, and their strings with a NUL; the call only reads them, and they outlive it.
    let error = unsafe {
        let mut signals: libc::sigset_t = zeroed();
        let mut attributes: libc::posix_spawnattr_t = zeroed();
        let mut actions: libc::posix_spawn_file_actions_t = zeroed();
        let flags = libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF;
        libc::sigemptyset(&mut signals);
        libc::posix_spawnattr_init(&mut attributes);
        libc::posix_spawnattr_setflags(&mut attributes, flags as _);
        libc::posix_spawnattr_setsigmask(&mut attributes, &signals);
        libc::sigaddset(&mut signals, libc::SIGPIPE);
        libc::posix_spawnattr_setsigdefault(&mut attributes, &signals);
        libc::posix_spawn_file_actions_init(&mut actions);
        let mut error = 0;
        for (fd, becomes) in [(input, libc::STDIN_FILENO), (output, libc::STDOUT_FILENO)] {
            if error == 0 {
                let fd = fd.as_raw_fd();
                error = libc::posix_spawn_file_actions_adddup2(&mut actions, fd, becomes);
            }
        }
        if error == 0 {
            error = libc::posix_spawn(
                &mut process,
                program.as_ptr(),
                &actions,
                &attributes,
                words.as_ptr().cast(),
                environment.as_ptr().cast(),
            );
        }
        libc::posix_spawn_file_actions_destroy(&mut actions);
        libc::posix_spawnattr_destroy(&mut attributes);
        error
    };
    match error {
        0 => Ok(process),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// The environment of a program, up to a null pointer. It points at `variables` and at this
/// process's environment.
fn environment(variables: &[CString]) -> Vec<*const c_char> {
    let mut environment: Vec<_> = variables.iter().map(|text| text.as_ptr()).collect();
    // SAFETY: `environ` is null, or points at pointers to strings, of which the last one is null.
    // Nothing in this program changes it.
    unsafe {
        let mut next = environ;
        while !next.is_null() && !(*next).is_null() {
            let inherited = name(CStr::from_ptr(*next));
            if !variables.iter().any(|text| name(text) == inherited) {
                environment.push(*next);
            }
            next = next.add(1);
        }
    }
    environment.push(null());
    environment
}

/// `NAME` of `NAME=VALUE`.
fn name(variable: &CStr) -> &[u8] {
    let mut parts = variable.to_bytes().split(|byte| *byte == b'=');
    parts.next().unwrap_or_default()
}

/// Takes back a process that has ended; `false`: it has not. With `waits`, its end is awaited.
pub fn reap(process: libc::pid_t, waits: bool) -> io::Result<bool> {
    let flags = if waits { 0 } else { libc::WNOHANG };
    loop {
        // SAFETY: the status is not asked for.
        let reaped = unsafe { libc::waitpid(process, null_mut(), flags) };
        match check(reaped as isize) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            reaped => return reaped.map(|process| process > 0),
        }
    }
}
