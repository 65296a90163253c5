//! Messages for devices, at whichever process their channels are, and their acknowledgements.

use std::time::Duration;

use tokio_postgres::types::Type;
use tokio_postgres::Row;

use crate::server::cloud::cluster::link::{Away, Session};
use crate::server::cloud::cluster::note::{Message, NamedDevice, Note};
use crate::server::cloud::cluster::{signed, unsigned, Cluster};
use crate::server::cloud::messages::LIFE;

/// One notification for each message, in their order; those with flag 2 are kept.
const PUSH: &str = "
    WITH kept AS (
        INSERT INTO cloud_message (id, app, cid, source, body, request)
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[])
    )
    SELECT pg_notify('callrec_cloud', note) FROM unnest($7::text[]) note";

/// Who acknowledges what waits no more causes no notification.
const ACKNOWLEDGE: &str = "
    WITH gone AS (DELETE FROM cloud_message WHERE id = $1 AND app = $2 AND cid = $3 RETURNING id)
    SELECT pg_notify('callrec_cloud', $4) FROM gone";

const WAITING: &str = "
    SELECT id, app, cid, source, body, request,
        (extract(epoch FROM clock_timestamp() - pushed_at) * 1000)::bigint
    FROM cloud_message WHERE pushed_at > now() - $1 * interval '1 s' ORDER BY pushed_at, id";

/// A message that waits for its acknowledgement, and since when.
pub(in crate::server::cloud) struct Waiting {
    pub(in crate::server::cloud) device: NamedDevice,
    pub(in crate::server::cloud) message: Message,
    pub(in crate::server::cloud) age: Duration,
}

impl Cluster {
    /// Messages for devices of one app.
    pub(in crate::server::cloud) async fn push(
        &self,
        messages: Vec<(NamedDevice, Message)>,
    ) -> Result<(), Away> {
        let kept = || messages.iter().filter(|(_, message)| message.flag == 2);
        let ids: Vec<i64> = kept().map(|(_, message)| signed(message.id)).collect();
        let apps: Vec<&str> = kept().map(|(device, _)| &*device.app).collect();
        let cids: Vec<i64> = kept().map(|(device, _)| device.cid.into()).collect();
        let sources: Vec<i64> = kept().map(|(_, message)| message.from.into()).collect();
        let bodies: Vec<&str> = kept().map(|(_, message)| &*message.body).collect();
        let requests: Vec<Option<&str>> = kept()
            .map(|(_, message)| message.request.as_deref())
            .collect();
        let note = |(device, message): &(NamedDevice, Message)| {
            let (device, message) = (device.clone(), message.clone());
            Note::Message { device, message }.text()
        };
        let notes: Vec<String> = messages.iter().map(note).collect();
        let values = [
            (&ids as _, Type::INT8_ARRAY),
            (&apps as _, Type::TEXT_ARRAY),
            (&cids as _, Type::INT8_ARRAY),
            (&sources as _, Type::INT8_ARRAY),
            (&bodies as _, Type::TEXT_ARRAY),
            (&requests as _, Type::TEXT_ARRAY),
            (&notes as _, Type::TEXT_ARRAY),
        ];
        self.session()?.rows(PUSH, &values).await?;
        Ok(())
    }

    /// A device has acknowledged a message.
    pub(in crate::server::cloud) async fn acknowledge(
        &self,
        device: &NamedDevice,
        id: u64,
        unix: u64,
    ) -> Result<(), Away> {
        let device = device.clone();
        let (app, cid) = (device.app.clone(), i64::from(device.cid));
        let note = Note::Acknowledged { device, id, unix }.text();
        let id = signed(id);
        let values = [
            (&id as _, Type::INT8),
            (&app as _, Type::TEXT),
            (&cid as _, Type::INT8),
            (&note as _, Type::TEXT),
        ];
        self.session()?.rows(ACKNOWLEDGE, &values).await?;
        Ok(())
    }

    /// What waits for acknowledgements, oldest first.
    pub(in crate::server::cloud) async fn waiting(
        &self,
        session: &Session,
    ) -> Result<Vec<Waiting>, Away> {
        let life = LIFE.as_secs_f64();
        let rows = session.rows(WAITING, &[(&life, Type::FLOAT8)]).await?;
        Ok(rows.iter().filter_map(waiting).collect())
    }
}

fn waiting(row: &Row) -> Option<Waiting> {
    let (id, cid): (i64, i64) = (row.try_get(0).ok()?, row.try_get(2).ok()?);
    let (source, age): (i64, i64) = (row.try_get(3).ok()?, row.try_get(6).ok()?);
    Some(Waiting {
        device: NamedDevice {
            app: row.try_get(1).ok()?,
            cid: u32::try_from(cid).ok()?,
        },
        message: Message {
            id: unsigned(id),
            from: u32::try_from(source).ok()?,
            flag: 2,
            body: row.try_get(4).ok()?,
            request: row.try_get(5).ok()?,
        },
        age: Duration::from_millis(unsigned(age)),
    })
}
