//! What an export writes: the name of the output says it, or the options do.

use std::path::Path;

use crate::cli::console::shown;
use crate::cli::failure::{usage, Failure};

/// Names of files of payloads.
const RAW_EXTENSIONS: [&str; 9] = [
    "raw", "bin", "g722", "g729", "pcmu", "pcma", "ul", "al", "g711",
];
/// Pictures that other programs make of an SVG file.
const PICTURES: [&str; 6] = ["png", "jpg", "jpeg", "gif", "webp", "pdf"];

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExportFormat {
    /// A RIFF/WAVE file.
    Wave,
    /// An SVG picture.
    Picture,
    /// Payloads alone.
    Raw,
}

/// The format for this output, or why it is refused.
pub(super) fn format_of(out: &Path, picture: bool, raw: bool) -> Result<ExportFormat, Failure> {
    if picture && raw {
        return usage("export: either --picture or --raw");
    }
    let name = shown(out);
    let extension = out.extension().unwrap_or_default().to_string_lossy();
    match extension.to_lowercase().as_str() {
        "" if picture => Ok(ExportFormat::Picture),
        "" if raw => Ok(ExportFormat::Raw),
        "" => Ok(ExportFormat::Wave),
        "wav" | "wave" if picture => usage(&format!(
            "export: {name}: a picture is an SVG file; name it NAME.svg"
        )),
        "wav" | "wave" if raw => usage(&format!(
            "export: {name}: payloads alone are not a WAV file; name it NAME.raw"
        )),
        "wav" | "wave" => Ok(ExportFormat::Wave),
        "svg" if raw => usage(&format!(
            "export: {name}: payloads alone are not a picture; name it NAME.raw"
        )),
        "svg" => Ok(ExportFormat::Picture),
        extension if RAW_EXTENSIONS.contains(&extension) && raw => Ok(ExportFormat::Raw),
        extension if RAW_EXTENSIONS.contains(&extension) && !picture => usage(&format!(
            "export: {name}: payloads alone are written with --raw; a WAV file is named NAME.wav"
        )),
        extension if picture || PICTURES.contains(&extension) => usage(&format!(
            "export: {name}: pictures are SVG files; name it NAME.svg (rsvg-convert or a browser makes others of it)"
        )),
        extension => usage(&format!(
            "export: {name}: .{extension} files cannot be written, only NAME.wav and NAME.svg; \
             'callrec export FILE - | ffmpeg -i - OUT.{extension}' makes one"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_decides_or_is_refused() {
        let format = |out: &str, picture, raw| format_of(Path::new(out), picture, raw).ok();
        for (out, picture, raw, expected) in [
            ("a.wav", false, false, Some(ExportFormat::Wave)),
            ("A.WAV", false, false, Some(ExportFormat::Wave)),
            ("-", false, false, Some(ExportFormat::Wave)),
            ("-", true, false, Some(ExportFormat::Picture)),
            ("-", false, true, Some(ExportFormat::Raw)),
            ("a.svg", false, false, Some(ExportFormat::Picture)),
            ("a.svg", true, false, Some(ExportFormat::Picture)),
            ("a.g729", false, true, Some(ExportFormat::Raw)),
            ("a.g729", false, false, None),
            ("a.wav", true, false, None),
            ("a.wav", false, true, None),
            ("a.svg", false, true, None),
            ("a.mp3", false, false, None),
            ("a.mp3", false, true, None),
            ("a.png", false, false, None),
            ("a.png", true, false, None),
            ("-", true, true, None),
        ] {
            assert_eq!(format(out, picture, raw), expected, "{out}");
        }
    }
}
