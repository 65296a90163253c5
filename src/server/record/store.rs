//! Object storage: a bucket that is spoken to by the S3 protocol. Endpoint and credentials come from the environment, as
//! Amazon's own tools have them.

use std::fs::File;
use std::time::Duration;

use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use ureq::http::{Response, StatusCode};
use ureq::Body;

use crate::base::limits::server::STORE_SILENCE;
use crate::server::record::archive::Place;

/// A signed address is good for so long; it is used at once.
const SIGNED: Duration = Duration::from_secs(900);
/// What is read of a refusal: its code stands in the first lines.
const REFUSAL_BYTES: u64 = 4096;

/// The bucket, and how it is reached.
pub(super) struct Store {
    bucket: Bucket,
    credentials: Credentials,
    /// Empty, or with a slash at its end.
    prefix: String,
    agent: ureq::Agent,
}

impl Store {
    /// `s3://bucket/prefix`; the rest is asked of the environment.
    pub(super) fn parse(url: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let path = url.strip_prefix("s3://").unwrap_or(url);
        let (name, prefix) = path.split_once('/').unwrap_or((path, ""));
        let any = |names: &[&str]| names.iter().find_map(|name| variable(name).filter(|value| !value.is_empty()));
        let needed = |name: &str| any(&[name]).ok_or_else(|| format!("--store {url}: {name} is not set"));
        let region = any(&["AWS_REGION", "AWS_DEFAULT_REGION"]).unwrap_or_else(|| "us-east-1".into());
        let own = any(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]);
        let style = if own.is_some() { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let text = own.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let endpoint = text.parse().map_err(|problem| format!("--store {url}: endpoint '{text}': {problem}"))?;
        let bucket = Bucket::new(endpoint, style, name.to_owned(), region)
            .map_err(|problem| format!("--store {url}: endpoint '{text}': {problem}"))?;
        let (key, secret) = (needed("AWS_ACCESS_KEY_ID")?, needed("AWS_SECRET_ACCESS_KEY")?);
        let credentials = match any(&["AWS_SESSION_TOKEN"]) {
            Some(token) => Credentials::new_with_token(key, secret, token),
            None => Credentials::new(key, secret),
        };
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let silence = Some(Duration::from_millis(STORE_SILENCE.millis()));
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0) // a PUT would arrive as a GET
            .max_redirects_will_error(false)
            .timeout_connect(silence)
            .timeout_per_read(silence)
            .timeout_per_write(silence)
            .build();
        Ok(Self { bucket, credentials, prefix, agent: agent.into() })
    }

    /// Puts a file there; an error in words.
    pub(super) fn put(&self, place: &Place, name: &str, file: &File) -> Result<(), String> {
        let key = format!("{}{}/{name}", self.prefix, place.folder);
        let url = self.bucket.put_object(Some(&self.credentials), &key).sign(SIGNED);
        let answer = self.agent.put(url.as_str()).send(file).map_err(|problem| format!("{key}: {problem}"))?;
        accept(answer).map_err(|problem| format!("{key}: {problem}"))
    }
}

/// An object is there when it has got its tag. Another server that happens to be at the address may say 200, too.
fn accept(mut answer: Response<Body>) -> Result<(), String> {
    let status = answer.status();
    if status == StatusCode::OK && answer.headers().contains_key("etag") {
        return Ok(());
    }
    if status == StatusCode::OK {
        return Err("the endpoint is no object storage: it gives no ETag".into());
    }
    let text = answer.body_mut().with_config().limit(REFUSAL_BYTES).read_to_string().unwrap_or_default();
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    Err(format!("refused: {status}{}", code.map_or_else(String::new, |(code, _)| format!(" ({code})"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str, set: &[(&str, &str)]) -> Result<Store, String> {
        let find = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Store::parse(url, find)
    }

    #[test]
    fn the_environment_says_where_and_as_whom() {
        let keys = [("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_REGION", "eu-central-1")];
        let store = parse("s3://calls/a/b/", &keys).unwrap();
        let url = store.bucket.object_url("a/b/x").unwrap();
        assert_eq!(url.as_str(), "https://calls.s3.eu-central-1.amazonaws.com/a/b/x");
        assert_eq!(store.prefix, "a/b/");
        let own = [&keys[..], &[("AWS_ENDPOINT_URL", "http://127.0.0.1:5000")]].concat();
        let store = parse("s3://calls", &own).unwrap();
        assert_eq!(store.bucket.object_url("x").unwrap().as_str(), "http://127.0.0.1:5000/calls/x");
        for (url, set, problem) in [
            ("s3://calls", &[][..], "--store s3://calls: AWS_ACCESS_KEY_ID is not set"),
            ("s3://calls", &keys[..1], "--store s3://calls: AWS_SECRET_ACCESS_KEY is not set"),
        ] {
            assert_eq!(parse(url, set).err().as_deref(), Some(problem));
        }
    }
}
