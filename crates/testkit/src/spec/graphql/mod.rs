//! GraphQL: a document with its variables against a schema, and an answer's shape against the document.
//!
//! The schema is read from an introspection result, because that parses in a moment; `graphql-parser` reads the
//! documents. Rules are those of the GraphQL specification (October 2021) §5 that a client can break: fields,
//! leaves, arguments, input values, variables, fragments, directives.

mod answer;
mod request;
mod schema;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use graphql_parser::query::{
    Definition, Directive, Document, FragmentDefinition, OperationDefinition, SelectionSet,
    VariableDefinition,
};
use serde_json::Value;

use self::schema::{InputField, TypeDef, TypeRef};
use super::{Finding, Violation};

/// A schema.
pub struct GraphQl {
    query: String,
    mutation: Option<String>,
    types: HashMap<String, TypeDef>,
    directives: HashMap<String, BTreeMap<String, InputField>>,
}

impl GraphQl {
    /// Checks a request body `{"query":…,"variables":…,"operationName":…}`.
    #[must_use]
    pub fn request_body(&self, body: &[u8]) -> Vec<Violation> {
        match split(body) {
            Ok((query, variables)) => self.request(&query, &variables),
            Err(v) => vec![v],
        }
    }

    /// Checks a document and its variables.
    #[must_use]
    pub fn request(&self, query: &str, variables: &Value) -> Vec<Violation> {
        let document = match graphql_parser::parse_query::<String>(query) {
            Ok(document) => document,
            Err(e) => return vec![Violation::new(Finding::Syntax, "query", e.to_string())],
        };
        let mut run = Run {
            schema: self,
            fragments: fragments(&document),
            vars: HashMap::new(),
            found: Vec::new(),
            used: BTreeSet::new(),
        };
        for definition in &document.definitions {
            let Definition::Operation(operation) = definition else { continue };
            let (root, defs, directives, set) = parts(self, operation);
            run.vars = defs
                .iter()
                .map(|d| (d.name.clone(), (TypeRef::from_ast(&d.var_type), d.default_value.is_some())))
                .collect();
            run.used.clear();
            run.declared(defs, variables);
            run.directives(directives, "query");
            match root {
                Some(root) => run.selection(set, root, "query", 0),
                None => run.report(Finding::Syntax, "query", "the schema has no such root operation"),
            }
            for def in defs
                .iter()
                .filter(|d| !run.used.contains(&d.name))
                .map(|d| d.name.clone())
                .collect::<Vec<_>>()
            {
                run.report(Finding::Syntax, &format!("${def}"), "declared, never used");
            }
        }
        run.found
    }

    /// Checks an answer to a request body: shape, nulls, enumerations, scalars.
    #[must_use]
    pub fn response_body(&self, request: &[u8], response: &[u8]) -> Vec<Violation> {
        let (query, _) = match split(request) {
            Ok(parts) => parts,
            Err(v) => return vec![v],
        };
        match serde_json::from_slice::<Value>(response) {
            Ok(answer) => self.response(&query, &answer),
            Err(e) => vec![Violation::new(Finding::Syntax, "body", format!("not JSON: {e}"))],
        }
    }

    /// Checks an answer to a document.
    #[must_use]
    pub fn response(&self, query: &str, answer: &Value) -> Vec<Violation> {
        let document = match graphql_parser::parse_query::<String>(query) {
            Ok(document) => document,
            Err(e) => return vec![Violation::new(Finding::Syntax, "query", e.to_string())],
        };
        let mut found = Vec::new();
        for key in answer.as_object().into_iter().flat_map(|m| m.keys()) {
            if !matches!(key.as_str(), "data" | "errors" | "extensions") {
                found.push(Violation::new(
                    Finding::UnknownField,
                    format!("/{key}"),
                    "not a member of an answer",
                ));
            }
        }
        let errors = answer.get("errors").and_then(Value::as_array).is_some_and(|e| !e.is_empty());
        let data = match answer.get("data") {
            None | Some(Value::Null) if errors => return found,
            None | Some(Value::Null) => {
                found.push(Violation::new(Finding::MissingField, "/data", "neither data nor errors"));
                return found;
            }
            Some(data) => data,
        };
        let mut run = Run {
            schema: self,
            fragments: fragments(&document),
            vars: HashMap::new(),
            found,
            used: BTreeSet::new(),
        };
        for definition in &document.definitions {
            if let Definition::Operation(operation) = definition
                && let (Some(root), _, _, set) = parts(self, operation)
            {
                run.answer(&[set], root, data, "/data", errors, 0);
            }
        }
        run.found
    }

