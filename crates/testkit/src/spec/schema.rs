//! Schemas of OpenAPI documents made fit for a JSON Schema validator, and the walk that finds unknown fields.
//!
//! OpenAPI 3.0 and Swagger 2 schemas are nearly JSON Schema draft 4: `nullable` is theirs alone, and vendors' files
//! hold a few things no draft allows (`required: true` on a property, expressions of another regex dialect). These
//! are taken out here, once, in memory.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Finding, Violation};

/// Makes the schemas of a whole document fit, in place.
pub(crate) fn tidy(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(map) => {
            tidy_object(map);
            for (key, child) in map.iter_mut() {
                // Examples are data, not schemas.
                if !matches!(key.as_str(), "example" | "examples" | "default" | "enum")
                    && !key.starts_with("x-")
                {
                    tidy(child);
                }
            }
        }
        _ => {}
    }
}

fn tidy_object(map: &mut Map<String, Value>) {
    let is_schema = map.get("type").is_some_and(Value::is_string) || map.contains_key("properties");
    if is_schema && map.get("required").is_some_and(Value::is_boolean) && !map.contains_key("in") {
        map.remove("required");
    }
    if map.get("required").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        map.remove("required");
    }
    if let Some(Value::String(pattern)) = map.get("pattern")
        && regex::Regex::new(pattern).is_err()
    {
        map.remove("pattern");
    }
    for key in ["minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum"] {
        if let Some(Value::String(text)) = map.get(key) {
            let number = text.parse::<i64>().ok();
            map.remove(key);
            if let Some(n) = number {
                map.insert(key.to_owned(), json!(n));
            }
        }
    }
    // "Up to n" of a size that is not an integer means nothing to a validator.
    if map.get("enum").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        map.remove("enum");
    }
    let kind = map.get("type").and_then(Value::as_str).map(str::to_owned);
    if kind.as_deref() == Some("file") {
        map.remove("type");
    }
    if let (Some(kind), Some(Value::Array(values))) = (&kind, map.get_mut("enum"))
        && kind == "string"
    {
        // YAML 1.1 readers turned NO and YES into booleans; the type says that they are text.
        for v in values.iter_mut() {
            match v {
                Value::Bool(b) => *v = json!(if *b { "YES" } else { "NO" }),
                Value::Number(n) => *v = json!(n.to_string()),
                _ => {}
            }
        }
    }
    if map.get("nullable") == Some(&Value::Bool(true)) {
        if let Some(kind) = kind {
            map.insert("type".to_owned(), json!([kind, "null"]));
        }
        if let Some(Value::Array(values)) = map.get_mut("enum")
            && !values.contains(&Value::Null)
        {
            values.push(Value::Null);
        }
    }
}

/// Follows `#/a/b` in a document.
pub(crate) fn resolve<'a>(document: &'a Value, mut node: &'a Value) -> &'a Value {
    for _ in 0..32 {
        let Some(reference) = node.get("$ref").and_then(Value::as_str) else { return node };
        let Some(target) = reference.strip_prefix('#').and_then(|p| document.pointer(p)) else { return node };
        node = target;
    }
    node
}

/// All violations of `schema` (a node of `document`) by `value`.
pub(crate) fn check(
    document: &Value,
    schema: &Value,
    value: &Value,
    draft: jsonschema::Draft,
    at: &str,
) -> Vec<Violation> {
    // The root carries what local references lead to, and no more: compiling a whole document takes seconds.
    let mut root = Map::new();
    match schema {
        Value::Object(map) if map.contains_key("$ref") => {
            root.insert("allOf".to_owned(), json!([schema]));
        }
        Value::Object(map) => root.clone_from(map),
        _ => {}
    }
    bundle(document, schema, &mut root);
    let options = || jsonschema::options().with_draft(draft).offline().should_ignore_unknown_formats(true);
    let mut found = match options().build(&Value::Object(root)) {
        Ok(validator) => validator.iter_errors(value).map(|e| violation(&e, at)).collect(),
        Err(e) => vec![Violation::new(
            Finding::Syntax,
            at,
            format!("the specification's schema does not compile: {e}"),
        )],
    };
    unknown_fields(document, &[schema], value, at, 0, &mut found);
    found
}

/// Puts every node that `schema` refers to, directly or not, at the same place under `root`.
fn bundle(document: &Value, schema: &Value, root: &mut Map<String, Value>) {
    let mut open = vec![schema];
    let mut seen = BTreeSet::new();
    while let Some(node) = open.pop() {
        match node {
            Value::Array(items) => open.extend(items),
            Value::Object(map) => {
                if let Some(pointer) =
                    map.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#'))
                    && seen.insert(pointer)
                    && let Some(target) = document.pointer(pointer)
                {
                    place(root, document, pointer, target);
                    open.push(target);
                }
                open.extend(map.values());
            }
            _ => {}
        }
    }
}

