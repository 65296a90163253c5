//! A device whose network is cut: its channel is gone once nothing is acknowledged any more.

use std::process::{Child, Command, Stdio};

use crate::common::{wait_for, wait_long_for};
use crate::harness::{token, Running};

const A: u32 = 1_000_001;

fn ip(line: &str) {
    let output = Command::new("ip").args(line.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {line}: {output:?}");
}

/// A network namespace with one cable to here.
struct Away {
    name: String,
    inside: String,
    here: String,
}

impl Away {
    fn new() -> Self {
        let number = std::process::id() % 250 + 1;
        let away = Self {
            name: format!("callrec-away-{number}"),
            inside: format!("cra{number}"),
            here: format!("10.177.{number}.1"),
        };
        let (name, inside, outside) = (&away.name, &away.inside, format!("crb{number}"));
        ip(&format!("netns add {name}"));
        ip(&format!(
            "link add {outside} type veth peer name {inside} netns {name}"
        ));
        ip(&format!("addr add {}/24 dev {outside}", away.here));
        ip(&format!("link set {outside} up"));
        ip(&format!(
            "-n {name} addr add 10.177.{number}.2/24 dev {inside}"
        ));
        ip(&format!("-n {name} link set {inside} up"));
        away
    }

    fn cut(&self) {
        ip(&format!("-n {} link set {} down", self.name, self.inside));
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .output();
    }
}

struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs root and curl, iproute2"]
fn a_channel_is_gone_when_nothing_is_acknowledged() {
    let away = Away::new();
    let config = format!(
        "listen = {}:0\napp = Test DIR/app.key 1000000-1999999\ndatabase = DIR/db\npresence = 1\n",
        away.here
    );
    let server = Running::start("cloud", &config);
    let url = format!("http://{}/v2/channel", server.address);
    let header = format!("X-Client-Token: {}", token(A));
    let mut command = Command::new("ip");
    command.args([
        "netns", "exec", &away.name, "curl", "-sN", "-H", &header, &url,
    ]);
    let _device = Ends(command.stdout(Stdio::null()).spawn().unwrap());
    wait_for("the channel", || server.state(A) == 1);
    away.cut();
    // At most 15 s until something is sent, then 20 s; the last comment may just have passed.
    wait_long_for("the channel's end", || {
        server.metric("callrec_cloud_channels") == 0
    });
    wait_for("the presence's end", || server.state(A) == 0);
}
