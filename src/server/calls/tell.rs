//! Callees are told of a call.

use crate::server::calls::cloud_client::{CloudProblem, Pushed};
use crate::server::calls::state::Shared;
use crate::wire::cloud::message::CallMessage;

/// Pushes the call; its acknowledgement is awaited in the background if the cloud is one of ours.
pub(super) async fn push_call(
    server: &Shared,
    sid: &str,
    message: &CallMessage,
    to: &[u32],
) -> Result<(), CloudProblem> {
    let messages: Vec<Pushed> = to
        .iter()
        .filter_map(|to| Pushed::call(message, *to))
        .collect();
    let request_id = server.cloud.push(&server.app_key(), &messages).await?;
    if let Some(request_id) = request_id {
        let (server, sid) = (server.clone(), sid.to_owned());
        tokio::spawn(async move {
            let delivered = server.cloud.delivered(&server.app_key(), &request_id).await;
            server.book(|book, _| {
                if let (Some(call), Some(delivered)) = (book.get_mut(&sid), delivered) {
                    call.delivered = call.delivered.or(Some(delivered));
                }
            });
        });
    }
    Ok(())
}
