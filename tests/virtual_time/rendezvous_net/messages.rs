//! Messages made by hand.

use callrec::wire::rendezvous::cipher::Key;
use callrec::wire::rendezvous::{Class, Kind as What, Writer};

use super::{Kind, Net};

/// A message with attributes in clear, and others sealed if there is a key.
pub fn message(
    class: Class,
    kind: What,
    clear: &[(&str, &str)],
    sealed: &[(&str, &str)],
    key: Option<&Key>,
) -> Vec<u8> {
    let mut buffer = [0; 1200];
    let mut writer = Writer::new(&mut buffer, class, kind);
    for (name, value) in clear {
        writer.text(name, value.as_bytes());
    }
    let mark = writer.mark();
    for (name, value) in sealed {
        writer.text(name, value.as_bytes());
    }
    if let Some(key) = key {
        writer.seal(mark, key);
    }
    let len = writer.finish().unwrap();
    buffer[..len].to_vec()
}

/// A network without NATs, at whose server the phone is registered.
pub fn registered() -> Net {
    Net::new(Kind::Open, Kind::Open, true)
}
