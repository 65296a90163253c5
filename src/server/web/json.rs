//! Members of a body, with words when they are wrong.

use serde_json::{Map, Value};

use crate::server::web::answer::Answer;

/// A body that has to be an object; an empty one counts as an object without members.
pub(in crate::server) fn object(body: &[u8]) -> Result<Map<String, Value>, Answer> {
    if body.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Answer::bad_request("the body is no JSON object")),
        Err(_) => Err(Answer::bad_request("the body is no JSON")),
    }
}

/// A cid: a number, or the same as a string.
pub(in crate::server) fn cid(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => number.as_u64().and_then(|cid| u32::try_from(cid).ok()),
        Value::String(text) => {
            let number = crate::wire::decimal::parse_decimal(text.as_bytes());
            number.and_then(|cid| u32::try_from(cid).ok())
        }
        _ => None,
    }
}

/// A list of cids; `None`: there is no such member.
pub(in crate::server) fn cids(
    members: &Map<String, Value>,
    key: &str,
) -> Result<Option<Vec<u32>>, Answer> {
    let list = match members.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(Answer::bad_request(&format!("'{key}' is no list of cids"))),
    };
    let cids: Option<Vec<u32>> = list.iter().map(cid).collect();
    let problem = || Answer::bad_request(&format!("'{key}' has a member that is no cid"));
    cids.map(Some).ok_or_else(problem)
}

/// A member that is a number from `least` to `most`; `None`: there is none.
pub(in crate::server) fn number(
    members: &Map<String, Value>,
    key: &str,
    least: u64,
    most: u64,
) -> Result<Option<u64>, Answer> {
    let number = match members.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value.as_u64(),
    };
    let number = number.filter(|number| (least..=most).contains(number));
    let problem = || Answer::bad_request(&format!("'{key}' is no number from {least} to {most}"));
    number.map(Some).ok_or_else(problem)
}

/// A member that is a string; `None`: there is none.
pub(in crate::server) fn text<'a>(
    members: &'a Map<String, Value>,
    key: &str,
) -> Result<Option<&'a str>, Answer> {
    match members.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Answer::bad_request(&format!("'{key}' is no string"))),
    }
}

/// The value of a key in a query string; percent signs are undone.
pub(in crate::server) fn query(query: Option<&str>, key: &str) -> Option<String> {
    let mut pairs = query?.split('&');
    let value = pairs.find_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name == key).then_some(value)
    })?;
    let bytes = value.as_bytes();
    let mut text = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = value.get(at + 1..at + 3);
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped.filter(|_| *byte == b'%') {
            Some(escaped) => {
                text.push(escaped);
                at += 3;
            }
            None => {
                text.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read() {
        let all = Some("page=2&size=%32%30&client_token=a_b&x");
        assert_eq!(query(all, "page").as_deref(), Some("2"));
        assert_eq!(query(all, "size").as_deref(), Some("20"));
        assert_eq!(query(all, "x").as_deref(), Some(""));
        assert_eq!(query(all, "y"), None);
        assert_eq!(query(Some("a=%"), "a").as_deref(), Some("%"));
        assert_eq!(query(Some("a=%zz"), "a").as_deref(), Some("%zz"));
    }

    #[test]
    fn members_are_checked() {
        let body = br#"{"cids":[1,"2"],"bad":[1,-1],"n":5,"t":"x"}"#;
        let members = object(body).unwrap();
        assert_eq!(cids(&members, "cids").unwrap(), Some(vec![1, 2]));
        assert_eq!(cids(&members, "none").unwrap(), None);
        assert!(cids(&members, "bad").is_err() && cids(&members, "t").is_err());
        assert_eq!(number(&members, "n", 0, 5).unwrap(), Some(5));
        assert!(number(&members, "n", 0, 4).is_err() && number(&members, "t", 0, 4).is_err());
        assert_eq!(text(&members, "t").unwrap(), Some("x"));
        assert!(text(&members, "n").is_err());
        assert!(object(b"[]").is_err() && object(b"{").is_err() && object(b" ").is_ok());
    }
}
