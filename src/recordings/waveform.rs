//! The audio of a recording as the columns of a picture, however long it is.
//!
//! A column is a stretch of time: its least and its greatest sample, and its effective value (RMS).

/// Columns at the most: one for each unit of the picture's width, which makes 60 KB of paths.
pub(super) const COLUMNS: usize = 1200;

/// Collects samples into columns.
pub struct Waveform {
    columns: Vec<Column>,
    /// Samples of the whole recording.
    whole: u64,
    at: u64,
    /// The column of the next sample, and where the next column begins.
    column: usize,
    ends: u64,
}

/// A stretch of time.
#[derive(Clone, Copy, Default)]
pub(super) struct Column {
    pub(super) least: i32,
    pub(super) greatest: i32,
    squares: u64,
    count: u64,
}

impl Column {
    /// The effective value.
    pub(super) fn rms(&self) -> i32 {
        (self.squares / self.count.max(1)).isqrt() as i32
    }
}

impl Waveform {
    /// For `whole` samples.
    pub fn new(whole: u64) -> Self {
        let columns = usize::try_from(whole).unwrap_or(COLUMNS).min(COLUMNS);
        let mut wave = Self {
            columns: vec![Column::default(); columns],
            whole,
            at: 0,
            column: 0,
            ends: 0,
        };
        wave.skip(0);
        wave
    }

    /// Takes the next sample.
    pub fn push(&mut self, sample: i16) {
        if self.at >= self.ends {
            self.skip(0);
        }
        self.at += 1;
        let Some(column) = self.columns.get_mut(self.column) else {
            return;
        };
        column.least = column.least.min(sample.into());
        column.greatest = column.greatest.max(sample.into());
        column.squares += u64::from(sample.unsigned_abs()).pow(2);
        column.count += 1;
    }

    /// Advances over missing samples.
    pub fn skip(&mut self, samples: u64) {
        self.at = self.at.saturating_add(samples);
        let columns = self.columns.len() as u128;
        let whole = u128::from(self.whole.max(1));
        let column = u128::from(self.at) * columns / whole;
        let ends = ((column + 1) * whole).div_ceil(columns.max(1));
        self.column = usize::try_from(column).unwrap_or(COLUMNS);
        self.ends = u64::try_from(ends).unwrap_or(u64::MAX);
    }

    /// The columns, in order of time.
    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Samples of the whole recording.
    pub(super) fn samples(&self) -> u64 {
        self.whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_hold_extremes_and_rms() {
        let mut wave = Waveform::new(2400);
        (0..1200).for_each(|_| wave.push(0));
        wave.skip(600);
        (0..300).for_each(|_| {
            [1000, -2000]
                .into_iter()
                .for_each(|sample| wave.push(sample))
        });
        let last = wave.columns[1199];
        assert_eq!(
            (last.least, last.greatest, last.squares / last.count),
            (-2000, 1000, 2_500_000)
        );
        assert_eq!((wave.columns[0].greatest, wave.columns[700].count), (0, 0));
    }

    #[test]
    fn every_sample_is_in_its_column() {
        for whole in [1, 7, 1199, 1200, 1201, 3601, 12_345] {
            let mut wave = Waveform::new(whole);
            (0..whole).for_each(|_| wave.push(1));
            let counts: Vec<u64> = wave.columns.iter().map(|column| column.count).collect();
            let (least, greatest) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(
                counts.iter().sum::<u64>() == whole && greatest - least <= 1,
                "{whole}: {least} to {greatest}"
            );
        }
    }
}
