//! Object storage: a bucket with the S3 protocol. Endpoint and credentials are taken from the
//! environment variables of Amazon's own tools.

use std::fs::File;
use std::io::{Read as _, Seek};
use std::time::Duration;

use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use ureq::http::{Response, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::Body;

use crate::base::limits::server::{STORE_BYTES_PER_SECOND, STORE_PATIENCE};
use crate::server::record::archive::RecordingPath;
use crate::server::record::checksum::FileDigests;
use crate::server::record::store_authorities::read_authorities;
use crate::server::record::store_reply::{accept, header, looks_like_md5, PutReply, Stored};

/// How long a signed URL is valid; it is used at once.
pub(super) const SIGNED: Duration = Duration::from_secs(900);
/// The store verifies an object with these sums, and reports them afterwards. Old stores know the
/// first one only.
const MD5: &str = "content-md5";
const SHA256: &str = "x-amz-checksum-sha256";
/// The condition that the store has no object of that name, with the value `*`.
const IF_NONE_MATCH: &str = "if-none-match";
/// Requests the second one.
const CHECKSUM_MODE: &str = "x-amz-checksum-mode";

/// A bucket, and how to reach it.
pub(in crate::server) struct Store {
    pub(super) bucket: Bucket,
    pub(super) credentials: Credentials,
    /// Empty, or ending with a slash.
    pub(super) prefix: String,
    pub(super) agent: ureq::Agent,
}

impl Store {
    /// The store of `--store`, with the certificates of `--store-ca`.
    pub(in crate::server) fn open(url: &str, authorities: Option<&str>) -> Result<Self, String> {
        let authorities = authorities.map(read_authorities).transpose()?;
        Self::parse(url, authorities, |name| std::env::var(name).ok())
    }

    /// Parses `s3://bucket/prefix`; the rest is in the environment.
    fn parse(
        url: &str,
        authorities: Option<RootCerts>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let path = url.strip_prefix("s3://").unwrap_or(url);
        let (name, prefix) = path.split_once('/').unwrap_or((path, ""));
        let any = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| variable(name).filter(|value| !value.is_empty()))
        };
        let needed =
            |name: &str| any(&[name]).ok_or_else(|| format!("--store {url}: {name} is not set"));
        let region =
            any(&["AWS_REGION", "AWS_DEFAULT_REGION"]).unwrap_or_else(|| "us-east-1".into());
        let own = any(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]);
        let style = if own.is_some() {
            UrlStyle::Path
        } else {
            UrlStyle::VirtualHost
        };
        let text = own.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let endpoint = text
            .parse()
            .map_err(|problem| format!("--store {url}: endpoint '{text}': {problem}"))?;
        let bucket = Bucket::new(endpoint, style, name.to_owned(), region)
            .map_err(|problem| format!("--store {url}: endpoint '{text}': {problem}"))?;
        let (key, secret) = (
            needed("AWS_ACCESS_KEY_ID")?,
            needed("AWS_SECRET_ACCESS_KEY")?,
        );
        let credentials = match any(&["AWS_SESSION_TOKEN"]) {
            Some(token) => Credentials::new_with_token(key, secret, token),
            None => Credentials::new(key, secret),
        };
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() {
            String::new()
        } else {
            format!("{prefix}/")
        };
        let silence = Some(Duration::from_millis(STORE_PATIENCE.millis()));
        let mut tls = TlsConfig::builder();
        if let Some(authorities) = authorities {
            tls = tls.root_certs(authorities);
        }
        let agent = ureq::Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .max_redirects(0) // a PUT would arrive as a GET
            .max_redirects_will_error(false)
            .timeout_connect(silence)
            .timeout_per_read(silence)
            .timeout_per_write(silence)
            .build();
        Ok(Self {
            bucket,
            credentials,
            prefix,
            agent: agent.into(),
        })
    }

    /// Uploads a file, and confirms that the store has all of it.
    pub(super) fn put(
        &self,
        path: &RecordingPath,
        name: &str,
        file: &mut File,
    ) -> Result<(), String> {
        let key = format!("{}{}/{name}", self.prefix, path.folder);
        self.put_key(&key, file)
            .map_err(|problem| format!("{key}: {problem}"))
    }

    fn put_key(&self, key: &str, file: &mut File) -> Result<(), String> {
        let sums = FileDigests::of(&mut *file).map_err(|problem| problem.to_string())?;
        let mut reply = self.send(key, file, &sums, true)?;
        if matches!(reply, PutReply::NoConditions) {
            // An old store: the best that can be done is to look first.
            reply = match self.head(key)?.status() {
                StatusCode::NOT_FOUND => self.send(key, file, &sums, false)?,
                _ => PutReply::Exists,
            };
        }
        match reply {
            PutReply::Stored(stored) if sums.is_tag(&stored.tag) => Ok(()),
            PutReply::Stored(stored) => self.confirm(key, &sums, &stored),
            PutReply::Exists => self.compare(key, &sums),
            PutReply::NoConditions => Err("refused: 501 Not Implemented".into()),
        }
    }

    /// Sends a file; with `if_new` only if the store has no object of that name, since another
    /// server may have made the same one.
    fn send(
        &self,
        key: &str,
        file: &mut File,
        sums: &FileDigests,
        if_new: bool,
    ) -> Result<PutReply, String> {
        file.rewind().map_err(|problem| problem.to_string())?;
        let (md5, sha256) = (sums.md5_base64(), sums.sha256_base64());
        let mut headers = vec![(MD5, md5.as_str()), (SHA256, sha256.as_str())];
        if if_new {
            headers.push((IF_NONE_MATCH, "*"));
        }
        let mut action = self.bucket.put_object(Some(&self.credentials), key);
        for (name, value) in &headers {
            action.headers_mut().insert(*name, *value);
        }
        let url = action.sign(SIGNED);
        let mut request = self
            .agent
            .put(url.as_str())
            .config()
            .timeout_global(Some(patience(sums.length)))
            .build();
        for (name, value) in headers {
            request = request.header(name, value);
        }
        accept(
            request
                .send(&*file)
                .map_err(|problem| problem.to_string())?,
        )
    }

    /// Asks for an object's headers.
    fn head(&self, key: &str) -> Result<Response<Body>, String> {
        let mut action = self.bucket.head_object(Some(&self.credentials), key);
        action.headers_mut().insert(CHECKSUM_MODE, "ENABLED");
        let url = action.sign(SIGNED);
        let request = self
            .agent
            .head(url.as_str())
            .config()
            .timeout_global(Some(patience(0)))
            .build();
        let answer = request.header(CHECKSUM_MODE, "ENABLED").call();
        answer.map_err(|problem| format!("cannot be confirmed: {problem}"))
    }

    /// Compares an object that was in the store before: an interrupted upload may have left it.
    /// Equal lengths prove nothing here, since recordings of equal duration have them.
    fn compare(&self, key: &str, sums: &FileDigests) -> Result<(), String> {
        let answer = self.head(key)?;
        if answer.status() != StatusCode::OK {
            return Err(format!("the store does not show it: {}", answer.status()));
        }
        let is_same = match (header(&answer, SHA256), header(&answer, "etag")) {
            (Some(sha256), _) => sha256 == sums.sha256_base64(),
            (None, Some(tag)) if sums.is_tag(tag) => true,
            _ => self.read(key, sums.length)? == *sums,
        };
        if is_same {
            return Ok(());
        }
        Err("the store has another object of this name, which is kept; rename the recording and its .json here, \
             so that they can be uploaded"
            .into())
    }

    /// Reads an object, for its digests.
    fn read(&self, key: &str, length: u64) -> Result<FileDigests, String> {
        let action = self.bucket.get_object(Some(&self.credentials), key);
        let url = action.sign(SIGNED);
        let request = self
            .agent
            .get(url.as_str())
            .config()
            .timeout_global(Some(patience(length)))
            .build();
        let answer = request.call().map_err(|problem| problem.to_string())?;
        if answer.status() != StatusCode::OK {
            return Err(format!("cannot be compared: {}", answer.status()));
        }
        // One byte more: a longer object is another one.
        let body = answer.into_body().into_reader().take(length + 1);
        FileDigests::of(body).map_err(|problem| format!("cannot be compared: {problem}"))
    }

    /// Confirms an object whose tag is not the MD5 sum of what was sent. That is normal with
    /// encryption by a key of the store's user (SSE-KMS, SSE-C), and in stores that compute their
    /// tags differently. So the object's SHA-256 is requested as the proof. A store that keeps none
    /// has at least checked `Content-MD5`, as the protocol requires, and reports the object's
    /// length. But a tag that looks like an MD5 sum and differs is a contradiction.
    fn confirm(&self, key: &str, sums: &FileDigests, stored: &Stored) -> Result<(), String> {
        let answer = self.head(key)?;
        if answer.status() != StatusCode::OK {
            return Err(format!("the store does not have it: {}", answer.status()));
        }
        let length =
            header(&answer, "content-length").and_then(|length| length.parse::<u64>().ok());
        if length != Some(sums.length) {
            let found = length.map_or_else(
                || "an unknown number of".into(),
                |length| length.to_string(),
            );
            return Err(format!("the store has {found} bytes of {}", sums.length));
        }
        match header(&answer, SHA256) {
            Some(sha256) if sha256 == sums.sha256_base64() => Ok(()),
            Some(_) => Err("the store has a different object: its SHA-256 differs".into()),
            None if stored.is_encrypted || !looks_like_md5(&stored.tag) => Ok(()),
            None => Err(format!(
                "the store has a different object: its ETag is {}",
                stored.tag
            )),
        }
    }
}

