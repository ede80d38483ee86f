//! Enough of GraphQL to execute real documents over JSON trees: variables, fragments, `@skip`/`@include`,
//! aliases, connections with cursors, strict fields.
//!
//! A resolver hands over the whole tree of a root field; the selection is cut from it here. A connection is
//! `{"__conn": [...]}`; its items carry `__cursor` where an order matters. A field that depends on one of its
//! arguments is marked: `{"__named": [...]}` is filtered by `names`, `{"__in": [...]}` answers whether
//! `publicationId` is in the list.

use base64::Engine as _;
use graphql_parser::query::{
    Definition, Directive, Document, FragmentDefinition, OperationDefinition, Selection, SelectionSet,
    TypeCondition, Value as Ast, parse_query,
};
use serde_json::{Map, Value, json as j};
use std::collections::BTreeMap;

/// A selected field with its arguments coerced to JSON.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) key: String,
    pub(super) name: String,
    pub(super) args: Map<String, Value>,
    /// Key of `@idempotent`.
    pub(super) idempotent: Option<String>,
    /// Type of the inline fragment around it. Trees of a union say theirs as `__typename`.
    pub(super) on: Option<String>,
    pub(super) fields: Vec<Field>,
}

impl Field {
    pub(super) fn arg(&self, name: &str) -> &Value {
        self.args.get(name).unwrap_or(&Value::Null)
    }
    pub(super) fn text(&self, name: &str) -> &str {
        self.arg(name).as_str().unwrap_or_default()
    }
}

/// One operation, ready to run.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) mutation: bool,
    pub(super) fields: Vec<Field>,
}

/// An entry of the top-level `errors`.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) code: &'static str,
}

pub(super) fn fault(code: &'static str, message: impl Into<String>) -> Fault {
    Fault { message: message.into(), code }
}

struct Reader<'a> {
    fragments: BTreeMap<String, &'a FragmentDefinition<'a, String>>,
    variables: &'a Map<String, Value>,
    defaults: BTreeMap<String, Value>,
    depth: u32,
}

/// Reads a document; `variables` as posted.
pub(super) fn read(query: &str, variables: &Map<String, Value>) -> Result<Operation, Fault> {
    let document: Document<'_, String> =
        parse_query(query).map_err(|e| fault("PARSE_ERROR", format!("syntax error: {e}")))?;
    let mut fragments = BTreeMap::new();
    let mut operations = Vec::new();
    for definition in &document.definitions {
        match definition {
            Definition::Fragment(f) => {
                fragments.insert(f.name.clone(), f);
            }
            Definition::Operation(o) => operations.push(o),
        }
    }
    let [operation] = operations.as_slice() else {
        return Err(fault(
            "BAD_REQUEST",
            "An operation name is required: the document must hold one operation",
        ));
    };
    let (mutation, set, definitions) = match operation {
        OperationDefinition::SelectionSet(set) => (false, set, [].as_slice()),
        OperationDefinition::Query(q) => (false, &q.selection_set, q.variable_definitions.as_slice()),
        OperationDefinition::Mutation(m) => (true, &m.selection_set, m.variable_definitions.as_slice()),
        OperationDefinition::Subscription(_) => {
            return Err(fault("BAD_REQUEST", "subscriptions are not supported"));
        }
    };
    let mut reader = Reader { fragments, variables, defaults: BTreeMap::new(), depth: 0 };
    for d in definitions {
        if let Some(default) = &d.default_value {
            let value = reader.value(default)?;
            reader.defaults.insert(d.name.clone(), value);
        }
        let required = d.var_type.to_string().ends_with('!');
        if required
            && !reader.defaults.contains_key(&d.name)
            && variables.get(&d.name).is_none_or(Value::is_null)
        {
            return Err(fault(
                "INVALID_VARIABLE",
                format!("Variable ${} of type {} was provided invalid value", d.name, d.var_type),
            ));
        }
    }
    let mut fields = Vec::new();
    reader.select(set, &mut fields)?;
    Ok(Operation { mutation, fields })
}

