//! Where somebody goes after he has logged in: a page of this site, never another site's.

/// The longest one.
const MOST: usize = 512;

/// The path if it is one of ours, else that of the first page.
pub(super) fn local_path(asked: &str) -> &str {
    // Browsers read `\` as `/`, and two of them begin a host.
    let is_plain = asked
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_ours = asked.starts_with('/') && !asked.starts_with("//");
    let path = asked.split(['?', '#']).next().unwrap_or_default();
    let is_page = !["/login", "/logout", "/first"].contains(&path) && !path.starts_with("/oidc/");
    if is_plain && is_ours && is_page && asked.len() <= MOST {
        asked
    } else {
        "/"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_site_are_returned_to() {
        for path in [
            "/",
            "/call/abc",
            "/?number=4930&from=2026-01-01",
            "/audit#x",
        ] {
            assert_eq!(local_path(path), path);
        }
        let long = format!("/{}", "a".repeat(MOST));
        for path in [
            "",
            "call",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/a\\b",
            "https://evil.example",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/a b",
            "/a\r\nSet-Cookie: x=y",
            "/é",
            "/login",
            "/login?return=/",
            "/logout",
            "/oidc/start",
            &long,
        ] {
            assert_eq!(local_path(path), "/", "{path}");
        }
    }
}
