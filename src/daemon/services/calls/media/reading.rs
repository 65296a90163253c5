//! What a call's streams and its media engine have sent is read.

use super::{CallMedia, OWN, PEER};
use crate::base::time::Instant;
use crate::daemon::context::Context;
use crate::proto::recorder::outbox::To;
use crate::wire::control::Writer;
use crate::wire::flv::sound_codec;

impl CallMedia {
    /// Reads the streams, and what the media engine has sent.
    pub(super) fn read(&mut self, now: Instant, context: &mut Context) {
        let registry = context.poll.registry();
        let feed = &mut context.feed;
        feed.set_end(self.ended_at);
        let has_engine = self.bridge.is_some();
        let has_transport = self.has_transport();
        #[cfg_attr(not(feature = "cloud"), allow(unused_mut))]
        let mut line = has_engine.then_some(&mut self.line);
        #[cfg(feature = "cloud")]
        if let Some(transport) = &mut self.transport {
            transport.read(now, &mut context.clock, &mut |arrival, datagram| {
                feed.push(PEER, arrival, datagram);
                if let Some(line) = &mut line {
                    line.handle_rtp(arrival, datagram);
                }
            });
            feed.set_covered(PEER, now);
            feed.set_covered(OWN, now);
        }
        self.parties[PEER].turn(now, registry, feed, line);
        self.parties[OWN].turn(now, registry, feed, None);
        if let Some(bridge) = &mut self.bridge {
            let publishing = &mut self.publishing;
            #[cfg(feature = "cloud")]
            let transport = &self.transport;
            bridge.read(now, &mut context.clock, &mut |arrival, datagram| {
                feed.push(OWN, arrival, datagram);
                #[cfg(feature = "cloud")]
                if let Some(transport) = transport {
                    return transport.send(datagram);
                }
                publishing.handle_rtp(arrival, datagram);
            });
            if !has_transport {
                publishing.handle_read(now);
            }
            feed.set_covered(OWN, now);
            self.line.handle_read(now);
        }
        for party in &mut self.parties {
            if let Some(format) = party.take_foreign() {
                report_foreign(format, context);
            }
        }
    }
}

/// What is not G.711 is neither bridged nor recorded: the programs that have subscribed are told.
fn report_foreign(format: u8, context: &mut Context) {
    let mut buffer = [0; 128];
    let mut writer = Writer::new(&mut buffer, "StreamEvent");
    writer
        .pair("state", "not-recordable")
        .pair("codec", sound_codec(format));
    let len = writer.finish().unwrap_or(0);
    context.push(To::Subscribers, &buffer[..len]);
}
