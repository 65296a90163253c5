//! What the archive does with the objects of a store: list, read, delete, and write small ones.

use std::fs::File;
use std::io::{self, Read as _};

use rusty_s3::actions::ListObjectsV2;
use rusty_s3::S3Action;
use ureq::http::{Response, StatusCode};
use ureq::typestate::WithoutBody;
use ureq::Body;

use super::store::{patience, Store, SIGNED};
use super::store_reply::{accept, refusal, PutReply};

/// The most that is read of one page of a list: 1000 keys of 1 KiB, and what XML adds.
const PAGE_BYTES: u64 = 16 << 20;

/// An object of a list.
pub(in crate::server) struct StoredObject {
    /// Without the store's prefix.
    pub(in crate::server) key: String,
    pub(in crate::server) size: u64,
    pub(in crate::server) tag: String,
}

impl Store {
    /// All objects whose keys begin with `below`, in order of their keys.
    pub(in crate::server) fn list(
        &self,
        below: &str,
        each: &mut dyn FnMut(StoredObject) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut next: Option<String> = None;
        loop {
            let mut action = self.bucket.list_objects_v2(Some(&self.credentials));
            action.with_prefix(format!("{}{below}", self.prefix));
            if let Some(token) = next.take() {
                action.with_continuation_token(token);
            }
            let url = action.sign(SIGNED);
            let mut answer = self.ask(self.agent.get(url.as_str()), 0)?;
            if answer.status() != StatusCode::OK {
                return Err(refusal(&mut answer));
            }
            let body = answer.body_mut().with_config().limit(PAGE_BYTES);
            let text = body.read_to_string().map_err(|error| error.to_string())?;
            let page = ListObjectsV2::parse_response(&text)
                .map_err(|error| format!("the list of objects cannot be read: {error}"))?;
            for object in page.contents {
                let Some(key) = object.key.strip_prefix(&self.prefix) else {
                    continue;
                };
                each(StoredObject {
                    key: key.to_owned(),
                    size: object.size,
                    tag: object.etag,
                })?;
            }
            next = page.next_continuation_token;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    /// Makes a request without a body; the answer may have so many bytes.
    fn ask(
        &self,
        request: ureq::RequestBuilder<WithoutBody>,
        bytes: u64,
    ) -> Result<Response<Body>, String> {
        let request = request.config().timeout_global(Some(patience(bytes)));
        request.build().call().map_err(|error| error.to_string())
    }

    /// Opens an object to read it; `None`: there is none.
    fn open_object(&self, key: &str, bytes: u64) -> Result<Option<Response<Body>>, String> {
        let key = format!("{}{key}", self.prefix);
        let action = self.bucket.get_object(Some(&self.credentials), &key);
        let mut answer = self.ask(self.agent.get(action.sign(SIGNED).as_str()), bytes)?;
        match answer.status() {
            StatusCode::OK => Ok(Some(answer)),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(format!("{key}: {}", refusal(&mut answer))),
        }
    }

    /// A small object's bytes, at most so many; `None`: there is none.
    pub(in crate::server) fn get(&self, key: &str, most: u64) -> Result<Option<Vec<u8>>, String> {
        let Some(answer) = self.open_object(key, most)? else {
            return Ok(None);
        };
        let mut bytes = vec![];
        let mut body = answer.into_body().into_reader().take(most);
        let read = body.read_to_end(&mut bytes);
        read.map_err(|error| format!("{key}: {error}"))?;
        Ok(Some(bytes))
    }

    /// Copies an object into a file; `false`: there is none.
    pub(in crate::server) fn fetch(
        &self,
        key: &str,
        bytes: u64,
        file: &mut File,
    ) -> Result<bool, String> {
        let Some(answer) = self.open_object(key, bytes)? else {
            return Ok(false);
        };
        let copied = io::copy(&mut answer.into_body().into_reader(), file);
        copied.map_err(|error| format!("{key}: {error}"))?;
        Ok(true)
    }

    /// Writes a small object; `false`: there was one of that name, which stays.
    pub(in crate::server) fn put_new(&self, key: &str, bytes: &[u8]) -> Result<bool, String> {
        let key = format!("{}{key}", self.prefix);
        let mut action = self.bucket.put_object(Some(&self.credentials), &key);
        action.headers_mut().insert("if-none-match", "*");
        let url = action.sign(SIGNED);
        let request = self.agent.put(url.as_str()).header("if-none-match", "*");
        let request = request.config().timeout_global(Some(patience(0))).build();
        let answer = request.send(bytes).map_err(|error| error.to_string())?;
        match accept(answer).map_err(|problem| format!("{key}: {problem}"))? {
            PutReply::Stored(_) => Ok(true),
            PutReply::Exists => Ok(false),
            PutReply::NoConditions => Err(format!("{key}: the store does not know If-None-Match")),
        }
    }

    /// Deletes an object, also one that is not there.
    pub(in crate::server) fn delete(&self, key: &str) -> Result<(), String> {
        let key = format!("{}{key}", self.prefix);
        let action = self.bucket.delete_object(Some(&self.credentials), &key);
        let mut answer = self.ask(self.agent.delete(action.sign(SIGNED).as_str()), 0)?;
        match answer.status() {
            StatusCode::OK | StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => Ok(()),
            _ => Err(format!("{key}: {}", refusal(&mut answer))),
        }
    }
}
