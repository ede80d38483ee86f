//! Bulk queries: the whole answer as JSON lines, some time later.

use super::graphql::{Cutter, Field, read};
use super::shop::Bulk;
use super::{NAME, Shopify};
use crate::core::world::World;
use serde_json::{Map, Value, json as j};
use sha2::{Digest as _, Sha256};

const TAKES_MS: i64 = 60_000;

pub(super) fn tree(b: &Bulk, world: &World) -> Value {
    let age = world.now_ms() - b.created_ms;
    let status = if b.done {
        "COMPLETED"
    } else if age < 1_000 {
        "CREATED"
    } else {
        "RUNNING"
    };
    let url = b.done.then(|| format!("{}/bulk/{}", world.base_url(NAME), b.file)).filter(|_| b.objects > 0);
    j!({"id": b.id, "status": status, "errorCode": null, "createdAt": super::resolve::when(b.created_ms),
        "completedAt": b.done.then(|| super::resolve::when(b.created_ms + TAKES_MS)), "objectCount": b.objects.to_string(),
        "rootObjectCount": b.roots.to_string(), "fileSize": b.done.then(|| b.text.len().to_string()), "url": url,
        "partialDataUrl": null, "query": b.query, "type": "QUERY"})
}

/// A node on a line of its own, its connections on lines after it with `__parentId`.
fn lines(node: &Value, parent: Option<&str>, out: &mut String, count: &mut usize) {
    let Some(map) = node.as_object() else { return };
    let mut own = Map::new();
    let mut children = Vec::new();
    for (key, value) in map {
        let nodes = value.get("nodes").or_else(|| value.get("edges")).and_then(Value::as_array);
        match nodes {
            Some(nodes) => children.extend(nodes.iter().map(|n| n.get("node").unwrap_or(n))),
            None => {
                own.insert(key.clone(), value.clone());
            }
        }
    }
    if let Some(parent) = parent {
        own.insert("__parentId".into(), parent.into());
    }
    let id = map.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    out.push_str(&Value::Object(own).to_string());
    out.push('\n');
    *count += 1;
    for child in children {
        lines(child, Some(&id), out, count);
    }
}

impl Shopify {
    pub(super) fn bulk_start(&self, world: &World, f: &Field) -> Value {
        let fail = |message: &str, code: &str| j!({"bulkOperation": null, "userErrors": [super::resolve::user_error(&["query"], message, code)]});
        let query = f.text("query");
        let operation = match read(query, &Map::new()) {
            Ok(operation) if !operation.mutation => operation,
            Ok(_) => return fail("Bulk queries cannot be mutations", "INVALID"),
            Err(e) => return fail(&e.message, "INVALID"),
        };
        if self.shop().bulks.iter().filter(|b| !b.done).count() >= 5 {
            return fail(
                "A bulk query operation for this app and shop is already in progress",
                "OPERATION_IN_PROGRESS",
            );
        }
        let mut cutter = Cutter { all: true, items: 0 };
        let data = match self.run(world, &operation, &mut cutter) {
            Ok(data) => data,
            Err(e) => return fail(&e.message, "INVALID"),
        };
        let (mut text, mut objects, mut roots) = (String::new(), 0, 0);
        for root in data.as_object().into_iter().flat_map(Map::values) {
            let nodes = root.get("nodes").or_else(|| root.get("edges")).and_then(Value::as_array);
            for node in nodes.into_iter().flatten() {
                roots += 1;
                lines(node.get("node").unwrap_or(node), None, &mut text, &mut objects);
            }
        }
        let now = world.now_ms();
        let digest = hex::encode(Sha256::digest(format!("{query}{now}{text}")));
        let name = digest.get(..16).unwrap_or_default();
        let bulk = Bulk {
            id: format!("gid://shopify/BulkOperation/{}", world.stream(&[NAME, "bulk", name]).digits(13)),
            created_ms: now,
            done: false,
            file: format!("{name}.jsonl"),
            text,
            objects,
            roots,
            query: query.to_owned(),
        };
        let shown = tree(&bulk, world);
        let id = bulk.id.clone();
        self.shop().bulks.push(bulk);
        world.schedule(NAME, TAKES_MS, "bulk", &id, Value::Null);
        j!({"bulkOperation": shown, "userErrors": []})
    }

    pub(super) fn bulk_done(&self, id: &str) {
        if let Some(b) = self.shop().bulks.iter_mut().find(|b| b.id == id) {
            b.done = true;
        }
    }
}
