//! All packs together: the embedded ones, a folder's, and older versions by digest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use tradewind_domain::Country;

use super::load::PackError;
use super::model::{Kind, Pack, Rule, Sel};
use crate::fields::instead;

macro_rules! embedded {
    ($($name:literal)+) => {
        const EMBEDDED: &[(&str, &str)] =
            &[$((concat!("config/duty/", $name, ".toml"), include_str!(concat!("../../../../config/duty/", $name, ".toml")))),+];
    };
}
embedded!("ae" "au" "br" "ca" "ch" "cn" "eu" "gb" "id" "in" "jp" "kr" "mx" "my" "no" "nz" "ph" "sa" "sg" "th" "tr" "tw" "us" "vn" "xi");

/// Every problem of a set of packs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct PackSetError(pub Vec<PackError>);

/// Packs by destination, with their older versions.
#[derive(Debug, Clone, Default)]
pub struct PackSet {
    current: Vec<Arc<Pack>>,
    older: Vec<Arc<Pack>>,
    by_country: BTreeMap<Country, usize>,
    /// Facts that some pack asks for.
    facts: BTreeSet<Arc<str>>,
}

/// Facts that the engine itself asks for; quantities (`quantity_kg`, ...) come besides.
const FACTS: [&str; 5] =
    ["ad_cvd", "in_transit_exception", "indivisible", "preference_proof", "section_301_list"];

impl PackSet {
    /// The packs that are part of the program.
    ///
    /// # Errors
    /// Never for a released program: a test loads them.
    pub fn embedded() -> Result<PackSet, PackSetError> {
        PackSet::from_texts(EMBEDDED.iter().map(|(f, t)| (*f, *t)), [])
    }

    /// The packs of a folder: `*.toml` are current, `versions/*.toml` (and deeper) are older versions that quotes may name.
    ///
    /// # Errors
    /// A file cannot be read, or a pack is refused.
    pub fn from_dir(dir: &Path) -> Result<PackSet, PackSetError> {
        let current = read_folder(dir)?;
        let old_dir = dir.join("versions");
        let old = if old_dir.is_dir() { read_folder(&old_dir)? } else { Vec::new() };
        if current.is_empty() {
            return Err(PackSetError(vec![PackError {
                file: dir.display().to_string(),
                line: 0,
                message: "the folder holds no *.toml rule pack".to_owned(),
            }]));
        }
        PackSet::from_texts(
            current.iter().map(|(f, t)| (f.as_str(), t.as_str())),
            old.iter().map(|(f, t)| (f.as_str(), t.as_str())),
        )
    }

    /// Packs from texts: file name and content.
    ///
    /// # Errors
    /// A pack is refused, or two current packs cover one country.
    pub fn from_texts<'a>(
        current: impl IntoIterator<Item = (&'a str, &'a str)>,
        older: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<PackSet, PackSetError> {
        let mut set = PackSet::default();
        let mut errors = Vec::new();
        for (file, text) in current {
            match Pack::parse(file, text) {
                Ok(pack) => set.add(pack, &mut errors),
                Err(e) => errors.extend(e),
            }
        }
        for (file, text) in older {
            match Pack::parse(file, text) {
                Ok(pack) => {
                    set.learn(&pack);
                    set.older.push(Arc::new(pack));
                }
                Err(e) => errors.extend(e),
            }
        }
        if errors.is_empty() { Ok(set) } else { Err(PackSetError(errors)) }
    }

    fn add(&mut self, pack: Pack, errors: &mut Vec<PackError>) {
        for country in &pack.destinations {
            if let Some(other) = self.by_country.insert(*country, self.current.len()) {
                let first = self.current.get(other).map_or("", |p| p.file.as_str());
                errors.push(PackError {
                    file: pack.file.clone(),
                    line: 1,
                    message: format!(
                        "{country} is a destination of {first} too: keep one, move the other to versions/"
                    ),
                });
            }
        }
        self.learn(&pack);
        self.current.push(Arc::new(pack));
    }

    fn learn(&mut self, pack: &Pack) {
        for layer in &pack.layers {
            self.facts.extend(layer.needs.iter().chain(&layer.unless).cloned());
            if let Kind::Stated(fact) = &layer.formula.kind {
                self.facts.insert(fact.clone());
            }
        }
    }

