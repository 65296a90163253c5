//! Joins the parts of a recording by the sequence numbers and timestamps of their frames.
//!
//! Files are divided into runs (`frame_runs`). The runs of one source are placed on a time axis
//! (`timeline`) by their timestamps; frames that several files hold are taken once, and missing
//! ones become silence. Runs that cannot be placed, because they are of another source or have no
//! RTP headers, follow in the order of the files.

use crate::recordings::frame_runs::{FileRuns, FrameRun};
use crate::recordings::plan::JoinPlan;
use crate::recordings::timeline::{FrameIndex, SourceTimeline, MAX_SILENCE};

/// Timelines that are told apart; runs that would need one more are appended to the last.
const MAX_TIMELINES: usize = 1000;

/// Puts all runs in order. `same` compares two frames byte for byte.
pub fn plan(files: &[FileRuns], same: &mut dyn FnMut(FrameIndex, FrameIndex) -> bool) -> JoinPlan {
    let mut timelines: Vec<SourceTimeline> = vec![];
    for (file, scanned) in files.iter().enumerate() {
        let mut own: Option<usize> = None;
        for run in &scanned.runs {
            let found = match own.filter(|own| timelines[*own].continues(file, run)) {
                Some(own) => Some(own),
                None => timelines
                    .iter()
                    .position(|timeline| timeline.accepts(file, run, files, same)),
            };
            own = Some(add(&mut timelines, found, file, run, scanned.length(run)));
        }
    }
    let sources = timelines.iter().filter(|timeline| timeline.has_source());
    let mut plan = JoinPlan {
        discontinuities: sources.count().saturating_sub(1) as u64,
        ..JoinPlan::default()
    };
    let mut silence = MAX_SILENCE;
    for timeline in timelines {
        timeline.append_to(&mut plan, files, &mut silence);
    }
    plan
}

/// Adds a run to the timeline that was found for it, else to a new one; returns its index.
fn add(
    timelines: &mut Vec<SourceTimeline>,
    found: Option<usize>,
    file: usize,
    run: &FrameRun,
    length: i64,
) -> usize {
    if found.is_none() && timelines.len() < MAX_TIMELINES {
        timelines.push(SourceTimeline::new(run));
    }
    let number = found.unwrap_or(timelines.len() - 1);
    let timeline = &mut timelines[number];
    let position = timeline.position(run).filter(|_| found.is_some());
    let at = position.unwrap_or(timeline.end());
    timeline.add(file, run, at, length);
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recordings::frame_runs::tests::{heads, scan, SAMPLES};
    use crate::recordings::frame_runs::FramePosition;
    use crate::recordings::plan::Segment;

    /// What comes out, a letter and number for a frame, `-` for a frame's length of silence.
    fn joined(files: &[Vec<FramePosition>], same: bool) -> String {
        let scanned: Vec<FileRuns> = files.iter().map(|heads| scan(heads)).collect();
        let plan = plan(&scanned, &mut |_, _| same);
        let show = |segment: &Segment| match segment {
            Segment::Silence(samples) => "-".repeat((*samples / 160) as usize),
            Segment::Frames { file, run, .. } => {
                let letter = char::from(b'a' + *file as u8);
                (run.first..run.first + run.frames)
                    .map(|n| format!("{letter}{n}"))
                    .collect()
            }
        };
        plan.segments.iter().map(show).collect()
    }

    #[test]
    fn a_damaged_header_moves_nothing() {
        for damaged in [0, 1, 5, 9] {
            let mut heads = heads(7, 0..10);
            heads[damaged].timestamp ^= 0x4000;
            heads[damaged].ssrc ^= 1;
            assert_eq!(joined(&[heads], true), "a0a1a2a3a4a5a6a7a8a9", "{damaged}");
        }
    }

    #[test]
    fn missing_frames_are_silence() {
        assert_eq!(
            joined(&[heads(7, (0..3).chain(5..8))], true),
            "a0a1a2--a3a4a5"
        );
    }

    #[test]
    fn parts_are_joined_in_sequence_and_no_frame_comes_twice() {
        let part = |range| heads(7, range);
        assert_eq!(joined(&[part(3..6), part(0..3)], true), "b0b1b2a0a1a2");
        assert_eq!(
            joined(&[part(0..6), part(3..9)], true),
            "a0a1a2a3a4a5b3b4b5"
        );
        assert_eq!(
            joined(&[part(3..9), part(0..5)], true),
            "b0b1b2b3b4a2a3a4a5"
        );
        assert_eq!(
            joined(&[part(0..6), part(2..4), part(6..8)], true),
            "a0a1a2a3a4a5c0c1"
        );
        assert_eq!(
            joined(&[heads(7, (0..2).chain(4..6)), part(1..5)], true),
            "a0a1b1b2b3a3"
        );
        let repeated = plan(&[scan(&part(0..6)), scan(&part(3..9))], &mut |_, _| true).repeated;
        assert_eq!(repeated, 3);
    }

    #[test]
    fn what_does_not_belong_together_follows() {
        assert_eq!(
            joined(&[heads(7, 0..2), heads(8, 1..3)], true),
            "a0a1b0b1",
            "another source"
        );
        assert_eq!(
            joined(&[heads(7, 0..2), heads(7, 1..3)], false),
            "a0a1b0b1",
            "the same numbers, other audio"
        );
        let back = [heads(7, 100..103), heads(7, 0..3)].concat();
        assert_eq!(
            joined(&[back], true),
            "a0a1a2a3a4a5",
            "numbers that go back in a file"
        );
        let far = [heads(7, 0..3), heads(7, 9_000_000..9_000_003)].concat();
        assert_eq!(joined(&[far], true), "a0a1a2a3a4a5", "a jump of days");
        let bare = [
            FileRuns::bare(2, SAMPLES),
            scan(&heads(7, 0..2)),
            FileRuns::bare(0, SAMPLES),
        ];
        assert_eq!(plan(&bare, &mut |_, _| true).samples(), 4 * 160);
    }

    #[test]
    fn headers_that_never_count_on_keep_the_files_order() {
        let still = vec![heads(7, [1])[0]; 6];
        assert_eq!(joined(&[still], true), "a0a1a2a3a4a5");
    }

    #[test]
    fn a_shift_of_less_than_a_frame_is_cut_or_filled_by_samples() {
        let mut later = heads(7, 2..4);
        later
            .iter_mut()
            .for_each(|head| head.timestamp = head.timestamp.wrapping_add(100));
        let files = [scan(&heads(7, 0..2)), scan(&later)];
        let plan = plan(&files, &mut |_, _| true);
        assert_eq!(
            (plan.segments[1], plan.samples()),
            (Segment::Silence(100), 4 * 160 + 100)
        );
    }

    #[test]
    fn a_small_file_cannot_ask_for_much_silence_or_time() {
        let hostile = |n: u32| heads(7, [n * 700_000, n * 700_000 + 1]);
        let jumps: Vec<FramePosition> = (0..4000).flat_map(hostile).collect();
        let silence = plan(&[scan(&jumps)], &mut |_, _| true).silence();
        assert!(silence > 0 && silence <= MAX_SILENCE);
        let sources: Vec<FramePosition> = (0..100_000).flat_map(|n| heads(n, [5, 6])).collect();
        let files = [scan(&sources), scan(&sources)];
        assert_eq!(plan(&files, &mut |_, _| false).samples(), 400_000 * 160);
    }
}
