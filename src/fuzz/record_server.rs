//! The recording server: what phones, proxies and strangers send it.

use core::net::SocketAddr;

use crate::base::limits::server::{ANSWER_BYTES, MAX_CALLS};
use crate::base::time::{Duration, Instant};
use crate::proto::record_server::{Control, Event, Peer, Stream, Verdict};
use crate::wire::g711::Law;
use crate::wire::proxy_protocol;

/// A control connection. The first byte says who speaks; pieces of text follow, each behind its length and the time
/// that passes before it. No more recordings than there are places, no more answers than there is room for.
pub fn record_control(data: &[u8]) {
    let Some((kind, mut data)) = data.split_first() else {
        return;
    };
    let peer = if kind & 1 == 0 {
        Peer::Phone
    } else {
        Peer::Proxy
    };
    let mut now = Instant::from_nanos(1);
    let mut control = Control::new(now, peer, "\n");
    let mut running = [false; MAX_CALLS];
    while let Some((&[time, length], rest)) = data.split_first_chunk::<2>() {
        let (mut bytes, behind) = rest.split_at(rest.len().min(usize::from(length)));
        data = behind;
        now = now + Duration::from_millis(u64::from(time) * 10);
        loop {
            let event = control
                .handle_bytes(now, &mut bytes)
                .or_else(|| control.handle_timeout(now));
            let Some(event) = event else { break };
            if !take(&mut control, now, event, &mut running) {
                return;
            }
        }
        assert!(control.unsent().len() <= ANSWER_BYTES);
        control.sent(usize::from(time));
    }
    let _ = control.handle_end();
}

/// Does as the server does; `false` when the connection is closed.
fn take(
    control: &mut Control,
    now: Instant,
    event: Event,
    running: &mut [bool; MAX_CALLS],
) -> bool {
    let next = match event {
        Event::Close(_) => return false,
        Event::Start(place, start) => {
            assert!(!running[place], "a place that is taken");
            running[place] = start.id.len() % 3 > 0;
            match running[place] {
                true => control.started(place, "10.0.0.1", 20_000),
                false => control.refuse(now, place, "busy"),
            }
        }
        Event::Stop(place, _) => {
            assert!(running[place], "a place where nothing runs");
            running[place] = false;
            control.stopped(now, place)
        }
        Event::Health(id) => control.tell_health(&id, (id.len() % 2 == 0).then_some("disk-full")),
        Event::Peer(_) | Event::Ignored | Event::Refused(_) => control.stop(now, 0, "shutdown"),
    };
    next.is_none_or(|event| take(control, now, event, running))
}

/// A received stream: datagrams behind their lengths and the time before each. It never gives out more than time has
/// passed and a phone may have had in store, and each datagram has one verdict.
pub fn record_stream(mut data: &[u8]) {
    let from = SocketAddr::from(([10, 0, 0, 5], 4000));
    let mut stream = Stream::new(
        Law::Mu,
        from.ip(),
        data.len() % 2 == 0,
        Instant::from_nanos(1),
    );
    let (mut millis, mut put, mut taken) = (0u64, 0, 0u64);
    while let Some((&[time, length], rest)) = data.split_first_chunk::<2>() {
        let (bytes, behind) = rest.split_at(rest.len().min(usize::from(length)));
        data = behind;
        millis += u64::from(time);
        let now = Instant::from_nanos(1) + Duration::from_millis(millis);
        put += 1;
        for again in 0..2 {
            let verdict = stream.put(now, from, Some(bytes));
            if time % 5 == 0 {
                stream.handle_drained(now);
            }
            while stream.take(u64::from(length) + 1, u64::MAX).is_some() {}
            assert!(
                verdict != Verdict::TakeFirst || again == 0,
                "the second try has room"
            );
            if verdict != Verdict::TakeFirst {
                break;
            }
        }
        taken = taken.max(stream.taken());
    }
    stream.finish();
    while stream.take(u64::MAX, u64::MAX).is_some() {}
    assert!(
        stream.taken() >= taken && stream.taken() <= millis / 20 + 451 + 1,
        "{}",
        stream.taken()
    );
    assert_eq!(stream.counts().iter().sum::<u64>(), put);
    assert!(stream.lost() <= 3000 * put);
}

/// A PROXY line: what is read can be written and read again.
pub fn proxy_line(data: &[u8]) {
    if let Some(source) = proxy_protocol::parse(data) {
        let destination = if source.is_ipv4() {
            "192.0.2.1:1"
        } else {
            "[2001:db8::1]:1"
        };
        let line = destination
            .parse()
            .map(|destination| proxy_protocol::emit(source, destination));
        let again = line
            .ok()
            .and_then(|line| proxy_protocol::parse(line.trim_end().as_bytes()));
        assert_eq!(again, Some(source));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::attack;
    use super::*;

    #[test]
    fn control_connections_survive() {
        let mut good = vec![0];
        for text in [
            "cmd=RecordStartRequest&id=17&device=0c383e000001&codec=PCMA&dir=in\n",
            "cmd=RecordStartRequest&id=5cmd=RecordStopRequest&id=17&remote_name=x\n",
            "cmd=RecordStopResponse&id=5&result=success\r\ncmd=RecordStopRequest&id=6",
        ] {
            good.extend([30, text.len() as u8]);
            good.extend(text.as_bytes());
        }
        let mut proxied = vec![1, 0, 43];
        proxied.extend(b"PROXY TCP4 192.0.2.7 192.0.2.1 56324 10000\r\n");
        attack(record_control, &[&good, &proxied]);
    }

    #[test]
    fn received_streams_survive() {
        let mut good = vec![];
        for n in 0..12u8 {
            good.extend([
                20,
                28,
                0x80,
                0,
                0xFF,
                0xF8u8.wrapping_add(n),
                0,
                0,
                n / 8,
                n << 4,
                0,
                0,
                0,
                1,
            ]);
            good.extend([n; 16]);
        }
        attack(record_stream, &[&good]);
    }

    #[test]
    fn proxy_lines_survive() {
        attack(
            proxy_line,
            &[
                b"PROXY TCP4 192.0.2.7 192.0.2.1 56324 10000",
                b"PROXY TCP6 2001:db8::7 ::1 1 65535",
            ],
        );
    }
}
