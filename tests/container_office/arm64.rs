//! The servers' image for 64-bit ARM. The engine runs no programs of other processors: what is in the image runs under qemu-user.

use std::process::Command;

use crate::common::made::Folder;
use crate::common::server::Server;
use crate::engine::docker;

const IMAGE: &str = "callrec-server:latest-arm64";

/// Of the packages that scripts/target has unpacked.
fn qemu() -> String {
    let toolchains = std::fs::read_dir("target/cross").unwrap();
    let mut paths = toolchains.map(|entry| entry.unwrap().path().join("bin/qemu-aarch64-static"));
    let found = paths.find(|path| path.exists());
    found
        .expect("scripts/container --arm64")
        .display()
        .to_string()
}

#[test]
#[ignore = "needs a container engine and the images of scripts/container: scripts/test makes them"]
fn a_container_for_64_bit_arm_records_and_tells_its_health() {
    let template = "{{.Os}}/{{.Architecture}} {{.Config.User}}";
    let found = docker(&["image", "inspect", "-f", template, IMAGE]);
    assert_eq!(found, "linux/arm64 10000:10000");

    let folder = Folder::new();
    let made = docker(&["create", "--platform", "linux/arm64", IMAGE]);
    for file in ["callrec-server", "busybox"] {
        docker(&["cp", &format!("{made}:/{file}"), &folder.path(file)]);
    }
    docker(&["rm", &made]);
    let qemu = qemu();
    let mut server = Server::prepared(&["--metrics", "127.0.0.1:0"]);
    server.program = vec![qemu.clone(), folder.path("callrec-server")];
    server.start();

    let (address, calls) = (server.address().to_string(), server.dir.join("recordings"));
    let words = [
        "load",
        "--server",
        &address,
        "--phones",
        "3",
        "--seconds",
        "2",
    ];
    let talked = Command::new(env!("CARGO_BIN_EXE_callrec-sim"))
        .args(words)
        .args(["--dir", calls.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(talked.status.success(), "{talked:?}");

    let health = format!("http://{}/healthz", server.metrics_address());
    let asked = Command::new(qemu)
        .args([&folder.path("busybox"), "wget", "-q", "-O", "-", &health])
        .output()
        .unwrap();
    assert!(asked.status.success(), "{asked:?}: {}", server.log());
}
