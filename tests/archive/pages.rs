//! The pages of the archive in the real Chromium: the first administrator, search, playing, keys,
//! notes, holds, deletion, the audit log, a running call; small screens, both languages.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::archive::{record, recordings, Archive};
use crate::common::browser::Browser;
use crate::common::made::Folder;
use crate::common::server::Server;
use crate::common::{run, wait_for};
use serde_json::json;

pub(crate) struct Page {
    pub(crate) browser: Browser,
    pub(crate) base: String,
}

impl Page {
    pub(crate) fn open(&mut self, path: &str) {
        let url = format!("{}{path}", self.base);
        let result = self.browser.call("Page.navigate", json!({"url": url}));
        assert!(result["errorText"].is_null(), "{result}");
        self.loaded(&format!(
            "location.pathname === {}",
            json!(path.split('?').next().unwrap())
        ));
    }

    fn loaded(&mut self, condition: &str) {
        self.browser.wait(&format!(
            "document.readyState === 'complete' && ({condition})"
        ));
    }

    /// Fills fields of a form and sends it.
    pub(crate) fn send(&mut self, form: &str, fields: &[(&str, &str)], then: &str) {
        for (name, value) in fields {
            let script = format!(
                "document.querySelector({}).value = {}",
                json!(format!("{form} [name={name}]")),
                json!(value)
            );
            self.browser.value(&script);
        }
        self.browser.value(&format!(
            "document.querySelector({}).click()",
            json!(format!("{form} button"))
        ));
        self.loaded(then);
    }

    fn text(&mut self) -> String {
        self.browser
            .text("document.querySelector('main').innerText")
    }

    pub(crate) fn resize(&mut self, width: u32) {
        let size = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
        self.browser
            .call("Emulation.setDeviceMetricsOverride", size);
    }

    /// Nothing is wider than the screen, no control is tiny, and every field has a name.
    fn check_layout(&mut self, what: &str) {
        let wide = self
            .browser
            .value("document.documentElement.scrollWidth - innerWidth");
        assert!(wide.as_i64().unwrap() <= 0, "{what}: {wide} too wide");
        let unnamed = self.browser.value(
            "[...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a, img')].filter(one =>
                !(one.textContent.trim() || one.ariaLabel || one.alt || one.labels?.[0]?.textContent.trim())).map(one => one.outerHTML)",
        );
        assert_eq!(unnamed, json!([]), "{what}");
    }
}

fn start(server: &Server, archive: &Archive, language: &str) -> (Page, Folder) {
    let _ = server;
    let folder = Folder::new();
    let mut page = Page {
        browser: Browser::start(&folder, language),
        base: format!("http://{}", archive.address()),
    };
    page.open(&archive.first_link());
    let fields = [("user", "ann"), ("password", "twelve characters")];
    page.send("form.login", &fields, "location.pathname === '/'");
    (page, folder)
}

#[test]
#[ignore = "needs chromium"]
fn a_browser_finds_plays_marks_and_deletes_a_call() {
    let server = Server::new(&[]);
    record(
        &server,
        "1",
        "&device=d1&remote_number=%2B4930123456&remote_name=Zoe&local_number=200&dir=in",
        250,
    );
    record(&server, "2", "&device=d2&remote_number=300&dir=out", 250);
    let archive = Archive::new(&recordings(&server), &[]);
    let (mut page, _folder) = start(&server, &archive, "en-US");
    assert!(page.text().contains("Zoe (+4930123456)"), "{}", page.text());
    page.check_layout("calls");
    page.send(
        "form.search",
        &[("q", "3012")],
        "location.search.includes('q=3012')",
    );
    assert_eq!(page.browser.value(ROWS), json!(1));
    page.open("/?number=4930");
    assert_eq!(page.browser.value(ROWS), json!(1));
    plays_by_keys(&mut page);
    marks_and_deletes(&mut page);
    logs_and_administers(&mut page);
}

/// The rows of the list.
const ROWS: &str = "document.querySelectorAll('tbody tr').length";

