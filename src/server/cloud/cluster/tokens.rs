//! Tokens that are refused at all processes, and addresses of webhooks. These changes survive a crash of
//! the database: `synchronous_commit` is on for them.

use tokio_postgres::types::Type;

use crate::server::cloud::cluster::link::{Away, Session};
use crate::server::cloud::cluster::note::{NamedDevice, Note};
use crate::server::cloud::cluster::Cluster;

const NOTE_TOKEN: &str = "
    INSERT INTO cloud_token AS t (app, cid, latest) VALUES ($1, $2, $3)
    ON CONFLICT (app, cid) DO UPDATE SET latest = excluded.latest WHERE t.latest < excluded.latest";

/// A token that would be refused as an older one is not, and all processes learn of it.
const ISSUE: &str = "
    WITH noted AS (
        INSERT INTO cloud_token AS t (app, cid, latest) VALUES ($1, $2, $3)
        ON CONFLICT (app, cid) DO UPDATE SET latest = greatest(t.latest, excluded.latest) RETURNING revoked
    ), kept AS (
        INSERT INTO cloud_reissue SELECT $1, $2, $3 FROM noted WHERE revoked >= $3
        ON CONFLICT DO NOTHING RETURNING expire
    )
    SELECT pg_notify('callrec_cloud', $4), set_config('synchronous_commit', 'on', true) FROM kept";

/// The latest token of which any process has heard, and all before it.
const REVOKE: &str = "
    WITH ended AS (
        INSERT INTO cloud_token AS t (app, cid, latest, revoked) VALUES ($1, $2, $3, $3)
        ON CONFLICT (app, cid) DO UPDATE SET revoked = greatest(t.latest, t.revoked) RETURNING revoked
    ), gone AS (
        DELETE FROM cloud_reissue WHERE app = $1 AND cid = $2
    )
    SELECT pg_notify('callrec_cloud', json_build_object('t', 'revoked', 'app', $1, 'cid', $2, 'expire', revoked)::text),
        set_config('synchronous_commit', 'on', true) FROM ended";

const SET_WEBHOOK: &str = "
    WITH kept AS (
        INSERT INTO cloud_webhook VALUES ($1, $2, $3) ON CONFLICT (app, kind) DO UPDATE SET url = excluded.url
    )
    SELECT pg_notify('callrec_cloud', $4), set_config('synchronous_commit', 'on', true)";

const FORGET_EXPIRED: [&str; 2] = [
    "DELETE FROM cloud_token WHERE greatest(latest, revoked) <= extract(epoch FROM now())",
    "DELETE FROM cloud_reissue WHERE expire <= extract(epoch FROM now())",
];

/// All that is refused, and issued since.
#[derive(Default)]
pub(in crate::server::cloud) struct KnownTokens {
    pub(in crate::server::cloud) revoked: Vec<(NamedDevice, u32)>,
    pub(in crate::server::cloud) reissued: Vec<(NamedDevice, u32)>,
}

impl Cluster {
    /// A token with this end was seen.
    pub(in crate::server::cloud) async fn note_token(
        &self,
        device: &NamedDevice,
        expire: u32,
    ) -> Result<(), Away> {
        self.with_token(NOTE_TOKEN, device, expire, None).await
    }

    /// A token with this end was issued.
    pub(in crate::server::cloud) async fn issue(
        &self,
        device: &NamedDevice,
        expire: u32,
    ) -> Result<(), Away> {
        let note = Note::Reissued {
            device: device.clone(),
            expire,
        };
        self.with_token(ISSUE, device, expire, Some(note)).await
    }

    /// The tokens of a device made so far are refused; `now`: where none is known.
    pub(in crate::server::cloud) async fn revoke(
        &self,
        device: &NamedDevice,
        now: u32,
    ) -> Result<(), Away> {
        self.with_token(REVOKE, device, now, None).await
    }

    async fn with_token(
        &self,
        sql: &str,
        device: &NamedDevice,
        expire: u32,
        note: Option<Note>,
    ) -> Result<(), Away> {
        let (cid, expire) = (i64::from(device.cid), i64::from(expire));
        let note = note.map(|note| note.text());
        let mut values = vec![
            (&device.app as _, Type::TEXT),
            (&cid as _, Type::INT8),
            (&expire as _, Type::INT8),
        ];
        if let Some(note) = &note {
            values.push((note as _, Type::TEXT));
        }
        self.session()?.rows(sql, &values).await?;
        Ok(())
    }

    /// Where events of an app go.
    pub(in crate::server::cloud) async fn set_webhook(
        &self,
        app: &str,
        kind: &str,
        url: &str,
    ) -> Result<(), Away> {
        let note = Note::Webhook {
            app: app.into(),
            kind: kind.into(),
            url: url.into(),
        };
        let note = note.text();
        let values = [
            (&app as _, Type::TEXT),
            (&kind as _, Type::TEXT),
            (&url as _, Type::TEXT),
            (&note as _, Type::TEXT),
        ];
        self.session()?.rows(SET_WEBHOOK, &values).await?;
        Ok(())
    }

    /// Addresses of webhooks: app, kind, address.
    pub(in crate::server::cloud) async fn webhooks(
        &self,
        session: &Session,
    ) -> Result<Vec<(String, String, String)>, Away> {
        let sql = "SELECT app, kind, url FROM cloud_webhook";
        let rows = session.rows(sql, &[]).await?;
        let whole = rows.iter().filter_map(|row| {
            Some((
                row.try_get(0).ok()?,
                row.try_get(1).ok()?,
                row.try_get(2).ok()?,
            ))
        });
        Ok(whole.collect())
    }

    /// What the tables say of tokens.
    pub(in crate::server::cloud) async fn tokens(
        &self,
        session: &Session,
    ) -> Result<KnownTokens, Away> {
        let revoked = "SELECT app, cid, revoked FROM cloud_token WHERE revoked IS NOT NULL";
        let reissued = "SELECT app, cid, expire FROM cloud_reissue";
        Ok(KnownTokens {
            revoked: ends(session, revoked).await?,
            reissued: ends(session, reissued).await?,
        })
    }

    /// Tokens that have expired need no revocation.
    pub(super) async fn forget_expired(&self, session: &Session) -> Result<(), Away> {
        for sql in FORGET_EXPIRED {
            session.rows(sql, &[]).await?;
        }
        Ok(())
    }
}

async fn ends(session: &Session, sql: &str) -> Result<Vec<(NamedDevice, u32)>, Away> {
    let rows = session.rows(sql, &[]).await?;
    let whole = rows.iter().filter_map(|row| {
        let (cid, end): (i64, i64) = (row.try_get(1).ok()?, row.try_get(2).ok()?);
        let device = NamedDevice {
            app: row.try_get(0).ok()?,
            cid: u32::try_from(cid).ok()?,
        };
        Some((device, u32::try_from(end).ok()?))
    });
    Ok(whole.collect())
}
