//! What happens by itself: calls that ring or last too long, and those whose devices are gone.

use std::time::Duration;

use log::{debug, info};
use tokio::time::sleep;

use crate::server::calls::book::call::CallState;
use crate::server::calls::cloud_client::{DeviceView, MAX_DEVICES};
use crate::server::calls::notify::push_later;
use crate::server::calls::state::{CallServer, Shared};

/// How often the devices of calls that talk are asked for.
const LOST_PERIOD: Duration = Duration::from_secs(30);

/// Ends calls when their time has come, for ever.
pub(super) async fn run_timers(server: Shared) {
    loop {
        let (notices, deadline) = server.book(|book, when| {
            let notices = book.handle_timeout(when);
            (notices, book.next_deadline())
        });
        push_later(&server, notices);
        match deadline {
            Some(deadline) => {
                let _ = tokio::time::timeout_at(deadline, server.timer.notified()).await;
            }
            None => server.timer.notified().await,
        }
    }
}

/// Ends calls both of whose devices are offline, for ever.
pub(super) async fn run_lost_check(server: Shared) {
    loop {
        sleep(LOST_PERIOD).await;
        let talking: Vec<(String, u32, u32)> = server.book(|book, _| {
            let talking = book
                .newest_first()
                .filter(|call| call.state == CallState::Talking);
            let parties = |call: &crate::server::calls::book::call::Call| {
                let callee = call.active().next()?;
                Some((call.sid.clone(), call.from, callee))
            };
            talking.filter_map(parties).collect()
        });
        for some in talking.chunks(MAX_DEVICES / 2) {
            check(&server, some).await;
        }
    }
}

async fn check(server: &CallServer, calls: &[(String, u32, u32)]) {
    let cids: Vec<u32> = calls
        .iter()
        .flat_map(|(_, from, to)| [*from, *to])
        .collect();
    let devices = match server.cloud.states(&server.app_key(), &cids).await {
        Ok(devices) => devices,
        Err(problem) => {
            // What is not known ends no call.
            debug!("lost calls: {problem}");
            return;
        }
    };
    let is_online = |cid: u32| {
        let device = devices.iter().find(|device| device.cid == cid);
        device.is_some_and(DeviceView::is_online)
    };
    for (sid, from, to) in calls {
        if !is_online(*from) && !is_online(*to) {
            info!("call {sid}: both devices are offline");
            server.book(|book, when| book.finish(when, sid, "lost"));
        }
    }
}
