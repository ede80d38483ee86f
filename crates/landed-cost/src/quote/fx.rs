//! Conversion inside a quote: the request's rates first, then the rate book; every rate used is recorded.

use std::cell::RefCell;
use std::sync::Arc;

use jiff::Timestamp;
use rust_decimal::Decimal;
use tradewind_domain::Currency;
use tradewind_fx::calendar::Regime;

use super::answer::FxUsed;
use super::known::push;
use crate::rates::{FxRate, FxSource};
use crate::request::Fx;

pub(super) struct Converter<'a> {
    given: &'a [Fx],
    book: &'a dyn FxSource,
    at: Timestamp,
    regime: Option<Regime>,
    used: RefCell<Vec<(Arc<str>, FxUsed)>>,
    /// Why the book had no rate.
    failures: RefCell<Vec<String>>,
}

impl<'a> Converter<'a> {
    /// `regime` is the customs rule of the destination, where the packs name one that the rate book knows.
    pub(super) fn new(
        given: &'a [Fx],
        book: &'a dyn FxSource,
        at: Timestamp,
        regime: Option<Regime>,
    ) -> Self {
        Converter {
            given,
            book,
            at,
            regime,
            used: RefCell::new(Vec::new()),
            failures: RefCell::new(Vec::new()),
        }
    }

    /// `value` of `from` in `to`, unrounded; `None` without a rate in either direction.
    pub(super) fn convert(&self, value: Decimal, from: Currency, to: Currency) -> Option<Decimal> {
        self.exchange(value, from, to).map(|(v, _)| v)
    }

    /// As [`Converter::convert`], with the id of the rate that was used, where one was.
    pub(super) fn exchange(
        &self,
        value: Decimal,
        from: Currency,
        to: Currency,
    ) -> Option<(Decimal, Option<Arc<str>>)> {
        if from == to {
            return Some((value, None));
        }
        let direct = |a: Currency, b: Currency| {
            self.given.iter().find(|f| f.from == a.code() && f.to == b.code()).map(|f| f.rate.0)
        };
        if let Some(rate) = direct(from, to) {
            let id = self.note(from, to, rate, format!("request:{from}/{to}:{rate}"));
            return Some((value.checked_mul(rate)?, Some(id)));
        }
        if let Some(rate) = direct(to, from).filter(|r| *r > Decimal::ZERO) {
            let id = self.note(to, from, rate, format!("request:{to}/{from}:{rate}"));
            return Some((value.checked_div(rate)?, Some(id)));
        }
        let found = self.booked(from, to)?;
        let out = value.checked_mul(found.rate);
        let id = self.note(from, to, found.rate, found.id);
        Some((out?, Some(id)))
    }

    pub(super) fn can(&self, from: Currency, to: Currency) -> bool {
        from == to
            || self.given.iter().any(|f| {
                (f.from == from.code() && f.to == to.code()) || (f.from == to.code() && f.to == from.code())
            })
            || self.booked(from, to).is_some()
    }

    fn note(&self, from: Currency, to: Currency, rate: Decimal, id: String) -> Arc<str> {
        let mut used = self.used.borrow_mut();
        if let Some((known, _)) = used.iter().find(|(k, _)| k.as_ref() == id) {
            return known.clone();
        }
        let shared: Arc<str> = id.as_str().into();
        let entry = FxUsed { id, from: from.to_string(), to: to.to_string(), rate: rate.to_string() };
        used.push((shared.clone(), entry));
        shared
    }

    fn booked(&self, from: Currency, to: Currency) -> Option<FxRate> {
        let regime = self.regime?;
        self.book.rate(regime, from, to, self.at).map_err(|e| push(&mut self.failures.borrow_mut(), e)).ok()
    }

    /// The id of the rate that stands between two currencies, of those used.
    pub(super) fn between(&self, from: Currency, to: Currency) -> Option<Arc<str>> {
        let (from, to) = (from.code(), to.code());
        let is = |u: &FxUsed, a: &str, b: &str| u.from == a && u.to == b;
        let used = self.used.borrow();
        let found = used.iter().find(|(_, u)| is(u, from, to) || is(u, to, from));
        found.map(|(id, _)| id.clone())
    }

    /// The rates used, and why rates were not found.
    pub(super) fn into_used(self) -> (Vec<FxUsed>, Vec<String>) {
        let used = self.used.into_inner().into_iter().map(|(_, u)| u);
        (used.collect(), self.failures.into_inner())
    }
}
