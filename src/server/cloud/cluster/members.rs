//! The processes. Each writes each second that it lives; the others clear away after one that does not.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_postgres::types::Type;

use crate::server::cloud::cluster::link::{Away, Session};
use crate::server::cloud::cluster::note::Note;
use crate::server::cloud::cluster::{lock, signed, unsigned, Cluster};

/// From a heartbeat to the next.
pub(in crate::server::cloud) const BEAT: Duration = Duration::from_secs(1);

/// Without a heartbeat for so long a process is dead; the statements below say the same.
const SILENCE: Duration = Duration::from_secs(10);

const NUMBER: &str = "SELECT nextval('cloud_process_number')";

const JOIN: &str = "
    INSERT INTO cloud_process (number) VALUES ($1)
    ON CONFLICT (number) DO UPDATE SET beat_at = now()";

const HEARTBEAT: &str = "
    UPDATE cloud_process SET beat_at = now(), streams = $2 WHERE number = $1 RETURNING number";

/// Processes without a heartbeat for 10 s. After a start of the database all have 10 s to come back.
const DEAD: &str = "
    SELECT number FROM cloud_process
    WHERE greatest(beat_at, pg_postmaster_start_time()) < now() - interval '10 s' AND number <> $1";

/// Its devices have been gone since its last heartbeat. Of several who do this one finds the row.
const BURY: &str = "
    WITH dead AS (
        DELETE FROM cloud_process WHERE number = $1 AND beat_at < now() - interval '10 s' RETURNING beat_at
    )
    UPDATE cloud_device d
    SET gone_at = greatest(d.gone_at, dead.beat_at),
        channel = CASE WHEN d.channel >> 32 = $1 THEN NULL ELSE d.channel END,
        publishers = ARRAY(SELECT it FROM unnest(d.publishers) it WHERE it >> 32 <> $1)
    FROM dead
    WHERE d.channel >> 32 = $1 OR EXISTS (SELECT 1 FROM unnest(d.publishers) it WHERE it >> 32 = $1)";

/// What is left of processes that nobody knows any more.
const ORPHANS: &str = "
    WITH alive AS (SELECT number FROM cloud_process)
    UPDATE cloud_device
    SET gone_at = now(),
        channel = CASE WHEN channel >> 32 IN (SELECT number FROM alive) THEN channel END,
        publishers = ARRAY(SELECT it FROM unnest(publishers) it WHERE it >> 32 IN (SELECT number FROM alive))
    WHERE channel >> 32 NOT IN (SELECT number FROM alive)
        OR EXISTS (SELECT 1 FROM unnest(publishers) it WHERE it >> 32 NOT IN (SELECT number FROM alive))";

const LEAVE: &str = "DELETE FROM cloud_process WHERE number = $1";

const OTHERS: &str = "SELECT streams FROM cloud_process WHERE number <> $1 AND streams <> '[]'";

const OLD_MESSAGES: &str = "DELETE FROM cloud_message WHERE pushed_at < now() - interval '30 s'";

const END_STREAM: &str = "SELECT pg_notify('callrec_cloud', $1)";

impl Cluster {
    /// This process is a member from now on; with the number that it had before.
    pub(in crate::server::cloud) async fn join(&self, session: &Session) -> Result<(), Away> {
        if self.process() == 0 {
            let rows = session.rows(NUMBER, &[]).await?;
            let number: i64 = rows
                .first()
                .and_then(|row| row.try_get(0).ok())
                .ok_or(Away)?;
            self.process.store(unsigned(number), Ordering::Relaxed);
        }
        let process = signed(self.process());
        session.rows(JOIN, &[(&process, Type::INT8)]).await?;
        session.rows(ORPHANS, &[]).await?;
        self.forget_expired(session).await
    }

    /// This process lives, and relays these streams (JSON). If the others have given it up, it begins
    /// anew with a new connection.
    pub(in crate::server::cloud) async fn beat(&self, streams: &str) -> Result<(), Away> {
        let session = self.session()?;
        let process = signed(self.process());
        let values = [(&process as _, Type::INT8), (&streams as _, Type::TEXT)];
        if session.rows(HEARTBEAT, &values).await?.is_empty() {
            session.fail();
            return Err(Away);
        }
        Ok(())
    }

    /// Clears away what dead processes and old messages have left.
    pub(in crate::server::cloud) async fn clear_away(&self) -> Result<(), Away> {
        let session = self.session()?;
        session.rows(OLD_MESSAGES, &[]).await?;
        // If all have lost the database, the first one to come back waits for the others.
        let opened_at = *lock(&self.opened_at);
        if opened_at.is_none_or(|opened_at| opened_at.elapsed() < SILENCE) {
            return Ok(());
        }
        let process = signed(self.process());
        for row in session.rows(DEAD, &[(&process, Type::INT8)]).await? {
            let number: i64 = row.try_get(0).map_err(|_| Away)?;
            session.rows(BURY, &[(&number, Type::INT8)]).await?;
            log::warn!("process {number} of the cloud has died");
        }
        Ok(())
    }

    /// What the other processes relay: a list in JSON of each.
    pub(in crate::server::cloud) async fn streams_of_others(&self) -> Result<Vec<String>, Away> {
        let process = signed(self.process());
        let session = self.session()?;
        let rows = session.rows(OTHERS, &[(&process, Type::INT8)]).await?;
        Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
    }

    /// The app has ended a stream, at whichever process it is.
    pub(in crate::server::cloud) async fn end_stream(
        &self,
        app: &str,
        id: &str,
    ) -> Result<(), Away> {
        let (app, id) = (app.to_owned(), id.to_owned());
        let note = Note::StreamEnded { app, id }.text();
        let session = self.session()?;
        session.rows(END_STREAM, &[(&note, Type::TEXT)]).await?;
        Ok(())
    }

    /// The process ends: its devices have gone now.
    pub(in crate::server::cloud) async fn part(&self) -> Result<(), Away> {
        let session = self.session()?;
        // Nothing is opened any more.
        self.open(None);
        self.forget_presence(&session).await?;
        let process = signed(self.process());
        session.rows(LEAVE, &[(&process, Type::INT8)]).await?;
        Ok(())
    }
}
