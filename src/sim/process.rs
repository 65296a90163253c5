//! What a server's process needs: its memory and its processor time.

use std::time::Duration;

/// Resident memory of a process in KiB.
pub(super) fn memory(pid: Option<u32>) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid?)).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line?.split_whitespace().next()?.parse().ok()
}

/// Processor time of a process: of all threads that it has now.
pub(super) fn processor(pid: Option<u32>) -> Option<Duration> {
    let threads = std::fs::read_dir(format!("/proc/{}/task", pid?)).ok()?;
    let mut nanoseconds = 0;
    for thread in threads.flatten() {
        // Time on a processor, time in a queue for one, turns. (The times of `stat` are whole
        // hundredths of a second.)
        let Ok(times) = std::fs::read_to_string(thread.path().join("schedstat")) else {
            continue; // it has just ended
        };
        nanoseconds += times.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(nanoseconds))
}
