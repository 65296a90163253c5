//! Who may do what in the archive: every route of the API by every role and tenant, logging in, and
//! requests from elsewhere.

use crate::common::archive::{begin, read_head, record, recordings, Archive};
use crate::common::server::Server;
use serde_json::{json, Value};

/// A body that each route accepts.
fn body_of(name: &str, id: &str) -> Option<Value> {
    match name {
        "changeRecording" => Some(json!({"note": "x"})),
        "deleteRecording" => Some(json!({"reason": "x"})),
        "export" => Some(json!({"ids": [id]})),
        _ => None,
    }
}

fn ask(archive: &Archive, token: &str, method: &str, path: &str, body: Option<&Value>) -> u16 {
    let request = format!("{method} {path}");
    if path.ends_with("/events") {
        // It has no end: its head is enough.
        let bearer = format!("Authorization: Bearer {token}");
        let headers = if token.is_empty() {
            vec![]
        } else {
            vec![bearer.as_str()]
        };
        return read_head(&mut begin(archive.address(), &request, &headers, b"")).0;
    }
    match body {
        Some(body) => archive.change(token, &request, body).status,
        None => archive.ask(token, &request, &[], b"").status,
    }
}

#[test]
#[allow(clippy::too_many_lines)] // one loop over all routes and roles
fn every_route_by_every_role_and_tenant() {
    let server = Server::new(&[]);
    for number in 0..3 {
        record(&server, &format!("a{number}"), "&device=a1", 20);
        record(&server, &format!("b{number}"), "&device=b1", 20);
    }
    let archive = Archive::new(
        &recordings(&server),
        &["--tenant", "acme a*", "--tenant", "other b*"],
    );
    let all = archive.token("all", "admin", &[]);
    let found = archive.wait_for(&all, "", 6);
    let ids_of = |folder: &str| -> Vec<String> {
        let mine = found.iter().filter(|one| one["folder"] == folder);
        mine.map(|one| one["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let (mut mine, theirs) = (ids_of("a1"), ids_of("b1"));
    let document = archive.get("", "/api/v1/openapi.json").json();
    let roles = ["agent", "supervisor", "admin"];
    let tokens = roles.map(|role| (role, archive.token(role, role, &["--tenant", "acme"])));
    let mut routes = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            routes += 1;
            let method = method.to_uppercase();
            let name = operation["operationId"].as_str().unwrap();
            let allowed: Vec<&str> = operation["x-roles"]
                .as_array()
                .unwrap()
                .iter()
                .map(|role| role.as_str().unwrap())
                .collect();
            let is_open = name == "openapi";
            let at = |id: &str| path.replace("{id}", id);
            let body = body_of(name, &mine[0]);
            let without = ask(&archive, "", &method, &at(&mine[0]), body.as_ref());
            // Without a token a change may come from a page of another site.
            let expected = match method.as_str() {
                _ if is_open => 200,
                "GET" => 401,
                _ => 403,
            };
            assert_eq!(without, expected, "{method} {path} without a token");
            for (role, token) in &tokens {
                let may = allowed.contains(role);
                let id = mine[0].clone();
                let status = ask(
                    &archive,
                    token,
                    &method,
                    &at(&id),
                    body_of(name, &id).as_ref(),
                );
                assert_eq!(
                    (200..300).contains(&status),
                    may,
                    "{role} {method} {path}: {status}"
                );
                assert!(may || status == 403, "{role} {method} {path}: {status}");
                if name == "deleteRecording" && may {
                    mine.remove(0);
                }
                // What is another tenant's is not there, and nobody can tell it from what never was.
                let refused = |id: &str| {
                    let body = body_of(name, id);
                    let request = format!("{method} {}", at(id));
                    match &body {
                        Some(body) => archive.change(token, &request, body),
                        None => archive.ask(token, &request, &[], b""),
                    }
                };
                let has_id = path.contains("{id}") || name == "export" && may;
                if has_id {
                    let of_other = refused(&theirs[0]);
                    assert_eq!(of_other.status, 404, "{role} {method} {path}");
                    for unknown in ["aaaaaaaaaaaaaaaaaaaaaaaaaa", "x", "..%2f..%2fetc%2fpasswd"] {
                        let of_none = refused(unknown);
                        assert_eq!(
                            (of_none.status, &of_none.body),
                            (404, &of_other.body),
                            "{role} {method} {unknown}"
                        );
                    }
                }
            }
        }
    }
    assert!(routes >= 13, "{routes}");
    for (role, token) in &tokens {
        assert!(
            archive
                .list(token, "")
                .iter()
                .all(|one| one["folder"] == "a1"),
            "{role}"
        );
        assert!(
            !archive.get(token, "/api/v1/devices").text().contains("b1"),
            "{role}"
        );
        for search in ["q=100", "number=100", "name=ann"] {
            let status = archive
                .get(token, &format!("/api/v1/recordings?{search}"))
                .status;
            assert_eq!(
                status,
                if *role == "agent" { 403 } else { 200 },
                "{role} {search}"
            );
        }
        let status = archive
            .get(token, "/api/v1/recordings?state=deleted")
            .status;
        assert_eq!(status, if *role == "admin" { 200 } else { 403 }, "{role}");
        for page in ["/audit", "/settings"] {
            let status = archive.get(token, page).status;
            assert_eq!(
                status,
                if *role == "admin" { 200 } else { 403 },
                "{role} {page}"
            );
        }
    }
    let audit = archive.get(&tokens[2].1, "/api/v1/audit").text();
    assert!(
        !audit.contains("\"tenant\":\"default\"") && audit.contains("\"tenant\":\"acme\""),
        "{audit}"
    );
}

#[test]
fn an_agent_sees_only_the_devices_that_are_his() {
    let server = Server::new(&[]);
    record(&server, "1", "&device=d1", 20);
    record(&server, "2", "&device=d2", 20);
    let archive = Archive::new(&recordings(&server), &[]);
    let all = archive.token("all", "admin", &[]);
    let both = archive.wait_for(&all, "", 2);
    let token = archive.token("agent", "agent", &["--devices", "D2,x*"]);
    let found = archive.list(&token, "");
    assert_eq!((found.len(), &found[0]["folder"]), (1, &json!("d2")));
    let other = both.iter().find(|one| one["folder"] == "d1").unwrap()["id"]
        .as_str()
        .unwrap();
    assert_eq!(
        archive
            .get(&token, &format!("/api/v1/recordings/{other}/audio"))
            .status,
        404
    );
    assert_eq!(archive.get(&token, &format!("/call/{other}")).status, 404);
}

#[test]
fn strangers_text_is_text() {
    let server = Server::new(&[]);
    let name = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27";
    record(
        &server,
        "1",
        &format!("&device=d1&remote_name={name}&remote_number={name}"),
        20,
    );
    let archive = Archive::new(&recordings(&server), &[]);
    let token = archive.token("test", "admin", &[]);
    let id = archive.wait_for(&token, "", 1)[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for page in [
        "/".to_owned(),
        format!("/call/{id}"),
        format!("/?q={name}"),
        format!("/api/v1/recordings/{id}/waveform.svg"),
    ] {
        let text = archive.get(&token, &page).text();
        assert!(
            !text.contains("<script>alert") && text.contains("alert(1)"),
            "{page}: {text}"
        );
    }
}
