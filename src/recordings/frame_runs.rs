//! The frames of a file as runs: in a run, sequence numbers and timestamps increase regularly from
//! frame to frame.
//!
//! A change is accepted when two consecutive frames agree on it (RFC 3550, A.1). A single header
//! that differs is damaged, and its frame keeps its place.

use crate::wire::rtp::{self, FixedHeader};

/// The most runs that are kept of one file; its frames after those are added to the last run. A
/// good file is one run, in a hostile one every frame may begin another.
pub(super) const MAX_RUNS: usize = 65_536;

/// The position of a frame in its stream, from its RTP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramePosition {
    /// The source.
    pub ssrc: u32,
    /// +1 from frame to frame.
    pub sequence: u16,
    /// + the header's `increment` from frame to frame.
    pub timestamp: u32,
}

/// Consecutive frames of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRun {
    /// Number of its first frame in the file.
    pub first: u64,
    /// Number of frames.
    pub frames: u64,
    /// Position of its first frame, corrected if that header is damaged. `None`: the frames have no
    /// RTP headers.
    pub head: Option<FramePosition>,
    /// Two frames have agreed on the position.
    pub is_confirmed: bool,
}

/// The runs of one file.
#[derive(Clone, Debug)]
pub struct FileRuns {
    /// In the order of the file.
    pub runs: Vec<FrameRun>,
    /// Samples of a frame, which are also its timestamp units; at least one.
    pub samples: u32,
}

/// Divides the frames of a file into runs.
#[derive(Debug)]
pub struct RunScanner {
    samples: u32,
    runs: Vec<FrameRun>,
    /// The position of the latest frame, if that was not the expected one.
    unexpected: Option<FramePosition>,
}

impl FramePosition {
    /// From a frame's first bytes.
    pub fn parse(bytes: &[u8; rtp::HEADER_BYTES]) -> Self {
        let header = FixedHeader::parse(bytes);
        Self {
            ssrc: header.ssrc,
            sequence: header.sequence,
            timestamp: header.timestamp,
        }
    }

    /// The position of the frame that comes `frames` later.
    pub fn after(&self, frames: u64, samples: u32) -> Self {
        Self {
            sequence: self.sequence.wrapping_add(frames as u16),
            timestamp: self
                .timestamp
                .wrapping_add((frames as u32).wrapping_mul(samples)),
            ..*self
        }
    }

    /// It agrees with the expected position in at least one field: a few damaged bits do not make
    /// it another frame.
    pub fn resembles(&self, expected: &Self) -> bool {
        self.ssrc == expected.ssrc
            || self.sequence == expected.sequence
            || self.timestamp == expected.timestamp
    }
}

impl RunScanner {
    /// For a file with so many samples a frame.
    pub fn new(samples: u32) -> Self {
        Self {
            samples,
            runs: vec![],
            unexpected: None,
        }
    }

    /// Takes the position of the next frame.
    pub fn push(&mut self, position: FramePosition) {
        let unexpected = self.unexpected.take();
        let is_full = self.runs.len() >= MAX_RUNS;
        let Some(run) = self.runs.last_mut() else {
            self.runs.push(FrameRun {
                first: 0,
                frames: 1,
                head: Some(position),
                is_confirmed: false,
            });
            return;
        };
        let expected = run.head.map(|first| first.after(run.frames, self.samples));
        if expected == Some(position) {
            run.is_confirmed = true;
            run.frames += 1;
            return;
        }
        let agrees = |before: &FramePosition| position == before.after(1, self.samples);
        match unexpected.filter(agrees) {
            Some(begin) if !is_full => self.confirm(begin),
            _ => {
                self.unexpected = Some(position);
                run.frames += 1;
            }
        }
    }

    /// Two frames agree on a change: the one before this, at `begin`, and this one.
    fn confirm(&mut self, begin: FramePosition) {
        let Some(run) = self.runs.last_mut() else {
            return;
        };
        run.frames -= 1; // the frame before was counted in this run
        if run.is_confirmed || run.frames > 1 {
            let first = run.first + run.frames;
            self.runs.push(FrameRun {
                first,
                frames: 2,
                head: Some(begin),
                is_confirmed: true,
            });
            return;
        }
        // There is only one frame before them, and nothing confirms its header: that one was
        // damaged.
        run.head = Some(FramePosition {
            sequence: begin.sequence.wrapping_sub(1),
            timestamp: begin.timestamp.wrapping_sub(self.samples),
            ssrc: begin.ssrc,
        });
        run.is_confirmed = true;
        run.frames = 3;
    }

    /// Ends the file.
    pub fn finish(self) -> FileRuns {
        FileRuns {
            runs: self.runs,
            samples: self.samples,
        }
    }
}

impl FileRuns {
    /// Samples of a run of this file.
    pub(super) fn length(&self, run: &FrameRun) -> i64 {
        run.frames as i64 * i64::from(self.samples)
    }

    /// The runs of a file whose frames have no RTP headers.
    pub fn bare(frames: u64, samples: u32) -> Self {
        let run = FrameRun {
            first: 0,
            frames,
            head: None,
            is_confirmed: false,
        };
        Self {
            runs: if frames == 0 { vec![] } else { vec![run] },
            samples,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::recordings) const SAMPLES: u32 = 160;

    /// Positions of the frames `numbers` of a source, around the wraps of sequence and
    /// timestamp.
    pub(in crate::recordings) fn heads(
        ssrc: u32,
        numbers: impl IntoIterator<Item = u32>,
    ) -> Vec<FramePosition> {
        let head = |n: u32| FramePosition {
            ssrc,
            sequence: (n as u16).wrapping_sub(50),
            timestamp: n.wrapping_mul(SAMPLES).wrapping_sub(50 * SAMPLES),
        };
        numbers.into_iter().map(head).collect()
    }

    pub(in crate::recordings) fn scan(heads: &[FramePosition]) -> FileRuns {
        let mut scan = RunScanner::new(SAMPLES);
        heads.iter().for_each(|head| scan.push(*head));
        scan.finish()
    }

    #[test]
    fn a_good_file_is_one_run() {
        let scanned = scan(&heads(7, 0..100_000));
        assert_eq!(
            (
                scanned.runs.len(),
                scanned.runs[0].frames,
                scanned.runs[0].is_confirmed
            ),
            (1, 100_000, true)
        );
    }

    #[test]
    fn a_change_is_a_run_when_two_agree_on_it() {
        let runs = |heads: &[FramePosition]| {
            scan(heads)
                .runs
                .iter()
                .map(|run| (run.first, run.frames))
                .collect::<Vec<_>>()
        };
        assert_eq!(runs(&heads(7, [0, 1, 5, 6, 7])), [(0, 2), (2, 3)]);
        assert_eq!(
            runs(&heads(7, [0, 1, 5, 3, 4, 5])),
            [(0, 6)],
            "one alone is damaged"
        );
        assert_eq!(runs(&heads(7, [9, 1, 2])), [(0, 3)], "the first one, too");
        assert_eq!(
            scan(&heads(7, [9, 1, 2])).runs[0].head,
            Some(heads(7, [0])[0])
        );
    }

    #[test]
    fn a_file_of_nothing_but_changes_has_a_limit() {
        let sources: Vec<FramePosition> = (0..100_000).flat_map(|n| heads(n, [5, 6])).collect();
        let runs = scan(&sources).runs;
        assert_eq!(
            (runs.len(), runs.iter().map(|run| run.frames).sum::<u64>()),
            (MAX_RUNS, 200_000)
        );
    }
}