fn plays_by_keys(page: &mut Page) {
    // With the keyboard alone: to the first call, and its player.
    page.browser
        .value("document.querySelector('tbody a').focus()");
    page.browser.press("Enter", 13);
    page.loaded("location.pathname.startsWith('/call/')");
    page.check_layout("call");
    page.browser
        .wait("document.getElementById('player').duration > 4.9");
    page.browser
        .wait("document.querySelector('#wave img').naturalWidth > 0");
    let player = "document.getElementById('player')";
    page.browser.value("document.activeElement.blur()");
    page.browser.press(" ", 32);
    page.browser
        .wait(&format!("{player}.currentTime > 0.2 && !{player}.paused"));
    page.browser.press(" ", 32);
    page.browser.wait(&format!("{player}.paused"));
    page.browser.press("Home", 36);
    page.browser.wait(&format!("{player}.currentTime === 0"));
    page.browser.press("ArrowRight", 39);
    page.browser.wait(&format!("{player}.currentTime > 4.5"));
    page.browser
        .wait("document.getElementById('cursor').style.left.endsWith('%')");
    page.browser.press(">", 190);
    page.browser
        .wait(&format!("{player}.playbackRate === 1.25"));
}

fn marks_and_deletes(page: &mut Page) {
    // A note, a tag, the star.
    page.browser
        .value("document.getElementById('hold').checked = true");
    let form = "form[action^='/call/']:not([action$='delete'])";
    page.send(
        form,
        &[("tags", "blue, red"), ("note", "to keep")],
        "document.body.innerText.includes('★')",
    );
    let path = page.browser.text("location.pathname");
    page.send(
        "form[action$='delete']",
        &[("reason", "asked"), ("password", "twelve characters")],
        "document.querySelector('[role=alert]')",
    );
    assert!(page.text().contains("held"), "{}", page.text());
    page.open("/?held=1&tag=red");
    assert_eq!(page.browser.value(ROWS), json!(1));
    page.open(&path);
    page.browser
        .value("document.querySelector('[name=release]').checked = true");
    page.send(
        form,
        &[("password", "twelve characters")],
        "!document.querySelector('main').innerText.includes('★')",
    );
    page.send(
        "form[action$='delete']",
        &[("reason", "asked"), ("password", "twelve characters")],
        "location.pathname === '/'",
    );
    assert!(!page.text().contains("Zoe"), "{}", page.text());
}

fn logs_and_administers(page: &mut Page) {
    page.open("/audit");
    page.check_layout("audit");
    for what in [
        "first-administrator",
        "search",
        "listen",
        "change",
        "delete",
        "asked",
    ] {
        assert!(page.text().contains(what), "{what}: {}", page.text());
    }
    for path in ["/devices", "/settings"] {
        page.open(path);
        page.check_layout(path);
    }
    page.browser
        .value("document.querySelector('details').open = true");
    let fields = [
        ("user", "bob"),
        ("new-password", "another password"),
        ("devices", "d2"),
    ];
    page.send(
        "form[action='/settings/add']",
        &fields,
        "document.body.innerText.includes('bob')",
    );
    page.send("header form", &[], "location.pathname === '/login'");
    page.send(
        "form.login",
        &[("user", "bob"), ("password", "another password")],
        "location.pathname === '/'",
    );
    assert!(
        page.text().contains("d2")
            && !page
                .browser
                .text("document.body.innerText")
                .contains("Settings")
    );
}

#[test]
#[ignore = "needs chromium"]
fn a_browser_hears_a_running_call_less_than_three_seconds_late() {
    let server = Server::new(&[]);
    let mut phone = server.phone("1", "&device=d1&remote_number=100");
    phone.send(50, true);
    let archive = Archive::new(&recordings(&server), &[]);
    let (mut page, _folder) = start(&server, &archive, "en-US");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let speaker = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                phone.send(5, true);
            }
            phone
        });
        page.loaded("document.querySelector('tbody a')");
        page.browser
            .value("document.querySelector('tbody a').click()");
        page.loaded("location.pathname.startsWith('/call/')");
        page.browser
            .value("document.getElementById('live').click()");
        page.browser
            .wait("Number(document.getElementById('live').dataset.heard) > 2");
        // What the page has, against what the server has received. A busy computer may be late
        // once; a page that is late by design never comes so near.
        wait_for("the page to be less than three seconds late", || {
            let late = page.browser.value(
                "(async () => {
                    const button = document.getElementById('live');
                    const call = await (await fetch(button.dataset.src.replace('/audio', ''))).json();
                    const at = Number(button.dataset.at) / 16;
                    return call.duration_ms - at;
                })()",
            );
            late.as_f64().unwrap() < 3000.0
        });
        is_over.store(true, Ordering::Relaxed);
        let mut phone = speaker.join().unwrap();
        page.browser.loads_after(|| phone.stop());
    });
    // The call has ended: the same page has it whole.
    page.loaded("document.getElementById('player')?.duration > 2");
}

