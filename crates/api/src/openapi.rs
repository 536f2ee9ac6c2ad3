//! `GET openapi.json`: the OpenAPI 3.1 document, made from the table of routes and the commands' own types.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use node::view::{Message, Notice, Session, Transfer, Upload, User};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use ts_rs::TS;
use utoipa::openapi::{RefOr, schema::Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::args::NoArgs;
use crate::commands::{self, Command, Visitor};
use crate::error::ErrorReply;
use crate::results::{CreatedToken, LoginArgs, TokenInfo};
use crate::routes::{Kind, ROUTES, Reply, Route};

static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());

pub(crate) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}

/// The whole document.
#[must_use]
pub fn document() -> Value {
    let mut schemas = Schemas::default();
    commands::visit(&mut schemas);
    // What stands in a `Page<…>`, which has no name of its own and refers to these.
    schemas.add::<User>();
    schemas.add::<Session>();
    schemas.add::<Message>();
    schemas.add::<Notice>();
    schemas.add::<Transfer>();
    schemas.add::<TokenInfo>();
    let upload = schemas.add::<Upload>();
    let error = schemas.add::<ErrorReply>();
    let login = schemas.add::<LoginArgs>();
    let created = schemas.add::<CreatedToken>();

    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for route in ROUTES {
        let operation = operation(route, &schemas, &error);
        paths.entry(route.path.to_owned()).or_default().insert(route.verb.name().to_owned(), operation);
    }
    let open = |summary: &str, kind: &str| {
        let content = json!({ kind: {} });
        json!({ "summary": summary, "security": [], "responses": { "200": { "description": "As asked.", "content": content } } })
    };
    let mut add = |path: &str, verb: &str, operation: Value| {
        paths.entry(path.to_owned()).or_default().insert(verb.to_owned(), operation);
    };
    add("/health", "get", open("Whether the node works.", "application/json"));
    add("/metrics", "get", open("Counts for Prometheus.", "text/plain"));
    add("/openapi.json", "get", open("This document.", "application/json"));
    add(
        "/events",
        "get",
        json!({
            "summary": "The events of the realtime API as server-sent events.",
            "operationId": "events",
            "security": [{ "token": ["read"] }],
            "responses": { "200": { "description": "A stream that ends with the connection.", "content": { "text/event-stream": {} } },
                "default": failure(&error) },
        }),
    );
    for (path, verb, described) in of_files(&upload, &error) {
        add(path, verb, described);
    }
    add(
        "/login",
        "post",
        json!({
            "summary": "Turns the code of a one-time link into a token for the web page.",
            "operationId": "login",
            "security": [],
            "requestBody": { "required": true, "content": { "application/json": { "schema": login } } },
            "responses": { "201": { "description": "The token.", "content": { "application/json": { "schema": created } } },
                "default": failure(&error) },
        }),
    );
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Landline",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The local API of a Landline node. Realtime events come by Socket.IO on the same port.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/api/v1" }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
        },
    })
}

/// The content of attachments, which no command carries.
fn of_files(upload: &Value, error: &Value) -> [(&'static str, &'static str, Value); 3] {
    let bytes = json!({ "application/octet-stream": { "schema": { "type": "string", "format": "binary" } } });
    let text = |name: &str, place: &str, required: bool| json!({ "name": name, "in": place, "required": required, "schema": { "type": "string" } });
    let described = |summary: &str, id: &str, scope: &str, parameters: Value, success: Value| {
        let mut responses = success.as_object().cloned().unwrap_or_default();
        responses.insert("default".to_owned(), failure(error));
        json!({ "summary": summary, "operationId": id, "security": [{ "token": [scope] }], "parameters": parameters, "responses": responses })
    };
    let made = json!({ "201": { "description": "What to name in a message.", "content": { "application/json": { "schema": upload } } } });
    let parameters = json!([text("name", "query", true), text("mime", "query", false)]);
    let mut take =
        described("Takes a file that is to be sent: the body is its content.", "upload", "send", parameters, made);
    if let Some(take) = take.as_object_mut() {
        take.insert("requestBody".to_owned(), json!({ "required": true, "content": bytes }));
    }
    let parts = json!({ "200": { "description": "All of it.", "content": bytes }, "206": { "description": "A part of it.", "content": bytes } });
    let parameters = json!([text("attachmentId", "path", true), text("Range", "header", false)]);
    let give = described("The content of an attachment that is here.", "attachment_content", "read", parameters, parts);
    let image = json!({ "200": { "description": "A PNG or JPEG.", "content": { "image/png": {}, "image/jpeg": {} } } });
    let parameters = json!([text("attachmentId", "path", true)]);
    let small = described("A small image of an attachment.", "attachment_thumbnail", "read", parameters, image);
    [
        ("/attachments", "post", take),
        ("/attachments/{attachmentId}", "get", give),
        ("/attachments/{attachmentId}/thumbnail", "get", small),
    ]
}

