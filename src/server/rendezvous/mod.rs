//! `callrec-server rendezvous`: the public server through which phones behind NAT are reached.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::console::print;
use crate::cli::failure::Failure;
use crate::config::each_pair;
use crate::proto::rendezvous::server::devices::{parse_device, KnownPhones};
use crate::server::log_lines;
use crate::server::options::read;

use service::RendezvousService;

pub(super) use settings::{RendezvousSettings, RENDEZVOUS};

mod monitoring;
mod origins;
mod service;
mod settings;

pub(super) fn main(arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let Some(settings) = read::<RendezvousSettings>(arguments)? else {
        return print(RENDEZVOUS.help);
    };
    let file = devices_file(&settings)?;
    log_lines::start();
    let devices = read_devices(&file)?;
    let service = RendezvousService::open(&settings, devices).map_err(Failure::Failed)?;
    let reload = || {
        read_devices(&file).map_err(|failure| match failure {
            Failure::Failed(message) | Failure::Usage(message) => message,
        })
    };
    service.run(reload).map_err(Failure::Failed)?;
    Ok(ExitCode::SUCCESS)
}

impl RendezvousSettings {
    /// Checks what the options say only together: the file of the phones.
    pub(in crate::server) fn check(&self) -> Result<(), Failure> {
        devices_file(self)
            .and_then(|file| read_devices(&file))
            .map(drop)
    }
}

fn devices_file(settings: &RendezvousSettings) -> Result<PathBuf, Failure> {
    settings.devices.clone().ok_or_else(|| {
        let problem = "rendezvous: --devices FILE is missing; its lines are 'cid = key' or 'cid = key, invite code'";
        Failure::Usage(problem.into())
    })
}

fn read_devices(file: &Path) -> Result<KnownPhones, Failure> {
    let shown = file.display();
    let text =
        std::fs::read(file).map_err(|problem| Failure::Failed(format!("{shown}: {problem}")))?;
    let text = String::from_utf8(text)
        .map_err(|_| Failure::Usage(format!("{shown}: is not UTF-8 text")))?;
    let mut devices = KnownPhones::new();
    for (number, line) in (1..).zip(text.lines()) {
        // One line at a time: `each_pair` checks for duplicates by comparison, which is too slow
        // for very many keys.
        let taken = each_pair(line, &[], |cid, value| {
            let (cid, device) = parse_device(cid, value)?;
            devices
                .insert(cid, device)
                .map_or(Ok(()), |_| Err("is already in the file".into()))
        });
        if let Err(mut problem) = taken {
            problem.line = number;
            return Err(Failure::Usage(format!("{shown}: {problem}")));
        }
    }
    Ok(devices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_phones_is_read_and_its_errors_name_the_line() {
        let file = std::env::temp_dir().join(format!("callrec-phones-{}", std::process::id()));
        let key = "0123456789abcdefghijklmnopqrstuv";
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            read_devices(&file)
        };
        let good = read(&format!("# phones\n\na = {key}\nb={key} , code # his\n")).unwrap();
        assert_eq!(good.len(), 2);
        for (text, words) in [
            (
                format!("a = {key}\na = {key}\n"),
                "line 2: a is already in the file",
            ),
            (format!("\na = {key}x\n"), "line 2: a needs a key of 32"),
            ("a\n".into(), "line 1: expected 'key = value', found 'a'"),
        ] {
            let Err(Failure::Usage(problem)) = read(&text) else {
                panic!("{text}")
            };
            assert!(
                problem.starts_with(file.to_str().unwrap()) && problem.contains(words),
                "{problem}"
            );
        }
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(read_devices(&file), Err(Failure::Failed(_))));
    }
}
