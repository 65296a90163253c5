//! RIFF/WAVE files of any rate and format -> mono samples at 8 kHz.

use std::io::Cursor;

use rubato::{
    Resampler, SincFixedIn, SincInterpolationParameters, SincInterpolationType, WindowFunction,
};
use symphonia::core::audio::SampleBuffer;
use symphonia::core::codecs::DecoderOptions;
use symphonia::core::formats::FormatOptions;
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;
use symphonia::core::probe::Hint;

/// Decodes a whole file; several channels become one.
pub(super) fn samples_8k(bytes: Vec<u8>) -> Result<Vec<i16>, String> {
    let (rate, mono) = decode(bytes)?;
    let samples = if rate == 8000 {
        mono
    } else {
        resample(&mono, rate)?
    };
    Ok(samples
        .iter()
        .map(|sample| (sample * 32768.0).clamp(-32768.0, 32767.0) as i16)
        .collect())
}

fn decode(bytes: Vec<u8>) -> Result<(u32, Vec<f32>), String> {
    let source = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let options = (FormatOptions::default(), MetadataOptions::default());
    let probed = symphonia::default::get_probe().format(
        Hint::new().with_extension("wav"),
        source,
        &options.0,
        &options.1,
    );
    let mut format = probed
        .map_err(|error| format!("not a WAV file we can read: {error}"))?
        .format;
    let track = format.default_track().ok_or("a WAV file without audio")?;
    let mut decoder = symphonia::default::get_codecs()
        .make(&track.codec_params, &DecoderOptions::default())
        .map_err(|error| format!("a WAV file in a codec we cannot read: {error}"))?;
    let rate = track
        .codec_params
        .sample_rate
        .ok_or("a WAV file without a sample rate")?;
    let mut mono = vec![];
    while let Ok(packet) = format.next_packet() {
        let decoded = decoder.decode(&packet).map_err(|error| error.to_string())?;
        let channels = decoded.spec().channels.count().max(1);
        let mut buffer = SampleBuffer::<f32>::new(decoded.capacity() as u64, *decoded.spec());
        buffer.copy_interleaved_ref(decoded);
        mono.extend(
            buffer
                .samples()
                .chunks(channels)
                .map(|frame| frame.iter().sum::<f32>() / channels as f32),
        );
    }
    Ok((rate, mono))
}

fn resample(samples: &[f32], rate: u32) -> Result<Vec<f32>, String> {
    const CHUNK: usize = 1024;
    let parameters = SincInterpolationParameters {
        sinc_len: 128,
        f_cutoff: 0.95,
        interpolation: SincInterpolationType::Linear,
        oversampling_factor: 128,
        window: WindowFunction::BlackmanHarris2,
    };
    let ratio = 8000.0 / f64::from(rate);
    let failed = |error: &dyn std::fmt::Display| format!("cannot resample from {rate} Hz: {error}");
    let mut resampler = SincFixedIn::<f32>::new(ratio, 1.0, parameters, CHUNK, 1)
        .map_err(|error| failed(&error))?;
    let (delay, wanted) = (
        resampler.output_delay(),
        (samples.len() as f64 * ratio) as usize,
    );
    let mut output = vec![];
    let mut chunks = samples.chunks(CHUNK);
    while output.len() < delay + wanted {
        let chunk = chunks.next().unwrap_or_default();
        let done = match chunk.len() {
            CHUNK => resampler.process(&[chunk], None),
            0 => resampler.process_partial::<&[f32]>(None, None),
            _ => resampler.process_partial(Some(&[chunk]), None),
        };
        output.extend(done.map_err(|error| failed(&error))?.into_iter().flatten());
    }
    Ok(output[delay..delay + wanted].to_vec())
}
