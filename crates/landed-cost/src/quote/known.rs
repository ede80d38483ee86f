//! What is learnt on the way: gaps, flags, reasons.

use std::collections::BTreeSet;
use std::sync::Arc;

use rust_decimal::Decimal;

/// Which end of the bounds is being computed: every gap is then filled with its best or its worst value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The least that may be due.
    Low,
    /// The most.
    High,
}

/// Gaps, flags and reasons of one evaluation.
#[derive(Default)]
pub(crate) struct Known {
    pub(super) hard: Vec<String>,
    pub(super) soft: Vec<String>,
    pub(super) flags: Vec<String>,
    pub(super) reason: Option<String>,
    side: Option<Side>,
    /// Some gap has no known worst value.
    pub(super) unbounded: bool,
    /// A fee is due whose amount is not known.
    pub(super) fees_unknown: bool,
    /// Tariff files that gave a rate: jurisdiction and checksum.
    pub(super) tariffs: BTreeSet<(Arc<str>, String)>,
}

pub(super) fn push(list: &mut Vec<String>, s: String) {
    if !list.contains(&s) {
        list.push(s);
    }
}

impl Known {
    pub(super) fn assuming(side: Option<Side>) -> Known {
        Known { side, ..Known::default() }
    }

    pub(super) fn side(&self) -> Option<Side> {
        self.side
    }

    /// An amount cannot be known without it, and nothing is known of its size.
    pub(crate) fn missing(&mut self, s: String) {
        if self.side.is_none() {
            push(&mut self.hard, s);
        } else {
            self.unbounded = true;
        }
    }

    /// An amount cannot be known without it, but it lies between `low` and `high`. For an answer it is missing
    /// (`None`); for a bound its end is returned, if there is one.
    pub(super) fn lacks(&mut self, s: String, low: Decimal, high: Option<Decimal>) -> Option<Decimal> {
        match self.side {
            None => {
                push(&mut self.hard, s);
                None
            }
            Some(Side::Low) => Some(low),
            Some(Side::High) => {
                self.unbounded |= high.is_none();
                high
            }
        }
    }

    /// Something may come on top.
    pub(crate) fn soft(&mut self, s: String) {
        push(&mut self.soft, s);
    }

    pub(crate) fn flag(&mut self, s: String) {
        push(&mut self.flags, s);
    }

    /// A flag as a pack spells it: most lines of an order raise the same ones.
    pub(super) fn flag_as(&mut self, s: &str) {
        if !self.flags.iter().any(|f| f == s) {
            self.flags.push(s.to_owned());
        }
    }

    /// A rate came from this file.
    pub(super) fn tariff(&mut self, jurisdiction: &Arc<str>, sha256: String) {
        self.tariffs.insert((jurisdiction.clone(), sha256));
    }

    pub(crate) fn reason(&mut self, s: &str) {
        self.reason.get_or_insert_with(|| s.to_owned());
    }
}
