//! What processes tell each other: JSON in notifications, of at most 8000 bytes.

use serde_json::{json, Value};

/// A device by the id of its app: processes may number their apps in different orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server::cloud) struct NamedDevice {
    pub(in crate::server::cloud) app: String,
    pub(in crate::server::cloud) cid: u32,
}

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server::cloud) enum Note {
    /// A device has opened a channel, and has no other one.
    Channel { device: NamedDevice, number: u64 },
    /// A message for a device.
    Message {
        device: NamedDevice,
        message: Message,
    },
    /// A message was acknowledged at this time.
    Acknowledged {
        device: NamedDevice,
        id: u64,
        unix: u64,
    },
    /// The device's tokens up to this end are refused.
    Revoked { device: NamedDevice, until: u32 },
    /// A token was issued after that.
    Reissued { device: NamedDevice, expire: u32 },
    /// Where events of an app go.
    Webhook {
        app: String,
        kind: String,
        url: String,
    },
    /// The app has ended a stream.
    StreamEnded { app: String, id: String },
}

/// A message, as `Outgoing`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server::cloud) struct Message {
    pub(in crate::server::cloud) id: u64,
    pub(in crate::server::cloud) from: u32,
    pub(in crate::server::cloud) flag: u8,
    pub(in crate::server::cloud) body: String,
    /// The request whose acknowledgement can be asked for.
    pub(in crate::server::cloud) request: Option<String>,
}

impl Note {
    /// As it is sent.
    pub(super) fn text(&self) -> String {
        let value = match self {
            Self::Channel { device, number } => {
                json!({ "t": "channel", "app": device.app, "cid": device.cid, "number": number })
            }
            Self::Message { device, message } => json!({
                "t": "message", "app": device.app, "cid": device.cid, "number": message.id,
                "from": message.from, "flag": message.flag, "body": message.body, "request": message.request,
            }),
            Self::Acknowledged { device, id, unix } => json!({
                "t": "acknowledged", "app": device.app, "cid": device.cid, "number": id, "unix": unix,
            }),
            Self::Revoked { device, until } => {
                json!({ "t": "revoked", "app": device.app, "cid": device.cid, "expire": until })
            }
            Self::Reissued { device, expire } => {
                json!({ "t": "reissued", "app": device.app, "cid": device.cid, "expire": expire })
            }
            Self::Webhook { app, kind, url } => {
                json!({ "t": "webhook", "app": app, "kind": kind, "url": url })
            }
            Self::StreamEnded { app, id } => json!({ "t": "stream-ended", "app": app, "id": id }),
        };
        value.to_string()
    }

    /// `None`: it is of a newer version, or none of ours.
    pub(in crate::server::cloud) fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let words = |key: &str| value[key].as_str().map(str::to_owned);
        let number = |key: &str| value[key].as_u64();
        let short = |key: &str| number(key).and_then(|number| u32::try_from(number).ok());
        let device = || {
            Some(NamedDevice {
                app: words("app")?,
                cid: short("cid")?,
            })
        };
        Some(match value["t"].as_str()? {
            "channel" => Self::Channel {
                device: device()?,
                number: number("number")?,
            },
            "message" => Self::Message {
                device: device()?,
                message: Message {
                    id: number("number")?,
                    from: short("from")?,
                    flag: u8::try_from(number("flag")?).ok()?,
                    body: words("body")?,
                    request: words("request"),
                },
            },
            "acknowledged" => Self::Acknowledged {
                device: device()?,
                id: number("number")?,
                unix: number("unix")?,
            },
            "revoked" => Self::Revoked {
                device: device()?,
                until: short("expire")?,
            },
            "reissued" => Self::Reissued {
                device: device()?,
                expire: short("expire")?,
            },
            "webhook" => Self::Webhook {
                app: words("app")?,
                kind: words("kind")?,
                url: words("url")?,
            },
            "stream-ended" => Self::StreamEnded {
                app: words("app")?,
                id: words("id")?,
            },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back_as_they_were() {
        let device = NamedDevice {
            app: "\"".repeat(32),
            cid: u32::MAX,
        };
        let message = Message {
            id: 1 << 52,
            from: u32::MAX,
            flag: 2,
            body: "=".repeat(344),
            request: Some("f".repeat(32)),
        };
        let (app, kind, url) = ("Test".to_owned(), "state".to_owned(), "\"".repeat(1024));
        for note in [
            Note::Channel {
                device: device.clone(),
                number: 7,
            },
            Note::Message {
                device: device.clone(),
                message: message.clone(),
            },
            Note::Message {
                device: device.clone(),
                message: Message {
                    request: None,
                    ..message
                },
            },
            Note::Acknowledged {
                device: device.clone(),
                id: 1,
                unix: 2,
            },
            Note::Revoked {
                device: device.clone(),
                until: 3,
            },
            Note::Reissued { device, expire: 4 },
            Note::Webhook {
                app: app.clone(),
                kind,
                url,
            },
            Note::StreamEnded {
                app,
                id: "0123456789abcdef-1".into(),
            },
        ] {
            let text = note.text();
            assert!(text.len() < 8000);
            assert_eq!(Note::parse(&text), Some(note));
        }
        for text in ["", "7", "{}", r#"{"t":"channel","app":"Test","cid":-1}"#] {
            assert_eq!(Note::parse(text), None, "{text}");
        }
    }
}
