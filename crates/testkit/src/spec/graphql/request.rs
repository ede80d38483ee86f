//! Requests: variables, literals, arguments, directives, selections.

use std::collections::{BTreeMap, BTreeSet};

use graphql_parser::query::{
    Directive, Selection, SelectionSet, TypeCondition, Value as Literal, VariableDefinition,
};
use serde_json::Value;

use super::super::Finding;
use super::schema::{InputField, TypeRef};
use super::{DEPTH, Run, scalar};

impl Run<'_> {
    /// The declared variables and the values given for them.
    pub(super) fn declared(&mut self, defs: &[VariableDefinition<'_, String>], values: &Value) {
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

    pub(super) fn directives(&mut self, given: &[Directive<'_, String>], at: &str) {
        let schema = self.schema;
        for directive in given {
            let here = format!("{at}@{}", directive.name);
            match schema.directives.get(&directive.name) {
                Some(args) => self.arguments(args, &directive.arguments, &here),
                None => self.report(Finding::UnknownField, &here, "no such directive"),
            }
        }
    }

    pub(super) fn selection(&mut self, set: &SelectionSet<'_, String>, of: &str, at: &str, depth: u32) {
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
}
