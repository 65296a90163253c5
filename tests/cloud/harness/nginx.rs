//! Real nginx in front of the cloud, with the shipped configuration.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command};

use super::common::made::Folder;
use super::common::wait_for;

/// A program that ends with the test.
pub struct Ends(pub Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An address where nobody listens.
pub fn free_address() -> String {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().to_string()
}

/// What differs from the shipped configuration: the addresses of both servers, to the outside and
/// behind, and the files of certificate and key.
pub struct Site<'a> {
    pub listens: [&'a str; 2],
    pub servers: [&'a str; 2],
    pub certificate: &'a str,
    pub key: &'a str,
}

/// nginx with the shipped configuration.
pub fn nginx(folder: &Folder, site: &Site) -> Ends {
    let mut shipped = fs::read_to_string("src/server/callrec-cloud.nginx.conf").unwrap();
    for listen in site.listens {
        assert!(shipped.contains("listen 443 ssl;"));
        shipped = shipped.replacen("listen 443 ssl;", &format!("listen {listen} ssl;"), 1);
    }
    for (text, by) in [
        ("/etc/ssl/certs/cloud.example.org.pem", site.certificate),
        ("/etc/ssl/private/cloud.example.org.key", site.key),
        ("/etc/ssl/certs/calls.example.org.pem", site.certificate),
        ("/etc/ssl/private/calls.example.org.key", site.key),
        ("127.0.0.1:8080", site.servers[0]),
        ("127.0.0.1:8081", site.servers[1]),
    ] {
        assert!(shipped.contains(text), "{text}");
        shipped = shipped.replace(text, by);
    }
    let dir = folder.0.display();
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {dir}/{name};"))
        .join("\n");
    let whole = format!(
        "daemon off;\nmaster_process off;\npid {dir}/pid;\nerror_log {dir}/error.log;\nevents {{}}\n\
         http {{\naccess_log off;\n{paths}\n{shipped}\n}}\n"
    );
    let file = folder.file("nginx.conf", whole.as_bytes());
    let log = folder.path("error.log");
    let child = Command::new("/usr/sbin/nginx")
        .args(["-e", &log, "-c", &file])
        .spawn()
        .unwrap();
    for listen in site.listens {
        wait_for("nginx", || std::net::TcpStream::connect(listen).is_ok());
    }
    Ends(child)
}
