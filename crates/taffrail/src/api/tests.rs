//! The document against what is registered. That every route answers is tested end to end.

use super::*;
use serde_json::Value;

fn parsed() -> Value {
    serde_json::from_str(document()).expect("is JSON")
}

#[test]
fn the_document_is_3_1_and_lists_every_route_with_its_permission() {
    let document = parsed();
    assert!(document["openapi"].as_str().expect("has a version").starts_with("3.1"), "{}", document["openapi"]);
    let registered = registered();
    assert!(registered.len() >= 17);
    for route in &registered {
        let item = document["paths"][&route.path].as_object().unwrap_or_else(|| panic!("{} is not in the document", route.path));
        for (method, operation) in item {
            let place = format!("{method} {}", route.path);
            assert_eq!(operation["x-taffrail-permission"], route.permission.name(), "{place}");
            assert!(operation["summary"].is_string() || operation["description"].is_string(), "{place} is not described");
            assert!(operation["tags"].is_array(), "{place} has no tag");
            assert!(operation["responses"]["200"].is_object(), "{place} does not say what it answers");
        }
    }
    assert_eq!(document["paths"].as_object().expect("has paths").len(), registered.len(), "a path is described and not registered");
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value, root: &Value) {
        match value {
            Value::Object(map) => {
                if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
                    let pointer = reference.strip_prefix('#').expect("is local");
                    assert!(root.pointer(pointer).is_some(), "{reference} leads nowhere");
                }
                map.values().for_each(|v| walk(v, root));
            }
            Value::Array(list) => list.iter().for_each(|v| walk(v, root)),
            _ => {}
        }
    }
    let document = parsed();
    walk(&document, &document);
}

#[test]
fn bodies_have_schemas_and_examples() {
    let document = parsed();
    for (path, item) in document["paths"].as_object().expect("has paths") {
        for (method, operation) in item.as_object().expect("is an item") {
            let Some(content) = operation.pointer("/requestBody/content").and_then(Value::as_object) else { continue };
            for (media, body) in content {
                assert!(body["schema"].is_object(), "{method} {path} {media} has no schema");
                if media == "application/json" {
                    let schema = body["schema"]["$ref"].as_str().map(|r| document.pointer(&r[1..]).expect("leads somewhere"));
                    assert!(schema.is_some_and(|s| s["example"].is_object() || s["examples"].is_array()), "{method} {path} has no example");
                }
            }
        }
    }
}
