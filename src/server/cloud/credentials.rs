//! Who asks: apps by their keys, devices by their tokens; and tokens that are issued and revoked.

use axum::http::{HeaderMap, Uri};

use crate::server::cloud::apps::{AppNumber, Device};
use crate::server::cloud::cluster::link::Away;
use crate::server::cloud::state::{lock, Cloud, Storage};
use crate::server::web::answer::Answer;
use crate::server::web::ids::unix_now;
use crate::server::web::json::query;

impl Cloud {
    /// The app that these headers prove.
    pub(super) fn app_of(&self, headers: &HeaderMap) -> Result<AppNumber, Answer> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let app = match (text("x-app-id"), text("x-app-key")) {
            (Some(id), Some(key)) => self.apps.of_credentials(id, key),
            _ => None,
        };
        app.ok_or_else(|| Answer::unauthorised("X-APP-ID and X-APP-Key name no app and its key"))
    }

    /// The device whose token a request has.
    pub(super) async fn device_of(&self, headers: &HeaderMap, uri: &Uri) -> Result<Device, Answer> {
        let header = headers.get("x-client-token");
        let token = match header {
            Some(value) => value.to_str().ok().map(str::to_owned),
            None => query(uri.query(), "client_token"),
        };
        let device = match token {
            Some(token) => self.accept(&token).await?,
            None => None,
        };
        device.ok_or_else(|| Answer::unauthorised("there is no valid X-Client-Token"))
    }

    /// The device of a token that is signed, not expired and not revoked.
    pub(super) async fn accept(&self, token: &str) -> Result<Option<Device>, Away> {
        let Some((device, expire)) = self.apps.of_token(token, unix_now()) else {
            return Ok(None);
        };
        if let Storage::Shared(cluster) = &self.storage {
            // Whoever revokes, at whichever process, has to know of it.
            let is_settled = lock(&self.revocations).is_settled(device, expire);
            if !is_settled {
                cluster.note_token(&self.named(device), expire).await?;
            }
        }
        let is_accepted = lock(&self.revocations).accepts(device, expire);
        Ok(is_accepted.then_some(device))
    }

    /// A token for a device; its end.
    pub(super) async fn issue(&self, device: Device, expire: u32) -> Result<u32, Away> {
        if let Storage::Shared(cluster) = &self.storage {
            let expire = lock(&self.revocations).end_to_issue(device, expire);
            cluster.issue(&self.named(device), expire).await?;
            return Ok(lock(&self.revocations).issue(device, expire).0);
        }
        let (expire, is_kept) = lock(&self.revocations).issue(device, expire);
        if let (Storage::File(store), true) = (&self.storage, is_kept) {
            store.add_reissue(self.apps.id(device.app), device.cid, expire);
        }
        Ok(expire)
    }

    /// Refuses the tokens of a device made so far, and puts it out.
    pub(super) async fn revoke(&self, device: Device) -> Result<(), Away> {
        let now = u32::try_from(unix_now()).unwrap_or(u32::MAX);
        match &self.storage {
            Storage::File(store) => {
                let until = lock(&self.revocations).revoke(device, now);
                store.revoke(self.apps.id(device.app), device.cid, until);
                self.put_out(device);
            }
            Storage::Shared(cluster) => {
                cluster.revoke(&self.named(device), now).await?;
                cluster.settle().await?;
            }
        }
        Ok(())
    }

    /// Closes what a device has open here.
    pub(super) fn put_out(&self, device: Device) {
        self.registry(|registry, now| registry.expel(now, device));
        self.streams.end_of_device(device);
    }
}
