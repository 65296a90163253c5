//! The archive's pages, tested by axe-core: WCAG 2.2, levels A and AA. `scripts/test` takes axe-core out of a
//! Python package.

use crate::common::archive::{record, recordings, Archive};
use crate::common::browser::Browser;
use crate::common::made::Folder;
use crate::common::server::Server;
use crate::pages::Page;
use serde_json::{json, Value};

const AXE: &str = "target/axe/axe_playwright_python/axe.min.js";

/// What is wrong with the page as it is shown: rule, impact, element and reason. Where axe-core is not
/// sure, it says nothing. `target-size` is new in WCAG 2.2, and axe-core leaves it out unless it is named.
const RUN: &str = "(async () => {
    document.querySelectorAll('details').forEach(one => { one.open = true; });
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
    const { violations, passes } = await axe.run({
        runOnly: { type: 'tag', values: tags }, rules: { 'target-size': { enabled: true } },
    });
    const lines = violations.flatMap(({ id, impact, nodes }) =>
        nodes.map(node => [impact, id, node.html, node.failureSummary].join('\\n')));
    return { lines, passed: passes.map(rule => rule.id) };
})()";

struct Axe {
    page: Page,
    source: String,
}

impl Axe {
    fn found(&mut self) -> Value {
        self.page.browser.value(&self.source);
        self.page.browser.value(RUN)
    }

    /// The page that is open, light and dark, on a small and on a large screen.
    fn check(&mut self, what: &str) {
        for (scheme, width) in [
            ("light", 360),
            ("light", 1000),
            ("dark", 360),
            ("dark", 1000),
        ] {
            let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
            self.page.browser.call("Emulation.setEmulatedMedia", media);
            self.page.resize(width);
            let found = self.found();
            let passed = found["passed"].as_array().unwrap();
            assert!(passed.contains(&json!("color-contrast")), "{what}: {found}");
            let is_bad = |line: &&str| line.starts_with("serious") || line.starts_with("critical");
            let lines = found["lines"].as_array().unwrap().iter();
            let bad: Vec<&str> = lines.filter_map(Value::as_str).filter(is_bad).collect();
            assert!(
                bad.is_empty(),
                "{what}, {scheme}, {width} pixels wide: {}",
                bad.join("\n\n")
            );
        }
    }

    fn open_and_check(&mut self, path: &str) {
        self.page.open(path);
        self.check(path);
    }
}

#[test]
#[ignore = "needs chromium, and axe-core in target/axe"]
fn a_browser_finds_no_barrier_in_the_pages() {
    let source = std::fs::read_to_string(AXE).unwrap_or_else(|error| panic!("{AXE}: {error}"));
    let server = Server::new(&[]);
    let zoe = "&device=d1&remote_number=%2B4930123456&remote_name=Zoe&local_number=200&dir=in";
    record(&server, "1", zoe, 150);
    record(&server, "2", "&device=d2&remote_number=300&dir=out", 150);
    let mut phone = server.phone("3", "&device=d1&remote_number=100");
    phone.send(50, true);
    let archive = Archive::new(&recordings(&server), &[]);
    let folder = Folder::new();
    let page = Page {
        browser: Browser::start(&folder, "en-US"),
        base: format!("http://{}", archive.address()),
    };
    let mut axe = Axe { page, source };
    axe.open_and_check(&archive.first_link());
    let fields = [("user", "ann"), ("password", "twelve characters")];
    axe.page
        .send("form.login", &fields, "location.pathname === '/'");
    axe.check("calls");
    let rows = "[...document.querySelectorAll('tbody a')].map(link => link.getAttribute('href'))";
    let calls = axe.page.browser.value(rows);
    let calls = calls.as_array().unwrap();
    assert_eq!(calls.len(), 3, "a running call and two others");
    for call in calls {
        axe.open_and_check(call.as_str().unwrap());
    }
    for path in ["/?q=nobody", "/devices", "/audit", "/settings"] {
        axe.open_and_check(path);
    }
    finds_what_is_broken(&mut axe);
    axe.page.open("/settings");
    axe.page
        .send("header form", &[], "location.pathname === '/login'");
    axe.check("login");
    let fields = [("user", "ann"), ("password", "a wrong password")];
    axe.page.send(
        "form.login",
        &fields,
        "document.querySelector('[role=alert]')",
    );
    axe.check("a login that failed");
    phone.stop();
}

/// The check itself is checked: a field without its name, text that is hardly seen, a tiny control.
fn finds_what_is_broken(axe: &mut Axe) {
    axe.page.open("/");
    // The page's policy lets only scripts set a style.
    axe.page.browser.value(
        "(() => {
            document.querySelector('main').insertAdjacentHTML('beforeend',
                '<input id=unnamed><p id=faint>hardly seen</p><div><button class=tiny aria-label=a></button><button class=tiny aria-label=b></button></div>');
            document.getElementById('faint').style.cssText = 'color: #999; background: #aaa';
            document.querySelectorAll('.tiny').forEach(one => { one.style.cssText = 'all: unset; width: 9px; height: 9px'; });
        })()",
    );
    let found = axe.found().to_string();
    for rule in ["label", "color-contrast", "target-size"] {
        assert!(found.contains(&format!("\\n{rule}\\n")), "{rule}: {found}");
    }
}
