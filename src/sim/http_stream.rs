//! A stream that comes as the body of an HTTP response.

use crate::wire::http::response::ResponseHead;
use crate::wire::http::BodyReader;

/// A response as far as it has come.
#[derive(Default)]
pub(super) struct HttpStream {
    head: Vec<u8>,
    body: Option<BodyReader>,
}

impl HttpStream {
    /// Takes bytes of the connection; `handle` gets those of the body. `None`: it is no stream.
    pub(super) fn take(&mut self, bytes: &[u8], mut handle: impl FnMut(&[u8])) -> Option<()> {
        let rest;
        let mut left = bytes;
        if self.body.is_none() {
            self.head.extend_from_slice(bytes);
            let Some((head, len)) = ResponseHead::parse(&self.head).ok()? else {
                return Some(());
            };
            if head.status != 200 {
                return None;
            }
            self.body = Some(BodyReader::new(head.body));
            rest = self.head.split_off(len);
            left = &rest;
        }
        let body = self.body.as_mut()?;
        while !left.is_empty() && !body.is_over() {
            let (content, used) = body.next(left).ok()?;
            handle(content);
            left = &left[used..];
        }
        Some(())
    }
}
