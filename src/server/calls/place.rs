//! A new call: the cloud is asked for caller and callees, the URL is made, the callees are told.

use log::{info, warn};

use crate::server::calls::book::message::Notice;
use crate::server::calls::book::{NewCall, Placed, Refusal};
use crate::server::calls::cloud_client::{url_text, CloudProblem, DeviceView};
use crate::server::calls::notify::push_later;
use crate::server::calls::state::{CallServer, Shared};
use crate::server::calls::tell::push_call;
use crate::server::calls::wake;
use crate::server::web::answer::Answer;
use crate::server::web::ids::unix_now;
use crate::wire::cloud::message::{parse_sid, CallMessage, Kind};

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) sid: String,
    pub(super) from: u32,
    pub(super) to: Vec<u32>,
    pub(super) to_is_list: bool,
    /// Nobody asks whether they are online.
    pub(super) is_forced: bool,
}

/// Makes a call: 201, or 200 if it has been made before.
pub(super) async fn place(server: &Shared, order: Order) -> Result<u16, Answer> {
    let known = |server: &CallServer| {
        server.book(|book, _| {
            book.same(&order.sid, order.from, &order.to)
                .map(|call| call.is_some())
        })
    };
    if known(server).map_err(refused)? {
        wait_until_placed(server, &order.sid).await;
        return Ok(200);
    }
    let mut cids = vec![order.from];
    cids.extend(&order.to);
    let devices = server.cloud.states(&server.app_key(), &cids).await;
    let devices = devices.map_err(|problem| cloud_refusal(server, &problem))?;
    let parties = choose(server, &order, &devices)?;
    let url = server.url(&order.sid, order.from, &parties.tracker);
    let (url, shown_url) = url.ok_or_else(|| {
        refusal(
            424,
            "caller-offline",
            "the caller's tracker is no IPv4 address, as the vendor's URLs need",
        )
    })?;
    let new = NewCall {
        sid: order.sid.clone(),
        from: order.from,
        to: order.to.clone(),
        to_is_list: order.to_is_list,
        online: parties.online,
        asleep: parties.asleep,
        shown_url,
    };
    let placed = server
        .book(|book, when| book.add(when, new))
        .map_err(refused)?;
    let Placed::New(glare) = placed else {
        wait_until_placed(server, &order.sid).await;
        return Ok(200);
    };
    push_later(server, glare);
    let message = call_message(&order, &url)
        .ok_or_else(|| refusal(400, "bad-request", "the call does not fit into a message"));
    let told = match message {
        Ok(message) => tell_callees(server, &order.sid, message).await,
        Err(answer) => Err(answer),
    };
    server.placed.notify_waiters();
    if let Err(answer) = told {
        server.book(|book, _| book.remove(&order.sid));
        return Err(answer);
    }
    server.count(|counts| counts.placed += 1);
    info!("call {}: {} calls {:?}", order.sid, order.from, order.to);
    Ok(201)
}

fn call_message(order: &Order, url: &str) -> Option<CallMessage> {
    let mut message = CallMessage::new(Kind::Call, parse_sid(order.sid.as_bytes())?, order.from);
    message.at = Some(unix_now());
    message.url = url_text(url)?;
    message.emit().map(|_| message)
}

/// Tells those who are online; the others are woken.
async fn tell_callees(server: &Shared, sid: &str, message: CallMessage) -> Result<(), Answer> {
    let (told, asleep) = server.book(|book, _| {
        let call = book.get(sid);
        let told = call.map(|call| call.alerted()).unwrap_or_default();
        let asleep = call.map(|call| call.active().filter(|cid| !told.contains(cid)).collect());
        (told, asleep.unwrap_or_default())
    });
    if !told.is_empty() {
        push_call(server, sid, &message, &told)
            .await
            .map_err(|problem| {
                if problem == CloudProblem::TimedOut {
                    // It may have come through all the same.
                    let cancel = |book: &crate::server::calls::book::Book| {
                        let call = book.get(sid)?;
                        let notice = |to: &u32| Notice::new(call, Kind::Cancel, call.from, *to);
                        Some(told.iter().map(notice).collect())
                    };
                    let notices = server.book(|book, _| cancel(book));
                    push_later(server, notices.unwrap_or_default());
                }
                cloud_refusal(server, &problem)
            })?;
    }
    server.book(|book, _| {
        book.get_mut(sid)
            .into_iter()
            .for_each(|call| call.is_placing = false);
    });
    wake::wake(server, sid, &message, asleep);
    Ok(())
}