/// How long a whole request with this many bytes may take. Without a deadline for all of it, a
/// server that sends a byte now and then would block its thread forever.
pub(super) fn patience(bytes: u64) -> Duration {
    Duration::from_millis(STORE_PATIENCE.millis())
        + Duration::from_secs(bytes / STORE_BYTES_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str, set: &[(&str, &str)]) -> Result<Store, String> {
        let find = |name: &str| {
            set.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Store::parse(url, None, find)
    }

    #[test]
    fn the_environment_says_where_and_as_whom() {
        let keys = [
            ("AWS_ACCESS_KEY_ID", "k"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_REGION", "eu-central-1"),
        ];
        let store = parse("s3://calls/a/b/", &keys).unwrap();
        let url = store.bucket.object_url("a/b/x").unwrap();
        assert_eq!(
            url.as_str(),
            "https://calls.s3.eu-central-1.amazonaws.com/a/b/x"
        );
        assert_eq!(store.prefix, "a/b/");
        let own = [&keys[..], &[("AWS_ENDPOINT_URL", "http://127.0.0.1:5000")]].concat();
        let store = parse("s3://calls", &own).unwrap();
        assert_eq!(
            store.bucket.object_url("x").unwrap().as_str(),
            "http://127.0.0.1:5000/calls/x"
        );
        for (url, set, problem) in [
            (
                "s3://calls",
                &[][..],
                "--store s3://calls: AWS_ACCESS_KEY_ID is not set",
            ),
            (
                "s3://calls",
                &keys[..1],
                "--store s3://calls: AWS_SECRET_ACCESS_KEY is not set",
            ),
        ] {
            assert_eq!(parse(url, set).err().as_deref(), Some(problem));
        }
    }
}
