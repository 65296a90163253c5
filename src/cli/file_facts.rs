//! What a recording's file is: its header, its length and its state, for people and in JSON.

use std::fmt::Write as _;

use crate::recordings::recording_file::{FileState, RecordingFile};

/// A line for each fact.
pub(super) fn rows(recording: &RecordingFile) -> String {
    let RecordingFile {
        header,
        extent,
        state,
        ..
    } = recording;
    let rtp = recording.is_rtp();
    let milliseconds = header.duration_ms(extent.frames);
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<12} {value}");
    };
    row("codec", header.codec.name().into());
    row(
        "rtpLen",
        format!(
            "{} bytes{}",
            header.rtp_len,
            if rtp { ", with RTP header" } else { "" }
        ),
    );
    row("increment", header.increment.to_string());
    row("dataSize", format!("{} bytes", extent.data_size));
    row("frames", extent.frames.to_string());
    row(
        "duration_ms",
        format!("{milliseconds} ({})", clock(milliseconds)),
    );
    row("period_ms", header.period_ms().to_string());
    if header.big_endian {
        row("byte order", "big-endian".into());
    }
    let more = match state {
        FileState::Finished => "",
        FileState::Unfinished => {
            ": header and length disagree; 'callrec repair' corrects the header"
        }
        FileState::Recording => ": it is being written",
        FileState::Damaged => {
            ": the header is damaged, this is what the frames say; 'callrec repair' may repair it"
        }
    };
    row("state", format!("{}{more}", state.name()));
    text
}

fn clock(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    format!(
        "{}:{:02}:{:02}.{:03}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        milliseconds % 1000
    )
}