#[test]
#[ignore = "needs chromium"]
fn a_browser_shows_all_pages_in_chinese_on_a_small_dark_screen() {
    let server = Server::new(&[]);
    let name = "&remote_name=%E7%8E%8B%E4%BC%9F";
    record(
        &server,
        "1",
        &format!(
            "&device=0c383e000001&remote_number=%2B8613800138000&local_number=200&dir=in{name}"
        ),
        250,
    );
    let archive = Archive::new(&recordings(&server), &[]);
    let (mut page, _folder) = start(&server, &archive, "zh-CN");
    let dark = json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]});
    page.browser.call("Emulation.setEmulatedMedia", dark);
    page.resize(360);
    page.open("/?q=%E7%8E%8B%E4%BC%9F");
    assert!(
        page.text().contains("通话") && page.text().contains("王伟"),
        "{}",
        page.text()
    );
    assert_eq!(
        page.browser
            .text("getComputedStyle(document.body).backgroundColor"),
        "rgb(13, 17, 23)"
    );
    page.check_layout("calls");
    let call = page
        .browser
        .text("document.querySelector('tbody a').getAttribute('href')");
    for path in [call.as_str(), "/devices", "/audit", "/settings"] {
        page.open(path);
        page.check_layout(path);
        assert_eq!(page.browser.text("document.documentElement.lang"), "zh");
    }
}

/// What `scripts/screenshots` runs.
#[test]
#[ignore = "needs chromium"]
fn a_browser_makes_pictures_of_the_pages() {
    let server = Server::new(&[]);
    let recordings = recordings(&server);
    let words = [
        "history",
        "--days",
        "2",
        "--dir",
        recordings.to_str().unwrap(),
    ];
    let made = run(env!("CARGO_BIN_EXE_callrec-sim"), &words);
    assert!(made.status.success(), "{made:?}");
    // The folder is there only when the script has made it.
    let folder = std::path::Path::new("target/screenshots");
    let archive = Archive::new(&recordings, &[]);
    let (mut page, _folder) = start(&server, &archive, "en-US");
    page.browser
        .call("Emulation.setScrollbarsHidden", json!({"hidden": true}));
    let named =
        "[...document.querySelectorAll('tbody tr')].find(row => /\\) → .*\\)/.test(row.innerText))";
    let call = page
        .browser
        .text(&format!("{named}.querySelector('a').getAttribute('href')"));
    for (suffix, scheme, width) in [("", "light", 1000), ("-small-dark", "dark", 360)] {
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        page.browser.call("Emulation.setEmulatedMedia", media);
        page.resize(width);
        for (name, path) in [
            ("calls", "/"),
            ("call", call.as_str()),
            ("audit", "/audit"),
            ("settings", "/settings"),
        ] {
            page.open(path);
            page.browser
                .wait("[...document.images].every(image => image.complete)");
            page.browser.wait(
                "[...document.querySelectorAll('audio')].every(audio => audio.readyState > 0)",
            );
            let whole = json!({"format": "png", "captureBeyondViewport": true});
            let shot = page.browser.call("Page.captureScreenshot", whole);
            let png = shot["data"].as_str().unwrap();
            assert!(png.len() > 5000, "{name}");
            if folder.is_dir() {
                crate::common::archive::write_base64(
                    &folder.join(format!("{name}{suffix}.png")),
                    png,
                );
            }
        }
    }
}
