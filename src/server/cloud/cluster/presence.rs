//! Who is online, at whichever process: channels, publications, states.
//!
//! A device's state follows from its row alone. So `told` can be compared with it in one statement, and
//! exactly one process reports each change, whoever else does the same at that moment.

use std::net::SocketAddr;

use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_postgres::types::Type;
use tokio_postgres::Row;

use crate::server::cloud::cluster::link::{Away, Session};
use crate::server::cloud::cluster::note::{NamedDevice, Note};
use crate::server::cloud::cluster::publication::Publication;
use crate::server::cloud::cluster::{
    lock, signed, unsigned, Cluster, Expected, Frames, COUNTED_BITS, OPEN_TIME,
};
use crate::server::cloud::device_entry::DeviceState;

/// The state of a row of `cloud_device`; PRESENCE is a parameter, in seconds.
const STATE: &str = "CASE WHEN publishers <> '{}' THEN 4 WHEN channel IS NOT NULL \
                     OR gone_at > now() - PRESENCE * interval '1 s' THEN 1 ELSE 0 END";

const OPEN: &str = "
    WITH opened AS (
        INSERT INTO cloud_device AS d (app, cid, peer, channel) VALUES ($1, $2, $3, $4)
        ON CONFLICT (app, cid) DO UPDATE SET peer = excluded.peer, channel = excluded.channel
    )
    SELECT pg_notify('callrec_cloud', $5)";

const CLOSE: &str = "
    UPDATE cloud_device SET channel = NULL, gone_at = now() WHERE app = $1 AND cid = $2 AND channel = $3";

const PUBLISH: &str = "
    INSERT INTO cloud_device AS d (app, cid, peer, publishers) VALUES ($1, $2, $3, ARRAY[$4])
    ON CONFLICT (app, cid) DO UPDATE
        SET peer = excluded.peer, publishers = array_append(array_remove(d.publishers, $4), $4)";

const UNPUBLISH: &str = "
    UPDATE cloud_device SET publishers = array_remove(publishers, $3), gone_at = now()
    WHERE app = $1 AND cid = $2 AND $3 = ANY (publishers)";

/// A channel that was open while the database was away: unless the device has a newer one elsewhere.
const REOPEN: &str = "
    INSERT INTO cloud_device AS d (app, cid, peer, channel) VALUES ($1, $2, $3, $4)
    ON CONFLICT (app, cid) DO UPDATE SET peer = excluded.peer, channel = excluded.channel
        WHERE d.channel IS NULL OR d.channel >> 32 = $4 >> 32
    RETURNING cid";

/// What the tables say of this process and is not so: all of it, before it is written anew.
const FORGET: &str = "
    UPDATE cloud_device
    SET gone_at = now(), channel = CASE WHEN channel >> 32 = $1 THEN NULL ELSE channel END,
        publishers = ARRAY(SELECT it FROM unnest(publishers) it WHERE it >> 32 <> $1)
    WHERE channel >> 32 = $1 OR EXISTS (SELECT 1 FROM unnest(publishers) it WHERE it >> 32 = $1)";

/// A device whose state is another one now.
pub(in crate::server::cloud) type Told = (NamedDevice, DeviceState);

/// A channel that this process has.
pub(in crate::server::cloud) struct OpenChannel {
    pub(in crate::server::cloud) device: NamedDevice,
    pub(in crate::server::cloud) number: u64,
    pub(in crate::server::cloud) peer: String,
}

