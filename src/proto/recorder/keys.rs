//! Reads and checks the values of control messages.

use crate::proto::recorder::reason::{bad_request, Reason, Shown};
use crate::wire::ascii;
use crate::wire::control::{Message, Text};
use crate::wire::g711::Law;

/// The values of a message. The first refusal is kept: what is read after it does not matter, and
/// may be a default. So the reasons, of 200 bytes, are not returned from function to function.
pub(in crate::proto) struct Values<'a> {
    /// The message.
    pub(in crate::proto) message: &'a Message<'a>,
    refusal: Option<Reason>,
}

impl<'a> Values<'a> {
    pub(in crate::proto) fn new(message: &'a Message<'a>) -> Self {
        Self {
            message,
            refusal: None,
        }
    }

    /// Refuses the message, unless it is refused already.
    pub(in crate::proto) fn refuse(&mut self, reason: Reason) {
        if self.refusal.is_none() {
            self.refusal = Some(reason);
        }
    }

    /// Why the message is refused.
    pub(in crate::proto) fn into_refusal(self) -> Option<Reason> {
        self.refusal
    }

    /// A text of at most `N` bytes; empty if it is missing.
    pub(in crate::proto) fn text<const N: usize>(&mut self, key: &str) -> Text<N> {
        self.message.text(key).unwrap_or_else(|_| {
            self.refuse_length(key, N);
            Text::new()
        })
    }

    fn refuse_length(&mut self, key: &str, most: usize) {
        self.refuse(bad_request(&format_args!(
            "{key} is longer than {most} bytes"
        )));
    }

    /// `codec`, if it is given.
    pub(in crate::proto) fn law(&mut self) -> Option<Law> {
        let name = self.message.raw("codec")?;
        if ascii::is_same(name, b"PCMU") {
            return Some(Law::Mu);
        }
        if ascii::is_same(name, b"PCMA") {
            return Some(Law::A);
        }
        self.refuse(bad_request(&format_args!(
            "codec must be PCMU or PCMA, not '{}'",
            Shown(name)
        )));
        None
    }

    /// The number of a recording or player.
    pub(in crate::proto) fn id(&mut self) -> u32 {
        let reason = match self.message.number::<u32>("id") {
            Some(Ok(id)) => return id,
            Some(Err(())) => "id must be a decimal number",
            None => "id is missing",
        };
        self.refuse(bad_request(&reason));
        0
    }
}
