//! The page for trying of a home's box: what it says, the call's sound as a WAV that grows, the door
//! opened with the token of the screen that talks; and in Chromium.
#![cfg(all(feature = "box", feature = "sim"))]

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::common::home_box::HomeBox;
use crate::common::intercom::Device;
use crate::common::{wait_for, PATIENCE};
use serde_json::Value;

fn request(address: &str, text: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut response = vec![];
    stream.read_to_end(&mut response).unwrap();
    String::from_utf8(response).unwrap()
}

fn get(address: &str, path: &str) -> String {
    request(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: box\r\n\r\n"),
    )
}

fn status(address: &str) -> Value {
    let response = get(address, "/status");
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.contains("Content-Security-Policy: default-src 'none'"));
    serde_json::from_str(body).unwrap()
}

fn open(address: &str, token: &str) -> String {
    let head = "POST /open HTTP/1.1\r\nHost: box\r\nContent-Length: 0\r\n";
    request(
        address,
        &format!("{head}Authorization: Bearer {token}\r\n\r\n"),
    )
}

/// A door that talks with a screen.
fn talking(home: &HomeBox, seconds: &str) -> (Device, Device) {
    let token = home.token_file("panel", "1");
    let (family, call) = (home.family(), home.call());
    let screen = [
        "screen",
        "--box",
        &family,
        "--token-file",
        &token,
        "--calls",
        "1",
    ];
    let streams = ["--stream-port", "9540"];
    let mut screen = Device::sim(&[&screen[..], &streams].concat());
    screen.until("joined ");
    let door = ["door", "--box", &call, "--seconds", seconds];
    let mut door = Device::sim(&[&door[..], &streams].concat());
    door.until("answered ");
    (door, screen)
}

#[test]
fn the_page_shows_the_call_and_its_sound() {
    let home = HomeBox::new("tryPage = 1");
    let at = home.streams_at_home();
    assert!(get(&at, "/").contains("<h1>Home"));
    assert!(
        get(&home.streams_outside(), "/").starts_with("HTTP/1.1 404"),
        "at home alone"
    );
    assert_eq!(status(&at)["call"], "free");
    let (mut door, mut screen) = talking(&home, "4");
    let mut now = Value::Null;
    wait_for("both streams", || {
        now = status(&at);
        now["streams"].as_array().unwrap().len() == 2
    });
    assert_eq!(
        (&now["room"], &now["call"]),
        (&"2-1-201".into(), &"talking".into())
    );
    assert_eq!(now["screens"][0], "panel");
    let picture = now["streams"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["codec"] == "H264");
    let id = picture.unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(picture.unwrap()["url"], format!("http://{at}/stream/{id}"));

    // A browser hears it until the call ends.
    let mut player = TcpStream::connect(&at).unwrap();
    player.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(player, "GET /sound/{id}.wav HTTP/1.1\r\nHost: box\r\n\r\n").unwrap();
    assert!(open(&at, "nonsense").starts_with("HTTP/1.1 401"));
    let other = home.token("kitchen", "1");
    assert!(open(&at, &other).starts_with("HTTP/1.1 409"));
    let token = std::fs::read_to_string(home.path("token-panel")).unwrap();
    assert!(open(&at, token.trim()).starts_with("HTTP/1.1 200"));
    door.until("opened ");
    let mut sound = vec![];
    player.read_to_end(&mut sound).unwrap();
    let begin = sound.windows(4).position(|four| four == b"RIFF").unwrap();
    assert_eq!(sound[begin + 20], 7, "mu-law");
    assert!(sound.len() - begin > 8000, "{}", sound.len());
    door.succeeds();
    screen.succeeds();
}

#[test]
fn without_the_key_there_is_no_page() {
    let home = HomeBox::new("");
    let at = home.streams_at_home();
    for path in ["/", "/status", "/sound/x.wav"] {
        assert!(get(&at, path).starts_with("HTTP/1.1 404"), "{path}");
    }
}

#[cfg(feature = "tools")]
#[test]
#[ignore = "needs the package chromium"]
fn a_browser_hears_the_door_and_opens_it() {
    use crate::common::browser::Browser;
    use crate::common::made::Folder;

    let home = HomeBox::new("tryPage = 1");
    let at = home.streams_at_home();
    let (mut door, mut screen) = talking(&home, "12");
    let folder = Folder::new();
    let mut browser = Browser::start(&folder, "en");
    browser.call(
        "Page.navigate",
        serde_json::json!({"url": format!("http://{at}/")}),
    );
    browser.wait("document.getElementById('call')?.textContent.startsWith('talking')");
    browser.wait("document.querySelectorAll('section').length === 2");
    browser.value("document.querySelector('section button').click()");
    browser.wait("parseFloat(document.querySelector('section output')?.textContent) > 1");
    let token = std::fs::read_to_string(home.path("token-panel")).unwrap();
    browser.value(&format!(
        "document.getElementById('token').value = '{}', document.getElementById('open').requestSubmit(), true",
        token.trim()
    ));
    browser.wait("document.getElementById('opened').textContent === 'the door was asked to open'");
    door.until("opened ");
    door.succeeds();
    screen.succeeds();
}
