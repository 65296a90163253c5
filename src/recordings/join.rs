//! The parts of a recording put in their places, by the sequence numbers and timestamps of their frames.
//!
//! Files are scanned into runs (`tools::scan`). Runs of one source go where their timestamps
//! say, frames that several files have are taken once, and missing ones become silence. Runs that cannot be placed, of
//! another source or without headers, follow in the order of the files.

use crate::recordings::scan::{Run, Scanned};

/// A longer jump of the timestamps, 4 hours at 8 kHz, is none that stands for missing audio.
const MAX_GAP: i64 = 4 * 3600 * 8000;
/// All silence that is put in, 12 hours at the most: timestamps of a small file must not fill a disk.
const MAX_SILENCE: u64 = 12 * 3600 * 8000;
/// Frames compared where two runs overlap, and where two files do.
const COMPARED: u64 = 32;
const MOST_COMPARED: u64 = 1000;
/// Sources, and jumps within them, that are told apart: what comes beyond just follows.
const MAX_GROUPS: usize = 1000;

/// A stretch of what comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Frames of a file.
    Frames {
        /// Which file.
        file: usize,
        /// From which frame on, and how many.
        run: Run,
        /// Samples of the first frame that are left out.
        skip: u64,
        /// Samples that come out.
        samples: u64,
    },
    /// So many samples for frames that are missing.
    Silence(u64),
}

/// What comes out, and what is to be said of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In order.
    pub segments: Vec<Segment>,
    /// Frames left out because another file has them.
    pub repeated: u64,
    /// Places where frames follow that do not belong to those before: of another source, or too far away.
    pub strangers: u64,
}

/// A run where it belongs, in samples from anywhere.
#[derive(Clone, Copy)]
struct Placed {
    at: i64,
    end: i64,
    file: usize,
    run: Run,
}

/// Runs of one source.
struct Group {
    ssrc: Option<u32>,
    /// The timestamp at `end`.
    timestamp: u32,
    start: i64,
    end: i64,
    runs: Vec<Placed>,
    /// Each file in it, and where its last run ends.
    files: Vec<(usize, i64)>,
}

/// A frame: which file, and its number there.
pub type Frame = (usize, u64);

/// Puts all runs in their places. `same` tells whether two frames are equal, byte for byte.
pub fn plan(files: &[Scanned], same: &mut dyn FnMut(Frame, Frame) -> bool) -> Plan {
    let mut groups: Vec<Group> = vec![];
    for (file, scanned) in files.iter().enumerate() {
        let mut own: Option<usize> = None;
        for run in &scanned.runs {
            let length = run.frames as i64 * i64::from(scanned.samples);
            let found = match own.filter(|own| groups[*own].follows(file, run)) {
                Some(own) => Some(own),
                None => groups
                    .iter()
                    .position(|group| group.takes(file, run, length, files, same)),
            };
            if found.is_none() && groups.len() < MAX_GROUPS {
                groups.push(Group::new(run));
            }
            let last = groups.len() - 1;
            let group = &mut groups[found.unwrap_or(last)];
            let at = group
                .position(run)
                .filter(|_| found.is_some())
                .unwrap_or(group.end);
            group.place(file, run, at, at + length);
            own = found.or(Some(last));
        }
    }
    let strangers = groups
        .iter()
        .filter(|group| group.ssrc.is_some())
        .count()
        .saturating_sub(1) as u64;
    let mut plan = Plan {
        strangers,
        ..Plan::default()
    };
    let mut silence = MAX_SILENCE;
    for group in groups {
        group.lay_out(files, &mut silence, &mut plan);
    }
    plan
}

impl Group {
    fn new(run: &Run) -> Self {
        let (ssrc, timestamp) = run
            .head
            .map_or((None, 0), |head| (Some(head.ssrc), head.timestamp));
        Self {
            ssrc,
            timestamp,
            start: 0,
            end: 0,
            runs: vec![],
            files: vec![],
        }
    }

    /// Where the run begins, if it is of this source.
    fn position(&self, run: &Run) -> Option<i64> {
        let head = run.head.filter(|head| Some(head.ssrc) == self.ssrc)?;
        Some(self.end + i64::from(head.timestamp.wrapping_sub(self.timestamp) as i32))
    }

    /// The run comes behind the last one of the same file, after a gap.
    fn follows(&self, file: usize, run: &Run) -> bool {
        let before = self.files.iter().find(|(known, _)| *known == file);
        self.position(run)
            .zip(before)
            .is_some_and(|(at, (_, end))| (*end..=end + MAX_GAP).contains(&at))
    }

