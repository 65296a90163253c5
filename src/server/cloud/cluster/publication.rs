//! A stream that comes in.

use tokio_postgres::types::Type;

use crate::server::cloud::cluster::link::{Away, Session};
use crate::server::cloud::cluster::note::NamedDevice;

/// Who publishes, and from where.
#[derive(Clone, Debug)]
pub(super) struct Publication {
    pub(super) device: NamedDevice,
    pub(super) peer: String,
}

impl Publication {
    /// Runs a statement with app, cid, peer and number.
    pub(super) async fn write(
        &self,
        session: &Session,
        sql: &str,
        number: i64,
    ) -> Result<(), Away> {
        let cid = i64::from(self.device.cid);
        let values = [
            (&self.device.app as _, Type::TEXT),
            (&cid as _, Type::INT8),
            (&self.peer as _, Type::TEXT),
            (&number as _, Type::INT8),
        ];
        session.rows(sql, &values).await?;
        Ok(())
    }
}