fn place(root: &mut Map<String, Value>, document: &Value, pointer: &str, target: &Value) {
    let tokens: Vec<String> =
        pointer.split('/').skip(1).map(|t| t.replace("~1", "/").replace("~0", "~")).collect();
    let shallow = matches!(tokens.first().map(String::as_str), Some("definitions")) && tokens.len() == 2
        || matches!(tokens.first().map(String::as_str), Some("components")) && tokens.len() == 3;
    if !shallow {
        // A reference into the middle of something: take the whole of it.
        if let Some((name, held)) = tokens.first().and_then(|t| document.get(t).map(|v| (t, v))) {
            root.insert(name.clone(), held.clone());
        }
        return;
    }
    let mut here = root;
    for token in &tokens[..tokens.len() - 1] {
        let slot = here.entry(token.clone()).or_insert_with(|| json!({}));
        let Value::Object(map) = slot else { return };
        here = map;
    }
    if let Some(last) = tokens.last() {
        here.insert(last.clone(), target.clone());
    }
}

fn violation(error: &jsonschema::ValidationError<'_>, at: &str) -> Violation {
    use jsonschema::error::ValidationErrorKind as K;
    let finding = match error.kind() {
        K::Required { .. } => Finding::MissingField,
        K::AdditionalProperties { .. } | K::UnevaluatedProperties { .. } => Finding::UnknownField,
        _ => Finding::BadValue,
    };
    let mut message: String = error.to_string().chars().take(300).collect();
    if let K::AnyOf { context } | K::OneOfNotValid { context } = error.kind() {
        let inner: Vec<String> =
            context.iter().flatten().map(|e| format!("{}: {e}", e.instance_path())).take(4).collect();
        message = format!("{message} ({})", inner.join("; ").chars().take(400).collect::<String>());
    }
    Violation::new(finding, format!("{at}{}", error.instance_path()), message)
}

/// A schema with all it is made of: references followed, `allOf`, `oneOf` and `anyOf` opened.
fn flatten<'a>(document: &'a Value, schema: &'a Value, out: &mut Vec<&'a Value>, depth: u32) {
    if depth > 16 {
        return;
    }
    let schema = resolve(document, schema);
    out.push(schema);
    for key in ["allOf", "oneOf", "anyOf"] {
        for part in schema.get(key).and_then(Value::as_array).into_iter().flatten() {
            flatten(document, part, out, depth + 1);
        }
    }
}

/// Reports fields that no part of the schema lists, where it lists any. A schema that says
/// `additionalProperties` is open; one without a list of properties is, too.
fn unknown_fields<'a>(
    document: &'a Value,
    schemas: &[&'a Value],
    value: &Value,
    at: &str,
    depth: u32,
    found: &mut Vec<Violation>,
) {
    if depth > 48 {
        return;
    }
    let mut parts = Vec::new();
    for schema in schemas {
        flatten(document, schema, &mut parts, 0);
    }
    match value {
        Value::Object(fields) => {
            let extra: Vec<&Value> = parts.iter().filter_map(|p| p.get("additionalProperties")).collect();
            let patterns = parts.iter().any(|p| p.get("patternProperties").is_some());
            let open = patterns || extra.iter().any(|e| e.is_object() || **e == Value::Bool(true));
            let listed: BTreeSet<&str> = parts
                .iter()
                .filter_map(|p| p.get("properties").and_then(Value::as_object))
                .flat_map(|m| m.keys().map(String::as_str))
                .collect();
            for (name, child) in fields {
                let here = format!("{at}/{name}");
                let mut next: Vec<&Value> = parts
                    .iter()
                    .filter_map(|p| p.get("properties").and_then(Value::as_object).and_then(|m| m.get(name)))
                    .collect();
                if next.is_empty() {
                    next = extra.iter().filter(|e| e.is_object()).copied().collect();
                    if !open && !listed.is_empty() {
                        let text = format!("the specification knows no field '{name}' here");
                        // The validator said so already where additionalProperties is false.
                        if !extra.contains(&&Value::Bool(false)) {
                            found.push(Violation::new(Finding::UnknownField, here.clone(), text));
                        }
                    }
                }
                if !next.is_empty() {
                    unknown_fields(document, &next, child, &here, depth + 1, found);
                }
            }
        }
        Value::Array(items) => {
            let next: Vec<&Value> = parts.iter().filter_map(|p| p.get("items")).collect();
            for (i, item) in items.iter().enumerate().filter(|_| !next.is_empty()) {
                unknown_fields(document, &next, item, &format!("{at}/{i}"), depth + 1, found);
            }
        }
        _ => {}
    }
}
