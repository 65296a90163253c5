//! The frames of a file as runs: frames whose headers count on from one to the next.
//!
//! A change is believed when two frames in a row agree on it (RFC 3550, A.1); a damaged header stays where it stands.

/// Runs kept of one file. Its frames beyond are taken to count on: a good file is one run, a hostile one is all changes.
pub(super) const MAX_RUNS: usize = 65_536;

/// What a frame's RTP header says of its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The source.
    pub ssrc: u32,
    /// +1 from frame to frame.
    pub sequence: u16,
    /// + the header's `increment` from frame to frame.
    pub timestamp: u32,
}

/// Frames in a row in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Number of its first frame in the file.
    pub first: u64,
    /// How many.
    pub frames: u64,
    /// What its first frame says, or should say. `None`: there are no headers.
    pub head: Option<Head>,
    /// Two frames have agreed.
    pub sure: bool,
}

/// One file's runs; `samples` a frame, at least one.
#[derive(Clone, Debug)]
pub struct Scanned {
    /// In the order of the file.
    pub runs: Vec<Run>,
    /// Timestamp units of a frame, and samples.
    pub samples: u32,
}

/// Makes runs of a file's frame headers.
#[derive(Debug)]
pub struct Scan {
    samples: u32,
    runs: Vec<Run>,
    /// The latest frame, if it said something unexpected.
    doubted: Option<Head>,
}

impl Head {
    /// From a frame's first bytes.
    pub fn parse(bytes: &[u8; 12]) -> Self {
        let [_, _, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *bytes;
        Self {
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
        }
    }

    /// What the frame says that comes `frames` later.
    pub fn after(&self, frames: u64, samples: u32) -> Self {
        Self {
            sequence: self.sequence.wrapping_add(frames as u16),
            timestamp: self
                .timestamp
                .wrapping_add((frames as u32).wrapping_mul(samples)),
            ..*self
        }
    }

    /// It has something in common with what was expected: a few damaged bits do not make it another frame.
    pub fn resembles(&self, expected: &Self) -> bool {
        self.ssrc == expected.ssrc
            || self.sequence == expected.sequence
            || self.timestamp == expected.timestamp
    }
}

impl Scan {
    /// For a file with so many samples a frame.
    pub fn new(samples: u32) -> Self {
        Self {
            samples,
            runs: vec![],
            doubted: None,
        }
    }

    /// Takes the next frame.
    pub fn push(&mut self, head: Head) {
        let (many, doubted) = (self.runs.len() >= MAX_RUNS, self.doubted.take());
        let Some(run) = self.runs.last_mut() else {
            return self.runs.push(Run {
                first: 0,
                frames: 1,
                head: Some(head),
                sure: false,
            });
        };
        let expected = run.head.map(|first| first.after(run.frames, self.samples));
        if expected == Some(head) {
            run.sure = true;
        } else if let Some(doubted) =
            doubted.filter(|doubted| !many && head == doubted.after(1, self.samples))
        {
            // The doubted frame has begun something; a first frame alone before it was damaged itself.
            run.frames -= 1;
            if run.sure || run.frames > 1 {
                let first = run.first + run.frames;
                return self.runs.push(Run {
                    first,
                    frames: 2,
                    head: Some(doubted),
                    sure: true,
                });
            }
            let before = doubted.sequence.wrapping_sub(1);
            let timestamp = doubted.timestamp.wrapping_sub(self.samples);
            (run.frames, run.sure) = (2, true);
            run.head = Some(Head {
                sequence: before,
                timestamp,
                ..doubted
            });
        } else {
            self.doubted = Some(head);
        }
        run.frames += 1;
    }

    /// The file has ended.
    pub fn finish(self) -> Scanned {
        Scanned {
            runs: self.runs,
            samples: self.samples,
        }
    }
}

impl Scanned {
    /// Frames without headers.
    pub fn bare(frames: u64, samples: u32) -> Self {
        let run = Run {
            first: 0,
            frames,
            head: None,
            sure: false,
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

    /// Headers of frames `numbers` of a source, around the wraps of sequence and timestamp.
    pub(in crate::recordings) fn heads(
        ssrc: u32,
        numbers: impl IntoIterator<Item = u32>,
    ) -> Vec<Head> {
        let head = |n: u32| Head {
            ssrc,
            sequence: (n as u16).wrapping_sub(50),
            timestamp: n.wrapping_mul(SAMPLES).wrapping_sub(50 * SAMPLES),
        };
        numbers.into_iter().map(head).collect()
    }

    pub(in crate::recordings) fn scan(heads: &[Head]) -> Scanned {
        let mut scan = Scan::new(SAMPLES);
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
                scanned.runs[0].sure
            ),
            (1, 100_000, true)
        );
    }

    #[test]
    fn a_change_is_a_run_when_two_agree_on_it() {
        let runs = |heads: &[Head]| {
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
        let sources: Vec<Head> = (0..100_000).flat_map(|n| heads(n, [5, 6])).collect();
        let runs = scan(&sources).runs;
        assert_eq!(
            (runs.len(), runs.iter().map(|run| run.frames).sum::<u64>()),
            (MAX_RUNS, 200_000)
        );
    }
}