fn operation(route: &Route, schemas: &Schemas, error: &Value) -> Value {
    let command = route.command;
    let types = schemas.commands.get(&command);
    let arguments = types.map_or(&Value::Null, |types| &types.arguments);
    let property =
        |name: &str| arguments.pointer(&format!("/properties/{name}")).cloned().unwrap_or(json!({ "type": "string" }));

    let mut parameters = Vec::new();
    let mut elsewhere: Vec<&str> = route.implied.iter().map(|(name, _)| *name).collect();
    for name in route.path_arguments() {
        elsewhere.push(name);
        parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": property(name) }));
    }
    for (name, kind) in route.query {
        elsewhere.push(name);
        let schema = match kind {
            Kind::Number => json!({ "type": "integer", "minimum": 0 }),
            Kind::Flag => json!({ "type": "boolean" }),
            Kind::Text => property(name),
        };
        parameters.push(json!({ "name": name, "in": "query", "required": false, "schema": schema }));
    }

    let mut body = arguments.clone();
    let mut required = false;
    if let Some(object) = body.as_object_mut() {
        if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
            properties.retain(|name, _| !elsewhere.contains(&name.as_str()));
        }
        if let Some(names) = object.get_mut("required").and_then(Value::as_array_mut) {
            names.retain(|name| !name.as_str().is_some_and(|name| elsewhere.contains(&name)));
            required = !names.is_empty();
        }
    }
    let takes_something =
        body.pointer("/properties").and_then(Value::as_object).is_some_and(|object| !object.is_empty());

    let result = match route.reply {
        Reply::SessionMade => json!({ "$ref": "#/components/schemas/Session" }),
        Reply::Ok | Reply::Created => types.map_or(Value::Null, |types| types.result.clone()),
    };
    let content = json!({ "application/json": { "schema": result } });
    let mut responses = Map::new();
    if matches!(route.reply, Reply::Created | Reply::SessionMade) {
        responses.insert("201".to_owned(), json!({ "description": "Made.", "content": content }));
    }
    if matches!(route.reply, Reply::Ok | Reply::SessionMade) {
        responses.insert("200".to_owned(), json!({ "description": "As asked.", "content": content }));
    }
    responses.insert("default".to_owned(), failure(error));

    let anonymous = matches!(command, Command::Status | Command::Info);
    let mut security = vec![json!({ "token": [command.scope().name()] })];
    if anonymous {
        security.push(json!({}));
    }
    let id = if route.path_arguments().count() == 0 && command == Command::SendMessage {
        "send_message_to".to_owned()
    } else {
        let implied = route.implied.iter().map(|(_, value)| value.word());
        std::iter::once(command.name()).chain(implied).collect::<Vec<_>>().join("_")
    };
    let mut operation = json!({
        "operationId": id,
        "summary": command.summary(),
        "security": security,
        "parameters": parameters,
        "responses": responses,
    });
    if route.takes_body()
        && takes_something
        && let Some(operation) = operation.as_object_mut()
    {
        let content = json!({ "required": required, "content": { "application/json": { "schema": body } } });
        operation.insert("requestBody".to_owned(), content);
    }
    operation
}

fn failure(error: &Value) -> Value {
    json!({ "description": "Refused or failed.", "content": { "application/json": { "schema": error } } })
}

#[derive(Default)]
struct Schemas {
    components: BTreeMap<String, Value>,
    commands: BTreeMap<Command, Types>,
}

struct Types {
    arguments: Value,
    result: Value,
}

impl Schemas {
    /// Adds what `T` refers to, and gives `T` itself.
    fn inline<T: ToSchema>(&mut self) -> Value {
        let mut referred: Vec<(String, RefOr<Schema>)> = Vec::new();
        T::schemas(&mut referred);
        for (name, schema) in referred {
            self.components.entry(name).or_insert_with(|| json!(schema));
        }
        json!(<T as PartialSchema>::schema())
    }

    /// Adds `T` and gives a reference to it.
    fn add<T: ToSchema>(&mut self) -> Value {
        let schema = self.inline::<T>();
        let name = <T as ToSchema>::name().into_owned();
        let reference = json!({ "$ref": format!("#/components/schemas/{name}") });
        self.components.insert(name, schema);
        reference
    }
}

impl Visitor for Schemas {
    fn visit<A, R>(&mut self, command: Command)
    where
        A: TS + ToSchema + DeserializeOwned + 'static,
        R: TS + ToSchema + Serialize + 'static,
    {
        let arguments = if std::any::TypeId::of::<A>() == std::any::TypeId::of::<NoArgs>() {
            Value::Null
        } else {
            self.inline::<A>()
        };
        // A generic type has no name of its own.
        let generic = std::any::type_name::<R>().contains('<');
        let result = if generic { self.inline::<R>() } else { self.add::<R>() };
        self.commands.insert(command, Types { arguments, result });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(reference)) = object.get("$ref") {
                    found.push(reference.clone());
                }
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(array) => array.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            let pointer = reference.strip_prefix('#').expect("because all references are inside");
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
    }

    #[test]
    fn every_route_is_described() {
        let document = document();
        for route in ROUTES {
            let operation = &document["paths"][route.path][route.verb.name()];
            assert!(operation["summary"].is_string(), "{} {} is missing", route.verb.name(), route.path);
        }
        let send = &document["paths"]["/sessions/{sessionId}/messages"]["post"];
        let body = &send["requestBody"]["content"]["application/json"]["schema"];
        assert!(body["properties"]["message"].is_object() && body["properties"]["sessionId"].is_null(), "{body}");
    }

    #[test]
    fn operations_have_names_of_their_own() {
        let document = document();
        let mut names = Vec::new();
        for path in document["paths"].as_object().unwrap().values() {
            names.extend(path.as_object().unwrap().values().filter_map(|operation| operation["operationId"].as_str()));
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "because generated clients name functions by them");
    }
}
