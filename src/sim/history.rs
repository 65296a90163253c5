//! `callrec-sim history`: the recordings of past weeks, as a recording server has stored them. Each is a real file
//! with sound; only its date is made up.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};

use crate::base::limits::{FRAME, RTP_FRAME_BYTES, SIDECAR_BYTES};
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::print;
use crate::cli::failure::Failure;
use crate::io::clock::civil;
use crate::io::sys::{wall, Civil};
use crate::sim::leg::Leg;
use crate::sim::options::number;
use crate::sim::parties;
use crate::wire::g711::Law;
use crate::wire::recording::name::Stem;
use crate::wire::recording::sidecar::{PartAudio, Sidecar, Start};
use crate::wire::recording::{Codec, Header};

pub(super) const HISTORY: CommandSpec = command! {
    "callrec-sim", "history", "",
    "stores calls of past weeks, as a recording server does";
    [
        ("", "dir", "DIR",
            "where they are stored; required"),
        ("", "days", "N",
            "the days before today that have calls [30]"),
    ];
    "\
Made for trying 'callrec-server archive': six phones, up to nine calls a day between 8 and 18 o'clock, each of 3 to 12 seconds.
Recordings that are there already stay as they are.";
    [
        "callrec-sim history --dir recordings && callrec-server archive --dir recordings",
    ]
};

const DAY_SECONDS: i64 = 86_400;
/// The phones: own number, and name.
const PHONES: [(&str, &str); 6] = [
    ("200", "Reception"),
    ("201", "Sales"),
    ("202", "Workshop"),
    ("203", "Purchasing"),
    ("204", "Accounts"),
    ("205", "Store"),
];
/// Whom they talk to. The numbers belong to nobody: those of Berlin are kept for films, 555-01xx for books.
const OTHERS: [(&str, &str); 8] = [
    ("+493023125001", "Harbour Bakery"),
    ("+493023125017", "Müller & Co"),
    ("+493023125044", ""),
    ("+12025550104", "Northern Freight"),
    ("+12025550131", "Town Library"),
    ("+12025550188", ""),
    ("203", "Purchasing"),
    ("anonymous", ""),
];

/// Runs the command.
pub(super) fn history(arguments: &[OsString]) -> Result<ExitCode, Failure> {
    let (mut dir, mut days) = (None, 30);
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("dir") => dir = Some(PathBuf::from(parser.value()?)),
            Long("days") => days = number("days", &mut parser, 1.0, 3650.0)? as i64,
            Short('h') | Long("help") => return print(HISTORY.help),
            Value(_) | Short(_) | Long(_) => return Err(argument.unexpected().into()),
        }
    }
    let dir = dir.ok_or(lexopt::Error::from("history: which --dir DIR?"))?;
    let now = wall().seconds;
    let mut stored = 0;
    for day in (1..=days).rev() {
        let midnight = now - seconds_of_day(&civil(now)) - day * DAY_SECONDS;
        // From 1970 on, so that the same day has the same calls when it is asked for again.
        let number = midnight.div_euclid(DAY_SECONDS) as u64;
        for call in 0..1 + mixed(number) % 9 {
            let call = PastCall::new(number * 16 + call, midnight);
            stored += u32::from(call.store(&dir).map_err(Failure::Failed)?);
        }
    }
    print(&format!(
        "{stored} calls of {days} days are stored in {}\n",
        dir.display()
    ))
}

fn seconds_of_day(time: &Civil) -> i64 {
    i64::from(time.hour * 3600 + time.minute * 60 + time.second)
}

/// A number that looks random, and is always the same for the same one (the end of SplitMix64).
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ number >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    number ^ number >> 27
}

struct PastCall {
    id: u64,
    phone: usize,
    other: usize,
    incoming: bool,
    began: Civil,
    seconds: f64,
}