    /// Why a name is no fact that any rule asks for: what to write instead. `None` when it is one.
    #[must_use]
    pub fn unknown_fact(&self, name: &str) -> Option<String> {
        if FACTS.contains(&name) || name.starts_with("quantity_") || self.facts.contains(name) {
            return None;
        }
        let known: BTreeSet<&str> = self.facts.iter().map(AsRef::as_ref).chain(FACTS).collect();
        Some(format!("no rule asks for this fact{}", instead(name, &known.into_iter().collect::<Vec<_>>())))
    }

    /// Why a name is no scheme that the rules of a destination know, of all destinations when none is named: what to write
    /// instead. `None` when it is one.
    #[must_use]
    pub fn unknown_scheme(&self, to: Option<Country>, name: &str) -> Option<String> {
        let packs = self.current.iter().filter(|p| to.is_none_or(|to| p.destinations.contains(&to)));
        let known: BTreeSet<&str> = packs.flat_map(|p| &p.rules).flat_map(schemes).collect();
        if known.contains(name) {
            return None;
        }
        let whose = to.map_or_else(|| "any destination".to_owned(), |to| to.code().to_owned());
        let known: Vec<&str> = known.into_iter().collect();
        Some(match known.is_empty() {
            true => format!("the rules of {whose} know no scheme: leave it out"),
            false => format!("the rules of {whose} know no such scheme{}", instead(name, &known)),
        })
    }

    /// Keeps the packs of another set as older versions, for quotes that are pinned to them.
    pub fn keep_older(&mut self, other: PackSet) {
        for pack in other.current.into_iter().chain(other.older) {
            if !self.current.iter().chain(&self.older).any(|p| p.digest == pack.digest) {
                self.learn(&pack);
                self.older.push(pack);
            }
        }
    }

    /// The current pack of a destination.
    #[must_use]
    pub fn for_country(&self, country: Country) -> Option<&Arc<Pack>> {
        self.by_country.get(&country).and_then(|i| self.current.get(*i))
    }

    /// A version by digest (`sha256:` and its hex, or a prefix of at least eight digits) or by its label.
    #[must_use]
    pub fn version(&self, jurisdiction: &str, version: &str) -> Option<&Arc<Pack>> {
        let hex = version.strip_prefix("sha256:").unwrap_or(version);
        self.current.iter().chain(&self.older).filter(|p| p.jurisdiction.as_ref() == jurisdiction).find(|p| {
            p.version == version
                || (hex.len() >= 8 && p.digest.strip_prefix("sha256:").is_some_and(|d| d.starts_with(hex)))
        })
    }

    /// The current packs.
    #[must_use]
    pub fn current(&self) -> &[Arc<Pack>] {
        &self.current
    }

    /// The older versions.
    #[must_use]
    pub fn older(&self) -> &[Arc<Pack>] {
        &self.older
    }
}

fn read_folder(dir: &Path) -> Result<Vec<(String, String)>, PackSetError> {
    let fail = |path: &Path, e: std::io::Error| {
        PackSetError(vec![PackError {
            file: path.display().to_string(),
            line: 0,
            message: format!("cannot be read: {e}"),
        }])
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| fail(dir, e))? {
        let path = entry.map_err(|e| fail(dir, e))?.path();
        if path.extension().is_some_and(|x| x == "toml") {
            let text = std::fs::read_to_string(&path).map_err(|e| fail(&path, e))?;
            files.push((path.display().to_string(), text));
        }
    }
    files.sort();
    Ok(files)
}

/// Schemes that a rule names, wherever it does.
fn schemes(rule: &Rule) -> impl Iterator<Item = &str> {
    let asked = match &rule.when.scheme {
        Some(Sel::In(names) | Sel::NotIn(names)) => names.as_slice(),
        None => &[],
    };
    let waived = rule.waive.iter().flat_map(|w| &w.scheme_not);
    asked.iter().chain(waived).chain(rule.sale.iter().map(|s| &s.scheme)).map(AsRef::as_ref)
}
