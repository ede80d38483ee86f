//! Where in the file each value of a configuration stands, for what can be told only when all of it is read.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A place in a configuration file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// File.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

/// The places of all values of a file, by their names: `shipping.carrier`, `account.0.offers.only`.
#[derive(Debug, Clone, Default)]
pub struct Places {
    path: String,
    at: BTreeMap<String, Place>,
}

impl Places {
    /// The places of a text that was read; of one that was not, none.
    pub(super) fn of(text: &str, path: &str) -> Places {
        let mut places = Places { path: path.to_owned(), at: BTreeMap::new() };
        if let Ok(root) = DeTable::parse(text) {
            places.table("", root.get_ref(), text);
        }
        places
    }

    /// Where a value stands, or what encloses it when it has no place of its own.
    #[must_use]
    pub fn find(&self, name: &str) -> Place {
        let mut name = name;
        loop {
            if let Some(place) = self.at.get(name) {
                return place.clone();
            }
            let Some((enclosing, _)) = name.rsplit_once('.') else {
                return Place { path: self.path.clone(), line: 1, column: 1 };
            };
            name = enclosing;
        }
    }

    /// Where something of this name stands below another: `settings.signer.endpoint` for `endpoint` below `settings`.
    #[must_use]
    pub fn below_of(&self, enclosing: &str, name: &str) -> Option<Place> {
        let within = |key: &str| key.strip_prefix(enclosing).is_some_and(|rest| rest.starts_with('.'));
        let named = |key: &str| key.rsplit('.').next() == Some(name);
        self.at.iter().find(|(key, _)| within(key) && named(key)).map(|(_, place)| place.clone())
    }

    fn table(&mut self, within: &str, table: &DeTable<'_>, text: &str) {
        for (key, value) in table {
            let name = match within {
                "" => key.get_ref().to_string(),
                _ => format!("{within}.{}", key.get_ref()),
            };
            // Of a table with a heading, or of one whose values are written one by one, its name.
            let written = text.get(value.span().start..).is_some_and(|rest| rest.starts_with('{'));
            let named = matches!(value.get_ref(), DeValue::Table(_)) && !written;
            let at = if named { key.span() } else { value.span() };
            self.at.insert(name.clone(), place(text, &self.path, at.start));
            self.below(&name, value, text);
        }
    }

    fn below(&mut self, name: &str, value: &Spanned<DeValue<'_>>, text: &str) {
        match value.get_ref() {
            DeValue::Table(table) => self.table(name, table, text),
            DeValue::Array(values) => {
                for (n, value) in values.iter().enumerate() {
                    let name = format!("{name}.{n}");
                    self.at.insert(name.clone(), place(text, &self.path, value.span().start));
                    self.below(&name, value, text);
                }
            }
            _ => {}
        }
    }
}

/// The place of a byte of a text.
pub(super) fn place(text: &str, path: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Place { path: path.to_owned(), line, column }
}
