//! Passwords: Argon2id, of which only a few are computed at once.

use std::sync::{Condvar, Mutex, PoisonError};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::Argon2;

/// The shortest password, in characters.
pub(in crate::server::archive) const MIN_CHARS: usize = 12;
/// Longer ones are no passwords.
const MAX_BYTES: usize = 1024;
/// Each takes 19 MiB and some tens of milliseconds of a core.
const AT_ONCE: usize = 2;

static RUNNING: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

/// Waits for its turn, does the work, and lets the next one in.
fn in_turn<T>(work: impl FnOnce() -> T) -> T {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    while *running >= AT_ONCE {
        running = ENDED.wait(running).unwrap_or_else(PoisonError::into_inner);
    }
    *running += 1;
    drop(running);
    let done = work();
    *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
    ENDED.notify_one();
    done
}

/// What is kept of a password; or why it is none.
pub(in crate::server::archive) fn hash(password: &str) -> Result<String, String> {
    if password.chars().count() < MIN_CHARS || password.len() > MAX_BYTES {
        return Err(format!("a password has at least {MIN_CHARS} characters"));
    }
    let hashed = in_turn(|| Argon2::default().hash_password(password.as_bytes()));
    let hashed = hashed.map_err(|error| format!("the password cannot be stored: {error}"))?;
    Ok(hashed.to_string())
}

/// It is this password. For users that do not exist it is compared with another hash, so that it
/// takes as long.
pub(in crate::server::archive) fn is_right(password: &str, hash: Option<&str>) -> bool {
    const OF_NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm8$mlvYBWVWQXCGzTBuq9FHJVYIFYkdFz1NYxQgrCVXQWA";
    let Ok(parsed) = PasswordHash::new(hash.unwrap_or(OF_NOBODY)) else {
        return false;
    };
    let is_short = password.len() <= MAX_BYTES;
    let is_equal = is_short
        && in_turn(|| {
            Argon2::default()
                .verify_password(password.as_bytes(), &parsed)
                .is_ok()
        });
    is_equal && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_is_right() {
        let hashed = hash("correct horse").unwrap();
        assert!(hashed.starts_with("$argon2id$") && !hashed.contains("horse"));
        assert!(is_right("correct horse", Some(&hashed)));
        assert!(!is_right("correct horsf", Some(&hashed)) && !is_right("correct horse", None));
        assert!(hash("eleven char").is_err() && hash(&"x".repeat(2000)).is_err());
    }

    #[test]
    fn a_user_that_does_not_exist_costs_the_same_work() {
        // The hash of nobody is one that is computed, not one that is refused at once.
        let text = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm8$mlvYBWVWQXCGzTBuq9FHJVYIFYkdFz1NYxQgrCVXQWA";
        assert!(PasswordHash::new(text).is_ok());
    }
}
