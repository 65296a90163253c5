//! The page that plays recordings (`Listen.html`), in a browser: what it saves and plays is what
//! `callrec export` writes.

use std::f64::consts::TAU;

use crate::common::made::Made;
use crate::common::player::Player;
use callrec::wire::g711::Law;
use serde_json::json;

/// Numbers that look random and are always the same (xorshift).
struct Random(u32);

impl Random {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize
    }
}

type Kind = (&'static str, Vec<Vec<u8>>);

fn long() -> Made {
    Made {
        frames: 150,
        ..Made::default()
    }
}

/// Files of one call, by kind.
fn kinds() -> Vec<Kind> {
    let edited = |name, edit: &dyn Fn(&mut Vec<u8>)| -> Kind {
        let mut bytes = long().bytes();
        edit(&mut bytes);
        (name, vec![bytes])
    };
    let mut kinds = vec![
        edited("unfinished", &|bytes| bytes[72..76].fill(0)),
        edited("wrong dataSize", &|bytes| bytes[72..76].fill(0xFF)),
        edited("cut off", &|bytes| bytes.truncate(76 + 172 * 99 + 101)),
        edited("random bytes", &|bytes| damage(bytes)),
        edited("no header", &|bytes| bytes[..76].fill(0)),
        edited("wrong length", &|bytes| bytes[64] = 160),
        edited("other lengths", &|bytes| bytes[68] = 80),
    ];
    kinds.extend(codecs());
    kinds.extend(several());
    kinds
}

/// Finished files of each form.
fn codecs() -> Vec<Kind> {
    let of = |codec, rtp, big_endian| {
        let made = Made {
            codec,
            rtp,
            big_endian,
            ..long()
        };
        made.bytes()
    };
    vec![
        ("PCMU", vec![of("PCMU", true, false)]),
        ("PCMA", vec![of("PCMA", true, false)]),
        ("G.722", vec![noise(of("G722", true, false))]),
        ("no RTP headers", vec![of("PCMU", false, false)]),
        ("bare G.722", vec![noise(of("G722", false, false))]),
        ("big-endian", vec![of("PCMU", true, true)]),
    ]
}

/// Calls of several parts, and a file of several runs.
fn several() -> Vec<Kind> {
    let of = |rtp, first, frames| {
        let made = Made {
            rtp,
            first,
            frames,
            ..long()
        };
        made.bytes()
    };
    let part = |first, frames| of(true, first, frames);
    let later = part(9_000_000, 30)[76..].to_vec();
    let back = part(31, 9)[76..].to_vec();
    let gap = vec![part(0, 50), part(50, 60), part(120, 41)];
    let overlap = vec![part(0, 60), part(60, 70), part(100, 50)];
    let bare = vec![of(false, 0, 50), of(false, 50, 70)];
    vec![
        ("parts", vec![part(0, 50), part(50, 60)]),
        ("parts with a gap", gap),
        ("parts that overlap", overlap),
        ("parts without RTP headers", bare),
        (
            "days between frames",
            vec![[part(0, 30), later, back].concat()],
        ),
    ]
}

/// Other payloads than the marks of a made file: every code, in an order that drives a predictor.
pub(crate) fn noise(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut random = Random(7);
    let frame = usize::from(bytes[64]);
    for frame in bytes[76..].chunks_mut(frame) {
        let payload = frame.len() - 160;
        frame[payload..]
            .iter_mut()
            .for_each(|byte| *byte = random.next() as u8);
    }
    bytes
}

/// Sectors of something else, single bits, and a frame that is no packet.
pub(crate) fn damage(bytes: &mut [u8]) {
    let mut random = Random(3);
    for _ in 0..60 {
        let at = 76 + random.next() % (bytes.len() - 76);
        bytes[at] ^= 1 << (random.next() % 8);
    }
    for at in [5000, 12_288] {
        bytes[at..at + 1024]
            .iter_mut()
            .for_each(|byte| *byte = random.next() as u8);
    }
    bytes[76 + 172 * 80..76 + 172 * 83].fill(0);
}

#[test]
#[ignore = "needs the package chromium: scripts/test installs it where it is one"]
fn a_browser_saves_what_export_writes_of_every_kind() {
    let mut player = Player::new("en");
    for (number, (kind, files)) in kinds().iter().enumerate() {
        let name = |part: usize| format!("{number}/Record_20260102_10{part:02}00.wav");
        let with_sidecars = kind.starts_with("parts ");
        let (mut paths, mut sidecars) = (vec![], vec![]);
        for (part, bytes) in files.iter().enumerate() {
            let sidecar = format!("{{\"id\":\"1\",\"part\":{}}}", part + 1);
            paths.push(player.folder.file(&name(part), bytes));
            if with_sidecars {
                let name = name(part).replace(".wav", ".json");
                sidecars.push(player.folder.file(&name, sidecar.as_bytes()));
            }
        }
        player.reload();
        player.choose(&[&paths[..], &sidecars[..]].concat());
        player.open();
        let ((_, saved), exported) = (player.save(), player.exported(&paths));
        assert_eq!(saved.len(), exported.len(), "{kind}");
        let differs = saved.iter().zip(&exported).position(|(a, b)| a != b);
        assert_eq!(differs, None, "{kind}");
    }
}

/// Keeps the samples that are scheduled, and when.
pub(crate) const LISTEN: &str = "window.heard = []; window.times = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (at) {
    heard.push(...Array.from(this.buffer.getChannelData(0), sample => Math.round(sample * 32768)));
    times.push([at, at + this.buffer.duration]);
    start.call(this, at);
};";

