//! What the suite found: counts, skips with reasons, failures. An empty run fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::spec::ABSENT;

/// Groups of checks, in the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // each is a heading of the module documentation
pub enum Group {
    Manifest,
    Settings,
    Codec,
    Faults,
    Declaration,
    Robustness,
    Specification,
    Secrets,
}

/// How the skip of a whole run over real HTTP begins.
pub(crate) const NO_SPECIFICATION: &str = "no exchange is checked: ";

/// Result of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// Connector.
    pub connector: String,
    passed: BTreeMap<Group, usize>,
    skipped: Vec<(Group, String)>,
    failed: Vec<(Group, String)>,
    excused: Vec<String>,
    /// Failures that are known: part of their text, why, and whether one came.
    known: Vec<(String, String, bool)>,
    /// Fresh parts that were compared.
    compared: BTreeSet<String>,
}

impl Report {
    pub(crate) fn of(connector: &str) -> Report {
        Report { connector: connector.to_owned(), ..Report::default() }
    }

    pub(crate) fn pass(&mut self, group: Group) {
        *self.passed.entry(group).or_default() += 1;
    }

    pub(crate) fn skip(&mut self, group: Group, why: impl Into<String>) {
        self.skipped.push((group, why.into()));
    }

    pub(crate) fn fail(&mut self, group: Group, what: impl Into<String>) {
        let what = what.into();
        match self.known.iter_mut().find(|(part, _, _)| what.contains(part.as_str())) {
            Some((_, why, met)) => {
                *met = true;
                let why = format!("KNOWN DEVIATION, {why}: {what}");
                self.skipped.push((group, why));
            }
            None => self.failed.push((group, what)),
        }
    }

    /// A failure with this text is known and does not fail the run.
    pub(crate) fn known(&mut self, part: &str, why: &str) {
        self.known.push((part.to_owned(), why.to_owned(), false));
    }

    /// Known deviations that are none any more.
    pub(crate) fn settle(&mut self) {
        for (part, _, met) in std::mem::take(&mut self.known) {
            self.expect(Group::Manifest, met, || {
                format!("no check fails with '{part}' any more: take it out")
            });
        }
    }

    pub(crate) fn compared(&mut self, field: &str) {
        self.compared.insert(field.to_owned());
    }

    pub(crate) fn was_compared(&self, field: &str) -> bool {
        self.compared.contains(field)
    }

    /// Checks of a group so far, passed or not.
    pub(crate) fn count(&self, group: Group) -> usize {
        self.passed(group) + self.failed.iter().filter(|(g, _)| *g == group).count()
    }

    pub(crate) fn excuse(&mut self, why: impl Into<String>) {
        self.excused.push(why.into());
    }

    /// Passes when `ok`, fails with the text otherwise.
    pub(crate) fn expect(&mut self, group: Group, ok: bool, what: impl FnOnce() -> String) {
        if ok { self.pass(group) } else { self.fail(group, what()) }
    }

    /// Checks that ran.
    #[must_use]
    pub fn ran(&self) -> usize {
        self.passed.values().sum::<usize>() + self.failed.len()
    }

    /// Checks of a group that passed.
    #[must_use]
    pub fn passed(&self, group: Group) -> usize {
        self.passed.get(&group).copied().unwrap_or(0)
    }

    /// What failed.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        self.failed.iter().map(|(g, t)| format!("{g:?}: {t}")).collect()
    }

    /// What was skipped, with reasons.
    #[must_use]
    pub fn skips(&self) -> Vec<String> {
        self.skipped.iter().map(|(g, t)| format!("{g:?}: {t}")).collect()
    }

    /// For a run over real HTTP: prints the report, and panics when an exchange broke the specification, or when
    /// fewer than `least` exchanges were checked although a specification is at hand.
    ///
    /// # Panics
    /// That is its purpose: it is the last line of a test.
    #[allow(clippy::panic, clippy::print_stdout)] // the assertion of the tests that call it
    pub fn assert_exchanges(&self, least: usize) {
        println!("{self}");
        self.tell_absent();
        let checked = self.passed(Group::Specification);
        let without = self.skipped.iter().any(|(_, why)| why.starts_with(NO_SPECIFICATION));
        if !self.failed.is_empty() || (checked < least && !without) {
            panic!(
                "{} exchanges broke the specification, {checked} of {least} were checked\n{self}",
                self.failed.len()
            );
        }
    }

    /// Prints the report, and panics when a check failed or none of the codec's ran.
    ///
    /// # Panics
    /// That is its purpose: it is the last line of a test.
    #[allow(clippy::panic, clippy::print_stdout)] // the assertion of the tests that call it
    pub fn assert(&self) {
        println!("{self}");
        self.tell_absent();
        if !self.failed.is_empty() {
            panic!("{} of {} checks of '{}' failed\n{self}", self.failed.len(), self.ran(), self.connector);
        }
        if self.passed(Group::Codec) == 0 || self.passed(Group::Faults) == 0 {
            panic!("an empty run proves nothing: '{}' ran {} checks\n{self}", self.connector, self.ran());
        }
    }
}

impl Report {
    /// That no specification at all is at hand is told where all tests tell what they went without; other skips are of the
    /// connector's own making, and stand in the report.
    fn tell_absent(&self) {
        let absent = self.skipped.iter().find_map(|(_, why)| why.find(ABSENT).and_then(|at| why.get(at..)));
        if let Some(why) = absent {
            tradewind_material::skipped(why);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passed: usize = self.passed.values().sum();
        let (skipped, failed) = (self.skipped.len(), self.failed.len());
        writeln!(
            f,
            "conformance of {}: {passed} passed, {skipped} skipped, {failed} failed",
            self.connector
        )?;
        for (group, n) in &self.passed {
            writeln!(f, "  {group:?}: {n} passed")?;
        }
        for (group, why) in &self.skipped {
            writeln!(f, "  skipped {group:?}: {why}")?;
        }
        for why in &self.excused {
            writeln!(f, "  excused (known mistake of the specification): {why}")?;
        }
        for (group, what) in &self.failed {
            writeln!(f, "  FAILED {group:?}: {what}")?;
        }
        Ok(())
    }
}