impl Cluster {
    /// Opens a channel with this number; what the device had elsewhere is closed.
    pub(in crate::server::cloud) async fn open_channel(
        &self,
        device: &NamedDevice,
        peer: SocketAddr,
        number: u64,
    ) -> Result<Result<Frames, oneshot::error::RecvError>, Away> {
        let session = self.session()?;
        let (opened, receiver) = oneshot::channel();
        lock(&self.expected).insert(number, Expected { peer, opened });
        let note = Note::Channel {
            device: device.clone(),
            number,
        };
        let (cid, shown) = (i64::from(device.cid), peer.to_string());
        let (signed, note) = (signed(number), note.text());
        let values = [
            (&device.app as _, Type::TEXT),
            (&cid as _, Type::INT8),
            (&shown as _, Type::TEXT),
            (&signed as _, Type::INT8),
            (&note as _, Type::TEXT),
        ];
        let opened = match session.rows(OPEN, &values).await {
            Ok(_) => timeout(OPEN_TIME, receiver).await.map_err(|_| Away),
            Err(away) => Err(away),
        };
        lock(&self.expected).remove(&number);
        opened
    }

    /// A channel is gone.
    pub(in crate::server::cloud) async fn close_channel(
        &self,
        device: &NamedDevice,
        number: u64,
    ) -> Result<(), Away> {
        self.leave(CLOSE, device, number).await
    }

    /// A device begins to publish a stream.
    pub(in crate::server::cloud) async fn begin_publication(
        &self,
        device: &NamedDevice,
        peer: SocketAddr,
        number: u64,
    ) -> Result<(), Away> {
        let session = self.session()?;
        let publication = Publication {
            device: device.clone(),
            peer: peer.to_string(),
        };
        lock(&self.publications).insert(number, publication.clone());
        publication.write(&session, PUBLISH, signed(number)).await?;
        Ok(())
    }

    /// A device ends to publish a stream.
    pub(in crate::server::cloud) async fn end_publication(
        &self,
        device: &NamedDevice,
        number: u64,
    ) -> Result<(), Away> {
        lock(&self.publications).remove(&number);
        self.leave(UNPUBLISH, device, number).await
    }

    async fn leave(&self, sql: &str, device: &NamedDevice, number: u64) -> Result<(), Away> {
        let (cid, number) = (i64::from(device.cid), signed(number));
        let values = [
            (&device.app as _, Type::TEXT),
            (&cid as _, Type::INT8),
            (&number as _, Type::INT8),
        ];
        self.session()?.rows(sql, &values).await?;
        Ok(())
    }

    /// The device's state, if webhooks have been told another one.
    pub(in crate::server::cloud) async fn told(
        &self,
        device: &NamedDevice,
    ) -> Result<Vec<Told>, Away> {
        let cid = i64::from(device.cid);
        let values = [(&device.app as _, Type::TEXT), (&cid as _, Type::INT8)];
        let session = self.session()?;
        self.told_where(&session, "app = $1 AND cid = $2", &values)
            .await
    }

    /// The states of devices that have gone long enough ago, or whose process has died.
    pub(in crate::server::cloud) async fn told_of_leaving(&self) -> Result<Vec<Told>, Away> {
        let session = self.session()?;
        let leaving = "(told = 4 OR told = 1 AND channel IS NULL)";
        self.told_where(&session, leaving, &[]).await
    }

