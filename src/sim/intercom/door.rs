//! A door unit: calls a home, opens when it is asked to, and hangs up.

use crate::io::random::Random;
use crate::sim::intercom::call::{random_key, random_stream, DEVICE_PORT};
use crate::sim::intercom::caller::place;
use crate::sim::intercom::link::Link;
use crate::sim::intercom::options::DoorOptions;
use crate::sim::intercom::streams::StreamPlan;
use crate::sim::intercom::talk::Plan;
use crate::wire::intercom::{peer_type, text, Party};

/// Runs the door unit; an error when nobody answered, or opened although that was expected.
pub(super) fn run(options: &DoorOptions) -> Result<(), String> {
    let mut link = Link::connect(&options.box_address)?;
    let mut random = Random::open();
    let sid = text(&random_key(&mut random));
    let own = link.local_address();
    let peer = link.peer_address();
    // The door's picture and sound are one stream, named by its video id.
    let src = Party {
        id: text(&options.id),
        peer_type: peer_type::OUTER_BOX,
        ip: own.map_or_else(Default::default, |own| text(&own.ip().to_string())),
        port: DEVICE_PORT,
        video: random_stream(&mut random),
        ..Party::default()
    };
    let dest = Party {
        id: text(&options.to),
        peer_type: peer_type::INNER_BOX,
        ip: peer.map_or_else(Default::default, |peer| text(&peer.ip().to_string())),
        port: peer.map_or(0, |peer| peer.port()),
        audio: random_stream(&mut random),
        ..Party::default()
    };
    let host = peer.map_or_else(String::new, |peer| peer.ip().to_string());
    let server = format!("{host}:{}", options.stream_port);
    let plan = Plan {
        talk_for: Some(options.talk_for),
        open_door: false,
        is_door: true,
        streams: StreamPlan::new(&server, &src, &dest),
    };
    let result = place(&mut link, sid, src, dest, &plan);
    link.finish();
    let placed = result?;
    if options.open_door_expected && !placed.has_opened {
        return Err("the call was answered, but nobody opened the door".into());
    }
    Ok(())
}
