//! A recording as a picture: its waveform as SVG, bounded in size however long it is.
//!
//! A column is a stretch of time: from its least to its greatest sample in a light shade, its effective value (RMS) in a
//! strong one. Pauses, gaps and the borders of parts are marked. Colours follow the reader's light or dark setting.

use std::fmt::Write as _;

/// Samples a second.
const RATE: u64 = 8000;
/// Columns at the most: one for a unit, and 60 KB of paths.
const COLUMNS: usize = WIDTH as usize;
/// Marks of a kind at the most, some 150 bytes each. Those behind are only counted.
const MARKS: usize = 150;
/// The waveform's place, in units of the picture.
const LEFT: u64 = 30;
const TOP: u64 = 84;
const WIDTH: u64 = 1200;
const HEIGHT: u64 = 200;
/// Quiet recordings are drawn so many times as high at the most: beyond, it would be noise that is seen.
const MAX_SCALE: i32 = 8;
/// Room for the lengths that stand over the marks, in units.
const LABEL_WIDTH: u64 = 52;
/// Characters of a line of text, at the most: so many of the widest have room.
const TITLE_CHARS: usize = 100;
const WORDS_CHARS: usize = 140;
const STYLE: &str = include_str!("waveform.css");
/// Distances between two numbers on the time axis, in seconds; of a few hours at the most.
const STEPS: [u64; 17] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400,
];

/// Collects samples into columns.
pub struct Waveform {
    columns: Vec<Column>,
    whole: u64,
    at: u64,
    /// The column for the next sample, and where the one behind it begins.
    column: usize,
    ends: u64,
}

#[derive(Clone, Copy, Default)]
struct Column {
    least: i32,
    greatest: i32,
    squares: u64,
    count: u64,
}

