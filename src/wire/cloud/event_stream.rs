//! The lines of a device's channel: server-sent events (`text/event-stream` of the HTML standard),
//! as far as the cloud uses them.
//!
//! ```text
//! : a comment
//! id: 7
//! data: {"Name":"PopMessage", ...}
//! (an empty line ends the event)
//! ```

use crate::wire::ascii;
use crate::wire::control::Text;
use crate::wire::decimal::parse_decimal;

/// The longest line: a message of 256 bytes in base64, and what stands around it.
pub const LINE_BYTES: usize = 1024;

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamEvent {
    /// Its number; events that need no acknowledgement have none.
    pub id: Option<u64>,
    /// What it says; of several lines the last.
    pub data: Text<LINE_BYTES>,
}

/// Puts events together from bytes in any portions.
#[derive(Debug, Default)]
pub struct EventReader {
    line: Text<LINE_BYTES>,
    /// The line is longer than all lines of ours: it is skipped.
    is_too_long: bool,
    event: StreamEvent,
}

impl EventReader {
    /// Takes bytes up to the end of an event; returns it, and how many bytes were used.
    pub fn next(&mut self, bytes: &[u8]) -> (Option<StreamEvent>, usize) {
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'\n' => {
                    if let Some(event) = self.end_line() {
                        return (Some(event), at + 1);
                    }
                }
                b'\r' => {}
                byte => self.is_too_long |= self.line.push(*byte).is_err(),
            }
        }
        (None, bytes.len())
    }

    fn end_line(&mut self) -> Option<StreamEvent> {
        let line = core::mem::take(&mut self.line);
        if core::mem::take(&mut self.is_too_long) {
            return None;
        }
        if line.is_empty() {
            let event = core::mem::take(&mut self.event);
            return (!event.data.is_empty()).then_some(event);
        }
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match ascii::word(&line[..colon]) {
            "id" => self.event.id = parse_decimal(value),
            "data" => self.event.data = Text::from_slice(value).unwrap_or_default(),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &str, step: usize) -> Vec<(Option<u64>, String)> {
        let mut reader = EventReader::default();
        let mut found = vec![];
        for chunk in text.as_bytes().chunks(step) {
            let mut chunk = chunk;
            while !chunk.is_empty() {
                let (event, used) = reader.next(chunk);
                chunk = &chunk[used..];
                let text = |event: StreamEvent| {
                    (event.id, String::from_utf8(event.data.to_vec()).unwrap())
                };
                found.extend(event.map(text));
            }
        }
        found
    }

    #[test]
    fn events_come_in_any_portions() {
        let text =
            ": hello\n\ndata: one\n\nid: 7\r\ndata:two\r\n\r\nretry: 5\ndata: th:ree\n\ndata: cut";
        for step in 1..text.len() {
            let expected = [(None, "one"), (Some(7), "two"), (None, "th:ree")];
            let expected = expected.map(|(id, data)| (id, data.to_string()));
            assert_eq!(events(text, step), expected, "{step}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped() {
        let text = format!("data: {}\n\ndata: next\n\n", "x".repeat(LINE_BYTES));
        assert_eq!(events(&text, 100), [(None, "next".to_string())]);
    }
}