impl PastCall {
    fn new(id: u64, midnight: i64) -> Self {
        let chance = mixed(id);
        let of = |shift: u32, count: u64| (chance >> shift & 0xFFFF) % count;
        // 8 to 18 o'clock, from minute to minute.
        let at = midnight + (8 * 60 + of(0, 600) as i64) * 60 + (id % 60) as i64;
        let phone = of(16, PHONES.len() as u64) as usize;
        let mut other = of(24, OTHERS.len() as u64) as usize;
        if OTHERS[other].0 == PHONES[phone].0 {
            other = 0; // no phone calls itself
        }
        Self {
            id,
            phone,
            other,
            // Nobody can call somebody whose number is not known.
            incoming: of(32, 3) > 0 || OTHERS[other].0 == "anonymous",
            began: civil(at),
            seconds: 3.0 + of(40, 10) as f64,
        }
    }

    fn device(&self) -> String {
        format!("0c383e0de3{:02x}", self.phone + 1)
    }

    /// Writes the recording and its sidecar; false: it is there already.
    fn store(&self, dir: &Path) -> Result<bool, String> {
        let began = &self.began;
        let stem = Stem {
            date: [began.year, began.month, began.day],
            time: [began.hour, began.minute, began.second],
        };
        let file = format!("{stem}_{}.wav", self.id);
        let folder = dir.join(self.device());
        let path = folder.join(&file);
        if path.exists() {
            return Ok(false);
        }
        let problem = |error: io::Error| format!("{}: {error}", path.display());
        fs::create_dir_all(&folder).map_err(problem)?;
        let frames = self.frames();
        // The sidecar first: an archive that runs finds the recording with its facts.
        let sidecar = self.sidecar(&file, (frames.len() / RTP_FRAME_BYTES) as u64);
        fs::write(path.with_extension("json"), sidecar).map_err(problem)?;
        let header = Header {
            codec: Codec::G711(Law::Mu),
            rtp_len: RTP_FRAME_BYTES as u32,
            increment: FRAME.millis() as u32 * 8,
            data_size: frames.len() as u32,
            big_endian: false,
        };
        fs::write(&path, [&header.emit()[..], &frames].concat()).map_err(problem)?;
        Ok(true)
    }

    /// Both parties in one stream, as a recorder mixes them.
    fn frames(&self) -> Vec<u8> {
        let parties = parties::near(self.seconds)
            .into_iter()
            .zip(parties::far(self.seconds));
        let both: Vec<i16> = parties
            .map(|(near, far)| near.saturating_add(far))
            .collect();
        let frame_ms = FRAME.millis() as u32;
        let leg = Leg::of_samples("both", &both, Law::Mu, frame_ms, self.id as u32);
        let packets = leg.packets.into_iter().map(|(_, packet)| packet);
        packets.collect::<Vec<_>>().concat()
    }

    fn sidecar(&self, file: &str, frames: u64) -> Vec<u8> {
        let began = &self.began;
        let start = Start::new(
            [began.year, began.month, began.day],
            [began.hour, began.minute, began.second],
            began.offset_minutes,
        );
        let (start, id, device) = (start.to_string(), self.id.to_string(), self.device());
        let sidecar = Sidecar {
            id: id.as_bytes(),
            part: 1,
            parts: 1,
            file: file.as_bytes(),
            device: device.as_bytes(),
            codec: Codec::G711(Law::Mu).name().as_bytes(),
            dir: if self.incoming { b"in" } else { b"out" },
            remote_number: OTHERS[self.other].0.as_bytes(),
            remote_name: OTHERS[self.other].1.as_bytes(),
            local_number: PHONES[self.phone].0.as_bytes(),
            local_name: PHONES[self.phone].1.as_bytes(),
            start: start.as_bytes(),
            clock_set: Some(true),
            audio: Some(PartAudio {
                duration_ms: frames * FRAME.millis(),
                frames,
                ..PartAudio::default()
            }),
            heard: b"both",
            end: b"stopped",
            ..Sidecar::default()
        };
        let mut buffer = vec![0; SIDECAR_BYTES];
        let length = sidecar.emit(&mut buffer).unwrap_or_default();
        buffer.truncate(length);
        buffer
    }
}