/// What is marked, each with its place in samples, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// It was paused here for so many milliseconds.
    pub pauses: Vec<(u64, u64)>,
    /// Pauses of which only the number is known.
    pub more_pauses: u64,
    /// Samples are missing from here on, so many.
    pub gaps: Vec<(u64, u64)>,
    /// Another file begins here; its name.
    pub parts: Vec<(u64, String)>,
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

    /// Leaves out samples that are not there.
    pub fn skip(&mut self, samples: u64) {
        self.at = self.at.saturating_add(samples);
        let (columns, whole) = (self.columns.len() as u128, u128::from(self.whole.max(1)));
        let column = u128::from(self.at) * columns / whole;
        let ends = ((column + 1) * whole).div_ceil(columns.max(1));
        self.column = usize::try_from(column).unwrap_or(COLUMNS);
        self.ends = u64::try_from(ends).unwrap_or(u64::MAX);
    }

    /// The picture. `title` and `words` are plain text, from anywhere; `from` is what the time axis begins with, in samples.
    pub fn svg(&self, title: &str, words: &str, from: u64, marks: &Marks) -> String {
        let scale = self.scale();
        let larger = if scale > 1 {
            format!(", drawn {scale} times as high")
        } else {
            String::new()
        };
        let words = text(&format!("{words}{}{larger}", summary(marks)), WORDS_CHARS);
        let title = text(title, TITLE_CHARS);
        let (width, height) = (LEFT + WIDTH + LEFT, TOP + HEIGHT + 62);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"callrec\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-labelledby=\"t d\">\n<title id=\"t\">{title}</title>\n<desc id=\"d\">{words}</desc>\n<style>\n{STYLE}</style>\n\
             <rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>\n\
             <text class=\"title\" x=\"{LEFT}\" y=\"26\">{title}</text>\n<text x=\"{LEFT}\" y=\"48\">{words}</text>\n",
        );
        let mut labels = vec![];
        for (at, samples) in self.spread(&marks.gaps, |(at, _)| *at) {
            let (x, end) = (
                self.x(*at),
                self.x(at.saturating_add(*samples)).max(self.x(*at) + 20),
            );
            labels.push(((x + end) / 2, "missing", length(samples / (RATE / 1000))));
            let (x, wide, length) = (tenths(x), tenths(end - x), length(samples / (RATE / 1000)));
            let _ = writeln!(
                svg,
                "<rect class=\"gap\" x=\"{x}\" y=\"{TOP}\" width=\"{wide}\" height=\"{HEIGHT}\"><title>{length} missing</title></rect>"
            );
        }
        let _ = writeln!(
            svg,
            "<path class=\"zero\" d=\"M{LEFT} {}h{WIDTH}\"/>",
            TOP + HEIGHT / 2
        );
        self.outline(&mut svg, "peak", |column| {
            (column.least * scale, column.greatest * scale)
        });
        self.outline(&mut svg, "rms", |column| {
            let rms = (column.squares / column.count.max(1)).isqrt() as i32 * scale;
            (-rms, rms)
        });
        let (pauses, parts) = (
            self.spread(&marks.pauses, |(at, _)| *at),
            self.spread(&marks.parts, |(at, _)| *at),
        );
        self.halo(
            &mut svg,
            pauses
                .iter()
                .map(|(at, _)| *at)
                .chain(parts.iter().map(|(at, _)| *at)),
        );
        for (at, paused) in pauses {
            labels.push((self.x(*at), "paused", length(*paused)));
            self.line(
                &mut svg,
                "pause",
                *at,
                &format!("paused for {}", length(*paused)),
            );
        }
        for (at, name) in parts {
            self.line(&mut svg, "part", *at, &text(name, TITLE_CHARS));
        }
        above(&mut svg, labels);
        self.axis(&mut svg, from);
        legend(&mut svg, marks);
        svg.push_str("</svg>\n");
        svg
    }

    /// How many times as high a quiet recording is drawn, so that it is seen: a power of two.
    fn scale(&self) -> i32 {
        let greatest = self
            .columns
            .iter()
            .map(|column| column.greatest.max(-column.least))
            .max()
            .unwrap_or(0);
        let fits = |scale: &i32| greatest.saturating_mul(*scale) <= 32_768;
        [MAX_SCALE, 4, 2]
            .into_iter()
            .find(fits)
            .filter(|_| greatest > 0)
            .unwrap_or(1)
    }

    /// The first of those that stand in one place, as many as may be.
    fn spread<'a, T>(&self, marks: &'a [T], at: impl Fn(&T) -> u64) -> Vec<&'a T> {
        let mut kept = marks.iter().collect::<Vec<&T>>();
        kept.dedup_by_key(|mark| self.x(at(mark)) / 10);
        kept.truncate(MARKS);
        kept
    }

    /// Where a sample stands, in tenths of a unit.
    fn x(&self, sample: u64) -> u64 {
        let tenths = u128::from(sample.min(self.whole)) * u128::from(WIDTH * 10)
            / u128::from(self.whole.max(1));
        LEFT * 10 + u64::try_from(tenths).unwrap_or(0)
    }

    /// A closed path in steps, along the greater values and back along the lesser ones.
    fn outline(&self, svg: &mut String, class: &str, of: impl Fn(&Column) -> (i32, i32)) {
        let count = self.columns.len() as u64;
        let border = |number: u64| tenths(LEFT * 10 + number * WIDTH * 10 / count.max(1));
        let height = |value: i32| {
            let y = (TOP + HEIGHT / 2) as i32 * 10 - value * (HEIGHT as i32 * 5) / 32_768;
            tenths(y.unsigned_abs().into())
        };
        let _ = write!(
            svg,
            "<path class=\"{class}\" d=\"M{LEFT} {}",
            TOP + HEIGHT / 2
        );
        for (number, column) in (1..).zip(&self.columns) {
            let _ = write!(svg, "V{}H{}", height(of(column).1), border(number));
        }
        for (number, column) in (0..count).rev().zip(self.columns.iter().rev()) {
            let _ = write!(svg, "V{}H{}", height(of(column).0), border(number));
        }
        svg.push_str("z\"/>\n");
    }

    fn line(&self, svg: &mut String, class: &str, at: u64, words: &str) {
        let (x, top, long) = (tenths(self.x(at)), TOP - 6, HEIGHT + 12);
        let _ = writeln!(
            svg,
            "<path class=\"{class}\" d=\"M{x} {top}v{long}\"><title>{words}</title></path>"
        );
    }

    /// The ground's colour around the lines that follow: against a loud waveform's they could not be seen.
    fn halo(&self, svg: &mut String, lines: impl Iterator<Item = u64>) {
        let around: String = lines
            .map(|at| format!("M{} {TOP}v{HEIGHT}", tenths(self.x(at))))
            .collect();
        if !around.is_empty() {
            let _ = writeln!(svg, "<path class=\"halo\" d=\"{around}\"/>");
        }
    }

    fn axis(&self, svg: &mut String, from: u64) {
        let ends = from + self.whole;
        let step = STEPS
            .into_iter()
            .find(|step| self.whole / RATE / step <= 12)
            .unwrap_or(86_400)
            * RATE;
        let bottom = TOP + HEIGHT;
        let _ = writeln!(svg, "<path class=\"axis\" d=\"M{LEFT} {bottom}h{WIDTH}\"/>");
        for at in (from.div_ceil(step)..=ends / step)
            .map(|number| number * step)
            .take(400)
        {
            let (x, text) = (tenths(self.x(at - from)), clock(at / RATE));
            let _ = writeln!(
                svg,
                "<path class=\"axis\" d=\"M{x} {bottom}v6\"/><text class=\"time\" x=\"{x}\" y=\"{}\">{text}</text>",
                bottom + 22
            );
        }
    }
}

