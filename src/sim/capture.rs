//! Legs from a pcap or pcapng capture: each source and direction is one, its packets as they are.

use std::net::IpAddr;
use std::time::Duration;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use pcap_parser::data::{get_packetdata, PacketData};
use pcap_parser::{create_reader, Block, Linktype, PcapBlockOwned, PcapError};

use crate::sim::leg::Leg;
use crate::wire::rtp::Packet;

/// Sender, receiver, SSRC: one leg.
type LegKey = (IpAddr, u16, IpAddr, u16, u32);

/// One captured frame: its time from some origin, its link type, its bytes.
type CapturedFrame = (Duration, Linktype, Vec<u8>);

/// All RTP sources in a capture; at least one.
pub(super) fn legs(name: &str, bytes: &[u8]) -> Result<Vec<Leg>, String> {
    let mut found: Vec<(LegKey, Leg)> = vec![];
    for (at, link, frame) in frames(bytes)? {
        let Some((key, datagram)) = rtp(link, &frame) else {
            continue;
        };
        let known = found.iter().position(|(known, _)| *known == key);
        let number = known.unwrap_or_else(|| {
            let leg = Leg {
                name: format!("{name} {:08x}", key.4),
                packets: vec![],
                tail: Duration::ZERO,
            };
            found.push((key, leg));
            found.len() - 1
        });
        let leg = &mut found[number].1;
        // G.711 and G.722: 8 bytes a millisecond; for other codecs the length of the last packet
        // matters little.
        leg.tail = Duration::from_millis((datagram.len() as u64).saturating_sub(12) / 8);
        leg.packets.push((at, datagram));
    }
    // A single packet that looks like RTP is something else.
    let legs = found.into_iter().map(|(_, leg)| leg);
    let mut legs: Vec<Leg> = legs.filter(|leg| leg.packets.len() > 1).collect();
    let starts = legs.iter().filter_map(|leg| leg.packets.first());
    let origin = starts.map(|(at, _)| *at).min();
    let origin = origin.ok_or("no RTP in this capture")?;
    for leg in &mut legs {
        for (at, _) in &mut leg.packets {
            *at = at.saturating_sub(origin);
        }
        leg.packets.sort_by_key(|(at, _)| *at);
    }
    Ok(legs)
}

fn frames(bytes: &[u8]) -> Result<Vec<CapturedFrame>, String> {
    let capacity = bytes.len().max(65_536);
    let mut reader = create_reader(capacity, bytes)
        .map_err(|_| "is not a RIFF/WAVE file, recording, pcap or pcapng file")?;
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
            // The capture was cut off: the complete frames are used.
            Err(_) if !frames.is_empty() => return Ok(frames),
            Err(error) => return Err(format!("damaged capture: {error:?}")),
        }
    }
}

fn rtp(link: Linktype, frame: &[u8]) -> Option<(LegKey, Vec<u8>)> {
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
    let key: LegKey = (
        from,
        udp.source_port(),
        to,
        udp.destination_port(),
        packet.ssrc,
    );
    Some((key, udp.payload().to_vec()))
}
