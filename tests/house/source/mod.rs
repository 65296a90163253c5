//! The source as text, for tests that read it.
#![allow(dead_code, unreachable_pub, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

pub fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_under(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}

/// A file's code: without comments, and without its tests, which may do as they like.
pub fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The code, and behind it each path that a `use` of several names stands for: `use std::{fs, io}`
/// names `std::io`.
pub fn code_and_paths(path: &Path) -> String {
    let mut code = code(path);
    let uses: Vec<String> = code
        .split("use ")
        .skip(1)
        .filter_map(|rest| rest.split(';').next())
        .map(squeezed)
        .collect();
    for used in uses {
        for path in expanded(&used) {
            code.push('\n');
            code.push_str(&path);
        }
    }
    code
}

pub fn squeezed(text: &str) -> String {
    text.split_whitespace().collect()
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`.
pub fn expanded(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else {
        return vec![path.to_owned()];
    };
    let inner = rest.strip_suffix('}').unwrap_or(rest);
    let (mut depth, mut start, mut parts) = (0, 0, vec![]);
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[start..]);
    parts
        .into_iter()
        .flat_map(|part| expanded(&format!("{before}{part}")))
        .collect()
}
