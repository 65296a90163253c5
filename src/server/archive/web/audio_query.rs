//! The parameters of `GET .../audio`.

use super::error::ApiError;
use super::recordings::Pairs;
use crate::server::archive::sound::SoundFormat;

/// What is asked for.
pub(super) struct Asked {
    pub(super) format: SoundFormat,
    pub(super) part: Option<usize>,
    pub(super) is_download: bool,
}

/// Reads the parameters.
pub(super) fn asked(pairs: &Pairs) -> Result<Asked, ApiError> {
    let mut asked = Asked {
        format: SoundFormat::Pcm16,
        part: None,
        is_download: false,
    };
    let mut seen: Vec<&str> = vec![];
    for (key, value) in pairs {
        if seen.contains(&key.as_str()) {
            return Err(ApiError::bad("double", format!("{key}: is given twice")));
        }
        seen.push(key);
        match (key.as_str(), value.as_str()) {
            ("format", "original") => asked.format = SoundFormat::Original,
            ("format", "wav") => asked.format = SoundFormat::Wav,
            ("format", "pcm16") => asked.format = SoundFormat::Pcm16,
            ("format", _) => {
                return Err(ApiError::bad(
                    "bad-value",
                    "format: must be original, wav or pcm16",
                ))
            }
            ("part", number) => {
                let number = number.parse().ok().filter(|number| *number > 0);
                asked.part = Some(number.ok_or_else(|| {
                    ApiError::bad("bad-value", "part: must be a number from 1 on")
                })?);
            }
            ("download", "1") => asked.is_download = true,
            _ => {
                return Err(ApiError::bad(
                    "unknown",
                    format!("{key}: there is no such parameter"),
                ))
            }
        }
    }
    Ok(asked)
}
