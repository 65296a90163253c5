//! A real HAProxy with a configuration that is shipped, but for certificate, addresses, user and log.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use super::{wait_for, Process};

/// Starts one that answers at `door`; `changes` are texts of the shipped file, and what stands for them.
pub fn start(dir: &Path, shipped: &str, door: SocketAddr, changes: &[(&str, &str)]) -> Process {
    let mut text = fs::read_to_string(shipped).unwrap();
    let own = [
        ("    user haproxy\n    group haproxy\n", ""),
        ("    log /dev/log local0\n", ""),
    ];
    for (words, by) in own.iter().chain(changes) {
        assert!(text.contains(words), "{shipped}: {words}");
        text = text.replace(words, by);
    }
    let file = dir.join("haproxy.cfg");
    fs::write(&file, text).unwrap();
    let log = dir.join("haproxy-log");
    let mut command = Command::new("/usr/sbin/haproxy");
    command.args(["-db", "-f"]).arg(&file);
    let mut process = Process::default();
    process.start(&mut command, fs::File::create(&log).unwrap());
    wait_for("HAProxy", || {
        let said = || fs::read_to_string(&log).unwrap_or_default();
        assert!(process.lives(), "HAProxy did not start: {}", said());
        TcpStream::connect(door).is_ok()
    });
    process
}
