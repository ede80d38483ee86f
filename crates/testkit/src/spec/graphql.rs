//! GraphQL: a document with its variables against a schema, and an answer's shape against the document.
//!
//! The schema is read from an introspection result, because that parses in a moment; `graphql-parser` reads the
//! documents. Rules are those of the GraphQL specification (October 2021) §5 that a client can break: fields,
//! leaves, arguments, input values, variables, fragments, directives.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::path::Path;

use graphql_parser::query::{
    Definition, Directive, Document, FragmentDefinition, OperationDefinition, Selection, SelectionSet,
    Type as Ast, TypeCondition, Value as Literal, VariableDefinition,
};
use serde::Deserialize;
use serde_json::Value;

use super::{Finding, SpecError, Violation};

/// A schema.
pub struct GraphQl {
    query: String,
    mutation: Option<String>,
    types: HashMap<String, TypeDef>,
    directives: HashMap<String, BTreeMap<String, InputField>>,
}

#[derive(Deserialize)]
struct Introspection {
    data: Data,
}
#[derive(Deserialize)]
struct Data {
    __schema: SchemaJson,
}
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaJson {
    query_type: Named,
    mutation_type: Option<Named>,
    types: Vec<TypeJson>,
    #[serde(default)]
    directives: Vec<DirectiveJson>,
}
#[derive(Deserialize)]
struct Named {
    name: String,
}
#[derive(Deserialize)]
struct DirectiveJson {
    name: String,
    #[serde(default)]
    args: Vec<InputJson>,
}
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TypeJson {
    kind: String,
    name: String,
    fields: Option<Vec<FieldJson>>,
    input_fields: Option<Vec<InputJson>>,
    enum_values: Option<Vec<Named>>,
    possible_types: Option<Vec<Named>>,
}
#[derive(Deserialize)]
struct FieldJson {
    name: String,
    #[serde(default)]
    args: Vec<InputJson>,
    #[serde(rename = "type")]
    of: RefJson,
}
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InputJson {
    name: String,
    #[serde(rename = "type")]
    of: RefJson,
    default_value: Option<String>,
}
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefJson {
    kind: String,
    name: Option<String>,
    of_type: Option<Box<RefJson>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TypeRef {
    Named(String),
    List(Box<TypeRef>),
    NonNull(Box<TypeRef>),
}

struct InputField {
    of: TypeRef,
    required: bool,
}

struct FieldDef {
    of: TypeRef,
    args: BTreeMap<String, InputField>,
}

#[derive(Default)]
struct TypeDef {
    kind: String,
    fields: HashMap<String, FieldDef>,
    inputs: BTreeMap<String, InputField>,
    values: BTreeSet<String>,
    possible: BTreeSet<String>,
}

impl RefJson {
    fn read(self) -> TypeRef {
        match (self.kind.as_str(), self.of_type) {
            ("NON_NULL", Some(inner)) => TypeRef::NonNull(Box::new(inner.read())),
            ("LIST", Some(inner)) => TypeRef::List(Box::new(inner.read())),
            _ => TypeRef::Named(self.name.unwrap_or_default()),
        }
    }
}

fn inputs(list: Vec<InputJson>) -> BTreeMap<String, InputField> {
    list.into_iter()
        .map(|i| {
            let of = i.of.read();
            let required = matches!(of, TypeRef::NonNull(_)) && i.default_value.is_none();
            (i.name, InputField { of, required })
        })
        .collect()
}

impl TypeRef {
    fn base(&self) -> &str {
        match self {
            TypeRef::Named(n) => n,
            TypeRef::List(t) | TypeRef::NonNull(t) => t.base(),
        }
    }
    fn from_ast(ast: &Ast<'_, String>) -> TypeRef {
        match ast {
            Ast::NamedType(n) => TypeRef::Named(n.clone()),
            Ast::ListType(t) => TypeRef::List(Box::new(TypeRef::from_ast(t))),
            Ast::NonNullType(t) => TypeRef::NonNull(Box::new(TypeRef::from_ast(t))),
        }
    }
    /// May a variable of this type stand where `target` is asked for? (§5.8.5)
    fn fits(&self, target: &TypeRef, has_default: bool) -> bool {
        match (self, target) {
            (TypeRef::NonNull(a), TypeRef::NonNull(b)) => a.fits(b, false),
            (a, TypeRef::NonNull(b)) => has_default && a.fits(b, false),
            (TypeRef::NonNull(a), b) => a.fits(b, false),
            (TypeRef::List(a), TypeRef::List(b)) => a.fits(b, false),
            (TypeRef::Named(a), TypeRef::Named(b)) => a == b,
            _ => false,
        }
    }
}

impl std::fmt::Display for TypeRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TypeRef::Named(n) => f.write_str(n),
            TypeRef::List(t) => write!(f, "[{t}]"),
            TypeRef::NonNull(t) => write!(f, "{t}!"),
        }
    }
}