/// What the colours mean, as far as they are there.
fn legend(svg: &mut String, marks: &Marks) {
    let y = TOP + HEIGHT + 48;
    let shown = [
        ("pause", "paused", !marks.pauses.is_empty()),
        ("gap", "missing", !marks.gaps.is_empty()),
        ("part", "next file", !marks.parts.is_empty()),
    ];
    for ((class, word, _), x) in shown
        .into_iter()
        .filter(|(_, _, shown)| *shown)
        .zip((LEFT..).step_by(110))
    {
        let sign = match class {
            "gap" => format!(
                "<rect class=\"gap\" x=\"{x}\" y=\"{}\" width=\"12\" height=\"14\"/>",
                y - 12
            ),
            _ => format!("<path class=\"{class}\" d=\"M{} {}v14\"/>", x + 6, y - 12),
        };
        let _ = writeln!(svg, "{sign}<text x=\"{}\" y=\"{y}\">{word}</text>", x + 20);
    }
}

/// How long it is, over the marks that have room for it.
fn above(svg: &mut String, mut labels: Vec<(u64, &str, String)>) {
    labels.sort_unstable();
    let mut free = 0;
    for (x, class, length) in labels
        .into_iter()
        .filter(|(x, _, _)| *x <= (LEFT + WIDTH) * 10)
    {
        if x >= free {
            let y = TOP - 11;
            let _ = writeln!(
                svg,
                "<text class=\"{class}\" x=\"{}\" y=\"{y}\">{length}</text>",
                tenths(x)
            );
            free = x + LABEL_WIDTH * 10;
        }
    }
}

/// The marks in words, for those who cannot see them.
fn summary(marks: &Marks) -> String {
    let some = |count: usize, one: &str, many: &str| match count {
        0 => String::new(),
        1 => format!(", 1 {one}"),
        count => format!(", {count} {many}"),
    };
    let missing = marks
        .gaps
        .iter()
        .fold(0u64, |sum, (_, samples)| sum.saturating_add(*samples));
    let missing = match missing {
        0 => String::new(),
        samples => format!(", {} missing", length(samples / (RATE / 1000))),
    };
    let pauses = usize::try_from(marks.more_pauses)
        .unwrap_or(usize::MAX)
        .saturating_add(marks.pauses.len());
    let files = if marks.parts.is_empty() {
        0
    } else {
        marks.parts.len() + 1
    };
    some(pauses, "pause", "pauses") + &missing + &some(files, "file", "files")
}

/// `0.02 s`, `1.5 s`, `59 s`, `1:05`, `2:00:00`.
fn length(ms: u64) -> String {
    match ms {
        0..100 => format!("0.{:02} s", ms / 10),
        100..10_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        10_000..60_000 => format!("{} s", ms / 1000),
        _ => clock(ms / 1000),
    }
}

