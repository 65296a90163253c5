//! The office of `board/container/compose.yaml`: a phone on another network records, the recorder is killed and comes back.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::made::Folder;
use crate::engine::{docker, kill, Project, PATIENCE};

#[test]
#[ignore = "needs a container engine and the images of scripts/container: scripts/test makes them"]
fn a_container_records_calls_of_another_network_and_comes_back_after_a_kill() {
    let office = Project::started("board/container/compose.yaml", "office");
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
    let office = Project::started("board/container/compose.yaml", "user");
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
