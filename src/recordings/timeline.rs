//! The runs of one source on a common time axis, from whichever files they come.

use crate::recordings::frame_runs::{FileRuns, FrameRun};
use crate::recordings::plan::{JoinPlan, Segment};

/// The longest gap that is filled with silence: 4 hours at 8 kHz. After a longer jump of the
/// timestamps another timeline begins.
const MAX_GAP: i64 = 4 * 3600 * 8000;
/// The most silence in all, 12 hours: the timestamps of a small file must not fill a disk.
pub(super) const MAX_SILENCE: u64 = 12 * 3600 * 8000;
/// Frames that are compared where two runs overlap, and where two files do.
const COMPARED: u64 = 32;
const MOST_COMPARED: u64 = 1000;

/// A frame: index of the file, and its number in it.
pub type FrameIndex = (usize, u64);

/// A run and its position, in samples from an arbitrary origin.
#[derive(Clone, Copy)]
struct Placed {
    at: i64,
    end: i64,
    file: usize,
    run: FrameRun,
}

/// The runs of one source.
pub(super) struct SourceTimeline {
    /// `None`: the frames have no RTP headers.
    ssrc: Option<u32>,
    start: i64,
    end: i64,
    /// The timestamp at `end`.
    timestamp: u32,
    runs: Vec<Placed>,
    /// Each file that has runs here, and where the last of them ends.
    files: Vec<(usize, i64)>,
}

impl SourceTimeline {
    /// An empty one, for this run to be added.
    pub(super) fn new(run: &FrameRun) -> Self {
        Self {
            ssrc: run.head.map(|head| head.ssrc),
            start: 0,
            end: 0,
            timestamp: run.head.map_or(0, |head| head.timestamp),
            runs: vec![],
            files: vec![],
        }
    }

    /// It has frames with RTP headers.
    pub(super) fn has_source(&self) -> bool {
        self.ssrc.is_some()
    }

    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// Where the run begins, if it is of this source.
    pub(super) fn position(&self, run: &FrameRun) -> Option<i64> {
        let head = run.head.filter(|head| Some(head.ssrc) == self.ssrc)?;
        let distance = head.timestamp.wrapping_sub(self.timestamp) as i32;
        Some(self.end + i64::from(distance))
    }

    /// The run comes after the last one of the same file, after a gap of bearable length.
    pub(super) fn continues(&self, file: usize, run: &FrameRun) -> bool {
        let last = self.files.iter().find(|(known, _)| *known == file);
        match (self.position(run), last) {
            (Some(at), Some((_, end))) => (*end..=end + MAX_GAP).contains(&at),
            _ => false,
        }
    }

    /// The run is of a file that has none here yet, and it is a part of the same recording: close
    /// enough, and its frames are those that are here already where the two overlap.
    pub(super) fn accepts(
        &self,
        file: usize,
        run: &FrameRun,
        files: &[FileRuns],
        same: &mut dyn FnMut(FrameIndex, FrameIndex) -> bool,
    ) -> bool {
        let Some(at) = self.position(run) else {
            return false;
        };
        let end = at + files[file].length(run);
        let is_new = self.files.iter().all(|(known, _)| *known != file);
        let is_near = at <= self.end + MAX_GAP && end >= self.start - MAX_GAP;
        if !is_new || !is_near {
            return false;
        }
        let placed = Placed {
            at,
            end,
            file,
            run: *run,
        };
        let mut compared = 0;
        let mut equal = 0;
        for other in &self.runs {
            let overlap = placed.overlap(other);
            if overlap.is_empty() || compared > MOST_COMPARED {
                continue;
            }
            let samples = files[file].samples;
            let is_aligned =
                files[other.file].samples == samples && (other.at - at) % i64::from(samples) == 0;
            if !is_aligned {
                return false;
            }
            let frames = ((overlap.end - overlap.start) / i64::from(samples)) as u64;
            for n in (0..frames).step_by((frames / COMPARED).max(1) as usize) {
                let sample = overlap.start + n as i64 * i64::from(samples);
                compared += 1;
                let frame = placed.frame_at(sample, samples);
                equal += u64::from(same(frame, other.frame_at(sample, samples)));
            }
        }
        // Some frames may be damaged in one of the files; of two recordings with the same SSRC
        // hardly any are equal.
        equal * 2 >= compared
    }

    /// Adds a run that begins at `at`.
    pub(super) fn add(&mut self, file: usize, run: &FrameRun, at: i64, length: i64) {
        let end = at + length;
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

    /// Appends the runs to the plan in order of time, each frame once. `silence` is how much may
    /// still be inserted.
    pub(super) fn append_to(mut self, plan: &mut JoinPlan, files: &[FileRuns], silence: &mut u64) {
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
            let samples = files[file].samples;
            let known = (position - at).max(0) as u64;
            let left_out = known / u64::from(samples);
            plan.repeated += left_out;
            plan.segments.push(Segment::Frames {
                file,
                run: FrameRun {
                    first: run.first + left_out,
                    frames: run.frames - left_out,
                    head: run.head.map(|head| head.after(left_out, samples)),
                    is_confirmed: run.is_confirmed,
                },
                skip: known % u64::from(samples),
                samples: (end - at.max(position)) as u64,
            });
            position = end;
        }
    }
}

impl Placed {
    /// The stretch of time in which both have frames.
    fn overlap(&self, other: &Self) -> std::ops::Range<i64> {
        self.at.max(other.at)..self.end.min(other.end)
    }

    /// The frame that holds the sample at this position.
    fn frame_at(&self, position: i64, samples: u32) -> FrameIndex {
        let frames = (position - self.at) / i64::from(samples);
        (self.file, self.run.first + frames as u64)
    }
}
