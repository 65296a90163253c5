//! `messageEnd`: what ends a control message to the server.

/// What ends a control message to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MessageEnd {
    None,
    Lf,
    Crlf,
    Nul,
}

impl MessageEnd {
    pub(super) fn bytes(self) -> &'static [u8] {
        match self {
            Self::None => b"",
            Self::Lf => b"\n",
            Self::Crlf => b"\r\n",
            Self::Nul => b"\0",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lf => "lf",
            Self::Crlf => "crlf",
            Self::Nul => "nul",
        }
    }
}