/// `M:SS` or `H:MM:SS`.
fn clock(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

fn tenths(value: u64) -> String {
    match value % 10 {
        0 => (value / 10).to_string(),
        rest => format!("{}.{rest}", value / 10),
    }
}

/// Text for XML 1.0, whatever it was; of so many characters at the most.
fn text(text: &str, most: usize) -> String {
    let mut escaped = String::new();
    let end = text.char_indices().nth(most).map_or("", |_| "\u{2026}");
    for c in text.chars().take(most).chain(end.chars()) {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => {
                escaped.push(char::REPLACEMENT_CHARACTER)
            }
            c => escaped.push(c),
        }
    }
    escaped
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
        wave.push(7); // more than was announced
        let svg = wave.svg("t", "w", 0, &Marks::default());
        assert!(svg.contains("drawn 8 times as high"));
        assert!(
            svg.contains("V159.6H1230V232.8H1229"),
            "from 1000 down to -2000, 8 times as high"
        );
    }

    #[test]
    fn quiet_recordings_are_drawn_higher_and_loud_ones_as_they_are() {
        for (greatest, scale) in [
            (0, 1),
            (1, 8),
            (-4096, 8),
            (4097, 4),
            (8193, 2),
            (16_384, 2),
            (16_385, 1),
            (i16::MIN, 1),
        ] {
            let mut wave = Waveform::new(1);
            wave.push(greatest);
            assert_eq!(wave.scale(), scale, "{greatest}");
        }
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

    #[test]
    fn lengths_are_said_as_people_do() {
        for (ms, words) in [
            (20, "0.02 s"),
            (1500, "1.5 s"),
            (59_999, "59 s"),
            (65_000, "1:05"),
            (7_200_000, "2:00:00"),
        ] {
            assert_eq!(length(ms), words);
        }
    }

    #[test]
    fn the_size_is_bounded_whatever_comes() {
        let mut wave = Waveform::new(40_000_000);
        (0..40_000_000u64)
            .for_each(|n| wave.push((n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48) as i16));
        let many = |step: u64| (0..100_000u64).map(move |n| n * step);
        let marks = Marks {
            pauses: many(400).map(|at| (at, u64::MAX / 16)).collect(),
            gaps: many(399).map(|at| (at, 200)).collect(),
            parts: many(398).map(|at| (at, "&".repeat(255))).collect(),
            more_pauses: u64::MAX,
        };
        let svg = wave.svg(&"\u{1}<".repeat(600), &"\"".repeat(600), 0, &marks);
        assert!(svg.len() < 250_000, "{}", svg.len());
        for empty in [0, 1, 5] {
            assert!(Waveform::new(empty)
                .svg("", "", 0, &Marks::default())
                .ends_with("</svg>\n"));
        }
    }

    #[test]
    fn the_axis_has_round_times() {
        let axis = |whole: u64, from: u64| {
            let svg = Waveform::new(whole * RATE).svg("", "", from * RATE, &Marks::default());
            svg.split("class=\"time\"")
                .skip(1)
                .map(|t| t.split(['>', '<']).nth(1).unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(axis(3, 0), ["0:00", "0:01", "0:02", "0:03"]);
        assert_eq!(
            axis(100, 55),
            ["1:00", "1:10", "1:20", "1:30", "1:40", "1:50", "2:00", "2:10", "2:20", "2:30"]
        );
        assert_eq!(axis(4 * 3600, 0)[..3], ["0:00", "30:00", "1:00:00"]);
    }

    #[test]
    fn strange_texts_stay_texts() {
        let marks = Marks {
            parts: vec![(1, "<b>&\u{0}".into())],
            ..Marks::default()
        };
        let svg = Waveform::new(10).svg("</title><script>", "\"\u{FFFF}\u{1b}", 0, &marks);
        assert!(
            !svg.contains("<script")
                && !svg.contains("<b>")
                && svg.contains("&lt;b&gt;&amp;\u{FFFD}")
        );
        assert!(
            svg.contains("&lt;/title&gt;&lt;script&gt;")
                && svg.contains("&quot;\u{FFFD}\u{FFFD}, 2 files")
        );
    }
}
