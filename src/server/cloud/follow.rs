//! What the shared database brings: notifications of all processes, and after each new connection what was
//! missed; and what this process does in it by itself.

use std::sync::Arc;

use log::{info, warn};
use serde_json::Value;
use tokio::time::{interval, MissedTickBehavior};

use crate::server::cloud::cluster::link::{Away, Event, Session};
use crate::server::cloud::cluster::members::BEAT;
use crate::server::cloud::cluster::note::{Message, NamedDevice, Note};
use crate::server::cloud::cluster::presence::OpenChannel;
use crate::server::cloud::cluster::Cluster;
use crate::server::cloud::messages::Sent;
use crate::server::cloud::outgoing::Outgoing;
use crate::server::cloud::state::{lock, Cloud, ClusterEvents, Storage};
use crate::server::cloud::views;

/// Begins to keep a connection, and to follow what it brings.
pub(super) fn start(cloud: &Arc<Cloud>, events: ClusterEvents) {
    let keeper = cloud.clone();
    tokio::spawn(async move {
        if let Storage::Shared(cluster) = &keeper.storage {
            cluster.keep().await;
        }
    });
    let follower = cloud.clone();
    tokio::spawn(async move {
        if let Storage::Shared(cluster) = &follower.storage {
            follow(&follower, cluster, events).await;
        }
    });
    let beater = cloud.clone();
    tokio::spawn(async move {
        if let Storage::Shared(cluster) = &beater.storage {
            beat(&beater, cluster).await;
        }
    });
}

/// The process ends.
pub(super) async fn end(cloud: &Cloud) {
    if let Storage::Shared(cluster) = &cloud.storage {
        let _ = cluster.part().await;
    }
}

async fn follow(cloud: &Cloud, cluster: &Cluster, mut events: ClusterEvents) {
    while let Some(event) = events.recv().await {
        match event {
            Event::Up(session) => match catch_up(cloud, cluster, &session).await {
                Ok(()) => {
                    cluster.open(Some(session));
                    info!("{} is there", cluster.shown());
                }
                Err(Away) => {
                    warn!("{}: the tables cannot be read or written", cluster.shown());
                    session.fail();
                }
            },
            Event::Note(text) => {
                if let Some(note) = Note::parse(&text) {
                    apply(cloud, cluster, note);
                }
            }
            Event::Reached(waiting) => drop(waiting.send(())),
            Event::Down => cluster.open(None),
        }
    }
}

/// Takes from the tables what was missed, and writes what is open here. Notifications of that time wait.
async fn catch_up(cloud: &Cloud, cluster: &Cluster, session: &Session) -> Result<(), Away> {
    cluster.join(session).await?;
    cloud.restore_webhooks(cluster.webhooks(session).await?);
    let tokens = cluster.tokens(session).await?;
    let own = |(device, end): (NamedDevice, u32)| Some((cloud.numbered(&device)?, end));
    let revoked = tokens.revoked.into_iter().filter_map(own).collect();
    let reissued = tokens.reissued.into_iter().filter_map(own).collect();
    let refused = lock(&cloud.revocations).replace(revoked, reissued);
    refused.into_iter().for_each(|device| cloud.put_out(device));
    let channels = cloud.registry(|registry, _| registry.open_channels());
    let channels = channels.into_iter().map(|(device, number, peer)| {
        let peer = peer.map_or_else(String::new, |peer| peer.to_string());
        let device = cloud.named(device);
        OpenChannel {
            device,
            number,
            peer,
        }
    });
    let displaced = cluster
        .rewrite_presence(session, channels.collect())
        .await?;
    for channel in displaced {
        displace(cloud, &channel.device);
    }
    cloud.report(cluster.told_of_own(session).await?);
    let waiting = cluster.waiting(session).await?;
    let ids = waiting.iter().map(|waiting| waiting.message.id).collect();
    cloud.registry(|registry, _| registry.retain_messages(&ids));
    for waiting in waiting {
        if let Some(sent) = Sent::before(waiting.message.id, waiting.age) {
            push(cloud, &waiting.device, waiting.message, sent);
        }
    }
    Ok(())
}

fn apply(cloud: &Cloud, cluster: &Cluster, note: Note) {
    match note {
        Note::Channel { device, number } => open(cloud, cluster, &device, number),
        Note::Message { device, message } => {
            let sent = match cluster.is_own(message.id) {
                true => Sent::own(message.id),
                false => Sent::by_other(message.id),
            };
            push(cloud, &device, message, sent);
        }
        Note::Acknowledged { device, id, unix } => {
            if let Some(device) = cloud.numbered(&device) {
                cloud.registry(|registry, _| registry.acknowledge(device, id, unix));
            }
        }
        Note::Revoked { device, until } => {
            if let Some(device) = cloud.numbered(&device) {
                lock(&cloud.revocations).apply(device, until);
                cloud.put_out(device);
            }
        }
        Note::Reissued { device, expire } => {
            if let Some(device) = cloud.numbered(&device) {
                lock(&cloud.revocations).restore_reissue(device, expire);
            }
        }
        Note::Webhook { app, kind, url } => cloud.restore_webhooks(vec![(app, kind, url)]),
        Note::StreamEnded { app, id } => {
            if let Some(app) = cloud.apps.number(&app) {
                cloud.streams.end(&(app, id));
            }
        }
    }
}

/// A device has opened a channel: here, or elsewhere.
fn open(cloud: &Cloud, cluster: &Cluster, named: &NamedDevice, number: u64) {
    let Some(device) = cloud.numbered(named) else {
        return;
    };
    let Some(expected) = cluster.take_expected(number) else {
        // Of another process; or one of ours that was given up meanwhile.
        displace(cloud, named);
        return;
    };
    let peer = expected.peer;
    let opened = cloud.registry(|registry, now| registry.open_numbered(now, device, peer, number));
    // Without room the channel's request learns that nobody will answer it.
    if let Ok(frames) = opened {
        if expected.opened.send(frames).is_err() {
            cloud.registry(|registry, now| registry.close_channel(now, device, number));
        }
    }
}

fn displace(cloud: &Cloud, device: &NamedDevice) {
    if let Some(device) = cloud.numbered(device) {
        cloud.registry(|registry, now| registry.displace(now, device));
    }
}

fn push(cloud: &Cloud, device: &NamedDevice, message: Message, sent: Sent) {
    let Some(to) = cloud.numbered(device) else {
        return;
    };
    let request = message.request.as_deref();
    let delivery = request.map(|request| cloud.track(to.app, request));
    let outgoing = Outgoing {
        to,
        from: message.from,
        flag: message.flag,
        message: message.body,
    };
    cloud.registry(|registry, now| registry.push_numbered(now, &outgoing, sent, delivery));
}

/// Says each second that this process lives, and looks after what others have left.
async fn beat(cloud: &Cloud, cluster: &Cluster) {
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        if cluster.beat(&streams(cloud)).await.is_err() || cluster.clear_away().await.is_err() {
            continue;
        }
        if let Ok(told) = cluster.told_of_leaving().await {
            cloud.report(told);
        }
    }
}

/// What this process relays, in JSON.
fn streams(cloud: &Cloud) -> String {
    let mut all: Vec<Value> = vec![];
    for app in (0..).take_while(|app| !cloud.apps.id(*app).is_empty()) {
        let rows = cloud.streams.list(app);
        all.extend(rows.iter().map(|row| {
            let mut view = views::stream(row);
            view["app"] = cloud.apps.id(app).into();
            view
        }));
    }
    Value::Array(all).to_string()
}
