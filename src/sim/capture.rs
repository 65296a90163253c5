//! Legs from a pcap or pcapng capture: each source and direction is one, its packets as they are.

use std::net::IpAddr;
use std::time::Duration;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use pcap_parser::data::{get_packetdata, PacketData};
use pcap_parser::{create_reader, Block, Linktype, PcapBlockOwned, PcapError};

use crate::sim::track::Track;
use crate::wire::rtp::Packet;

/// Sender, receiver, SSRC: one leg.
type Key = (IpAddr, u16, IpAddr, u16, u32);

/// One captured frame: its time from some origin, its link type, its bytes.
type Frame = (Duration, Linktype, Vec<u8>);

/// All RTP sources in a capture; at least one.
pub(super) fn tracks(name: &str, bytes: &[u8]) -> Result<Vec<Track>, String> {
    let mut legs: Vec<(Key, Track)> = vec![];
    for (at, link, frame) in frames(bytes)? {
        let Some((key, datagram)) = rtp(link, &frame) else {
            continue;
        };
        let place = legs
            .iter()
            .position(|(known, _)| *known == key)
            .unwrap_or_else(|| {
                let track = Track {
                    name: format!("{name} {:08x}", key.4),
                    packets: vec![],
                    tail: Duration::ZERO,
                };
                legs.push((key, track));
                legs.len() - 1
            });
        let track = &mut legs[place].1;
        // G.711 and G.722: 8 bytes a millisecond; for anything else the length matters little.
        track.tail = Duration::from_millis((datagram.len() as u64).saturating_sub(12) / 8);
        track.packets.push((at, datagram));
    }
    // One packet that looks like RTP is none.
    let mut tracks: Vec<Track> = legs
        .into_iter()
        .map(|(_, track)| track)
        .filter(|t| t.packets.len() > 1)
        .collect();
    let origin = tracks
        .iter()
        .flat_map(|track| track.packets.first())
        .map(|(at, _)| *at)
        .min();
    let origin = origin.ok_or("no RTP in this capture")?;
    for track in &mut tracks {
        track
            .packets
            .iter_mut()
            .for_each(|(at, _)| *at = at.saturating_sub(origin));
        track.packets.sort_by_key(|(at, _)| *at);
    }
    Ok(tracks)
}

fn frames(bytes: &[u8]) -> Result<Vec<Frame>, String> {
    let capacity = bytes.len().max(65_536);
    let mut reader =
        create_reader(capacity, bytes).map_err(|_| "is no WAV file, recording, pcap or pcapng")?;
    let mut frames = vec![];
    let mut interfaces: Vec<(Linktype, u64)> = vec![];
    let (mut link, mut nanos) = (Linktype::ETHERNET, false);
    loop {
        match reader.next() {
            Ok((consumed, block)) => {
                match block {
                    PcapBlockOwned::LegacyHeader(header) => {
                        (link, nanos) = (header.network, header.is_nanosecond_precision());
                    }
                    PcapBlockOwned::Legacy(packet) => {
                        let fraction = u64::from(packet.ts_usec) * if nanos { 1 } else { 1000 };
                        let at = Duration::from_secs(packet.ts_sec.into())
                            + Duration::from_nanos(fraction);
                        frames.push((at, link, packet.data.to_vec()));
                    }
                    PcapBlockOwned::NG(Block::SectionHeader(_)) => interfaces.clear(),
                    PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                        interfaces.push((
                            interface.linktype,
                            interface.ts_resolution().unwrap_or(1_000_000),
                        ));
                    }
                    PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                        let interface = interfaces.get(packet.if_id as usize);
                        let (link, units) = interface
                            .copied()
                            .unwrap_or((Linktype::ETHERNET, 1_000_000));
                        let time = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                        let at = Duration::from_secs_f64(time as f64 / units.max(1) as f64);
                        let data = packet
                            .data
                            .get(..packet.caplen as usize)
                            .unwrap_or(packet.data);
                        frames.push((at, link, data.to_vec()));
                    }
                    PcapBlockOwned::NG(_) => {}
                }
                reader.consume(consumed);
            }
            Err(PcapError::Eof) => return Ok(frames),
            Err(PcapError::Incomplete(_)) => {
                reader.refill().map_err(|error| format!("{error:?}"))?
            }
            // A capture that was cut off: what is there is played.
            Err(_) if !frames.is_empty() => return Ok(frames),
            Err(error) => return Err(format!("damaged capture: {error:?}")),
        }
    }
}

fn rtp(link: Linktype, frame: &[u8]) -> Option<(Key, Vec<u8>)> {
    let sliced = match get_packetdata(frame, link, frame.len())? {
        PacketData::L2(frame) => SlicedPacket::from_ethernet(frame).ok()?,
        PacketData::L3(_, packet) => SlicedPacket::from_ip(packet).ok()?,
        PacketData::L4(..) | PacketData::Unsupported(_) => return None,
    };
    let (from, to) = match sliced.net? {
        NetSlice::Ipv4(ip) => (
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        ),
        NetSlice::Ipv6(ip) => (
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        ),
        _ => return None,
    };
    let Some(TransportSlice::Udp(udp)) = sliced.transport else {
        return None;
    };
    let packet = Packet::parse(udp.payload()).ok()?;
    let key: Key = (
        from,
        udp.source_port(),
        to,
        udp.destination_port(),
        packet.ssrc,
    );
    Some((key, udp.payload().to_vec()))
}
