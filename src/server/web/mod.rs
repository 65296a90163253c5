//! What the servers of the cloud have in common: HTTP on axum and hyper, the client, secrets.
//!
//! | file | what |
//! | --- | --- |
//! | `gate` | between socket and hyper: bounds, deadlines, framing that is not ambiguous |
//! | `head` | how the head of a request says that its body ends |
//! | `service` | connections, and what each answer has |
//! | `answer` | answers in JSON |
//! | `asked` | a request as handlers see it |
//! | `body` | bodies of requests, read after the credentials were judged |
//! | `json` | members of a body, with words when they are wrong |
//! | `base_url` | addresses of other servers, and whether a secret may go there |
//! | `checked_options` | a configuration whose keys are checked against each other |
//! | `secret_file` | keys, from files |
//! | `runtime` | tokio, signals and the log line of a server that is ready |

pub(in crate::server) mod answer;
pub(in crate::server) mod asked;
pub(in crate::server) mod base_url;
pub(in crate::server) mod body;
pub(in crate::server) mod checked_options;
mod gate;
mod head;
pub(in crate::server) mod ids;
pub(in crate::server) mod json;
pub(in crate::server) mod runtime;
pub(in crate::server) mod secret_file;
pub(in crate::server) mod service;
pub(in crate::server) mod signature;
pub(in crate::server) mod word;
