//! The page that plays recordings (`Listen.html`), in a browser: what it shows, and how it is used.
#![allow(clippy::print_stdout)]

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::browser::PATIENCE;
use crate::common::made::Made;
use crate::common::player::Player;
use serde_json::{json, Value};

fn made() -> Made {
    Made {
        frames: 150,
        ..Made::default()
    }
}

/// A call of two parts, of which a third is missing; one with a party that was not heard; one in a
/// codec that the page does not decode; and a WAV file that was exported.
fn several_calls(player: &Player) -> Vec<String> {
    let first = json!({
        "id": "1", "part": 1, "start": "2026-01-02T10:00:00+01:00", "dir": "in",
        "remote_number": "100", "remote_name": "Ann",
    });
    let second = json!({"id": "1", "part": 2, "parts": 3, "start": "2026-01-02T10:00:03+01:00"});
    let deaf = json!({
        "id": "2", "start": "2026-01-03T10:00:00+01:00", "heard": "one", "unintelligible": "encrypted",
    });
    let next = Made {
        first: 150,
        ..made()
    };
    let other = Made { ssrc: 8, ..made() };
    let foreign = Made {
        codec: "G729",
        rtp: false,
        ..made()
    };
    let mut paths = [
        player.call("Record_20260102_100000", made(), &first),
        player.call("Record_20260102_100003", next, &second),
        player.call("Record_20260103_100000", other, &deaf),
        player.call("Record_20260104_100000", foreign, &json!([])),
    ]
    .concat();
    // 20 bytes for 160 timestamp units.
    let mut bytes = fs::read(&paths[6]).unwrap();
    bytes[64] = 20;
    fs::write(&paths[6], bytes).unwrap();
    let riff = [&b"RIFF"[..], &[0; 100]].concat();
    paths.push(player.folder.file("stick/exported.wav", &riff));
    paths
}

#[test]
#[ignore = "needs the package chromium: scripts/test installs it where it is one"]
fn a_browser_lists_calls_and_marks_what_is_missing() {
    let mut player = Player::new("en");
    let paths = several_calls(&player);
    player.choose(&paths);
    let foreign = "\u{26a0} G729 is not played here; use callrec export with ffmpeg";
    let expected = [
        format!("2026-01-04 10:00:00\nUnknown number\n00:24\n{foreign}"),
        "2026-01-03 10:00:00 +01:00\nUnknown number\n00:03\n\u{26a0} only one party was heard; encrypted".into(),
        "2026-01-02 10:00:00 +01:00\n100 \u{b7} Ann\n00:06\n\u{26a0} not here: part 3".into(),
    ];
    assert_eq!(player.rows(), expected);
    let left_out = "Calls: 3 1 other .wav files were left out.";
    assert_eq!(player.text("#status"), left_out);
    let last = "document.querySelectorAll('#calls button')[2].click()";
    player.browser.value(last);
    player.browser.wait("!$('save').disabled");
    let facts =
        "2026-01-02 10:00:00 +01:00 \u{b7} incoming \u{b7} 00:06 \u{b7} PCMU \u{b7} 2 parts";
    assert_eq!(player.text("#facts"), facts);
    let (name, saved) = player.save();
    assert_eq!(name, "call_20260102_100000_100.wav");
    assert!(saved == player.exported(&paths[..1]));
    player
        .browser
        .value("document.querySelector('#calls button').click()");
    player.browser.wait("$('controls').hidden");
    assert_eq!(player.text("#marks"), foreign);
}

#[test]
#[ignore = "needs the package chromium: scripts/test installs it where it is one"]
fn a_browser_takes_folders_and_dropped_files() {
    let mut player = Player::new("en");
    let sidecar = json!({"remote_number": "100"});
    let other = Made { ssrc: 8, ..made() };
    let paths = player.call("20260102/Record_20260102_100000", made(), &sidecar);
    player.call("20260103/Record_20260103_100000", other, &sidecar);
    player
        .folder
        .file("stick/20260103/photo.jpg", b"no recording");
    let stick = player.folder.path("stick");
    let rows = ["03", "02"].map(|day| format!("2026-01-{day} 10:00:00\n100\n00:03"));
    player
        .browser
        .choose("#folder", std::slice::from_ref(&stick));
    player.browser.wait("$('calls').children.length === 2");
    assert_eq!(player.rows(), rows);
    player.reload();
    player.browser.drop_files(&paths);
    player.browser.wait("$('calls').children.length === 1");
    assert_eq!(player.rows(), rows[1..]);
    player.browser.drop_files(&[format!("{stick}/20260103")]);
    player.browser.wait("$('calls').children.length === 2");
    assert_eq!(player.rows(), rows);
    // What is chosen again is there once.
    player.choose(&paths);
    player
        .browser
        .wait("$('files').value === '' && $('status').textContent");
    assert_eq!(player.rows(), rows);
}

