//! The office of `board/container/compose.yaml` in the machine's container engine: a phone on another network records, the
//! recorder is killed and comes back. scripts/container makes the images; scripts/test runs it where an engine answers.
#![cfg(feature = "tools")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::{Command, Output};
use std::time::{Duration, Instant};

mod common;

use common::made::Folder;

/// An engine that starts containers beside a run of all tests.
const PATIENCE: Duration = Duration::from_secs(120);

fn output(program: &str, words: &[&str], address: &str) -> Output {
    let mut command = Command::new(program);
    command.args(words).env("CALLREC_ADDRESS", address);
    command.output().expect(program)
}

/// What a command prints; it must succeed.
fn said(program: &str, words: &[&str], address: &str) -> String {
    let output = output(program, words, address);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {words:?}: {text}{errors}"
    );
    text.trim().to_owned()
}

fn docker(words: &[&str]) -> String {
    said("docker", words, "")
}

/// Containers, volumes and networks of one project; they go away with the test.
struct Office {
    file: &'static str,
    project: String,
    phones: String,
    /// The host, as the phones' network sees it.
    address: String,
}

impl Office {
    fn open(file: &'static str, name: &str) -> Self {
        let project = format!("callrec-{name}-{}", std::process::id());
        let phones = format!("{project}-phones");
        docker(&["network", "create", &phones]);
        let gateway = "{{(index .IPAM.Config 0).Gateway}}";
        let address = docker(&["network", "inspect", "-f", gateway, &phones]);
        let this = Self {
            file,
            project,
            phones,
            address,
        };
        this.compose(&["up", "-d"]);
        this
    }

    fn compose(&self, words: &[&str]) -> String {
        let mut all = vec!["-f", self.file, "-p", &self.project];
        all.extend(words);
        said("docker-compose", &all, &self.address)
    }

    fn container(&self, service: &str) -> String {
        self.compose(&["ps", "-q", service])
    }