    async fn told_where(
        &self,
        session: &Session,
        which: &str,
        values: &[super::link::Value<'_>],
    ) -> Result<Vec<Told>, Away> {
        let state = self.state_sql();
        let sql = format!(
            "UPDATE cloud_device SET told = {state} WHERE {which} AND told <> {state} \
             RETURNING app, cid, told::bigint, peer"
        );
        let rows = session.rows(&sql, values).await?;
        Ok(rows.iter().filter_map(told).collect())
    }

    fn state_sql(&self) -> String {
        STATE.replace("PRESENCE", &self.presence.as_secs().to_string())
    }

    /// The named cids of an app that were seen, in their order.
    pub(in crate::server::cloud) async fn states_of(
        &self,
        app: &str,
        cids: &[u32],
    ) -> Result<Vec<DeviceState>, Away> {
        let cids: Vec<i64> = cids.iter().map(|cid| i64::from(*cid)).collect();
        let values = [(&app as _, Type::TEXT), (&cids as _, Type::INT8_ARRAY)];
        let state = self.state_sql();
        let sql = format!(
            "SELECT app, cid, ({state})::bigint, peer FROM cloud_device \
             WHERE app = $1 AND cid = ANY ($2) ORDER BY cid"
        );
        let rows = self.session()?.rows(&sql, &values).await?;
        Ok(rows
            .iter()
            .filter_map(told)
            .map(|(_, state)| state)
            .collect())
    }

    /// Some of all devices that were seen, in the order of their cids, and how many there are.
    pub(in crate::server::cloud) async fn states(
        &self,
        app: &str,
        from: usize,
        most: usize,
    ) -> Result<(Vec<DeviceState>, usize), Away> {
        let session = self.session()?;
        let (from, most) = (signed(from as u64), signed(most as u64));
        let state = self.state_sql();
        let sql = format!(
            "SELECT app, cid, ({state})::bigint, peer FROM cloud_device WHERE app = $1 \
             ORDER BY cid OFFSET $2 LIMIT $3"
        );
        let app = (&app as _, Type::TEXT);
        let page = [
            app.clone(),
            (&from as _, Type::INT8),
            (&most as _, Type::INT8),
        ];
        let count = "SELECT count(*) FROM cloud_device WHERE app = $1";
        let total = [app];
        let (rows, total) = tokio::join!(session.rows(&sql, &page), session.rows(count, &total));
        let total: i64 = total?
            .first()
            .and_then(|row| row.try_get(0).ok())
            .unwrap_or(0);
        let states = rows?
            .iter()
            .filter_map(told)
            .map(|(_, state)| state)
            .collect();
        Ok((states, unsigned(total) as usize))
    }

    /// Writes what is open here; the channels that are not the newest ones of their devices.
    pub(in crate::server::cloud) async fn rewrite_presence(
        &self,
        session: &Session,
        channels: Vec<OpenChannel>,
    ) -> Result<Vec<OpenChannel>, Away> {
        let process = signed(self.process());
        session.rows(FORGET, &[(&process, Type::INT8)]).await?;
        let mut displaced = vec![];
        for channel in channels {
            let (cid, number) = (i64::from(channel.device.cid), signed(channel.number));
            let values = [
                (&channel.device.app as _, Type::TEXT),
                (&cid as _, Type::INT8),
                (&channel.peer as _, Type::TEXT),
                (&number as _, Type::INT8),
            ];
            if session.rows(REOPEN, &values).await?.is_empty() {
                displaced.push(channel);
            }
        }
        let publications = lock(&self.publications).clone();
        for (number, publication) in publications {
            publication.write(session, PUBLISH, signed(number)).await?;
        }
        Ok(displaced)
    }

    /// The states of this process' devices, where webhooks have been told others.
    pub(in crate::server::cloud) async fn told_of_own(
        &self,
        session: &Session,
    ) -> Result<Vec<Told>, Away> {
        let which = format!("channel >> {COUNTED_BITS} = $1");
        let process = signed(self.process());
        self.told_where(session, &which, &[(&process, Type::INT8)])
            .await
    }

    /// Nothing is open here any more: the process ends.
    pub(super) async fn forget_presence(&self, session: &Session) -> Result<(), Away> {
        let process = signed(self.process());
        session.rows(FORGET, &[(&process, Type::INT8)]).await?;
        Ok(())
    }
}

/// A row of app, cid, state and peer.
fn told(row: &Row) -> Option<Told> {
    let (cid, state): (i64, i64) = (row.try_get(1).ok()?, row.try_get(2).ok()?);
    let peer: Option<String> = row.try_get(3).ok()?;
    let cid = u32::try_from(cid).ok()?;
    let device = NamedDevice {
        app: row.try_get(0).ok()?,
        cid,
    };
    let state = DeviceState {
        cid,
        state: u8::try_from(state).ok()?,
        is_seen: true,
        peer: peer.and_then(|peer| peer.parse().ok()),
    };
    Some((device, state))
}
