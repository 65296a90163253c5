//! First-time walks: each reader of the READMEs types what is printed there, and it works.
//!
//! The commands are those of the documents, not copies of them (`walk/document.rs`). What is
//! replaced in them, what is left out, and why, is said at each walk (`walk/owner.rs` and so on).
//!
//! Not on ARM: the documents are for PCs, apart from the daemon's, and a shell cannot start an ARM
//! program where that needs qemu-user in front of it.
#![cfg(all(feature = "server", feature = "tools", feature = "sim"))]
#![cfg(not(target_arch = "arm"))]

use crate::walk::Walk;

#[test]
fn the_developer() {
    for (document, blocks) in [
        ("README.md", &["   phone "][..]),
        ("scripts/README.md", &[]),
        ("tests/README.md", &[]),
        (
            "src/README.md",
            // The walks: tests/house/readme.rs checks that their files exist.
            &[
                "daemon/mod.rs",
                "daemon/services/control.rs",
                "daemon/services/fsp.rs",
                "home_box/event_loop.rs",
                "daemon/services/calls/intercom/links.rs",
                "daemon/services/calls/media/mod.rs",
                "proto/intercom/home_box/cloud.rs",
                "outgoing/cloud/exchanges.rs",
            ],
        ),
    ] {
        let mut walk = Walk::new(document);
        match document {
            "src/README.md" => walk.leave_out(&[("llvm-nm", "a package; measures what was built")]),
            "scripts/README.md" => walk.leave_out(&[("cargo test", "runs this test")]),
            "tests/README.md" => walk.leave_out(&[
                ("cargo test", "runs tests"),
                ("install.sh", "of the package; scripts/phone runs it"),
            ]),
            _ => {}
        }
        for begin in blocks {
            walk.block(begin);
        }
        while let Some(command) = walk.next() {
            walk.follow(&command);
        }
        walk.end();
    }
}
