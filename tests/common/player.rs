//! The page that plays recordings, in a browser.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::browser::Browser;
use super::made::{tool, Folder, Made};

/// A browser that shows the page as it is packaged.
pub struct Player {
    pub browser: Browser,
    pub folder: Folder,
}

impl Player {
    pub fn new(language: &str) -> Self {
        let folder = Folder::new();
        let page = Command::new("scripts/player").output().unwrap();
        assert!(page.status.success(), "scripts/player: {page:?}");
        folder.file("Listen.html", &page.stdout);
        let browser = Browser::start(&folder, language);
        let mut this = Self { browser, folder };
        this.reload();
        this
    }

    pub fn reload(&mut self) {
        let page = self.folder.path("Listen.html");
        self.browser.navigate(&page);
    }

    /// Chooses these files in the input for files.
    pub fn choose(&mut self, paths: &[String]) {
        self.browser.choose("#files", paths);
        self.browser.wait("document.querySelector('#calls li')");
    }

    /// Opens the first call, and waits until it can be played.
    pub fn open(&mut self) {
        self.browser
            .value("document.querySelector('#calls button').click()");
        self.browser
            .wait("!document.querySelector('#save').disabled");
    }

    /// The name of the WAV file that is saved, and its bytes.
    pub fn save(&mut self) -> (String, Vec<u8>) {
        let click = "document.querySelector('#save').click()";
        self.browser.value(click);
        let begun = self.browser.event("Browser.downloadWillBegin", |_| true);
        let is_over = |event: &Value| event["state"] != "inProgress";
        let ended = self.browser.event("Browser.downloadProgress", is_over);
        assert_eq!(ended["state"], "completed");
        let name = begun["suggestedFilename"].as_str().unwrap().to_owned();
        let path = self.folder.path(&format!("downloads/{name}"));
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(path).unwrap();
        (name, bytes)
    }

    /// What `callrec export` writes.
    pub fn exported(&self, paths: &[String]) -> Vec<u8> {
        let out = self.folder.path("exported.wav");
        let mut arguments = vec!["export", "--pcm16"];
        arguments.extend(paths.iter().map(String::as_str));
        arguments.push(&out);
        let ran = tool(&arguments);
        assert!(ran.ok, "{}", ran.err);
        let bytes = fs::read(&out).unwrap();
        fs::remove_file(&out).unwrap();
        bytes
    }

    pub fn text(&mut self, selector: &str) -> String {
        let element = format!("document.querySelector('{selector}')");
        self.browser.text(&format!("{element}.innerText"))
    }

    /// A recording in the folder `stick`, and its sidecar.
    pub fn call(&self, name: &str, made: Made, sidecar: &Value) -> [String; 2] {
        let file = |end: &str, bytes: &[u8]| {
            let name = format!("stick/{name}.{end}");
            self.folder.file(&name, bytes)
        };
        let sidecar = sidecar.to_string();
        [file("wav", &made.bytes()), file("json", sidecar.as_bytes())]
    }

    /// The rows of the list.
    pub fn rows(&mut self) -> Vec<String> {
        let rows = self.browser.value(ROWS);
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row.as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the player has played to the end.
    pub fn wait_for_end(&mut self) {
        let is_over = "!player.run && player.position === player.whole";
        self.browser.wait(is_over);
    }
}

const ROWS: &str = "[...document.querySelectorAll('#calls button')].map(row => row.innerText)";