impl GraphQl {
    /// Reads an introspection result, gzipped or plain.
    ///
    /// # Errors
    /// The file cannot be read, or is not one.
    pub fn load(path: &Path) -> Result<GraphQl, SpecError> {
        let bytes = std::fs::read(path).map_err(|e| SpecError::new(path.display(), e))?;
        let mut text = String::new();
        let done = if bytes.starts_with(&[0x1f, 0x8b]) {
            flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text)
        } else {
            bytes.as_slice().read_to_string(&mut text)
        };
        done.map_err(|e| SpecError::new(path.display(), e))?;
        GraphQl::parse(&text).map_err(|e| SpecError::new(path.display(), e))
    }

    /// From the text of an introspection result.
    ///
    /// # Errors
    /// Not of that shape.
    pub fn parse(text: &str) -> Result<GraphQl, String> {
        let read: Introspection = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let schema = read.data.__schema;
        let types = schema
            .types
            .into_iter()
            .map(|t| {
                let field = |f: FieldJson| (f.name, FieldDef { of: f.of.read(), args: inputs(f.args) });
                let names = |l: Option<Vec<Named>>| l.into_iter().flatten().map(|n| n.name).collect();
                let def = TypeDef {
                    kind: t.kind,
                    fields: t.fields.into_iter().flatten().map(field).collect(),
                    inputs: inputs(t.input_fields.unwrap_or_default()),
                    values: names(t.enum_values),
                    possible: names(t.possible_types),
                };
                (t.name, def)
            })
            .collect();
        let mut directives: HashMap<_, _> =
            schema.directives.into_iter().map(|d| (d.name, inputs(d.args))).collect();
        for builtin in ["skip", "include"] {
            directives.entry(builtin.to_owned()).or_insert_with(|| {
                let of = TypeRef::NonNull(Box::new(TypeRef::Named("Boolean".into())));
                BTreeMap::from([("if".to_owned(), InputField { of, required: true })])
            });
        }
        Ok(GraphQl {
            query: schema.query_type.name,
            mutation: schema.mutation_type.map(|m| m.name),
            types,
            directives,
        })
    }

    /// Number of types.
    #[must_use]
    pub fn types(&self) -> usize {
        self.types.len()
    }

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

    /// The declared variables and the values given for them.
    fn declared(&mut self, defs: &[VariableDefinition<'_, String>], values: &Value) {
        for def in defs {
            let at = format!("${}", def.name);
            let of = TypeRef::from_ast(&def.var_type);
            if !self.schema.types.contains_key(of.base()) {
                self.report(Finding::BadValue, &at, format!("no type '{}'", of.base()));
                continue;
            }
            match values.get(&def.name) {
                None if def.default_value.is_some() => {}
                None => {
                    if matches!(of, TypeRef::NonNull(_)) {
                        self.report(
                            Finding::MissingField,
                            &at,
                            format!("a variable of type {of} has no value"),
                        );
                    }
                }
                Some(value) => self.json_input(&of, value, &at),
            }
        }
        for name in values.as_object().into_iter().flat_map(|m| m.keys()) {
            if !defs.iter().any(|d| d.name == *name) {
                self.report(
                    Finding::UnknownField,
                    &format!("${name}"),
                    "a value is given for a variable that is not declared",
                );
            }
        }
    }

    fn json_input(&mut self, of: &TypeRef, value: &Value, at: &str) {
        match (of, value) {
            (TypeRef::NonNull(_), Value::Null) => {
                self.report(Finding::MissingField, at, format!("null where {of} is asked for"))
            }
            (_, Value::Null) => {}
            (TypeRef::NonNull(inner), _) => self.json_input(inner, value, at),
            (TypeRef::List(inner), Value::Array(items)) => {
                for (i, item) in items.iter().enumerate() {
                    self.json_input(inner, item, &format!("{at}/{i}"));
                }
            }
            (TypeRef::List(inner), _) => self.json_input(inner, value, at),
            (TypeRef::Named(name), _) => {
                let schema = self.schema;
                let Some(def) = schema.types.get(name) else { return };
                match def.kind.as_str() {
                    "INPUT_OBJECT" => {
                        let Some(map) = value.as_object() else {
                            return self.report(
                                Finding::BadValue,
                                at,
                                format!("not an object of type {name}"),
                            );
                        };
                        for (key, child) in map {
                            let here = format!("{at}/{key}");
                            match def.inputs.get(key) {
                                Some(field) => self.json_input(&field.of, child, &here),
                                None => self.report(
                                    Finding::UnknownField,
                                    &here,
                                    format!("{name} has no field '{key}'"),
                                ),
                            }
                        }
                        for (key, _) in def.inputs.iter().filter(|(k, f)| f.required && !map.contains_key(*k))
                        {
                            self.report(
                                Finding::MissingField,
                                &format!("{at}/{key}"),
                                format!("{name}.{key} is required"),
                            );
                        }
                    }
                    "ENUM" => match value.as_str() {
                        Some(text) if def.values.contains(text) => {}
                        _ => self.report(Finding::BadValue, at, format!("{value} is not a value of {name}")),
                    },
                    _ => {
                        if !scalar(name, value, true) {
                            self.report(Finding::BadValue, at, format!("{value} is not a {name}"));
                        }
                    }
                }
            }
        }
    }

    fn literal(&mut self, of: &TypeRef, value: &Literal<'_, String>, at: &str) {
        if let Literal::Variable(name) = value {
            self.used.insert(name.clone());
            match self.vars.get(name) {
                None => self.report(Finding::Syntax, at, format!("${name} is not declared")),
                Some((have, default)) if !have.fits(of, *default) => {
                    let text = format!("${name} is {have}, {of} is asked for");
                    self.report(Finding::BadValue, at, text);
                }
                Some(_) => {}
            }
            return;
        }
        match (of, value) {
            (TypeRef::NonNull(_), Literal::Null) => {
                self.report(Finding::MissingField, at, "null is not allowed")
            }
            (_, Literal::Null) => {}
            (TypeRef::NonNull(inner), _) => self.literal(inner, value, at),
            (TypeRef::List(inner), Literal::List(items)) => {
                for item in items {
                    self.literal(inner, item, at);
                }
            }
            (TypeRef::List(inner), _) => self.literal(inner, value, at),
            (TypeRef::Named(name), Literal::Object(map)) => {
                let schema = self.schema;
                let Some(def) = schema.types.get(name).filter(|d| d.kind == "INPUT_OBJECT") else {
                    return self.report(
                        Finding::BadValue,
                        at,
                        format!("an object where {name} is asked for"),
                    );
                };
                for (key, child) in map {
                    let here = format!("{at}/{key}");
                    match def.inputs.get(key) {
                        Some(field) => self.literal(&field.of, child, &here),
                        None => {
                            self.report(Finding::UnknownField, &here, format!("{name} has no field '{key}'"))
                        }
                    }
                }
                for (key, _) in def.inputs.iter().filter(|(k, f)| f.required && !map.contains_key(*k)) {
                    self.report(
                        Finding::MissingField,
                        &format!("{at}/{key}"),
                        format!("{name}.{key} is required"),
                    );
                }
            }
            (TypeRef::Named(name), Literal::Enum(text)) => {
                if !self.schema.types.get(name).is_some_and(|d| d.values.contains(text)) {
                    self.report(Finding::BadValue, at, format!("{text} is not a value of {name}"));
                }
            }
            (TypeRef::Named(name), _) => {
                let json = match value {
                    Literal::Int(n) => n.as_i64().map(Value::from),
                    Literal::Float(x) => serde_json::Number::from_f64(*x).map(Value::Number),
                    Literal::String(s) => Some(Value::String(s.clone())),
                    Literal::Boolean(b) => Some(Value::Bool(*b)),
                    _ => None,
                };
                let is_enum = self.schema.types.get(name).is_some_and(|d| d.kind != "SCALAR");
                if is_enum || !json.is_some_and(|j| scalar(name, &j, true)) {
                    self.report(Finding::BadValue, at, format!("the literal is not a {name}"));
                }
            }
        }
    }

    fn arguments(
        &mut self,
        declared: &BTreeMap<String, InputField>,
        given: &[(String, Literal<'_, String>)],
        at: &str,
    ) {
        for (name, value) in given {
            let here = format!("{at}({name})");
            match declared.get(name) {
                Some(arg) => self.literal(&arg.of, value, &here),
                None => self.report(Finding::UnknownField, &here, format!("no argument '{name}'")),
            }
        }
        for (name, _) in declared.iter().filter(|(n, a)| a.required && !given.iter().any(|(g, _)| g == *n)) {
            self.report(Finding::MissingField, &format!("{at}({name})"), "required argument");
        }
    }

    fn directives(&mut self, given: &[Directive<'_, String>], at: &str) {
        let schema = self.schema;
        for directive in given {
            let here = format!("{at}@{}", directive.name);
            match schema.directives.get(&directive.name) {
                Some(args) => self.arguments(args, &directive.arguments, &here),
                None => self.report(Finding::UnknownField, &here, "no such directive"),
            }
        }
    }

    fn selection(&mut self, set: &SelectionSet<'_, String>, of: &str, at: &str, depth: u32) {
        if depth > DEPTH {
            return self.report(Finding::Syntax, at, "selected too deeply");
        }
        let schema = self.schema;
        for item in &set.items {
            match item {
                Selection::Field(field) => {
                    let here = format!("{at}.{}", field.name);
                    self.directives(&field.directives, &here);
                    if field.name == "__typename" {
                        continue;
                    }
                    let Some(def) = schema.types.get(of).and_then(|t| t.fields.get(&field.name)) else {
                        self.report(
                            Finding::UnknownField,
                            &here,
                            format!("{of} has no field '{}'", field.name),
                        );
                        continue;
                    };
                    self.arguments(&def.args, &field.arguments, &here);
                    let inner = def.of.base();
                    match (schema.is_composite(inner), field.selection_set.items.is_empty()) {
                        (true, true) => {
                            self.report(Finding::Syntax, &here, format!("{inner} needs a selection"))
                        }
                        (false, false) => self.report(Finding::Syntax, &here, format!("{inner} is a leaf")),
                        (true, false) => self.selection(&field.selection_set, inner, &here, depth + 1),
                        (false, true) => {}
                    }
                }
                Selection::InlineFragment(f) => {
                    self.directives(&f.directives, at);
                    let on = match &f.type_condition {
                        Some(TypeCondition::On(name)) => name.as_str(),
                        None => of,
                    };
                    self.condition(of, on, at);
                    self.selection(&f.selection_set, on, at, depth + 1);
                }
                Selection::FragmentSpread(f) => {
                    self.directives(&f.directives, at);
                    match self.fragments.get(&f.fragment_name).cloned() {
                        Some(fragment) => {
                            let TypeCondition::On(on) = &fragment.type_condition;
                            self.condition(of, on, at);
                            self.selection(&fragment.selection_set, on, at, depth + 1);
                        }
                        None => {
                            self.report(Finding::Syntax, at, format!("no fragment '{}'", f.fragment_name))
                        }
                    }
                }
            }
        }
    }

    fn condition(&mut self, of: &str, on: &str, at: &str) {
        if !self.schema.is_composite(on) {
            return self.report(Finding::BadValue, at, format!("no composite type '{on}' to select on"));
        }
        let all = |name: &str| -> BTreeSet<String> {
            let possible = self.schema.types.get(name).map(|t| t.possible.clone()).unwrap_or_default();
            if possible.is_empty() { BTreeSet::from([name.to_owned()]) } else { possible }
        };
        if all(of).is_disjoint(&all(on)) {
            self.report(Finding::BadValue, at, format!("a {of} can never be a {on}"));
        }
    }

    /// Checks an object of the answer. `errors`: a null may be the trace of an error.
    fn answer(
        &mut self,
        sets: &[&SelectionSet<'_, String>],
        of: &str,
        value: &Value,
        at: &str,
        errors: bool,
        depth: u32,
    ) {
        let Some(map) = value.as_object() else {
            return self.report(Finding::BadValue, at, format!("an object of type {of} is selected"));
        };
        let concrete = map.get("__typename").and_then(Value::as_str).map(str::to_owned);
        let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
        for set in sets {
            self.collect(set, of, concrete.as_deref(), true, &mut wanted, depth);
        }
        for key in map.keys().filter(|k| !wanted.contains_key(*k)) {
            self.report(Finding::UnknownField, &format!("{at}/{key}"), "not selected by the document");
        }
        for (key, want) in &wanted {
            let here = format!("{at}/{key}");
            match map.get(key) {
                Some(child) => {
                    let sets: Vec<&SelectionSet<'_, String>> = want.sets.iter().collect();
                    self.answer_value(&want.of, child, &sets, &here, errors, depth + 1);
                }
                None if want.sure => {
                    self.report(Finding::MissingField, &here, "selected, but not in the answer")
                }
                None => {}
            }
        }
    }

    fn answer_value(
        &mut self,
        of: &TypeRef,
        value: &Value,
        sets: &[&SelectionSet<'_, String>],
        at: &str,
        errors: bool,
        depth: u32,
    ) {
        if depth > DEPTH {
            return;
        }
        match (of, value) {
            (TypeRef::NonNull(inner), Value::Null) => {
                if !errors {
                    self.report(Finding::MissingField, at, format!("null where {inner}! is promised"));
                }
            }
            (_, Value::Null) => {}
            (TypeRef::NonNull(inner), _) => self.answer_value(inner, value, sets, at, errors, depth),
            (TypeRef::List(inner), Value::Array(items)) => {
                for (i, item) in items.iter().enumerate() {
                    self.answer_value(inner, item, sets, &format!("{at}/{i}"), errors, depth);
                }
            }
            (TypeRef::List(_), _) => {
                self.report(Finding::BadValue, at, format!("not a list of {}", of.base()))
            }
            (TypeRef::Named(name), _) => {
                let schema = self.schema;
                let Some(def) = schema.types.get(name) else { return };
                match def.kind.as_str() {
                    "ENUM" => {
                        if !value.as_str().is_some_and(|v| def.values.contains(v)) {
                            self.report(Finding::BadValue, at, format!("{value} is not a value of {name}"));
                        }
                    }
                    "SCALAR" => {
                        if !scalar(name, value, false) {
                            self.report(Finding::BadValue, at, format!("{value} is not a {name}"));
                        }
                    }
                    _ => self.answer(sets, name, value, at, errors, depth),
                }
            }
        }
    }

    fn collect(
        &self,
        set: &SelectionSet<'_, String>,
        of: &str,
        concrete: Option<&str>,
        sure: bool,
        out: &mut BTreeMap<String, Wanted>,
        depth: u32,
    ) {
        if depth > DEPTH {
            return;
        }
        for item in &set.items {
            match item {
                Selection::Field(field) => {
                    let key = field.alias.clone().unwrap_or_else(|| field.name.clone());
                    let of = if field.name == "__typename" {
                        Some(TypeRef::NonNull(Box::new(TypeRef::Named("String".into()))))
                    } else {
                        self.schema
                            .types
                            .get(of)
                            .and_then(|t| t.fields.get(&field.name))
                            .map(|f| f.of.clone())
                    };
                    let Some(of) = of else { continue };
                    let always =
                        sure && field.directives.iter().all(|d| d.name != "skip" && d.name != "include");
                    let owned = SelectionSet {
                        span: field.selection_set.span,
                        items: field.selection_set.items.iter().map(own).collect(),
                    };
                    let entry =
                        out.entry(key).or_insert_with(|| Wanted { of, sure: false, sets: Vec::new() });
                    entry.sure |= always;
                    entry.sets.push(owned);
                }
                Selection::InlineFragment(f) => {
                    let on = match &f.type_condition {
                        Some(TypeCondition::On(name)) => name.as_str(),
                        None => of,
                    };
                    self.collect_on(
                        &f.selection_set,
                        of,
                        on,
                        concrete,
                        sure && f.directives.is_empty(),
                        out,
                        depth,
                    );
                }
                Selection::FragmentSpread(f) => {
                    if let Some(fragment) = self.fragments.get(&f.fragment_name) {
                        let TypeCondition::On(on) = &fragment.type_condition;
                        self.collect_on(
                            &fragment.selection_set,
                            of,
                            on,
                            concrete,
                            sure && f.directives.is_empty(),
                            out,
                            depth,
                        );
                    }
                }
            }
        }
    }

    #[allow(clippy::too_many_arguments)] // a recursion's state, private
    fn collect_on(
        &self,
        set: &SelectionSet<'_, String>,
        of: &str,
        on: &str,
        concrete: Option<&str>,
        sure: bool,
        out: &mut BTreeMap<String, Wanted>,
        depth: u32,
    ) {
        let applies =
            |name: &str| name == on || self.schema.types.get(on).is_some_and(|t| t.possible.contains(name));
        match concrete {
            Some(name) if !applies(name) => {}
            Some(_) => self.collect(set, on, concrete, sure, out, depth + 1),
            None => self.collect(set, on, concrete, sure && applies(of), out, depth + 1),
        }
    }
}

struct Wanted {
    of: TypeRef,
    sure: bool,
    sets: Vec<SelectionSet<'static, String>>,
}

fn own(selection: &Selection<'_, String>) -> Selection<'static, String> {
    // The parser's own way to drop the lifetime goes through a whole document.
    let set = SelectionSet { span: Default::default(), items: vec![selection.clone()] };
    let document =
        Document { definitions: vec![Definition::Operation(OperationDefinition::SelectionSet(set))] };
    let mut owned = document.into_static();
    match owned.definitions.pop() {
        Some(Definition::Operation(OperationDefinition::SelectionSet(mut set))) if !set.items.is_empty() => {
            set.items.remove(0)
        }
        _ => Selection::FragmentSpread(graphql_parser::query::FragmentSpread {
            position: Default::default(),
            fragment_name: String::new(),
            directives: Vec::new(),
        }),
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
