//! The machine's container engine: a project of Compose, and phones on a network of their own.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// An engine that starts containers beside a run of all tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

fn output(program: &str, words: &[&str], environment: &[(String, String)]) -> Output {
    let mut command = Command::new(program);
    command.args(words).envs(environment.iter().cloned());
    command.output().expect(program)
}

/// What a command prints; it must succeed.
fn said(program: &str, words: &[&str], environment: &[(String, String)]) -> String {
    let output = output(program, words, environment);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {words:?}: {text}{errors}"
    );
    text.trim().to_owned()
}

pub(crate) fn docker(words: &[&str]) -> String {
    said("docker", words, &[])
}

/// What a command of the archive in a container prints.
pub(crate) fn archive_says(container: &str, words: &[&str]) -> String {
    let before = ["exec", container, "/callrec-server", "archive"];
    docker(&[&before[..], words].concat())
}

/// The calls of the archive at `https://HOST:PORT`, as a program far away asks for them with these options of curl; `None`
/// while nobody answers.
pub(crate) fn listed(base: &str, token: &str, options: &[&str]) -> Option<Vec<serde_json::Value>> {
    let asked = Command::new("curl")
        .args(["--silent", "--fail", "--noproxy", "*", "--max-time", "10"])
        .args(options)
        .args(["-H", &format!("Authorization: Bearer {token}")])
        .arg(format!("{base}/api/v1/recordings?limit=200"))
        .output()
        .expect("curl");
    let answer: serde_json::Value = serde_json::from_slice(&asked.stdout).ok()?;
    Some(answer["recordings"].as_array().unwrap().clone())
}

/// The process of a container is killed as a fault would.
pub(crate) fn kill(container: &str) {
    let pid = docker(&["inspect", "-f", "{{.State.Pid}}", container]);
    said("kill", &["-9", &pid], &[]);
}

/// Waits until this is so.
pub(crate) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "{what}: it does not come");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Containers, volumes and networks of one project; they go away with the test.
pub(crate) struct Project {
    file: &'static str,
    name: String,
    phones: String,
    /// The host, as the phones' network sees it.
    pub(crate) address: String,
    environment: Vec<(String, String)>,
}

impl Project {
    /// The phones' network alone.
    pub(crate) fn prepared(file: &'static str, name: &str) -> Self {
        let name = format!("callrec-{name}-{}", std::process::id());
        let phones = format!("{name}-phones");
        docker(&["network", "create", &phones]);
        let gateway = "{{(index .IPAM.Config 0).Gateway}}";
        let address = docker(&["network", "inspect", "-f", gateway, &phones]);
        let environment = vec![("CALLREC_ADDRESS".to_owned(), address.clone())];
        Self {
            file,
            name,
            phones,
            address,
            environment,
        }
    }

    pub(crate) fn started(file: &'static str, name: &str) -> Self {
        let mut project = Self::prepared(file, name);
        project.start(&[]);
        project
    }

    /// With these variables for its file.
    pub(crate) fn start(&mut self, environment: &[(&str, &str)]) {
        let pairs = environment.iter();
        let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.environment.extend(pairs);
        self.compose(&["up", "-d"]);
    }

    pub(crate) fn compose(&self, words: &[&str]) -> String {
        let mut all = vec!["-f", self.file, "-p", &self.name];
        all.extend(words);
        said("docker-compose", &all, &self.environment)
    }

    pub(crate) fn container(&self, service: &str) -> String {
        self.compose(&["ps", "-q", service])
    }

    /// Waits until a container is what it should be, by a template of `docker inspect`.
    pub(crate) fn wait(&self, container: &str, template: &str, expected: &str) {
        let started = Instant::now();
        loop {
            let found = docker(&["inspect", "-f", template, container]);
            if found == expected {
                return;
            }
            if started.elapsed() > PATIENCE {
                let log = output("docker", &["logs", "--tail", "20", container], &[]);
                let log = String::from_utf8_lossy(&log.stderr).into_owned();
                panic!("{template} is {found}: {log}");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    pub(crate) fn wait_until_healthy(&self, container: &str) {
        self.wait(container, "{{.State.Health.Status}}", "healthy");
    }

    /// It is killed, started again by the engine, and healthy.
    pub(crate) fn kill_and_wait(&self, container: &str) {
        let restarts = docker(&["inspect", "-f", "{{.RestartCount}}", container]);
        let restarts: u32 = restarts.parse().unwrap();
        kill(container);
        self.wait(container, "{{.RestartCount}}", &(restarts + 1).to_string());
        self.wait_until_healthy(container);
    }

    /// The words for a container with phones that talk for some seconds.
    pub(crate) fn phones<'a>(&'a self, options: &[&'a str], words: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["run", "--network", &self.phones];
        all.extend(options);
        all.extend(["callrec-phones", "load"]);
        all.extend(words);
        all
    }

    /// Five phones talk, and every packet is in the recordings of this volume.
    pub(crate) fn record_whole_calls(&self, volume: &str) {
        let server = format!("{}:10000", self.address);
        let calls = format!("{}_{volume}:/calls:ro", self.name);
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

impl Drop for Project {
    fn drop(&mut self) {
        let words = ["-f", self.file, "-p", &self.name, "down", "-v", "-t", "5"];
        output("docker-compose", &words, &self.environment);
        output("docker", &["network", "rm", &self.phones], &[]);
    }
}
