//! The picture of a recording: its waveform as SVG, bounded in size however long the recording is.
//!
//! Each column of the waveform is drawn from its least to its greatest sample in a light shade, and
//! its effective value in a strong one. Pauses, gaps and the borders of parts are marked. The
//! colours follow the reader's light or dark setting.

use std::fmt::Write as _;

use crate::recordings::joined::RATE;
use crate::recordings::svg_marks::Marks;
use crate::recordings::svg_text::{clock, escape, length, tenths};
use crate::recordings::waveform::{Column, Waveform, COLUMNS};

/// Marks of each kind at the most, some 150 bytes each. The others are only counted.
const MARKS: usize = 150;
/// The place of the waveform, in units of the picture.
const LEFT: u64 = 30;
const TOP: u64 = 84;
const WIDTH: u64 = COLUMNS as u64;
const HEIGHT: u64 = 200;
/// The highest magnification of quiet recordings: beyond it noise would be drawn.
const MAX_SCALE: i32 = 8;
/// Space for the lengths above the marks, in units.
const LABEL_WIDTH: u64 = 52;
/// Characters of a line of text at the most: this many of the widest fit.
const TITLE_CHARS: usize = 100;
const DESCRIPTION_CHARS: usize = 140;
const STYLE: &str = include_str!("waveform.css");
/// Distances between two labels of the time axis, in seconds; sufficient for a few hours.
const STEPS: [u64; 17] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400,
];

/// A length that stands above a mark: where, of which kind, the text.
type Label = (u64, &'static str, String);

/// Draws the picture. `title` and `description` may be any text; `from` is the first time of the
/// axis, in samples.
pub fn draw(wave: &Waveform, title: &str, description: &str, from: u64, marks: &Marks) -> String {
    let mut drawing = Drawing {
        wave,
        scale: scale(wave),
        svg: String::new(),
    };
    drawing.head(title, description, marks);
    let mut labels = drawing.gaps(marks);
    drawing.waveform();
    drawing.lines(marks, &mut labels);
    drawing.labels(labels);
    drawing.axis(from);
    drawing.legend(marks);
    drawing.svg.push_str("</svg>\n");
    drawing.svg
}

/// A picture under way.
struct Drawing<'a> {
    wave: &'a Waveform,
    /// Magnification of the amplitude.
    scale: i32,
    svg: String,
}

