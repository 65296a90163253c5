//! The programs that change the kernel's packet filter.

use std::env;
use std::path::Path;

/// Folders of system programs, which the `PATH` of a service may lack.
const SYSTEM_FOLDERS: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

/// A program, as it is called: by its name if it is in `PATH`, else by its whole path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Iptables(String),
    Nft(String),
}

/// Those that are installed, the one to use first.
pub(super) fn installed() -> impl Iterator<Item = Tool> {
    let iptables = find("iptables").map(Tool::Iptables);
    let nft = find("nft").map(Tool::Nft);
    iptables.into_iter().chain(nft)
}

fn find(name: &str) -> Option<String> {
    let path = env::var_os("PATH").unwrap_or_default();
    if env::split_paths(&path).any(|folder| folder.join(name).is_file()) {
        return Some(name.into());
    }
    let whole = SYSTEM_FOLDERS.map(|folder| format!("{folder}/{name}"));
    whole.into_iter().find(|path| Path::new(path).is_file())
}
