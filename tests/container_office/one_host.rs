//! The office of `board/container/compose.yaml`: a phone on another network records, recorder and archive are killed and come
//! back, and the archive's balance is whole.

use std::process::Command;

use crate::common::made::Folder;
use crate::engine::{archive_says, docker, kill, listed, wait_for, Project};

#[test]
#[ignore = "needs a container engine and the images of scripts/container: scripts/test makes them"]
fn a_container_office_records_calls_of_another_network_and_comes_back_after_kills() {
    let office = Project::started("board/container/compose.yaml", "office");
    let recorder = office.container("recorder");
    let archive = office.container("archive");
    office.wait_until_healthy(&recorder);
    office.wait_until_healthy(&archive);
    office.record_whole_calls("calls");

    // Calls that run when the recorder dies.
    let server = format!("{}:10000", office.address);
    let words = ["--server", &server, "--phones", "5", "--seconds", "60"];
    let talking = docker(&office.phones(&["-d"], &words));
    // A count of recordings in the volume: 5 are whole, 5 grow beyond two seconds of 172 bytes, 50 a second.
    let count = "/busybox find /var/lib/callrec -name Record_*.wav -size +30 | /busybox wc -l";
    wait_for("calls that run", || {
        docker(&["exec", &recorder, "/busybox", "sh", "-c", count]) == "10"
    });
    kill(&recorder);
    docker(&["wait", &talking]);
    docker(&["rm", &talking]);
    office.wait(&recorder, "{{.RestartCount}}", "1");
    office.wait_until_healthy(&recorder);
    office.kill_and_wait(&archive);
    office.record_whole_calls("calls");
    let token = archive_says(&archive, &["token", "new", "test", "--role", "admin"]);
    let page = format!("https://{}:8090", office.address);
    wait_for("the page's fifteen calls", || {
        // It has made its certificate itself.
        listed(&page, &token, &["--insecure"]).is_some_and(|found| found.len() == 15)
    });
    let report = archive_says(&archive, &["check", "--sums", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["balance"]["accepted"], 15, "{report}");
    assert_eq!(report["balance"]["present"], 15, "{report}");
    assert_eq!(report["problems"].as_array().unwrap().len(), 0, "{report}");

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
