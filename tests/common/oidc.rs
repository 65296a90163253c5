//! An issuer of OpenID Connect of our own (tests/archive/oidc_issuer.py), and browsers that sign in with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::archive::{send, Archive, Reply};
use super::{folder, wait_for, Process};

/// Where the archive says that people reach it; requests go to its real address.
pub const PUBLIC: &str = "http://localhost:8090";
const SECRET: &str = "s3cret/of the client";

pub struct Issuer {
    folder: PathBuf,
    port: u16,
    process: Process,
}

impl Issuer {
    pub fn new() -> Self {
        let mut issuer = Self {
            folder: folder().0,
            port: 0,
            process: Process::default(),
        };
        issuer.next(&person("ann", &["callrec-admin"]));
        issuer.start();
        issuer
    }

    /// Starts it, also again: at the same port, with the same keys.
    pub fn start(&mut self) {
        let log = self.folder.join("log");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/archive/oidc_issuer.py");
        let mut program = Command::new("python3");
        program.arg(script).arg(&self.folder);
        program.arg(self.port.to_string());
        self.process
            .start(&mut program, std::fs::File::create(&log).unwrap());
        let said = || std::fs::read_to_string(&log).unwrap();
        wait_for("the issuer", || {
            assert!(self.process.lives(), "{}", said());
            said().contains("ready on ") && said().ends_with('\n')
        });
        let port = said().split("ready on ").nth(1).unwrap().trim().to_owned();
        self.port = port.parse().unwrap();
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Whom it signs in from now on, and how.
    pub fn next(&self, person: &Value) {
        // Replaced at once: the issuer may be reading it.
        let (new, path) = (self.folder.join("new"), self.folder.join("next.json"));
        std::fs::write(&new, person.to_string()).unwrap();
        std::fs::rename(new, path).unwrap();
    }

    /// How often it was asked for this.
    pub fn asked(&self, request: &str) -> usize {
        let requests = std::fs::read_to_string(self.folder.join("requests")).unwrap_or_default();
        requests.lines().filter(|line| *line == request).count()
    }

    /// The browser is there, and somebody signs in: the path that it is sent back to.
    pub fn sign_in(&self, url: &str) -> String {
        let path = &url[url.find("/authorize").unwrap()..];
        let to = ([127, 0, 0, 1], self.port).into();
        let reply = send(to, &format!("GET {path}"), &[], b"");
        assert_eq!(reply.status, 302, "{url}: {}", reply.text());
        let back = reply.header("location").strip_prefix(PUBLIC);
        back.unwrap().to_owned()
    }

    /// A file with the client's secret.
    pub fn secret_file(&self) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.folder.join("secret");
        std::fs::write(&path, format!("{SECRET}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The options of an archive that it signs people in to.
    fn options(&self) -> Vec<String> {
        let (url, secret) = (self.url(), self.secret_file());
        let words = ["--public", PUBLIC, "--oidcIssuer", &url];
        let client = [
            "--oidcClientId",
            "callrec",
            "--oidcClientSecretFile",
            &secret,
        ];
        let words = [words, client].concat();
        words.into_iter().map(str::to_owned).collect()
    }

    /// Such an archive over the folder of this issuer.
    pub fn archive(&self, more: &[&str]) -> Archive {
        let options = self.options();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        self.archive_with(&[&options[..], more].concat())
    }

    /// One with other options over the same folder.
    pub fn archive_with(&self, options: &[&str]) -> Archive {
        let dir = self.folder.join("recordings");
        std::fs::create_dir_all(&dir).unwrap();
        Archive::new(&dir, options)
    }
}

/// An authority, a stranger, and a certificate for 127.0.0.1 that the authority has issued.
const CERTIFICATES: &str = "
set -e
for name in authority stranger; do
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$name -days 30 \
        -keyout $name.key -out $name.pem
done
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=issuer -keyout tls.key -out tls.csr
printf 'subjectAltName=IP:127.0.0.1\\nbasicConstraints=CA:FALSE\\n' >tls.ext
openssl x509 -req -in tls.csr -CA authority.pem -CAkey authority.key -days 30 -extfile tls.ext -out tls.pem
";

/// TLS in front of an issuer.
pub struct Tls {
    pub url: String,
    folder: PathBuf,
    relay: std::process::Child,
}

impl Tls {
    pub fn new(issuer: &Issuer) -> Self {
        use std::io::BufRead as _;
        let folder = issuer.folder.clone();
        let mut shell = Command::new("sh");
        let made = shell.args(["-c", CERTIFICATES]).current_dir(&folder);
        let made = made.output().unwrap();
        assert!(made.status.success(), "{}", super::stderr_of(&made));
        let mut relay = Command::new("python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls_relay.py"))
            .args([folder.join("tls.pem"), folder.join("tls.key")])
            .arg(issuer.port.to_string())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = relay.stdout.take().unwrap();
        std::io::BufReader::new(output)
            .read_line(&mut line)
            .unwrap();
        let url = format!("https://127.0.0.1:{}", line.trim());
        Self { url, folder, relay }
    }

    /// The file of a certificate.
    pub fn certificate(&self, name: &str) -> String {
        let path = self.folder.join(format!("{name}.pem"));
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.relay.kill();
        let _ = self.relay.wait();
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.kill();
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// Somebody whom the issuer knows.
pub fn person(user: &str, groups: &[&str]) -> Value {
    serde_json::json!({"user": user, "groups": groups})
}

/// A browser: it keeps cookies.
#[derive(Default)]
pub struct Browser {
    pub cookies: Vec<(String, String)>,
}

impl Browser {
    pub fn go(&mut self, archive: &Archive, request: &str, more: &[&str], body: &str) -> Reply {
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let cookie = format!("Cookie: {}", pairs.join("; "));
        let headers = [&[cookie.as_str()], more].concat();
        let reply = send(archive.address(), request, &headers, body.as_bytes());
        for (name, line) in &reply.headers {
            if !name.eq_ignore_ascii_case("set-cookie") {
                continue;
            }
            let (key, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(kept, _)| kept != key);
            if !line.contains("Max-Age=0;") {
                self.cookies.push((key.to_owned(), value.to_owned()));
            }
        }
        reply
    }

    pub fn get(&mut self, archive: &Archive, path: &str) -> Reply {
        self.go(archive, &format!("GET {path}"), &[], "")
    }

    /// Follows the link of the login page; the issuer's URL.
    pub fn begin(&mut self, archive: &Archive, page: &str) -> String {
        let reply = self.get(archive, &format!("/oidc/start?return={page}"));
        assert_eq!(reply.status, 303, "{}", reply.text());
        reply.header("location").to_owned()
    }

    /// All of a sign-in; what the archive says in the end.
    pub fn sign_in(&mut self, archive: &Archive, issuer: &Issuer) -> Reply {
        let url = self.begin(archive, "/");
        let back = issuer.sign_in(&url);
        self.get(archive, &back)
    }

    pub fn status(&mut self, archive: &Archive, path: &str) -> u16 {
        self.get(archive, path).status
    }
}