/// Somebody else has asked for the same call a moment ago.
async fn wait_until_placed(server: &CallServer, sid: &str) {
    loop {
        let placed = server.placed.notified();
        tokio::pin!(placed);
        placed.as_mut().enable();
        let is_placing = server.book(|book, _| book.get(sid).is_some_and(|call| call.is_placing));
        if !is_placing {
            return;
        }
        placed.await;
    }
}

struct Parties {
    tracker: (String, u16),
    online: Vec<u32>,
    asleep: Vec<u32>,
}

/// Who can be told now, and who can be woken. Unknown comes before busy, busy before offline.
fn choose(server: &CallServer, order: &Order, devices: &[DeviceView]) -> Result<Parties, Answer> {
    let device = |cid: u32| devices.iter().find(|device| device.cid == cid);
    let caller = device(order.from)
        .ok_or_else(|| refusal(404, "unknown-device", "the cloud does not know the caller"))?;
    let known: Vec<&DeviceView> = order.to.iter().filter_map(|cid| device(*cid)).collect();
    let has_unknown = known.len() < order.to.len();
    let (free, has_busy, is_caller_busy) = server.book(|book, _| {
        let is_free = |callee: &&DeviceView| !book.is_busy(callee.cid, order.from);
        let free: Vec<&DeviceView> = known.iter().copied().filter(is_free).collect();
        let cids: Vec<u32> = free.iter().map(|callee| callee.cid).collect();
        let has_busy = free.len() < known.len();
        (free, has_busy, book.is_caller_busy(order.from, &cids))
    });
    let can_wake = server.settings.push_hook.is_some();
    let (mut online, mut asleep) = (vec![], vec![]);
    for callee in free {
        if order.is_forced || callee.is_online() {
            online.push(callee.cid);
        } else if can_wake && callee.state == 0 {
            asleep.push(callee.cid);
        }
    }
    let is_none_left = online.is_empty() && asleep.is_empty();
    if is_none_left && has_unknown {
        return Err(refusal(
            404,
            "unknown-device",
            "the cloud does not know the callee",
        ));
    }
    if is_caller_busy || (is_none_left && has_busy) {
        return Err(refused(Refusal::Busy));
    }
    let tracker = caller.tracker.clone();
    let tracker = tracker.filter(|_| order.is_forced || caller.is_online());
    let tracker = tracker.ok_or_else(|| {
        refusal(
            424,
            "caller-offline",
            "the caller is not online in the cloud",
        )
    })?;
    if is_none_left {
        return Err(refusal(
            424,
            "callee-offline",
            "the callee is not online in the cloud",
        ));
    }
    Ok(Parties {
        tracker,
        online,
        asleep,
    })
}

fn refusal(status: u16, reason: &str, message: &str) -> Answer {
    Answer::refusal(status, reason, message)
}

fn refused(problem: Refusal) -> Answer {
    match problem {
        Refusal::Busy => refusal(409, "busy", "the callee, or the caller, is in another call"),
        Refusal::SidInUse => refusal(409, "sid-in-use", "another call has this sid"),
        Refusal::Full => Answer::overloaded("there are too many calls"),
    }
}

/// 502 or 504.
pub(super) fn cloud_refusal(server: &CallServer, problem: &CloudProblem) -> Answer {
    server.count(|counts| counts.cloud_problems += 1);
    warn!("{problem}");
    let (status, reason) = match problem {
        CloudProblem::TimedOut => (504, "cloud-timeout"),
        CloudProblem::Failed(_) => (502, "cloud-error"),
    };
    refusal(status, reason, &problem.to_string())
}