impl Drawing<'_> {
    fn head(&mut self, title: &str, description: &str, marks: &Marks) {
        let magnified = if self.scale > 1 {
            format!(", waveform enlarged {} times", self.scale)
        } else {
            String::new()
        };
        let description = format!("{description}{}{magnified}", marks.summary());
        let description = escape(&description, DESCRIPTION_CHARS);
        let title = escape(title, TITLE_CHARS);
        let width = LEFT + WIDTH + LEFT;
        let height = TOP + HEIGHT + 62;
        let _ = write!(
            self.svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"callrec\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-labelledby=\"t d\">\n<title id=\"t\">{title}</title>\n<desc id=\"d\">{description}</desc>\n<style>\n{STYLE}</style>\n\
             <rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>\n\
             <text class=\"title\" x=\"{LEFT}\" y=\"26\">{title}</text>\n<text x=\"{LEFT}\" y=\"48\">{description}</text>\n",
        );
    }

    /// Missing samples, behind the waveform; returns their labels.
    fn gaps(&mut self, marks: &Marks) -> Vec<Label> {
        let mut labels = vec![];
        for (at, samples) in self.visible(&marks.gaps, |(at, _)| *at) {
            let x = self.x(*at);
            let end = self.x(at.saturating_add(*samples)).max(x + 20);
            let length = length(samples / (RATE / 1000));
            let _ = writeln!(
                self.svg,
                "<rect class=\"gap\" x=\"{}\" y=\"{TOP}\" width=\"{}\" height=\"{HEIGHT}\"><title>{length} missing</title></rect>",
                tenths(x),
                tenths(end - x)
            );
            labels.push(((x + end) / 2, "missing", length));
        }
        labels
    }

    fn waveform(&mut self) {
        let scale = self.scale;
        let middle = TOP + HEIGHT / 2;
        let _ = writeln!(
            self.svg,
            "<path class=\"zero\" d=\"M{LEFT} {middle}h{WIDTH}\"/>"
        );
        self.outline("peak", |column| {
            (column.least * scale, column.greatest * scale)
        });
        self.outline("rms", |column| {
            let rms = column.rms() * scale;
            (-rms, rms)
        });
    }

    /// A closed path in steps, along the greater values and back along the lesser ones.
    fn outline(&mut self, class: &str, of: impl Fn(&Column) -> (i32, i32)) {
        let columns = self.wave.columns();
        let count = columns.len() as u64;
        let border = |number: u64| tenths(LEFT * 10 + number * WIDTH * 10 / count.max(1));
        let height = |value: i32| {
            let y = (TOP + HEIGHT / 2) as i32 * 10 - value * (HEIGHT as i32 * 5) / 32_768;
            tenths(y.unsigned_abs().into())
        };
        let middle = TOP + HEIGHT / 2;
        let _ = write!(self.svg, "<path class=\"{class}\" d=\"M{LEFT} {middle}");
        for (number, column) in (1..).zip(columns) {
            let _ = write!(self.svg, "V{}H{}", height(of(column).1), border(number));
        }
        for (number, column) in (0..count).rev().zip(columns.iter().rev()) {
            let _ = write!(self.svg, "V{}H{}", height(of(column).0), border(number));
        }
        self.svg.push_str("z\"/>\n");
    }

    /// Pauses and the borders of parts, over the waveform; adds the labels of the pauses.
    fn lines(&mut self, marks: &Marks, labels: &mut Vec<Label>) {
        let pauses = self.visible(&marks.pauses, |(at, _)| *at);
        let parts = self.visible(&marks.parts, |(at, _)| *at);
        let positions: Vec<u64> = pauses
            .iter()
            .map(|(at, _)| *at)
            .chain(parts.iter().map(|(at, _)| *at))
            .collect();
        self.halo(&positions);
        for (at, paused_ms) in pauses {
            let length = length(*paused_ms);
            self.line("pause", *at, &format!("paused for {length}"));
            labels.push((self.x(*at), "paused", length));
        }
        for (at, name) in parts {
            self.line("part", *at, &escape(name, TITLE_CHARS));
        }
    }

    /// The background's colour around the lines that follow; on a loud waveform they would not be
    /// visible without it.
    fn halo(&mut self, lines: &[u64]) {
        if lines.is_empty() {
            return;
        }
        self.svg.push_str("<path class=\"halo\" d=\"");
        for at in lines {
            let x = tenths(self.x(*at));
            let _ = write!(self.svg, "M{x} {TOP}v{HEIGHT}");
        }
        self.svg.push_str("\"/>\n");
    }

    fn line(&mut self, class: &str, at: u64, title: &str) {
        let x = tenths(self.x(at));
        let top = TOP - 6;
        let length = HEIGHT + 12;
        let _ = writeln!(
            self.svg,
            "<path class=\"{class}\" d=\"M{x} {top}v{length}\"><title>{title}</title></path>"
        );
    }

    /// Lengths above the marks, as far as there is space.
    fn labels(&mut self, mut labels: Vec<Label>) {
        labels.sort_unstable();
        let mut free = 0;
        for (x, class, length) in labels {
            if x < free || x > (LEFT + WIDTH) * 10 {
                continue;
            }
            let _ = writeln!(
                self.svg,
                "<text class=\"{class}\" x=\"{}\" y=\"{}\">{length}</text>",
                tenths(x),
                TOP - 11
            );
            free = x + LABEL_WIDTH * 10;
        }
    }

    fn axis(&mut self, from: u64) {
        let whole = self.wave.samples();
        let fits = |step: &u64| whole / RATE / step <= 12;
        let step = STEPS.into_iter().find(fits).unwrap_or(86_400) * RATE;
        let bottom = TOP + HEIGHT;
        let _ = writeln!(
            self.svg,
            "<path class=\"axis\" d=\"M{LEFT} {bottom}h{WIDTH}\"/>"
        );
        let numbers = from.div_ceil(step)..=(from + whole) / step;
        for number in numbers.take(400) {
            let at = number * step;
            let x = tenths(self.x(at - from));
            let _ = writeln!(
                self.svg,
                "<path class=\"axis\" d=\"M{x} {bottom}v6\"/><text class=\"time\" x=\"{x}\" y=\"{}\">{}</text>",
                bottom + 22,
                clock(at / RATE)
            );
        }
    }

    /// The meaning of the colours that appear.
    fn legend(&mut self, marks: &Marks) {
        let y = TOP + HEIGHT + 48;
        let mut x = LEFT;
        for (class, meaning, appears) in [
            ("pause", "paused", !marks.pauses.is_empty()),
            ("gap", "missing", !marks.gaps.is_empty()),
            ("part", "next file", !marks.parts.is_empty()),
        ] {
            if !appears {
                continue;
            }
            let top = y - 12;
            let sign = if class == "gap" {
                format!("<rect class=\"gap\" x=\"{x}\" y=\"{top}\" width=\"12\" height=\"14\"/>")
            } else {
                format!("<path class=\"{class}\" d=\"M{} {top}v14\"/>", x + 6)
            };
            let _ = writeln!(
                self.svg,
                "{sign}<text x=\"{}\" y=\"{y}\">{meaning}</text>",
                x + 20
            );
            x += 110;
        }
    }

    /// The marks that are drawn: the first of those at nearly the same place, and no more than
    /// `MARKS`.
    fn visible<'a, T>(&self, marks: &'a [T], at: impl Fn(&T) -> u64) -> Vec<&'a T> {
        let mut visible = marks.iter().collect::<Vec<&T>>();
        visible.dedup_by_key(|mark| self.x(at(mark)) / 10);
        visible.truncate(MARKS);
        visible
    }

    /// The place of a sample, in tenths of a unit.
    fn x(&self, sample: u64) -> u64 {
        let whole = self.wave.samples();
        let tenths = u128::from(sample.min(whole)) * u128::from(WIDTH * 10);
        let tenths = tenths / u128::from(whole.max(1));
        LEFT * 10 + u64::try_from(tenths).unwrap_or(0)
    }
}

