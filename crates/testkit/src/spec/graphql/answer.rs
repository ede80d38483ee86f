//! Answers: what the document selects must be there, of the promised type, and nothing else.

use std::collections::BTreeMap;

use graphql_parser::query::{
    Definition, Document, OperationDefinition, Selection, SelectionSet, TypeCondition,
};
use serde_json::Value;

use super::super::Finding;
use super::schema::TypeRef;
use super::{DEPTH, Run, scalar};

impl Run<'_> {
    /// Checks an object of the answer. `errors`: a null may be the trace of an error.
    pub(super) fn answer(
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
