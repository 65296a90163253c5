//! `GET /api/v1/openapi.json`: the API for programs that read such a description. `x-roles` names the
//! roles that may make a request; the tests of the rights are made from it.

use axum::response::Response;
use serde_json::{json, Map, Value};

use super::recordings::json_response;
use super::routes::{Route, ROUTES};

pub(super) async fn openapi() -> Response {
    json_response(&document())
}

fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES
        .iter()
        .filter(|route| route.path.starts_with("/api/"))
    {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.to_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "callrec archive", "version": "1"},
        "paths": paths,
        "security": [{"token": []}, {"cookie": []}],
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "callrec"},
            },
            "schemas": {"Error": {
                "type": "object", "required": ["error", "message"],
                "properties": {"error": {"type": "string"}, "message": {"type": "string"}},
            }},
        },
    })
}

fn operation(route: &Route) -> Value {
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')).map(|name| {
        json!({"name": name.trim_end_matches('}'), "in": "path", "required": true, "schema": {"type": "string"}})
    });
    let in_query = route.parameters.iter().map(|name| {
        let repeats = ["device", "tag"].contains(name);
        let one = json!({"type": "string"});
        let schema = if repeats {
            json!({"type": "array", "items": one})
        } else {
            one
        };
        json!({"name": name, "in": "query", "required": false, "schema": schema})
    });
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    let mut operation = json!({
        "summary": route.summary,
        "operationId": route.name,
        "x-roles": route.roles(),
        "parameters": parameters,
        "responses": {
            "200": {"description": "done"},
            "default": {"description": "refused", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
        },
    });
    if !route.members.is_empty() {
        let properties: Map<String, Value> = route
            .members
            .iter()
            .map(|name| ((*name).to_owned(), json!({})))
            .collect();
        let schema =
            json!({"type": "object", "additionalProperties": false, "properties": properties});
        operation["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": schema}}});
    }
    operation
}
