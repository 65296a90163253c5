//! The store, on real files.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

const NOW: u64 = 1_800_000_000;

/// A `stateDir` that is removed in the end.
struct State(PathBuf);

impl State {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("callrec-tokens-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        Self(folder)
    }

    fn open(&self) -> TokenStore {
        TokenStore::open(self.0.to_str().unwrap()).unwrap()
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn panel(store: &mut TokenStore) -> String {
    store.create("panel-1", TokenKind::Pad, 30, NOW).unwrap()
}

#[test]
fn a_token_is_good_from_the_start_to_its_expiry() {
    let state = State::new();
    let mut store = state.open();
    let token = panel(&mut store);
    let good = Ok(Verified {
        device: "panel-1".into(),
        kind: TokenKind::Pad,
    });
    let end = NOW + 30 * DAY;
    // A box whose clock was set back, or is not set yet, lets its screens join.
    for now in [0, NOW - 1, NOW, end - 1] {
        assert_eq!(store.verify(&token, now), good, "{now}");
    }
    for now in [end, u64::MAX] {
        assert_eq!(store.verify(&token, now), Err(TokenProblem::Expired));
    }
    assert_eq!(state.open().verify(&token, NOW), good, "another process");
}

#[test]
fn each_change_of_a_token_is_refused() {
    let state = State::new();
    let mut store = state.open();
    let token = panel(&mut store);
    let refused = |text: &str| store.verify(text, NOW) == Err(TokenProblem::Foreign);
    for bit in 0..token.len() * 8 {
        let mut bytes = token.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(refused(&String::from_utf8_lossy(&bytes)), "bit {bit}");
    }
    for length in 0..token.len() {
        assert!(refused(&token[..length]), "{length}");
    }
    let other = State::new();
    let mut other_store = other.open();
    let other_token = panel(&mut other_store);
    assert!(refused(&other_token), "another box's secret");
    assert!(token != other_token);
}

#[test]
fn revoking_ends_the_tokens_so_far_and_no_later_ones() {
    let state = State::new();
    let mut store = state.open();
    let first = panel(&mut store);
    let second = panel(&mut store);
    let phone = store.create("phone-1", TokenKind::Phone, 1, NOW).unwrap();
    assert!(first != second, "two of the same second differ");
    store.revoke("panel-1").unwrap();
    let third = panel(&mut store);
    for token in [&first, &second] {
        assert_eq!(store.verify(token, NOW), Err(TokenProblem::Revoked));
    }
    assert!(store.verify(&third, NOW).is_ok() && store.verify(&phone, NOW).is_ok());
    assert_eq!(store.revoke("panel-2"), Err(ChangeProblem::UnknownDevice));
    assert_eq!(store.revoke("panel-1"), Ok(()));
    assert_eq!(store.revoke("panel-1"), Ok(()), "it is revoked already");
}

#[test]
fn a_running_box_sees_what_another_process_changes() {
    let state = State::new();
    let mut running = state.open();
    assert_eq!(running.reload_if_changed(), Ok(false));
    let mut command = state.open();
    let token = panel(&mut command);
    assert_eq!(running.verify(&token, NOW), Err(TokenProblem::Revoked));
    assert_eq!(running.reload_if_changed(), Ok(true));
    assert!(running.verify(&token, NOW).is_ok());
    command.revoke("panel-1").unwrap();
    assert_eq!(running.reload_if_changed(), Ok(true));
    assert_eq!(running.verify(&token, NOW), Err(TokenProblem::Revoked));
    assert_eq!(running.reload_if_changed(), Ok(false));
    panel(&mut running);
    assert_eq!(running.reload_if_changed(), Ok(false), "its own change");
    let path = running.path(LIST_FILE);
    fs::write(&path, "last 1\nnonsense\n").unwrap();
    let problem = running.reload_if_changed().unwrap_err();
    assert!(problem.contains("line 2"), "{problem}");
    assert!(running.reload_if_changed().is_err(), "it is told again");
    assert_eq!(running.tokens().len(), 2, "what was known counts on");
    fs::remove_file(path).unwrap();
    assert_eq!(running.reload_if_changed(), Ok(true));
    assert_eq!(running.verify(&token, NOW), Err(TokenProblem::Revoked));
}

#[test]
fn secret_and_list_are_for_the_owner_only() {
    let state = State::new();
    panel(&mut state.open());
    let mode = |name: &str| {
        let path = state.0.join(name);
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(
        (mode(""), mode(SECRET_FILE), mode(LIST_FILE)),
        (0o700, 0o600, 0o600)
    );
}

#[test]
fn what_a_power_failure_leaves_is_of_no_consequence() {
    let state = State::new();
    fs::create_dir_all(&state.0).unwrap();
    // The power fails before the new file has its name.
    for name in ["secret.new", "tokens.new"] {
        fs::write(state.0.join(name), "half").unwrap();
    }
    let mut store = state.open();
    let token = panel(&mut store);
    fs::write(state.0.join("tokens.new"), "last 9\nhalf").unwrap();
    let mut store = state.open();
    assert!(store.verify(&token, NOW).is_ok());
    store.revoke("panel-1").unwrap();
    assert_eq!(state.open().verify(&token, NOW), Err(TokenProblem::Revoked));
}

#[test]
fn a_secret_that_is_not_whole_is_told_and_kept() {
    let state = State::new();
    panel(&mut state.open());
    let path = state.0.join(SECRET_FILE);
    fs::write(&path, "short").unwrap();
    let problem = TokenStore::open(state.0.to_str().unwrap()).err().unwrap();
    assert!(problem.contains("5 bytes"), "{problem}");
    assert_eq!(fs::read(path).unwrap(), b"short");
}

#[test]
fn tokens_that_cannot_be_made_are_refused() {
    let state = State::new();
    let mut store = state.open();
    let mut create = |device, days, now| store.create(device, TokenKind::Pad, days, now);
    assert_eq!(create("a b", 1, NOW), Err(ChangeProblem::Device));
    assert_eq!(create("a", 0, NOW), Err(ChangeProblem::Days));
    assert_eq!(
        create("a", MAX_TOKEN_DAYS + 1, NOW),
        Err(ChangeProblem::Days)
    );
    assert_eq!(
        create("a", 1, CLOCK_SET - 1),
        Err(ChangeProblem::ClockNotSet)
    );
    assert!(create("a", MAX_TOKEN_DAYS, NOW).is_ok());
    assert!(TokenStore::open("/proc/nothing/here").is_err());
}
