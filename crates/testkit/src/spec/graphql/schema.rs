//! The schema, read from an introspection result.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::path::Path;

use graphql_parser::query::Type as Ast;
use serde::Deserialize;

use super::super::SpecError;
use super::GraphQl;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TypeRef {
    Named(String),
    List(Box<TypeRef>),
    NonNull(Box<TypeRef>),
}

pub(super) struct InputField {
    pub(super) of: TypeRef,
    pub(super) required: bool,
}

pub(super) struct FieldDef {
    pub(super) of: TypeRef,
    pub(super) args: BTreeMap<String, InputField>,
}

#[derive(Default)]
pub(super) struct TypeDef {
    pub(super) kind: String,
    pub(super) fields: HashMap<String, FieldDef>,
    pub(super) inputs: BTreeMap<String, InputField>,
    pub(super) values: BTreeSet<String>,
    pub(super) possible: BTreeSet<String>,
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
    pub(super) fn base(&self) -> &str {
        match self {
            TypeRef::Named(n) => n,
            TypeRef::List(t) | TypeRef::NonNull(t) => t.base(),
        }
    }
    pub(super) fn from_ast(ast: &Ast<'_, String>) -> TypeRef {
        match ast {
            Ast::NamedType(n) => TypeRef::Named(n.clone()),
            Ast::ListType(t) => TypeRef::List(Box::new(TypeRef::from_ast(t))),
            Ast::NonNullType(t) => TypeRef::NonNull(Box::new(TypeRef::from_ast(t))),
        }
    }
    /// May a variable of this type stand where `target` is asked for? (§5.8.5)
    pub(super) fn fits(&self, target: &TypeRef, has_default: bool) -> bool {
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
}