    fn is_composite(&self, name: &str) -> bool {
        self.types.get(name).is_some_and(|t| matches!(t.kind.as_str(), "OBJECT" | "INTERFACE" | "UNION"))
    }
}

fn split(body: &[u8]) -> Result<(String, Value), Violation> {
    let bad = |text: String| Violation::new(Finding::Syntax, "body", text);
    let body: Value = serde_json::from_slice(body).map_err(|e| bad(format!("not JSON: {e}")))?;
    let query = body.get("query").and_then(Value::as_str).ok_or_else(|| bad("no 'query'".into()))?;
    Ok((query.to_owned(), body.get("variables").cloned().unwrap_or(Value::Null)))
}

type Doc = Document<'static, String>;

fn fragments(document: &Document<'_, String>) -> HashMap<String, FragmentDefinition<'static, String>> {
    let owned: Doc = document.clone().into_static();
    owned
        .definitions
        .into_iter()
        .filter_map(|d| if let Definition::Fragment(f) = d { Some((f.name.clone(), f)) } else { None })
        .collect()
}

type Parts<'s, 'd, 'a> = (
    Option<&'s str>,
    &'d [VariableDefinition<'a, String>],
    &'d [Directive<'a, String>],
    &'d SelectionSet<'a, String>,
);

fn parts<'s, 'd, 'a>(
    schema: &'s GraphQl,
    operation: &'d OperationDefinition<'a, String>,
) -> Parts<'s, 'd, 'a> {
    match operation {
        OperationDefinition::SelectionSet(set) => (Some(&schema.query), &[], &[], set),
        OperationDefinition::Query(q) => {
            (Some(&schema.query), &q.variable_definitions, &q.directives, &q.selection_set)
        }
        OperationDefinition::Mutation(m) => {
            (schema.mutation.as_deref(), &m.variable_definitions, &m.directives, &m.selection_set)
        }
        OperationDefinition::Subscription(s) => {
            (None, &s.variable_definitions, &s.directives, &s.selection_set)
        }
    }
}

struct Run<'s> {
    schema: &'s GraphQl,
    fragments: HashMap<String, FragmentDefinition<'static, String>>,
    vars: HashMap<String, (TypeRef, bool)>,
    used: BTreeSet<String>,
    found: Vec<Violation>,
}

/// Deepest selection that is followed: a fragment that contains itself ends here.
const DEPTH: u32 = 40;

impl Run<'_> {
    fn report(&mut self, finding: Finding, at: &str, text: impl Into<String>) {
        self.found.push(Violation::new(finding, at, text));
    }
}

/// Does a JSON value fit a scalar? Custom scalars are texts but for those known to be free. On input, numbers are
/// taken where the specification coerces them.
fn scalar(name: &str, value: &Value, input: bool) -> bool {
    match name {
        "Int" => value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
        "Float" => value.is_number(),
        "Boolean" => value.is_boolean(),
        "ID" => value.is_string() || (input && value.is_i64()),
        "JSON" => true,
        "UnsignedInt64" => value.as_str().is_some_and(|s| s.parse::<u64>().is_ok()) || value.is_u64(),
        "Decimal" | "Money" => {
            value.as_str().is_some_and(|s| s.parse::<rust_decimal::Decimal>().is_ok())
                || (input && value.is_number())
        }
        "DateTime" => value.as_str().is_some_and(|s| s.parse::<jiff::Timestamp>().is_ok()),
        "Date" => value.as_str().is_some_and(|s| s.parse::<jiff::civil::Date>().is_ok()),
        _ => value.is_string(),
    }
}
