//! Responses to the intercom's requests of the control socket.

use crate::base::limits::{MESSAGE_BYTES, NAME_BYTES};
use crate::daemon::context::Context;
use crate::proto::intercom::endpoint::lines::write_urls;
use crate::proto::intercom::endpoint::urls::Urls;
use crate::proto::recorder::outbox::{ClientId, To};
use crate::proto::recorder::reason::{reason, Reason as Refusal};
use crate::wire::control::{Text, Writer};
use crate::wire::intercom::Sid;

/// What a response says besides that it succeeded.
#[allow(clippy::large_enum_variant)] // one at a time, on the stack
pub(super) enum Success {
    Plain,
    /// With the port for the media engine, if there is one.
    Sid(Sid, Option<u16>),
    /// Likewise.
    Urls(Urls, Option<u16>),
    /// How long the call was, and the file of its recording, if there is one.
    Ended(u64, Text<NAME_BYTES>),
    Count(usize),
    /// The response follows, as the client has room for it.
    Later,
}

/// A phone that makes no calls of its own refuses all requests, and there is nothing to tell.
pub(super) fn refuse_all(context: &mut Context) {
    context.clients.write_intercom_now(|_, _| None);
    while let Some((client, line)) = context.intercom_lines.pop_front() {
        let words = "the phone is no intercom device (intercomRole)";
        let refusal = line.request.and(Err(reason("disabled", &words)));
        respond(client, line.response, refusal, context);
    }
}

pub(super) fn respond(
    client: ClientId,
    command: &str,
    outcome: Result<Success, Refusal>,
    context: &mut Context,
) {
    let mut buffer = [0; MESSAGE_BYTES];
    let mut writer = Writer::new(&mut buffer, command);
    match outcome {
        Ok(Success::Later) => return,
        Ok(success) => {
            writer.pair("result", "success");
            write_success(&mut writer, &success);
        }
        Err(refusal) => {
            writer.pair("result", "failed").pair("reason", refusal);
        }
    }
    let len = writer.finish().unwrap_or(0);
    context.push(To::Client(client), &buffer[..len]);
}

fn write_leg_port(writer: &mut Writer, port: Option<u16>) {
    if let Some(port) = port {
        writer.pair("leg_port", port);
    }
}

fn write_success(writer: &mut Writer, success: &Success) {
    match success {
        Success::Plain | Success::Later => {}
        Success::Sid(sid, leg_port) => {
            writer.bytes("sid", sid);
            write_leg_port(writer, *leg_port);
        }
        Success::Urls(urls, leg_port) => {
            write_leg_port(writer, *leg_port);
            write_urls(writer, urls);
        }
        Success::Ended(duration, recording) => {
            writer.pair("duration_ms", duration);
            if !recording.is_empty() {
                writer.bytes("recording", recording);
            }
        }
        Success::Count(count) => _ = writer.pair("count", count),
    }
}