    /// A run of a file that is not in the group yet is a part of the same recording.
    fn takes(
        &self,
        file: usize,
        run: &Run,
        length: i64,
        files: &[Scanned],
        same: &mut dyn FnMut(Frame, Frame) -> bool,
    ) -> bool {
        let Some(at) = self.position(run) else {
            return false;
        };
        let strange = self.files.iter().all(|(known, _)| *known != file);
        let near = strange && at <= self.end + MAX_GAP && at + length >= self.start - MAX_GAP;
        let samples = i64::from(files[file].samples);
        let (mut compared, mut equal) = (0, 0);
        for placed in self.runs.iter().filter(|_| near) {
            let (from, to) = (at.max(placed.at), (at + length).min(placed.end));
            let aligned = files[placed.file].samples == files[file].samples
                && (placed.at - at) % samples == 0;
            if from >= to || compared > MOST_COMPARED {
                continue;
            }
            if !aligned {
                return false;
            }
            let overlap = ((to - from) / samples) as u64;
            for n in (0..overlap).step_by((overlap / COMPARED).max(1) as usize) {
                let number =
                    |begin: i64, run: &Run| run.first + ((from - begin) / samples) as u64 + n;
                compared += 1;
                equal += u64::from(same(
                    (file, number(at, run)),
                    (placed.file, number(placed.at, &placed.run)),
                ));
            }
        }
        // Some may be damaged in one of the files; of two recordings with one SSRC hardly any is equal.
        near && equal * 2 >= compared
    }

    fn place(&mut self, file: usize, run: &Run, at: i64, end: i64) {
        self.runs.push(Placed {
            at,
            end,
            file,
            run: *run,
        });
        match self.files.iter_mut().find(|(known, _)| *known == file) {
            Some((_, last)) => *last = end,
            None => self.files.push((file, end)),
        }
        self.start = self.start.min(at);
        if end > self.end {
            self.timestamp = self.timestamp.wrapping_add((end - self.end) as u32);
            self.end = end;
        }
    }

    /// Appends what comes out of the group.
    fn lay_out(mut self, files: &[Scanned], silence: &mut u64, plan: &mut Plan) {
        self.runs.sort_by_key(|placed| placed.at);
        let mut position = self.start;
        for Placed { at, end, file, run } in self.runs {
            if end <= position {
                plan.repeated += run.frames;
                continue;
            }
            let gap = (at - position).max(0) as u64;
            if (1..=*silence).contains(&gap) {
                *silence -= gap;
                plan.segments.push(Segment::Silence(gap));
            }
            let (known, samples) = ((position - at).max(0) as u64, files[file].samples);
            let left_out = known / u64::from(samples);
            plan.repeated += left_out;
            plan.segments.push(Segment::Frames {
                file,
                run: Run {
                    first: run.first + left_out,
                    frames: run.frames - left_out,
                    head: run.head.map(|head| head.after(left_out, samples)),
                    sure: run.sure,
                },
                skip: known % u64::from(samples),
                samples: (end - at.max(position)) as u64,
            });
            position = end;
        }
    }
}

impl Plan {
    /// Samples that come out.
    pub fn samples(&self) -> u64 {
        self.segments.iter().map(Segment::samples).sum()
    }

    /// Samples of silence for missing frames.
    pub fn silence(&self) -> u64 {
        self.segments
            .iter()
            .map(|segment| {
                if let Segment::Silence(samples) = segment {
                    *samples
                } else {
                    0
                }
            })
            .sum()
    }
}

impl Segment {
    /// Samples that come out of it.
    pub fn samples(&self) -> u64 {
        match self {
            Self::Frames { samples, .. } | Self::Silence(samples) => *samples,
        }
    }

    /// So many of its samples, from one of them on; `of_frame` knows the samples of a file's frames.
    pub fn part(&self, from: u64, length: u64, of_frame: impl Fn(usize) -> u32) -> Self {
        match *self {
            Self::Silence(_) => Self::Silence(length),
            Self::Frames {
                file, run, skip, ..
            } => {
                let frame = of_frame(file);
                let (begin, end) = (skip + from, skip + from + length);
                let (left_out, ends) = (begin / u64::from(frame), end.div_ceil(u64::from(frame)));
                let head = run.head.map(|head| head.after(left_out, frame));
                let run = Run {
                    first: run.first + left_out,
                    frames: ends - left_out,
                    head,
                    ..run
                };
                Self::Frames {
                    file,
                    run,
                    skip: begin % u64::from(frame),
                    samples: length,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recordings::scan::tests::{heads, scan, SAMPLES};
    use crate::recordings::scan::Head;

    /// What comes out, a letter and number for a frame, `-` for a frame's length of silence.
    fn joined(files: &[Vec<Head>], same: bool) -> String {
        let scanned: Vec<Scanned> = files.iter().map(|heads| scan(heads)).collect();
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
            Scanned::bare(2, SAMPLES),
            scan(&heads(7, 0..2)),
            Scanned::bare(0, SAMPLES),
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
        let jumps: Vec<Head> = (0..4000).flat_map(hostile).collect();
        let silence = plan(&[scan(&jumps)], &mut |_, _| true).silence();
        assert!(silence > 0 && silence <= MAX_SILENCE);
        let sources: Vec<Head> = (0..100_000).flat_map(|n| heads(n, [5, 6])).collect();
        let files = [scan(&sources), scan(&sources)];
        assert_eq!(plan(&files, &mut |_, _| false).samples(), 400_000 * 160);
    }
}
