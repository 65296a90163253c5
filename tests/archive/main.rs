//! The archive of recordings.
#![cfg(feature = "archive")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod accessibility;
mod api;
mod audio;
mod catalogue;
mod deletion;
mod hostile;
mod kills;
mod login;
mod oidc;
mod oidc_hostile;
mod oidc_issuers;
mod pages;
mod peer;
mod peer_failures;
mod postgres;
mod retention;
mod rights;
mod scale;
mod sign_on;
mod sign_on_proxy;
mod store;
mod store_deletion;
mod tls;
