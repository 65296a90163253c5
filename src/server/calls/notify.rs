//! Parties are told what others have done.

use log::warn;

use crate::server::calls::book::message::Notice;
use crate::server::calls::cloud_client::{CloudProblem, Pushed};
use crate::server::calls::state::{CallServer, Shared};

/// Pushes all notices; the first failure.
pub(super) async fn push(server: &CallServer, notices: &[Notice]) -> Result<(), CloudProblem> {
    let pushed: Vec<Pushed> = notices.iter().filter_map(Pushed::notice).collect();
    if pushed.is_empty() {
        return Ok(());
    }
    let result = server.cloud.push(&server.app_key(), &pushed).await;
    if let Err(problem) = &result {
        server.count(|counts| counts.cloud_problems += 1);
        let sid = notices.first().map_or("", |notice| notice.sid.as_str());
        warn!("call {sid}: {problem}");
    }
    result.map(drop)
}

/// The same in the background.
pub(super) fn push_later(server: &Shared, notices: Vec<Notice>) {
    let server = server.clone();
    tokio::spawn(async move {
        let _ = push(&server, &notices).await;
    });
}
