//! Sign-on to the archive by a real proxy, nginx, whose clients forge its headers.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use crate::common::archive::{record, recordings, send, Archive};
use crate::common::server::Server;
use crate::common::{wait_for, Process};

/// The address from which nginx connects.
const PROXY: &str = "127.0.0.77";

/// A real proxy that knows its people by their passwords; it listens here.
fn nginx(archive: &Archive) -> (Process, SocketAddr) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = free.local_addr().unwrap();
    drop(free);
    let folder = archive.dir.with_file_name("nginx");
    std::fs::create_dir(&folder).unwrap();
    let dir = folder.display();
    std::fs::write(folder.join("people"), "ann:{PLAIN}secret\n").unwrap();
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {dir}/{name};"))
        .join("\n");
    let to = archive.address();
    let conf = format!(
        "daemon off;\nmaster_process off;\npid {dir}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}\n\
         server {{\nlisten {listen};\nlocation / {{\nauth_basic people;\nauth_basic_user_file {dir}/people;\n\
         proxy_bind {PROXY};\nproxy_pass http://{to};\nproxy_set_header Host $http_host;\n\
         proxy_set_header X-Forwarded-User $remote_user;\nproxy_set_header X-Forwarded-Groups callrec-supervisor;\n\
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n}}\n}}\n}}\n"
    );
    std::fs::write(folder.join("nginx.conf"), conf).unwrap();
    let file = |name: &str| folder.join(name).display().to_string();
    let mut program = Command::new("/usr/sbin/nginx");
    program.args(["-e", &file("error"), "-c", &file("nginx.conf")]);
    let mut process = Process::default();
    process.start(
        &mut program,
        std::fs::File::create(folder.join("said")).unwrap(),
    );
    wait_for("nginx", || TcpStream::connect(listen).is_ok());
    (process, listen)
}

#[test]
#[ignore = "needs nginx-light"]
fn a_real_proxy_replaces_what_its_clients_send() {
    let server = Server::new(&[]);
    record(&server, "1", "&device=d1&remote_number=4930", 20);
    let archive = Archive::new(&recordings(&server), &["--trustedProxy", PROXY]);
    let (_nginx, listen) = nginx(&archive);
    let password = "Authorization: Basic YW5uOnNlY3JldA==";
    let forged = [
        "X-Forwarded-User: eve",
        "X-Forwarded-Groups: callrec-admin",
        "X-Forwarded-For: 192.0.2.7",
    ];
    let ask = |path: &str, headers: &[&str]| send(listen, &format!("GET {path}"), headers, b"");
    assert_eq!(ask("/", &forged).status, 401, "nginx keeps strangers out");
    let all = [&forged[..], &[password]].concat();
    wait_for("the call", || {
        let found = ask("/api/v1/recordings?number=4930", &all);
        assert_eq!(found.status, 200, "{}", found.text());
        found.json()["recordings"].as_array().unwrap().len() == 1
    });
    assert_eq!(
        ask("/api/v1/audit", &all).status,
        403,
        "ann is no administrator"
    );
    let page = ask("/", &all).text();
    assert!(page.contains("ann") && !page.contains("eve"), "{page}");
    // The client's own address is the last that nginx has added; what stands before it, he has made up.
    let lines = archive.audit_lines();
    let line = lines.iter().find(|line| line["what"] == "login").unwrap();
    assert_eq!(
        (&line["who"], &line["from"], &line["role"]),
        (&"ann".into(), &"127.0.0.1".into(), &"supervisor".into())
    );
}