    /// Waits until a container is what it should be, by a template of `docker inspect`.
    fn wait(&self, container: &str, template: &str, expected: &str) {
        let started = Instant::now();
        loop {
            let found = docker(&["inspect", "-f", template, container]);
            if found == expected {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{template} is {found}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn wait_until_healthy(&self, container: &str) {
        self.wait(container, "{{.State.Health.Status}}", "healthy");
    }

    /// The words for a container with phones that talk for some seconds.
    fn phones<'a>(&'a self, options: &[&'a str], words: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["run", "--network", &self.phones];
        all.extend(options);
        all.extend(["callrec-phones", "load"]);
        all.extend(words);
        all
    }

    /// Five phones talk, and every packet is in the recordings of this volume.
    fn record_whole_calls(&self, volume: &str) {
        let server = format!("{}:10000", self.address);
        let calls = format!("{}_{volume}:/calls:ro", self.project);
        let options = ["--rm", "-v", &calls];
        let words = [
            "--server",
            &server,
            "--phones",
            "5",
            "--seconds",
            "3",
            "--dir",
            "/calls",
        ];
        docker(&self.phones(&options, &words));
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        let words = [
            "-f",
            self.file,
            "-p",
            &self.project,
            "down",
            "-v",
            "-t",
            "5",
        ];
        output("docker-compose", &words, &self.address);
        output("docker", &["network", "rm", &self.phones], "");
    }
}

/// The process of a container is killed as a fault would.
fn kill(container: &str) {
    let pid = docker(&["inspect", "-f", "{{.State.Pid}}", container]);
    said("kill", &["-9", &pid], "");
}

#[test]
#[ignore = "needs a container engine and the images of scripts/container: scripts/test makes them"]
fn a_container_records_calls_of_another_network_and_comes_back_after_a_kill() {
    let office = Office::open("board/container/compose.yaml", "office");
    let recorder = office.container("recorder");
    office.wait_until_healthy(&recorder);
    office.record_whole_calls("calls");

    // Calls that run when the recorder dies.
    let server = format!("{}:10000", office.address);
    let words = ["--server", &server, "--phones", "5", "--seconds", "60"];
    let talking = docker(&office.phones(&["-d"], &words));
    let started = Instant::now();
    // A count of recordings in the volume: 5 are whole, 5 grow beyond two seconds of 172 bytes, 50 a second.
    let count = "/busybox find /var/lib/callrec -name Record_*.wav -size +30 | /busybox wc -l";
    while docker(&["exec", &recorder, "/busybox", "sh", "-c", count]) != "10" {
        assert!(started.elapsed() < PATIENCE, "no calls run");
        std::thread::sleep(Duration::from_millis(200));
    }
    kill(&recorder);
    docker(&["wait", &talking]);
    docker(&["rm", &talking]);
    office.wait(&recorder, "{{.RestartCount}}", "1");
    office.wait_until_healthy(&recorder);
    office.record_whole_calls("calls");

    // All fifteen can be read; those that the kill interrupted have at least what was on the disk.
    let folder = Folder::new();
    let calls = folder.path("calls");
    docker(&["cp", &format!("{recorder}:/var/lib/callrec"), &calls]);
    let listed = Command::new(env!("CARGO_BIN_EXE_callrec"))
        .args(["list", "--json", &calls])
        .output()
        .unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    let durations: Vec<u64> = text
        .lines()
        .map(|line| {
            let entry: serde_json::Value = serde_json::from_str(line).unwrap();
            entry["duration_ms"]
                .as_u64()
                .unwrap_or_else(|| panic!("{line}"))
        })
        .collect();
    assert_eq!(durations.len(), 15, "{text}");
    assert!(durations.iter().all(|duration| *duration >= 1500), "{text}");
}

#[test]
#[ignore = "needs a container engine and the images of scripts/container: scripts/test makes them"]
fn a_container_image_has_its_own_user_and_writes_only_recordings() {
    let office = Office::open("board/container/compose.yaml", "user");
    let recorder = office.container("recorder");
    office.wait_until_healthy(&recorder);
    let inside = |script: &str| docker(&["exec", &recorder, "/busybox", "sh", "-c", script]);
    assert_eq!(inside("/busybox id -u"), "10000");
    assert_eq!(
        inside("/busybox touch /new 2>&1 || echo refused")
            .lines()
            .last(),
        Some("refused")
    );
    assert_eq!(
        inside("/busybox touch /var/lib/callrec/new && echo done"),
        "done"
    );
}

#[test]
#[ignore = "needs a container engine and the images of scripts/container: scripts/test makes them"]
fn a_container_balancer_passes_calls_to_the_recorder_that_lives() {
    let office = Office::open("board/container/compose.hosts.yaml", "hosts");
    let recorders = ["recorder-1", "recorder-2"].map(|name| office.container(name));
    let balancer = office.container("balancer");
    for container in recorders.iter().chain([&balancer]) {
        office.wait_until_healthy(container);
    }
    let server = format!("{}:10000", office.address);
    let words = ["--server", &server, "--phones", "6", "--seconds", "3"];
    docker(&office.phones(&["--rm"], &words));
    let count = "/busybox find /var/lib/callrec -name 'Record_*.wav' | /busybox wc -l";
    let counts = recorders.each_ref().map(|recorder| {
        let found = docker(&["exec", recorder, "/busybox", "sh", "-c", count]);
        found.parse::<u32>().unwrap()
    });
    assert_eq!(counts.iter().sum::<u32>(), 6, "{counts:?}");
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    // One stays away: the other one takes all calls.
    docker(&["stop", "-t", "10", &recorders[0]]);
    docker(&office.phones(&["--rm"], &words));
    let found = docker(&["exec", &recorders[1], "/busybox", "sh", "-c", count]);
    assert_eq!(found.parse::<u32>().unwrap(), counts[1] + 6);
}
