//! What `callrec export` writes, in a browser: its audio element plays each file to the end, its
//! decoder gives each sample.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use callrec::wire::g711::Law;
use nix::sys::signal::{killpg, Signal};
use nix::unistd::Pid;

use crate::common::made::{tool, Folder, Made};

/// A browser's start and some seconds of audio, on a machine with other things to do.
const PATIENCE: Duration = Duration::from_secs(180);

/// Plays each of `names` in an audio element, decodes each, and tells the server: `NAME ended
/// DURATION SAMPLE,SAMPLE,...`
const PAGE: &str = "<!DOCTYPE html><title>export</title><script>
const played = name => new Promise(done => {
    const audio = new Audio(name);
    audio.onerror = () => done('error ' + audio.error.message);
    audio.onended = () => done('ended ' + audio.duration.toFixed(3));
    audio.play().catch(error => done('refused ' + error));
});
const decoded = async name => {
    const bytes = await (await fetch(name)).arrayBuffer();
    const samples = (await new OfflineAudioContext(1, 1, 8000).decodeAudioData(bytes)).getChannelData(0);
    // Its scales: -32768 is -1, 32767 is 1.
    return Array.from(samples, sample => Math.round(sample * (sample < 0 ? 32768 : 32767))).join();
};
(async () => {
    let body = '';
    for (const name of NAMES) body += name + ' ' + await played(name) + ' ' + await decoded(name).catch(String) + '\\n';
    await fetch('result', { method: 'POST', body });
})();
</script>";

/// The browser; it goes away with the test.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.0.id() as i32), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

fn browse(folder: &Folder, port: u16) -> Browser {
    let profile = format!("--user-data-dir={}", folder.path("profile"));
    let arguments = [
        "--headless=new",
        "--no-sandbox", // root has none
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--mute-audio",
        "--autoplay-policy=no-user-gesture-required",
        "--remote-debugging-port=0", // keeps it running
        &profile,
        &format!("http://127.0.0.1:{port}/"),
    ];
    let mut command = Command::new("chromium");
    // A group of its own, that ends as one.
    Browser(
        command
            .args(arguments)
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium"),
    )
}

/// Answers one request; what was sent to `/result`.
fn serve(stream: &TcpStream, files: &BTreeMap<String, Vec<u8>>) -> std::io::Result<Option<String>> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(stream);
    let (mut request, mut length) = (String::new(), 0);
    reader.read_line(&mut request)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        if let Some((_, value)) = line
            .split_once(':')
            .filter(|(key, _)| key.eq_ignore_ascii_case("content-length"))
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let path = request
        .split(' ')
        .nth(1)
        .unwrap_or_default()
        .trim_start_matches('/');
    let (status, body) = match files.get(path) {
        Some(body) => ("200 OK", &body[..]),
        None if path == "result" => ("200 OK", &b""[..]),
        None => ("404 Not Found", &b""[..]),
    };
    let mut result = String::new();
    reader.take(length).read_to_string(&mut result)?;
    let kind = if path.ends_with(".wav") {
        "audio/wav"
    } else {
        "text/html"
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n",
        body.len()
    );
    (&*stream).write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())?;
    (&*stream).write_all(body)?;
    Ok((path == "result").then_some(result))
}

/// The exported files by name, and the line that the browser should report of each.
fn exports(folder: &Folder) -> (BTreeMap<String, Vec<u8>>, String) {
    let mut files = BTreeMap::new();
    let mut expected = String::new();
    for (codec, law) in [("PCMU", Law::Mu), ("PCMA", Law::A)] {
        let [first, second] = [(0, 50), (60, 41)].map(|(first, frames)| Made {
            codec,
            first,
            frames,
            ..Made::default()
        });
        let linear = |made: &Made| {
            made.audio()
                .iter()
                .map(|code| law.decode_table()[usize::from(*code)])
                .collect()
        };
        let parts =
            [("1", first), ("2", second)].map(|(name, made)| folder.file(name, &made.bytes()));
        // A-law has no zero.
        for (flag, silence) in [
            ("--pcm16", 0),
            ("--to=1000", law.decode_table()[usize::from(law.silence())]),
        ] {
            let samples: [Vec<i16>; 3] = [linear(&first), vec![silence; 1600], linear(&second)];
            let samples = samples
                .concat()
                .iter()
                .map(i16::to_string)
                .collect::<Vec<_>>()
                .join(",");
            let out = folder.path("out.wav");
            assert!(tool(&["export", flag, &parts[0], &parts[1], &out]).ok);
            let name = format!("{codec}{flag}.wav");
            writeln!(expected, "{name} ended 2.020 {samples}").unwrap();
            files.insert(name, std::fs::read(&out).unwrap());
            std::fs::remove_file(&out).unwrap();
        }
    }
    (files, expected)
}

/// Serves the files to a browser until it reports its results.
fn results_of_browser(folder: &Folder, files: &BTreeMap<String, Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let browser = browse(folder, listener.local_addr().unwrap().port());
    listener.set_nonblocking(true).unwrap();
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < PATIENCE, "no word from the browser");
        match listener.accept() {
            // A connection that a browser opens ahead, and then does not use, is no failure.
            Ok((stream, _)) => {
                let served = stream
                    .set_nonblocking(false)
                    .and_then(|()| serve(&stream, files));
                if let Ok(Some(result)) = served {
                    drop(browser);
                    break result;
                }
            }
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

#[test]
#[ignore = "needs the package chromium: scripts/test installs it where it is one"]
fn a_browser_plays_every_kind_to_its_end_and_hears_every_sample() {
    let folder = Folder::new();
    let (mut files, expected) = exports(&folder);
    let names: Vec<&str> = expected
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    files.insert(
        String::new(),
        PAGE.replace("NAMES", &format!("{names:?}")).into_bytes(),
    );
    let result = results_of_browser(&folder, &files);
    for (got, wanted) in result.lines().zip(expected.lines()) {
        let differs = got
            .split(',')
            .zip(wanted.split(','))
            .find(|(got, wanted)| got != wanted);
        assert!(
            differs.is_none() && got.len() == wanted.len(),
            "{got:.40}: {differs:?}"
        );
    }
    assert_eq!(result.lines().count(), 4);
}