#[test]
#[ignore = "needs the package chromium: scripts/test installs it where it is one"]
fn a_browser_reads_no_html_and_no_control_characters_in_names() {
    let mut player = Player::new("en");
    let hostile = "<img src=x onerror=\"window.hacked=1\">\u{202e}\u{7}</script><script>hacked=1</script>&lt;";
    let sidecar = json!({
        "id": hostile, "remote_number": hostile, "remote_name": hostile, "local_name": hostile,
        "unintelligible": hostile, "start": hostile, "dir": "constructor", "part": -1, "parts": 1e300, "heard": {},
    });
    let file = player.call("Record_20260102_100000", made(), &sidecar);
    let mut files = vec![file];
    for (n, other) in [
        json!([1]),
        json!(null),
        json!({"remote_number": [], "parts": 9_007_199_254_740_991u64}),
    ]
    .iter()
    .enumerate()
    {
        let made = Made {
            ssrc: 20 + n as u32,
            ..made()
        };
        files.push(player.call(&format!("Record_20260101_10000{n}"), made, other));
    }
    player.choose(&files.concat());
    let shown = hostile.replace(['\u{202e}', '\u{7}'], " ");
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let rows = player.rows();
    assert_eq!(rows.len(), 4, "{rows:?}");
    assert_eq!(
        squeezed(&rows[0]).matches(&squeezed(&shown)).count(),
        3,
        "{rows:?}"
    );
    player.open();
    assert_eq!(
        squeezed(&player.text("#party"))
            .matches(&squeezed(&shown))
            .count(),
        2
    );
    let elements = "document.querySelectorAll('main img, main script').length";
    assert_eq!(player.browser.value(elements), json!(0));
    assert_eq!(player.browser.value("typeof hacked"), json!("undefined"));
    let (name, _) = player.save();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_.".contains(letter);
    assert!(name.chars().all(is_plain), "{name}");
}

#[test]
#[ignore = "needs the package chromium: scripts/test installs it where it is one"]
fn a_browser_shows_the_readers_language_and_obeys_keys() {
    let mut player = Player::new("zh-CN");
    let paths = several_calls(&player);
    player.choose(&paths);
    assert_eq!(player.text("h1"), "录音");
    assert!(player.rows()[1].contains("只录到一方的声音"));
    player
        .browser
        .value("$('language').value = 'en'; $('language').dispatchEvent(new Event('change'))");
    assert_eq!(player.text("h1"), "Recordings");
    assert_eq!(
        player.browser.value("document.documentElement.lang"),
        json!("en")
    );
    // The last of the list, opened by keys alone.
    for _ in 0..3 {
        player.browser.press("ArrowDown", 40);
    }
    let focused = "document.activeElement === document.querySelectorAll('#calls button')[2]";
    assert_eq!(player.browser.value(focused), json!(true));
    player.browser.value("document.activeElement.click()");
    player.browser.wait("!$('save').disabled");
    player.browser.press("ArrowRight", 39);
    assert_eq!(player.text("#time"), "00:05 / 00:06");
    player.browser.press("ArrowLeft", 37);
    assert_eq!(player.text("#time"), "00:00 / 00:06");
    player.browser.press(" ", 32);
    player.browser.wait("player.run && player.now() > 800");
    assert_eq!(player.text("#play"), "Pause");
    player.browser.press(" ", 32);
    assert_eq!(player.text("#play"), "Play");
    // Every control has a name that is read out.
    let tree = player
        .browser
        .call("Accessibility.getFullAXTree", json!({}));
    let nodes = tree["nodes"].as_array().unwrap();
    let controls = ["button", "combobox", "slider"];
    let is_control = |node: &&Value| controls.iter().any(|role| node["role"]["value"] == *role);
    let names: Vec<&str> = nodes
        .iter()
        .filter(is_control)
        .map(|node| node["name"]["value"].as_str().unwrap())
        .collect();
    assert!(names.len() >= 10 && !names.contains(&""), "{names:?}");
}

/// Eight hours, 248 MB.
fn long_recording(path: &str) {
    const FRAMES: u32 = 8 * 3600 * 50;
    let made = Made {
        frames: FRAMES,
        ..Made::default()
    };
    let header = Made { frames: 0, ..made }.bytes();
    let mut file = BufWriter::new(File::create(path).unwrap());
    file.write_all(&header).unwrap();
    for n in 0..FRAMES {
        file.write_all(&made.frame(n)).unwrap();
    }
    file.flush().unwrap();
}

#[test]
#[ignore = "needs the package chromium: scripts/test installs it where it is one"]
fn a_browser_needs_less_than_200_mb_for_eight_hours() {
    let mut player = Player::new("en");
    let path = player.folder.path("Record_20260102_100000.wav");
    long_recording(&path);
    let before = player.browser.resident_bytes();
    let (mut heap, mut resident) = (0, 0);
    player.choose(std::slice::from_ref(&path));
    player
        .browser
        .value("document.querySelector('#calls button').click()");
    // Scanned, then drawn to the last column; then played from the middle, then saved.
    let steps = [
        "!$('save').disabled",
        "wave.least[999] || wave.greatest[999]",
        "player.seek(player.whole / 2), toggle(), true",
        "player.now() > player.whole / 2 + 8000",
        "toggle(), save(), true",
        "$('status').textContent.startsWith('Saved')",
    ];
    let started = Instant::now();
    for step in steps {
        let mut is_done = false;
        while !is_done {
            assert!(started.elapsed() < PATIENCE, "waited in vain: {step}");
            sleep(Duration::from_millis(50));
            is_done = player.browser.value(&format!("Boolean(({step}))")) == json!(true);
            let used = player.browser.call("Runtime.getHeapUsage", json!({}));
            let used = ["usedSize", "backingStorageSize"].map(|key| used[key].as_f64().unwrap());
            heap = heap.max(used.iter().sum::<f64>() as u64);
            resident = resident.max(player.browser.resident_bytes());
        }
    }
    println!("heap and buffers {heap} bytes, resident {resident}, {before} before");
    assert!(heap < 200_000_000, "{heap} bytes");
    assert!(
        resident - before < 200_000_000,
        "{resident}, {before} before"
    );
    let saved = player.browser.event("Browser.downloadWillBegin", |_| true);
    let is_over = |event: &Value| event["state"] != "inProgress";
    let ended = player.browser.event("Browser.downloadProgress", is_over);
    assert_eq!(ended["state"], "completed");
    let name = saved["suggestedFilename"].as_str().unwrap();
    let bytes = fs::read(player.folder.path(&format!("downloads/{name}"))).unwrap();
    assert!(bytes == player.exported(&[path]));
}
