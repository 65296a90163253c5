//! What the property's server is told, as its events.

use crate::home_box::parts::Parts;
use crate::home_box::reports::{Form, Reports};
use crate::home_box::wall_time::unix_seconds;
use crate::proto::intercom::home_box::output::Report;
use crate::wire::json::quote;

/// The box has started.
pub(super) fn report_start(reports: &mut Reports, box_id: &str) {
    add(reports, box_id, "start", "{}");
}

/// Something has happened.
pub(super) fn report(reports: &mut Reports, box_id: &str, report: &Report) {
    match report {
        Report::CallIn { peer } => add(reports, box_id, "callin", &object(&[("id", peer)])),
        Report::CallOut { peer } => add(reports, box_id, "callout", &object(&[("id", peer)])),
        Report::Rejected { peer, reason } => {
            let content = object(&[("id", peer), ("reason", reason)]);
            add(reports, box_id, "call_reject", &content);
        }
        Report::Joined { device } => {
            add(reports, box_id, "join_family", &object(&[("id", device)]));
        }
        Report::Emergency { port, name, alarm } => {
            let port = port.to_string();
            let content = object(&[
                ("port", port.as_bytes()),
                ("name", name),
                ("rand_key", alarm),
            ]);
            add(reports, box_id, "emergency", &content);
        }
    }
}

/// The screens that are joined.
pub(super) fn report_status(reports: &mut Reports, parts: &Parts) {
    let devices: Vec<String> = parts.router.devices().map(quoted).collect();
    let content = format!("{{\"devices\":[{}]}}", devices.join(","));
    reports.add_status(&parts.settings.box_id, unix_seconds(), &content);
}

fn add(reports: &mut Reports, box_id: &str, event: &str, content: &str) {
    reports.add_event(&Form {
        box_id,
        event,
        time: unix_seconds(),
        content,
    });
}

/// A JSON object of strings.
fn object(members: &[(&str, &[u8])]) -> String {
    let members = members.iter();
    let members = members.map(|(key, value)| format!("\"{key}\":{}", quoted(value)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn quoted(text: &[u8]) -> String {
    let mut quoted = String::new();
    let _ = quote(&mut quoted, text);
    quoted
}
