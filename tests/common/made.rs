//! Recordings made by hand, after the contract's section 4, and the tools run on them inside the
//! test.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use super::{marked, rtp};

/// A folder that goes away with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        Self(super::folder().0)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    pub fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A recording to be made: frame n holds `marked(ssrc, first + n)`.
#[derive(Clone, Copy)]
pub struct Made {
    pub codec: &'static str,
    pub big_endian: bool,
    /// Frames have their RTP headers.
    pub rtp: bool,
    pub ssrc: u32,
    /// Number of the first frame in its call: its sequence number and timestamp begin 100 before
    /// they wrap.
    pub first: u32,
    pub frames: u32,
}

impl Default for Made {
    fn default() -> Self {
        Self {
            codec: "PCMU",
            big_endian: false,
            rtp: true,
            ssrc: 77,
            first: 0,
            frames: 10,
        }
    }
}

impl Made {
    /// The finished file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.codec.as_bytes().to_vec();
        bytes.resize(64, 0);
        let rtp_len = if self.rtp { 172 } else { 160 };
        for number in [rtp_len, 160, self.frames * rtp_len] {
            bytes.extend(if self.big_endian {
                number.to_be_bytes()
            } else {
                number.to_le_bytes()
            });
        }
        (0..self.frames)
            .for_each(|n| bytes.extend(&self.frame(n)[if self.rtp { 0 } else { 12 }..]));
        bytes
    }

    pub fn frame(&self, n: u32) -> Vec<u8> {
        let (payload_type, n) = (if self.codec == "PCMA" { 8 } else { 0 }, self.first + n);
        let (sequence, timestamp) = ((n as u16).wrapping_sub(100), (n * 160).wrapping_sub(16_000));
        rtp(
            payload_type,
            sequence,
            timestamp,
            self.ssrc,
            &marked(self.ssrc, n),
        )
    }

    /// The payloads in a row.
    pub fn audio(&self) -> Vec<u8> {
        (0..self.frames)
            .flat_map(|n| self.frame(n)[12..].to_vec())
            .collect()
    }
}

/// A run of a tool.
#[derive(Debug)]
pub struct Ran {
    pub ok: bool,
    pub out: Vec<u8>,
    pub err: String,
}

impl Ran {
    pub fn text(&self) -> String {
        String::from_utf8(self.out.clone()).unwrap()
    }

    /// A JSON object a line.
    pub fn json(&self) -> Vec<serde_json::Value> {
        self.text()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// Runs `callrec` with these arguments, in this process.
pub fn tool(arguments: &[&str]) -> Ran {
    let (mut out, mut err) = (vec![], vec![]);
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    let code = callrec::cli::run_with(arguments, &mut out, &mut err);
    Ran {
        ok: code == std::process::ExitCode::SUCCESS,
        out,
        err: String::from_utf8(err).unwrap(),
    }
}

/// The same, which must succeed and say nothing on standard error.
pub fn tool_ok(arguments: &[&str]) -> Ran {
    let ran = tool(arguments);
    assert!(ran.ok && ran.err.is_empty(), "{arguments:?}: {}", ran.err);
    ran
}
