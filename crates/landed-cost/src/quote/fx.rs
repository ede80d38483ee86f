//! Conversion inside a quote: the request's rates first, then the rate book; every rate used is recorded.

use std::cell::RefCell;

use jiff::Timestamp;
use rust_decimal::Decimal;
use tradewind_domain::Currency;

use super::answer::FxUsed;
use crate::rates::FxSource;
use crate::request::Fx;

pub(super) struct Converter<'a> {
    given: &'a [Fx],
    book: &'a dyn FxSource,
    at: Timestamp,
    used: RefCell<Vec<FxUsed>>,
}

impl<'a> Converter<'a> {
    pub(super) fn new(given: &'a [Fx], book: &'a dyn FxSource, at: Timestamp) -> Self {
        Converter { given, book, at, used: RefCell::new(Vec::new()) }
    }

    /// `value` of `from` in `to`, unrounded; `None` without a rate in either direction.
    pub(super) fn convert(&self, value: Decimal, from: Currency, to: Currency) -> Option<Decimal> {
        if from == to {
            return Some(value);
        }
        let direct = |a: Currency, b: Currency| {
            self.given.iter().find(|f| f.from == a.code() && f.to == b.code()).map(|f| f.rate.0)
        };
        if let Some(rate) = direct(from, to) {
            self.note(from, to, rate, format!("request:{from}/{to}:{rate}"));
            return value.checked_mul(rate);
        }
        if let Some(rate) = direct(to, from).filter(|r| *r > Decimal::ZERO) {
            self.note(to, from, rate, format!("request:{to}/{from}:{rate}"));
            return value.checked_div(rate);
        }
        let found = self.book.rate(from, to, self.at)?;
        let out = value.checked_mul(found.rate);
        self.note(from, to, found.rate, found.id);
        out
    }

    pub(super) fn can(&self, from: Currency, to: Currency) -> bool {
        from == to
            || self.given.iter().any(|f| {
                (f.from == from.code() && f.to == to.code()) || (f.from == to.code() && f.to == from.code())
            })
            || self.book.rate(from, to, self.at).is_some()
    }

    fn note(&self, from: Currency, to: Currency, rate: Decimal, id: String) {
        let mut used = self.used.borrow_mut();
        if !used.iter().any(|u| u.id == id) {
            used.push(FxUsed { id, from: from.to_string(), to: to.to_string(), rate: rate.to_string() });
        }
    }

    pub(super) fn into_used(self) -> Vec<FxUsed> {
        self.used.into_inner()
    }
}
