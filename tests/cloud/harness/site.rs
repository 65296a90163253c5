//! Several clouds that share a real PostgreSQL, behind a real HAProxy with the shipped configuration.

use std::net::SocketAddr;

use super::super::common::{made::Folder, wait_for, Process};
use super::{ask, token, Events, Reply, Running, APP};
use crate::common::postgres::{free_address, Postgres};

const SHIPPED: &str = "src/server/callrec-cloud.haproxy.cfg";

/// Processes are killed before what they use.
pub struct Site {
    pub clouds: Vec<Running>,
    /// Where HAProxy listens.
    pub door: SocketAddr,
    haproxy: Process,
    folder: Folder,
    pub postgres: Postgres,
}

impl Site {
    /// Three processes, started at once with a database that has no tables.
    pub fn start(more: &str) -> Self {
        let postgres = Postgres::start();
        let door = free_address();
        let config = format!(
            "listen = 127.0.0.1:0\napp = Test DIR/app.key 1000000-1999999\npublic = {door}\n\
             database = {}\n{more}",
            postgres.url()
        );
        let starts: Vec<_> = (0..3)
            .map(|_| {
                let config = config.clone();
                std::thread::spawn(move || Running::start("cloud", &config))
            })
            .collect();
        let clouds: Vec<Running> = starts.into_iter().map(|it| it.join().unwrap()).collect();
        let folder = Folder::new();
        let haproxy = haproxy(&folder, door, &clouds);
        let site = Self {
            clouds,
            door,
            haproxy,
            folder,
            postgres,
        };
        for cloud in &site.clouds {
            wait_for("the database", || health(cloud.address) == 200);
        }
        wait_for("HAProxy", || health(door) == 200);
        site
    }

    /// As a device, through HAProxy.
    pub fn as_device(&self, cid: u32, method: &str, path: &str) -> Reply {
        ask(
            self.door,
            method,
            path,
            &[("X-Client-Token", &token(cid))],
            "",
        )
    }

    /// The channel of a device through HAProxy, past its first event.
    pub fn channel(&self, cid: u32) -> Events {
        let headers = [("X-Client-Token", &*token(cid))];
        let mut events = Events::open(self.door, "/v2/channel", &headers);
        assert_eq!(events.head.status, 200, "{:?}", events.head);
        assert_eq!(events.next_data(), r#"{"Name":"Online"}"#);
        events
    }

    /// A message for a device, by this process; the answer's status.
    pub fn push_at(&self, address: SocketAddr, to: u32, flag: u8, message: &str) -> u16 {
        push(address, to, flag, message).status
    }
}

pub fn push(address: SocketAddr, to: u32, flag: u8, message: &str) -> Reply {
    let body = format!(
        "{{\"proxy\":0,\"payload\":{{\"msg\":\"{message}\",\"flag\":{flag},\"clients\":[{to}]}}}}"
    );
    ask(address, "POST", "/v2/message/server/push", &APP, &body)
}

pub fn health(address: SocketAddr) -> u16 {
    ask(address, "GET", "/healthz", &[], "").status
}

/// The shipped configuration but for certificate, addresses, user and log.
fn haproxy(folder: &Folder, door: SocketAddr, clouds: &[Running]) -> Process {
    let bind = format!("bind {door}\n");
    let mut changes = vec![
        (
            "bind :443 ssl crt /etc/haproxy/cloud.example.org.pem\n",
            bind.as_str(),
        ),
        ("maxconn 40000", "maxconn 1000"),
    ];
    let addresses: Vec<String> = clouds.iter().map(|it| it.address.to_string()).collect();
    for (nth, name) in ["192.0.2.11:8080", "192.0.2.12:8080", "192.0.2.13:8080"]
        .iter()
        .enumerate()
    {
        changes.push((name, &addresses[nth]));
    }
    crate::common::haproxy::start(&folder.0, SHIPPED, door, &changes)
}
