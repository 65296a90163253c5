//! The phone with a server that someone else wrote, in another language, after the source document
//! alone.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::common::{Phone, Talker};

struct Naive {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Naive {
    fn new(arguments: &[&str]) -> (Self, String) {
        let mut command = Command::new("python3");
        command
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/naive_server.py"
            ))
            .args(arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut naive = Self { child, lines };
        let port = naive.says("port ");
        (
            naive,
            format!("recordType = server\nserverAddr = 127.0.0.1\nserverPort = {port}"),
        )
    }

    /// The rest of its next line, which begins like this.
    fn says(&mut self, begin: &str) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end()
            .strip_prefix(begin)
            .unwrap_or_else(|| panic!("'{line}', not '{begin}'"))
            .to_owned()
    }
}

impl Drop for Naive {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
#[ignore = "needs the package python3: scripts/test installs it"]
fn a_naive_server_records_a_call_whatever_ends_our_messages() {
    for end in ["none", "lf", "crlf", "nul"] {
        let (mut server, config) = Naive::new(&[]);
        let phone = Phone::new(&format!(
            "{config}\nmessageEnd = {end}\nserverFallback = local"
        ));
        let start = phone.record("&legs=1&dir=out&remote_name=Ann");
        let asked = server.says("got ");
        assert!(
            asked.starts_with(&format!("cmd=RecordStartRequest&id={}&device=", start.id())),
            "{asked}"
        );
        let talker = Talker::new(start.ports()[0], 4);
        talker.wait(50);
        let sent = talker.end();
        let stop = phone.stop(&start.id());
        assert!(server
            .says("got ")
            .starts_with(&format!("cmd=RecordStopRequest&id={}", start.id())));
        assert_eq!(
            server.says("packets "),
            format!("{} in order", stop.value("frames"))
        );
        assert!(
            server.says("payload ").contains(&hex(&sent.concat())),
            "bit for bit"
        );
        assert!(
            phone.files().is_empty(),
            "it answered the stop: nothing goes to the stick"
        );
    }
}

#[test]
#[ignore = "needs the package python3: scripts/test installs it"]
fn a_naive_server_stops_a_call() {
    let (mut server, config) = Naive::new(&["60"]);
    let phone = Phone::new(&config);
    let mut watch = phone.watch();
    let start = phone.record("");
    server.says("got ");
    assert_eq!(
        watch.until("RecordEvent", "stopped").value("reason"),
        "the server has had enough"
    );
    assert_eq!(
        server.says("got "),
        format!("cmd=RecordStopResponse&id={}&result=success", start.id())
    );
    assert!(server.says("packets ").ends_with("in order"));
}
