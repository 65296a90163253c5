//! The tables. Times are the database's: the hosts' clocks may differ.

use tokio_postgres::{Client, Error};

/// Only one process makes the tables: `IF NOT EXISTS` alone fails when two begin at once.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7021953641)";

/// The last table that is made: it is there if all are.
const PROBE: &str = "SELECT to_regclass('cloud_schema_1') IS NOT NULL";

/// - `cloud_process`: `streams` is what the process relays, in JSON.
/// - `cloud_device`: `channel` and `publishers` are numbers of what is open; the upper half of each is the
///   number of the process. `told` is the state that webhooks were told.
/// - `cloud_message`: flag 2, until it is acknowledged, for processes that were not there when it was sent or acknowledged.
/// - `cloud_token`: the latest end of a device's tokens, and up to which end they are refused.
const TABLES: &str = "
    CREATE SEQUENCE IF NOT EXISTS cloud_process_number;
    CREATE TABLE IF NOT EXISTS cloud_process (
        number bigint PRIMARY KEY, beat_at timestamptz NOT NULL DEFAULT now(), streams text NOT NULL DEFAULT '[]'
    );
    CREATE TABLE IF NOT EXISTS cloud_device (
        app text, cid bigint, peer text, channel bigint, publishers bigint[] NOT NULL DEFAULT '{}',
        gone_at timestamptz, told smallint NOT NULL DEFAULT 0, PRIMARY KEY (app, cid)
    );
    CREATE INDEX IF NOT EXISTS cloud_device_leaving ON cloud_device (gone_at)
        WHERE told = 4 OR told = 1 AND channel IS NULL;
    CREATE TABLE IF NOT EXISTS cloud_message (
        id bigint PRIMARY KEY, app text NOT NULL, cid bigint NOT NULL, source bigint NOT NULL, body text NOT NULL,
        request text, pushed_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE IF NOT EXISTS cloud_webhook (app text, kind text, url text NOT NULL, PRIMARY KEY (app, kind));
    CREATE TABLE IF NOT EXISTS cloud_token (
        app text, cid bigint, latest bigint NOT NULL, revoked bigint, PRIMARY KEY (app, cid)
    );
    CREATE TABLE IF NOT EXISTS cloud_reissue (app text, cid bigint, expire bigint, PRIMARY KEY (app, cid, expire));
    CREATE TABLE IF NOT EXISTS cloud_schema_1 ();
";

/// Makes the tables, unless they are there: then the user needs no right to make some.
pub(super) async fn make(client: &Client) -> Result<(), Error> {
    if is_made(client).await? {
        return Ok(());
    }
    client
        .batch_execute(&format!("BEGIN; {LOCK}; {TABLES} COMMIT"))
        .await
}

async fn is_made(client: &Client) -> Result<bool, Error> {
    let row = client.query_one(PROBE, &[]).await?;
    row.try_get(0)
}
