//! A real PostgreSQL in a folder of its own. It refuses to run as root: then it runs as `postgres`.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use super::{folder, wait_for, Process};

pub const PASSWORD: &str = "a-password-that-nobody-reads";

pub struct Postgres {
    dir: PathBuf,
    address: SocketAddr,
    process: Process,
}

impl Postgres {
    /// A running one without tables; its user is `cloud`.
    pub fn start() -> Self {
        let (dir, _) = folder();
        fs::write(dir.join("password"), PASSWORD).unwrap();
        if is_root() {
            let owned = Command::new("chown")
                .args(["-R", "postgres"])
                .arg(&dir)
                .status();
            assert!(owned.unwrap().success());
        }
        let made = as_user("initdb")
            .args(["--no-sync", "--locale=C.UTF-8", "--username=cloud"])
            .args(["--auth=scram-sha-256", "--pwfile"])
            .arg(dir.join("password"))
            .arg(dir.join("data"))
            .current_dir(&dir)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let mut postgres = Self {
            dir,
            address: free_address(),
            process: Process::default(),
        };
        postgres.begin();
        postgres
    }

    /// Starts it again.
    pub fn begin(&mut self) {
        let mut command = as_user("postgres");
        command
            .args(["-h", "127.0.0.1", "-c", "fsync=off", "-p"])
            .arg(self.address.port().to_string())
            .arg("-k")
            .arg(&self.dir)
            .arg("-D")
            .arg(self.dir.join("data"))
            .current_dir(&self.dir);
        let log = fs::File::create(self.dir.join("log")).unwrap();
        self.process.start(&mut command, log);
        wait_for("PostgreSQL", || {
            assert!(
                self.process.lives(),
                "PostgreSQL did not start: {}",
                self.log()
            );
            TcpStream::connect(self.address).is_ok() && self.log().contains("ready to accept")
        });
    }

    /// Ends it; connections are closed.
    pub fn end(&mut self) {
        self.process.signal(Signal::SIGINT);
        assert_eq!(self.process.wait(), Some(0));
    }

    /// As in `database`.
    pub fn url(&self) -> String {
        format!("postgres://cloud:{PASSWORD}@{}/postgres", self.address)
    }

    /// What it has logged: errors in statements are there.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.process.lives() {
            // Its children end with it only if it is asked.
            self.process.signal(Signal::SIGQUIT);
            self.process.wait();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// With `CALLREC_TEST_POSTGRES=postgres://USER:PASSWORD@HOST:PORT`: an empty database there for the archive of
/// this folder, as options. So all tests of the archive can be run on PostgreSQL (tests/README.md).
pub fn database_options(dir: &Path) -> Vec<String> {
    let Ok(server) = std::env::var("CALLREC_TEST_POSTGRES") else {
        return vec![];
    };
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = dir
        .display()
        .to_string()
        .to_lowercase()
        .chars()
        .map(plain)
        .collect();
    let name = name[name.len().saturating_sub(60)..].to_owned();
    // It may be there from an earlier start of the same archive.
    let create = format!("CREATE DATABASE \"{name}\"");
    let mut psql = Command::new("psql");
    let made = psql
        .arg(format!("{server}/postgres"))
        .args(["-c", &create])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(
        made.status.success() || said.contains("already exists"),
        "{said}"
    );
    vec!["--database".into(), format!("{server}/{name}")]
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A program of PostgreSQL, of the newest version that is installed.
fn as_user(name: &str) -> Command {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .expect("the Debian package postgresql")
        .map(|entry| entry.unwrap().path().join("bin"))
        .filter(|bin| bin.join(name).exists())
        .collect();
    versions.sort();
    let program = versions.pop().unwrap().join(name);
    if is_root() {
        user("postgres", &program)
    } else {
        Command::new(program)
    }
}

fn user(name: &str, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={name}"))
        .arg(format!("--regid={name}"))
        .arg("--clear-groups")
        .arg(program);
    command
}

/// An address at which nobody listens.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}
