//! More control clients than there are places, and no file descriptors left, in the real daemon.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Phone;
use nix::sys::signal::Signal;

#[test]
fn a_burst_of_clients_is_served_while_silent_ones_hold_places() {
    let mut phone = Phone::new("");
    // All come while the daemon cannot look at any of them: first sixteen that stay silent, then those that speak.
    phone.signal(Signal::SIGSTOP);
    let silent: Vec<_> = (0..16).map(|_| phone.control()).collect();
    let mut burst: Vec<_> = (0..16).map(|_| phone.control()).collect();
    burst.iter_mut().for_each(|control| control.send(b"cmd=StatsRequest\n"));
    phone.signal(Signal::SIGCONT);
    for (n, control) in burst.iter_mut().enumerate() {
        let answer = control.next().unwrap_or_else(|| panic!("client {n} was closed"));
        assert!(answer.success(), "client {n}: {answer:?}");
    }
    for mut control in silent {
        assert_eq!(control.next().expect("a word before it is closed").reason(), "busy");
    }
    assert_eq!(burst[0].ask("cmd=StatsRequest").value("too_many_clients"), "16");
    assert!(phone.lives());
}
