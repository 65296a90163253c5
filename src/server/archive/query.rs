//! Text in the query of a URL.

/// Percent-encodes all that has a meaning in a query (RFC 3986, unreserved characters stay).
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_query_is_a_name_and_nothing_else() {
        assert_eq!(encode("Record_2026-1.x"), "Record_2026-1.x");
        assert_eq!(encode("a b&c=ü%"), "a%20b%26c%3D%C3%BC%25");
    }
}
