//! The cloud: tokens, URLs and messages.

use crate::wire::cloud::message::{CallMessage, MESSAGE_BYTES};
use crate::wire::cloud::token::Token;
use crate::wire::cloud::url::{emit, TopvdnUrl, URL_BYTES};

/// Tokens: what was taken apart is the same text, and what people see has no digest.
pub fn cloud_token(data: &[u8]) {
    let Ok(token) = Token::parse(data) else {
        return;
    };
    let shown = token.to_string();
    let digest = String::from_utf8_lossy(token.digest).into_owned();
    assert!(!shown.contains(&digest) && digest.len() == 32);
    if !token.has_more_fields() {
        let again = shown.replace("***", &digest);
        assert_eq!(again.as_bytes(), data);
    }
}

/// URLs: what was taken apart can be made again for the same purpose.
pub fn cloud_url(data: &[u8]) {
    let Ok(url) = TopvdnUrl::parse(data) else {
        return;
    };
    assert!(data.len() <= URL_BYTES && url.params().count() > 0);
    let token = url.params().find(|(key, _)| *key == "token");
    let (_, token) = token.unwrap_or_default();
    // The same parameters in another order, without blanks: it may only become shorter, but for
    // recordings whose host is misspelt.
    if let Some(made) = emit(url.purpose, token) {
        let again = TopvdnUrl::parse(&made).map(|again| (again.purpose, again.token));
        assert_eq!(again, Ok((url.purpose, url.token)));
    }
}

/// Messages: what was read can be written, and read again as the same.
pub fn cloud_message(data: &[u8]) {
    let Ok(message) = CallMessage::parse(data) else {
        return;
    };
    assert!(data.len() <= MESSAGE_BYTES);
    // Characters that control a terminal become longer when they are written.
    if let Some(text) = message.emit() {
        assert_eq!(CallMessage::parse(&text), Ok(message));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::attack;
    use super::*;

    const TOKEN: &[u8] = b"1003469_3222536192_1493481600_5574318032e39b62063d98e6bff50069";

    #[test]
    fn tokens_survive() {
        attack(
            cloud_token,
            &[TOKEN, b"1_2_3_4_10.0.0.1_5574318032e39b62063d98e6bff50069"],
        );
    }

    #[test]
    fn urls_survive() {
        let text = String::from_utf8_lossy(TOKEN);
        let call = format!("topvdn://203.195.157.248:80?protocolType=1&token={text}");
        let push = format!("topvdn://0.0.0.0:0?protocolType=2&connectType=1&token={text}&mode=2");
        let record =
            format!("topvdn://public.topvdn.cn?protocolType=3&token={text}&begin=5&end=9&play=0");
        attack(
            cloud_url,
            &[call.as_bytes(), push.as_bytes(), record.as_bytes()],
        );
    }

    #[test]
    fn messages_survive() {
        attack(
            cloud_message,
            &[
                br#"{"t":"call","sid":"0123456789abcdef","from":1003469,"at":1493478000,"url":"http://a/b\u00e9"}"#,
                br#"{"t":"cancel","sid":"0123456789abcdef","from":7,"reason":"answered_elsewhere"}"#,
            ],
        );
    }
}