impl Reader<'_> {
    fn select(&mut self, set: &SelectionSet<'_, String>, out: &mut Vec<Field>) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > 40 {
            return Err(fault("MAX_DEPTH", "The document is nested too deeply"));
        }
        for item in &set.items {
            match item {
                Selection::Field(f) => {
                    if self.skipped(&f.directives)? {
                        continue;
                    }
                    let mut args = Map::new();
                    for (name, value) in &f.arguments {
                        // An argument whose variable was not given is an argument not given.
                        if let Ast::Variable(v) = value
                            && !self.variables.contains_key(v)
                            && !self.defaults.contains_key(v)
                        {
                            continue;
                        }
                        args.insert(name.clone(), self.value(value)?);
                    }
                    let mut idempotent = None;
                    for d in f.directives.iter().filter(|d| d.name == "idempotent") {
                        for (name, value) in &d.arguments {
                            if name == "key" {
                                idempotent = self.value(value)?.as_str().map(str::to_owned);
                            }
                        }
                    }
                    let mut fields = Vec::new();
                    self.select(&f.selection_set, &mut fields)?;
                    let key = f.alias.clone().unwrap_or_else(|| f.name.clone());
                    out.push(Field { key, name: f.name.clone(), args, idempotent, on: None, fields });
                }
                Selection::FragmentSpread(s) => {
                    if !self.skipped(&s.directives)? {
                        let Some(fragment) = self.fragments.get(&s.fragment_name).copied() else {
                            return Err(fault(
                                "undefinedFragment",
                                format!("Fragment {} was used, but not defined", s.fragment_name),
                            ));
                        };
                        self.select(&fragment.selection_set, out)?;
                    }
                }
                Selection::InlineFragment(i) => {
                    if !self.skipped(&i.directives)? {
                        let before = out.len();
                        self.select(&i.selection_set, out)?;
                        let on = i.type_condition.as_ref().map(|TypeCondition::On(name)| name.clone());
                        for field in out.iter_mut().skip(before) {
                            field.on = field.on.take().or_else(|| on.clone());
                        }
                    }
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn skipped(&self, directives: &[Directive<'_, String>]) -> Result<bool, Fault> {
        for d in directives {
            let condition =
                d.arguments.iter().find(|(n, _)| n == "if").map(|(_, v)| self.value(v)).transpose()?;
            match (d.name.as_str(), condition) {
                ("skip", Some(Value::Bool(true))) | ("include", Some(Value::Bool(false))) => return Ok(true),
                _ => {}
            }
        }
        Ok(false)
    }

    fn value(&self, value: &Ast<'_, String>) -> Result<Value, Fault> {
        Ok(match value {
            Ast::Variable(name) => {
                self.variables.get(name).or_else(|| self.defaults.get(name)).cloned().unwrap_or(Value::Null)
            }
            Ast::Int(n) => n.as_i64().map_or(Value::Null, Value::from),
            Ast::Float(f) => j!(f),
            Ast::String(s) | Ast::Enum(s) => Value::String(s.clone()),
            Ast::Boolean(b) => Value::Bool(*b),
            Ast::Null => Value::Null,
            Ast::List(items) => Value::Array(items.iter().map(|v| self.value(v)).collect::<Result<_, _>>()?),
            Ast::Object(map) => {
                let mut out = Map::new();
                for (k, v) in map {
                    out.insert(k.clone(), self.value(v)?);
                }
                Value::Object(out)
            }
        })
    }
}

/// Points asked for: 10 for a mutation; a connection 2, and per item asked one for it and one for each
/// connection inside. (Shopify's own arithmetic is not published in full.)
pub(super) fn cost(operation: &Operation) -> u32 {
    let base = if operation.mutation { 10 } else { 1 };
    operation.fields.iter().map(field_cost).fold(base, u32::saturating_add)
}

fn field_cost(f: &Field) -> u32 {
    let first = ["first", "last"].iter().find_map(|k| f.arg(k).as_u64());
    let inside = f.fields.iter().map(field_cost).fold(0, u32::saturating_add);
    match first {
        Some(n) => {
            let n = u32::try_from(n).unwrap_or(u32::MAX);
            2_u32.saturating_add(n.saturating_mul(1 + connections(&f.fields)))
        }
        None => inside,
    }
}

fn connections(fields: &[Field]) -> u32 {
    fields
        .iter()
        .map(|f| u32::from(!f.arg("first").is_null() || !f.arg("last").is_null()) + connections(&f.fields))
        .sum()
}

/// Cuts the selection from a tree. `all`: connections need no `first` and give everything (bulk operations).
pub(super) struct Cutter {
    pub(super) all: bool,
    /// Items given out through connections.
    pub(super) items: u32,
}

impl Cutter {
    pub(super) fn cut(&mut self, value: &Value, field: &Field) -> Result<Value, Fault> {
        match value {
            Value::Array(items) => {
                let items = match field.arg("first").as_u64() {
                    Some(n) => items
                        .get(..usize::try_from(n).unwrap_or(usize::MAX).min(items.len()))
                        .unwrap_or(items),
                    None => items,
                };
                Ok(Value::Array(items.iter().map(|v| self.cut(v, field)).collect::<Result<_, _>>()?))
            }
            Value::Object(map) => {
                if let Some(Value::Array(items)) = map.get("__conn") {
                    return self.connection(items, field);
                }
                if let Some(Value::Array(items)) = map.get("__named") {
                    let names = field.arg("names").as_array().cloned().unwrap_or_default();
                    let kept: Vec<Value> = items
                        .iter()
                        .filter(|i| i.get("name").is_some_and(|n| names.contains(n)))
                        .cloned()
                        .collect();
                    return self.cut(&Value::Array(kept), field);
                }
                if let Some(Value::Array(items)) = map.get("__in") {
                    return Ok(Value::Bool(items.contains(field.arg("publicationId"))));
                }
                if field.fields.is_empty() {
                    return Err(fault(
                        "selectionMismatch",
                        format!("Field must have selections (field '{}')", field.name),
                    ));
                }
                let mut out = Map::new();
                let kind = map.get("__typename").and_then(Value::as_str);
                for f in &field.fields {
                    if kind.is_some() && f.on.is_some() && f.on.as_deref() != kind {
                        continue;
                    }
                    let Some(inner) =
                        map.get(&f.name).or(if f.name == "__typename" { Some(&Value::Null) } else { None })
                    else {
                        return Err(fault(
                            "undefinedField",
                            format!("Field '{}' doesn't exist on type of '{}'", f.name, field.name),
                        ));
                    };
                    out.insert(f.key.clone(), self.cut(inner, f)?);
                }
                Ok(Value::Object(out))
            }
            scalar => Ok(scalar.clone()),
        }
    }

    fn connection(&mut self, items: &[Value], field: &Field) -> Result<Value, Fault> {
        let (first, last) = (field.arg("first").as_u64(), field.arg("last").as_u64());
        if !self.all && first.is_none() && last.is_none() {
            return Err(fault(
                "BAD_REQUEST",
                format!("you must provide one of first or last for {}", field.name),
            ));
        }
        if first.or(last).is_some_and(|n| n > 250) {
            return Err(fault("BAD_REQUEST", "first must not exceed 250"));
        }
        let reverse = field.arg("reverse") == &Value::Bool(true);
        let engine = base64::engine::general_purpose::STANDARD;
        let mut rows: Vec<(String, &Value)> = items
            .iter()
            .enumerate()
            .map(|(n, v)| {
                let own = v.get("__cursor").and_then(Value::as_str);
                (own.map_or_else(|| format!("{n:08}"), str::to_owned), v)
            })
            .collect();
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        if reverse {
            rows.reverse();
        }
        if let Some(after) = field.arg("after").as_str() {
            let after = engine.decode(after).ok().and_then(|b| String::from_utf8(b).ok());
            let Some(after) = after else {
                return Err(fault("BAD_REQUEST", "Invalid cursor for current pagination sort."));
            };
            rows.retain(|(c, _)| if reverse { *c < after } else { *c > after });
        }
        let total = rows.len();
        let (mut next, mut previous) = (false, field.arg("after").is_string());
        if let Some(n) = first.map(|n| usize::try_from(n).unwrap_or(usize::MAX)) {
            next = total > n;
            rows.truncate(n);
        } else if let Some(n) = last.map(|n| usize::try_from(n).unwrap_or(usize::MAX)) {
            previous = total > n;
            rows.drain(..total.saturating_sub(n));
        }
        self.items = self.items.saturating_add(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        let cursor = |row: Option<&(String, &Value)>| row.map(|r| engine.encode(&r.0));
        let page = j!({"hasNextPage": next, "hasPreviousPage": previous,
            "startCursor": cursor(rows.first()), "endCursor": cursor(rows.last())});
        let mut out = Map::new();
        for f in &field.fields {
            let value = match f.name.as_str() {
                "nodes" => Value::Array(rows.iter().map(|(_, v)| self.cut(v, f)).collect::<Result<_, _>>()?),
                "edges" => {
                    let edges: Vec<Value> =
                        rows.iter().map(|(c, v)| j!({"cursor": engine.encode(c), "node": v})).collect();
                    self.cut(&Value::Array(edges), f)?
                }
                "pageInfo" => self.cut(&page, f)?,
                "__typename" => Value::Null,
                other => {
                    return Err(fault(
                        "undefinedField",
                        format!("Field '{other}' doesn't exist on a connection"),
                    ));
                }
            };
            out.insert(f.key.clone(), value);
        }
        Ok(Value::Object(out))
    }
}

/// A connection over items.
pub(super) fn conn(items: Vec<Value>) -> Value {
    j!({"__conn": items})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(query: &str, variables: Value, tree: Value) -> Result<Value, Fault> {
        let op = read(query, variables.as_object().unwrap())?;
        let mut cutter = Cutter { all: false, items: 0 };
        let root = Field {
            key: String::new(),
            name: "root".into(),
            args: Map::new(),
            idempotent: None,
            on: None,
            fields: op.fields,
        };
        cutter.cut(&tree, &root)
    }

    #[test]
    fn aliases_fragments_directives_and_cursors() {
        let tree = j!({"things": conn(vec![j!({"id": 1}), j!({"id": 2}), j!({"id": 3})])});
        let query = "query Q($n: Int!, $no: Boolean = true) { t: things(first: $n) { ...F } } fragment F on C { nodes { id x: id @skip(if: $no) } pageInfo { hasNextPage endCursor } }";
        let one = run(query, j!({"n": 2}), tree.clone()).unwrap();
        assert_eq!(one["t"]["nodes"], j!([{"id": 1}, {"id": 2}]));
        assert_eq!(one["t"]["pageInfo"]["hasNextPage"], true);
        let cursor = &one["t"]["pageInfo"]["endCursor"];
        let two = run(
            "query($c: String) { things(first: 2, after: $c) { nodes { id } } }",
            j!({"c": cursor}),
            tree.clone(),
        )
        .unwrap();
        assert_eq!(two["things"]["nodes"], j!([{"id": 3}]));
        assert_eq!(
            run("{ things(first: 1) { nodes { nope } } }", j!({}), tree.clone()).unwrap_err().code,
            "undefinedField"
        );
        assert_eq!(
            run("query($n: Int!) { things(first: $n) { nodes { id } } }", j!({}), tree).unwrap_err().code,
            "INVALID_VARIABLE"
        );
    }

    #[test]
    fn cost_counts_connections() {
        // 1 + 2 + 10 × (1 + 1 nested)
        let op =
            read("{ orders(first: 10) { nodes { lineItems(first: 30) { nodes { id } } } } }", &Map::new())
                .unwrap();
        assert_eq!(cost(&op), 23);
        let op = read(
            "mutation { productDelete(input: {id: \"x\"}) @idempotent(key: \"k\") { deletedProductId } }",
            &Map::new(),
        )
        .unwrap();
        assert_eq!((cost(&op), op.fields[0].idempotent.as_deref()), (10, Some("k")));
    }
}
