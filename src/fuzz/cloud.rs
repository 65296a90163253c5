//! The cloud: tokens, URLs and messages; a phone whose cloud says anything.

use crate::base::time::{Duration, Instant};
use crate::proto::cloud::exchange::ResponseReader;
use crate::proto::cloud::phone::settings::{Authority, Settings};
use crate::proto::cloud::phone::{CloudPhone, Output, TransportEvent};
use crate::proto::cloud::posts::Outcome;
use crate::proto::intercom::endpoint::output::{CallState, Event};
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

/// A phone whose cloud and application server answer anything: each call that programs are told of
/// closes once, and nothing is forgotten for want of room.
pub fn cloud_phone(data: &[u8]) {
    let mut now = Instant::from_nanos(1_000_000_000);
    let relay = Authority {
        host: "relay".into(),
        port: 80,
        is_tls: data.len() % 3 == 0,
    };
    let settings = Settings {
        cid: 5,
        relays: vec![relay],
        ring_timeout: Duration::from_millis(45_000),
        has_transport: data.len() % 2 == 0,
    };
    let mut phone = CloudPhone::new(now, settings, [3; 32]);
    phone.handle_timeout(now);
    phone.handle_channel_answered(now, 200, Some(1_000_000));
    let mut open = 0;
    for (step, chunk) in data.chunks(97).enumerate() {
        now = now + Duration::from_millis(700 * (step as u64 % 5));
        phone.handle_channel_bytes(now, chunk);
        let first = chunk.first().copied().unwrap_or_default();
        match first % 8 {
            0 => drop(phone.handle_call(now, u32::from(first) + 1)),
            1 => phone.handle_transport(now, TransportEvent::Accepted),
            2 => phone.handle_transport(now, TransportEvent::Ended),
            3 => phone.handle_stream_ended(now),
            4 => phone.handle_channel_lost(now),
            _ => phone.handle_timeout(now),
        }
        if let Some(status) = phone.status(now) {
            let sid = status.info.sid;
            match first % 3 {
                0 => drop(phone.handle_accept(now, &sid)),
                1 => drop(phone.handle_end(now, &sid, Default::default())),
                _ => {}
            }
        }
        while phone.poll_post(now).is_some() {
            let status = [200, 201, 404, 409, 500][usize::from(first) % 5];
            phone.handle_outcome(now, Outcome::Answered(status), chunk);
        }
        open += follow(&mut phone);
    }
    phone.handle_shutdown(now);
    open += follow(&mut phone);
    assert!(
        open == 0 && phone.is_idle() && phone.counts().bugs == 0,
        "{open}"
    );
    let _ = ResponseReader::default().next(data);
}

/// Takes all outputs: how many calls began, less those that closed.
fn follow(phone: &mut CloudPhone) -> i32 {
    let mut open = 0;
    while let Some(output) = phone.poll_output() {
        match output {
            Output::Event(Event::Call(CallState::Calling | CallState::Incoming, ..)) => open += 1,
            // Busy callers have an end without a beginning.
            Output::Event(Event::Closed(closed)) if closed.reason != b"line_busy" => open -= 1,
            _ => {}
        }
    }
    open
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

    #[test]
    fn a_phone_survives_its_cloud() {
        let message = |text: &str| {
            let mut base64 = String::new();
            crate::wire::base64::emit(&mut base64, text.as_bytes());
            format!(
                "id: 7\ndata: {{\"Name\":\"PopMessage\",\"Message\":\"{base64}\",\"Flag\":2}}\n\n"
            )
        };
        let call = message(
            r#"{"t":"call","sid":"0123456789abcdef","from":9,"url":"http://relay/stream/x"}"#,
        );
        let end = message(r#"{"t":"end","sid":"0123456789abcdef","from":9}"#);
        let online = "data: {\"Name\":\"Online\"}\n\n";
        let whole = [online, &call, &call, &end, &call].concat();
        attack(cloud_phone, &[whole.as_bytes(), call.as_bytes()]);
    }
}