#[test]
#[ignore = "needs the package chromium: scripts/test installs it where it is one"]
fn a_browser_plays_each_sample_without_a_seam() {
    let mut player = Player::new("en");
    for (codec, from) in [("PCMU", 0), ("PCMA", 12_345), ("G722", 0)] {
        let made = Made {
            codec,
            frames: 150,
            ..Made::default()
        };
        let path = player
            .folder
            .file("Record_20260102_100000.wav", &made.bytes());
        let exported = player.exported(std::slice::from_ref(&path));
        let samples = exported[44..].chunks(2);
        let wanted: Vec<i16> = samples
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        player.reload();
        player.browser.value(LISTEN);
        player.choose(&[path]);
        player.open();
        player.browser.value(&format!("player.seek({from})"));
        player.browser.press(" ", 32);
        player.wait_for_end();
        let heard = player.browser.value("heard");
        assert!(heard == json!(wanted[from..]), "{codec}");
        let seams = "times.slice(1).map(([from], n) => Math.abs(from - times[n][1]))";
        let widest = player.browser.value(&format!("Math.max(0, ...{seams})"));
        assert!(widest.as_f64().unwrap() < 1e-6, "{codec}: {widest} s");
        assert_eq!(player.text("#time"), "00:03 / 00:03");
    }
}

#[test]
#[ignore = "needs the package chromium: scripts/test installs it where it is one"]
fn a_browser_plays_faster_and_slower_at_the_same_pitch() {
    let mut player = Player::new("en");
    let made = Made {
        rtp: false,
        frames: 100,
        ..Made::default()
    };
    let mut bytes = made.bytes();
    for (n, byte) in bytes[76..].iter_mut().enumerate() {
        let phase = n as f64 / 8000.0 * 400.0 * TAU; // 400 Hz
        *byte = Law::Mu.encode_one((phase.sin() * 8000.0) as i32);
    }
    let path = player.folder.file("Record_20260102_100000.wav", &bytes);
    for speed in [0.5, 0.75, 1.5, 2.0] {
        player.reload();
        player.browser.value(LISTEN);
        player.choose(std::slice::from_ref(&path));
        player.open();
        let select = format!("$('speed').value = {speed}");
        player.browser.value(&select);
        let change = "$('speed').dispatchEvent(new Event('change'))";
        player.browser.value(change);
        player.browser.press(" ", 32);
        player.wait_for_end();
        let heard = player.browser.value("heard.length").as_f64().unwrap();
        let wanted = 16_000.0 / speed;
        // The last grain may be missing.
        let is_close = (heard - wanted).abs() < 600.0;
        assert!(is_close, "{speed}: {heard} samples for {wanted}");
        let rises = "heard.filter((sample, n) => sample >= 0 && heard[n - 1] < 0).length";
        let rises = player.browser.value(rises).as_f64().unwrap();
        let pitch = rises / heard * 8000.0;
        assert!((pitch - 400.0).abs() < 8.0, "{speed}: {pitch} Hz");
    }
}
