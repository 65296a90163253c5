//! One object of a command's JSON output: a line that begins with the version of the vocabulary
//! (src/cli/README.md).

use std::fmt::Write as _;

use crate::cli::console::quote;

/// An object under way.
pub(crate) struct JsonLine(String);

impl JsonLine {
    pub(crate) fn new() -> Self {
        Self("{\"v\":2".into())
    }

    /// A text; an empty one is left out, because it is not known.
    pub(crate) fn text(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.key(key);
            quote(&mut self.0, value);
        }
    }

    pub(crate) fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        let _ = write!(self.0, "{value}");
    }

    pub(crate) fn flag(&mut self, key: &str, value: bool) {
        self.key(key);
        let _ = write!(self.0, "{value}");
    }

    /// A list of texts.
    pub(crate) fn texts(&mut self, key: &str, values: &[String]) {
        self.key(key);
        for (number, value) in values.iter().enumerate() {
            self.0.push(if number == 0 { '[' } else { ',' });
            quote(&mut self.0, value);
        }
        self.0.push_str(if values.is_empty() { "[]" } else { "]" });
    }

    /// A list of pairs of numbers.
    pub(crate) fn pairs(&mut self, key: &str, values: &[[u64; 2]]) {
        self.key(key);
        let pairs: Vec<String> = values.iter().map(|[a, b]| format!("[{a},{b}]")).collect();
        let _ = write!(self.0, "[{}]", pairs.join(","));
    }

    /// An object of numbers.
    pub(crate) fn numbers(&mut self, key: &str, values: &[(String, u64)]) {
        self.key(key);
        for (number, (name, value)) in values.iter().enumerate() {
            self.0.push(if number == 0 { '{' } else { ',' });
            quote(&mut self.0, name);
            let _ = write!(self.0, ":{value}");
        }
        self.0.push_str(if values.is_empty() { "{}" } else { "}" });
    }

    /// The line, with its end.
    pub(crate) fn finish(self) -> String {
        self.0 + "}\n"
    }

    fn key(&mut self, key: &str) {
        self.0.push(',');
        quote(&mut self.0, key);
        self.0.push(':');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_member_is_json() {
        let mut line = JsonLine::new();
        line.text("empty", "");
        line.text("text", "a\"\n\u{e9}");
        line.number("number", 7);
        line.flag("flag", true);
        line.texts("texts", &["a".into(), "\\".into()]);
        line.texts("none", &[]);
        line.pairs("pairs", &[[1, 2], [3, 4]]);
        line.numbers("sums", &[("late".into(), 3), ("x".into(), 4)]);
        line.numbers("nothing", &[]);
        let json: serde_json::Value = serde_json::from_str(&line.finish()).unwrap();
        let expected = serde_json::json!({"v": 2, "text": "a\"\n\u{e9}", "number": 7, "flag": true,
            "texts": ["a", "\\"], "none": [], "pairs": [[1, 2], [3, 4]], "sums": {"late": 3, "x": 4},
            "nothing": {}});
        assert_eq!(json, expected);
    }
}