/// The magnification of a quiet recording: the greatest power of two with which it fits.
fn scale(wave: &Waveform) -> i32 {
    let peaks = wave.columns().iter();
    let peak = peaks.map(|column| column.greatest.max(-column.least)).max();
    let Some(peak) = peak.filter(|peak| *peak > 0) else {
        return 1;
    };
    let fits = |scale: &i32| peak.saturating_mul(*scale) <= 32_768;
    [MAX_SCALE, 4, 2].into_iter().find(fits).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_recording_is_drawn_higher() {
        let mut wave = Waveform::new(2400);
        wave.skip(1800);
        (0..300).for_each(|_| {
            wave.push(1000);
            wave.push(-2000);
        });
        wave.push(7); // more than was announced
        let svg = draw(&wave, "t", "w", 0, &Marks::default());
        assert!(svg.contains("waveform enlarged 8 times"));
        assert!(
            svg.contains("V159.6H1230V232.8H1229"),
            "from 1000 down to -2000, 8 times as high"
        );
    }

    #[test]
    fn quiet_recordings_are_drawn_higher_and_loud_ones_as_they_are() {
        for (greatest, expected) in [
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
            assert_eq!(scale(&wave), expected, "{greatest}");
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
        let svg = draw(&wave, &"\u{1}<".repeat(600), &"\"".repeat(600), 0, &marks);
        assert!(svg.len() < 250_000, "{}", svg.len());
        for empty in [0, 1, 5] {
            assert!(draw(&Waveform::new(empty), "", "", 0, &Marks::default()).ends_with("</svg>\n"));
        }
    }

    #[test]
    fn the_axis_has_round_times() {
        let axis = |whole: u64, from: u64| {
            let svg = draw(
                &Waveform::new(whole * RATE),
                "",
                "",
                from * RATE,
                &Marks::default(),
            );
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
        let svg = draw(
            &Waveform::new(10),
            "</title><script>",
            "\"\u{FFFF}\u{1b}",
            0,
            &marks,
        );
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
