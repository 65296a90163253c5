//! Fuzz bodies of the rendezvous.
#![allow(clippy::panic)] // an assertion that fails is what a fuzz target is for

use crate::base::limits::{RENDEZVOUS_BYTES, SEALED_BYTES};
use crate::wire::rendezvous::{Kind, Message, Writer};
use crate::wire::seal::Key;

/// Rendezvous messages: what opens can be sealed again and opens the same.
pub fn rendezvous(data: &[u8]) {
    let Some(key) = Key::new(b"0123456789abcdefghijklmnopqrstuv") else { return };
    let Ok(message) = Message::parse(data) else { return };
    let clear = message.clear;
    let _ = (clear.mid(), clear.code(), clear.address("ped"));
    let mut opened = [0; SEALED_BYTES];
    let Ok(attributes) = clear.open(&key, &mut opened) else { return };
    let (service, mut buffer, mut again) = (attributes.value("service"), [0; RENDEZVOUS_BYTES], [0; SEALED_BYTES]);
    let mut writer = Writer::new(&mut buffer, message.class, Kind::Register);
    let mark = writer.mark();
    let written = writer.text("service", service.unwrap_or_default()).seal(mark, &key).finish();
    let Some(len) = written else { panic!("what fitted fits again") };
    let read = Message::parse(&buffer[..len]).and_then(|message| message.clear.open(&key, &mut again));
    assert_eq!(read.map(|attributes| attributes.value("service")).unwrap_or(None), service);
}

#[cfg(test)]
mod tests {
    use super::super::tests::attack;
    use super::*;

    #[test]
    fn rendezvous_messages_survive() {
        attack(
            rendezvous,
            &[
                b"P2PNAT00 REG\r\ncid: 0015651a2b3c\r\nmid: 00001516\r\n\
                  data: lz6e42HhDtoz5FXpTcujxX4XX9JbY7kdw353VHQEaYA=\r\n",
                b"P2PNAT01 CON\r\nmid: 00001516\r\nconnid: 5\r\ncode: 200\r\nped: 203.0.113.5:9531\r\n\0",
            ],
        );
    }
}
