//! The recording server: input from phones, proxies and strangers.

use core::net::SocketAddr;

use crate::base::limits::server::{ANSWER_BYTES, MAX_CALLS};
use crate::base::time::{Duration, Instant};
use crate::proto::record_server::{ControlEvent, ControlSession, PeerKind, Stream};
use crate::wire::g711::Law;
use crate::wire::proxy_protocol;

/// A control connection. The first byte selects the kind of peer; pieces of text follow, each after its length and the
/// time that passes before it. There are never more recordings than slots, nor more responses than room for them.
pub fn record_control(data: &[u8]) {
    let Some((kind, mut data)) = data.split_first() else {
        return;
    };
    let peer = if kind & 1 == 0 {
        PeerKind::Phone
    } else {
        PeerKind::Proxy
    };
    let mut now = Instant::from_nanos(1);
    let mut control = ControlSession::new(now, peer, "\n");
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
            if !handle_event(&mut control, now, event, &mut running) {
                return;
            }
        }
        assert!(control.unsent().len() <= ANSWER_BYTES);
        control.handle_sent(usize::from(time));
    }
    let _ = control.handle_end();
}

/// Handles an event as the server does; `false` when the connection is closed.
fn handle_event(
    control: &mut ControlSession,
    now: Instant,
    event: ControlEvent,
    running: &mut [bool; MAX_CALLS],
) -> bool {
    let queued = match event {
        ControlEvent::Close(_) => return false,
        ControlEvent::Start(slot, start) => {
            assert!(!running[slot], "a slot that is taken");
            running[slot] = start.id.len() % 3 > 0;
            if running[slot] {
                control.accept_start(slot, "10.0.0.1", 20_000)
            } else {
                control.refuse_start(now, slot, "busy")
            }
        }
        ControlEvent::Stop(slot, _) => {
            assert!(running[slot], "a slot in which nothing runs");
            running[slot] = false;
            control.complete_stop(now, slot)
        }
        ControlEvent::Health(id) => {
            let problem = (id.len() % 2 == 0).then_some("disk-full");
            control.report_health(&id, problem)
        }
        ControlEvent::Peer(_) | ControlEvent::Ignored | ControlEvent::Refused(_) => {
            control.request_stop(now, 0, "shutdown")
        }
    };
    queued.is_ok()
}

/// A received stream: datagrams, each preceded by its length and the time before it. It never
/// returns more frames than have elapsed and the phone may have stored before, and each datagram
/// has exactly one outcome.
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
            let outcome = stream.handle_packet(now, from, Some(bytes));
            if time % 5 == 0 {
                stream.handle_drained(now);
            }
            while stream
                .poll_output(u64::from(length) + 1, u64::MAX)
                .is_some()
            {}
            assert!(outcome.is_ok() || again == 0, "the second try has room");
            if outcome.is_ok() {
                break;
            }
        }
        taken = taken.max(stream.frames_out());
    }
    stream.handle_end();
    while stream.poll_output(u64::MAX, u64::MAX).is_some() {}
    assert!(
        stream.frames_out() >= taken && stream.frames_out() <= millis / 20 + 451 + 1,
        "{}",
        stream.frames_out()
    );
    assert_eq!(stream.counts().iter().sum::<u64>(), put);
    assert!(stream.lost() <= 3000 * put);
}

/// A PROXY line: a parsed line can be written and parsed again.
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
