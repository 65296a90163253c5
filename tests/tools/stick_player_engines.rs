//! The page that plays recordings (`Listen.html`), in Firefox and in WebKit, the engine of Safari. The other
//! tests of the page are in Chromium.

use std::fs;
use std::process::Command;

use crate::common::made::{tool, Folder, Made};
use crate::common::wait_long_for;
use crate::common::webdriver::DrivenBrowser;
use crate::stick_player_browser::{damage, noise, LISTEN};
use serde_json::json;

/// A call in each codec, one of two parts, and one whose header and some of whose frames are lost. Each
/// has its row of the list, the name under which it is saved, and its files.
fn calls(folder: &Folder) -> Vec<(String, String, Vec<String>)> {
    let made = |codec, ssrc, first| Made {
        codec,
        ssrc,
        first,
        frames: 150,
        ..Made::default()
    };
    let file = |name: &str, bytes: &[u8]| folder.file(&format!("stick/Record_202601{name}"), bytes);
    let mut lost = made("PCMU", 5, 0).bytes();
    damage(&mut lost);
    lost[..76].fill(0);
    let parts = vec![
        file("04_100000.wav", &made("PCMU", 4, 0).bytes()),
        file("04_100003.wav", &made("PCMU", 4, 150).bytes()),
    ];
    let first = json!({"id": "1", "part": 1, "remote_number": "100", "remote_name": "Zoë"});
    file("04_100000.json", first.to_string().as_bytes());
    let second = json!({"id": "1", "part": 2, "parts": 2});
    file("04_100003.json", second.to_string().as_bytes());
    let alone = [
        ("05", "| \u{26a0} damaged header", lost),
        ("03", "|", noise(made("G722", 3, 0).bytes())),
        ("02", "|", made("PCMA", 2, 0).bytes()),
        ("01", "|", made("PCMU", 1, 0).bytes()),
    ];
    let call = |(day, mark, bytes): (&str, &str, Vec<u8>)| {
        let row = format!("2026-01-{day} 10:00:00 | Unknown number | 00:03 {mark}");
        let path = file(&format!("{day}_100000.wav"), &bytes);
        let saved = format!("call_202601{day}_100000.wav");
        (row.trim_end().into(), saved, vec![path])
    };
    let mut calls: Vec<_> = alone.map(call).into();
    let row = "2026-01-04 10:00:00 | 100 \u{b7} Zoë | 00:06 |".into();
    calls.insert(1, (row, "call_20260104_100000_100.wav".into(), parts));
    calls
}

const ROWS: &str = "[...document.querySelectorAll('#calls button')].map(row =>
    [...row.children].map(cell => cell.textContent).join(' | ').trim())";

/// The picture in pixels: columns that are drawn, the width, the highest column, the height.
const PICTURE: &str = "(() => {
    const { width, height } = $('wave');
    const pixels = $('wave').getContext('2d').getImageData(0, 0, width, height).data;
    const heights = Array.from({ length: width }, (_, x) =>
        Array.from({ length: height }, (_, y) => pixels[(y * width + x) * 4 + 3]).filter(Boolean).length);
    return [heights.filter(Boolean).length, width, Math.max(...heights), height];
})()";

/// What `callrec export` writes.
fn exported(folder: &Folder, paths: &[String]) -> Vec<u8> {
    let out = folder.path("exported.wav");
    let paths = paths.iter().map(String::as_str);
    let arguments: Vec<&str> = ["export", "--pcm16"].into_iter().chain(paths).collect();
    let ran = tool(&[&arguments[..], &[&out]].concat());
    assert!(ran.ok, "{}", ran.err);
    let bytes = fs::read(&out).unwrap();
    fs::remove_file(&out).unwrap();
    bytes
}

fn samples(wav: &[u8]) -> Vec<i16> {
    let pairs = wav[44..].chunks(2);
    pairs
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect()
}

fn lists_plays_and_saves(start: fn(&Folder) -> DrivenBrowser) {
    let folder = Folder::new();
    let page = Command::new("scripts/player").output().unwrap();
    assert!(page.status.success(), "scripts/player: {page:?}");
    let page = folder.file("Listen.html", &page.stdout);
    let calls = calls(&folder);
    let mut chosen: Vec<String> = calls.iter().flat_map(|call| call.2.clone()).collect();
    let sidecars = calls[1].2.iter().map(|path| path.replace(".wav", ".json"));
    chosen.extend(sidecars);
    let mut browser = start(&folder);
    browser.navigate(&page);
    browser.value("$('language').value = 'en', speak('en')");
    browser.choose("#files", &chosen);
    browser.wait("document.querySelector('#calls li')");
    let rows: Vec<&str> = calls.iter().map(|call| call.0.as_str()).collect();
    assert_eq!(browser.value(ROWS), json!(rows));
    for (number, (row, name, paths)) in calls.iter().enumerate() {
        browser.click(&format!("#calls li:nth-child({}) button", number + 1));
        browser.wait("!$('save').disabled");
        let wanted = exported(&folder, paths);
        browser.click("#save");
        let path = folder.path(&format!("downloads/{name}"));
        wait_long_for(&format!("{path} of {} bytes", wanted.len()), || {
            fs::metadata(&path).is_ok_and(|file| file.len() == wanted.len() as u64)
        });
        assert!(fs::read(&path).unwrap() == wanted, "{row}");
    }
    draws_and_plays(&mut browser, &samples(&exported(&folder, &calls[2].2)));
}

/// The third call of the list.
fn draws_and_plays(browser: &mut DrivenBrowser, wanted: &[i16]) {
    browser.click("#calls li:nth-child(3) button");
    browser.wait("!$('play').disabled && (wave.least[999] || wave.greatest[999])");
    let picture = browser.value(PICTURE);
    let [drawn, width, highest, height] =
        [0, 1, 2, 3].map(|index: usize| picture[index].as_f64().unwrap());
    let root = |sample: i16| (f64::from(sample).abs() / 32768.0).sqrt() * height / 2.0;
    let sound = root(*wanted.iter().max().unwrap()) + root(*wanted.iter().min().unwrap());
    assert!(width > 200.0 && height > 40.0, "{picture}");
    assert_eq!(drawn, width, "{picture}");
    let is_high = highest > sound * 0.8 && highest < sound + 3.0;
    assert!(is_high, "{picture}, and the sound would be {sound} high");
    browser.value(&format!("(() => {{ {LISTEN} }})()"));
    browser.click("#play");
    browser.wait("player.run && player.now() > 8000");
    assert_eq!(browser.text("#play"), "Pause");
    browser.wait("!player.run && player.position === player.whole");
    assert_eq!(browser.text("#time"), "00:03 / 00:03");
    let heard = browser.value("heard");
    assert!(heard == json!(wanted), "other samples are played");
}

#[test]
#[ignore = "needs the package firefox-esr"]
fn a_browser_of_mozilla_lists_plays_and_saves() {
    lists_plays_and_saves(DrivenBrowser::firefox);
}

#[test]
#[ignore = "needs the packages webkit2gtk-driver and xvfb"]
fn a_browser_with_the_engine_of_safari_lists_plays_and_saves() {
    lists_plays_and_saves(DrivenBrowser::webkit);
}
