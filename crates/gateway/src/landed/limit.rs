//! What one buyer may import in a year (China's cross-border scheme), as a prediction: customs count over all platforms.
//!
//! One counter serves quotes and declarations. A buyer is their identity number, hashed. An order counts in the calendar
//! year in which it was placed, in the legal time of the destination. A declared order takes what was declared, and nothing
//! once customs refused or cancelled the declaration; an order that was only quoted takes its dutiable value, and nothing
//! once it is cancelled or needs a person. Of either a refund gives its share back. Who declares lets no order count that was
//! placed later and is only quoted: of two that do not fit together, the first takes what is left.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rust_decimal::Decimal;
use tradewind_domain::{
    Buyer, Country, Currency, Declaration, DeclarationState, Exact, Money, Rounding, TaxIdKind,
};
use tradewind_landed_cost::counter::{BuyerKey, YearCounter};
use tradewind_store::typed;
use tradewind_store::{Batch, Filter};

use super::Engines;
use crate::gateway::{Gateway, GatewayError, Result};
use crate::records::{AllowanceRecord, DeclarationRecord, OrderRecord, QuoteRecord, Stage};

/// A buyer with a yearly limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limited {
    pub(crate) key: BuyerKey,
    pub(crate) year: i16,
    to: Country,
    currency: Currency,
}

impl Engines {
    /// The buyer and the year, where the destination limits what one buyer may import in a year. `None` too when the
    /// order does not say who the buyer is: a quote then misses the total.
    pub(crate) fn limited(&self, buyer: &Buyer, to: Country, placed: Timestamp) -> Option<Limited> {
        let pack = self.packs.for_country(to).filter(|p| p.rules.iter().any(|r| r.counter))?;
        let id = buyer.tax_ids.iter().find(|t| t.kind == TaxIdKind::ChineseId)?;
        // Order and declaration themselves hold the number; the hash only keeps it from standing in a further place.
        let key = BuyerKey::new(b"tradewind yearly limit", &id.value);
        Some(Limited { key, year: placed.to_zoned(pack.zone.clone()).year(), to, currency: pack.currency })
    }
}

impl Limited {
    /// As declarations are found by it.
    fn of(&self) -> String {
        format!("{}/{}", self.key, self.year)
    }
}

/// Key of the record that says that all declarations are found by their buyers. No declaration has such an id.
const INDEXED: &str = "*";

/// What a buyer's orders of a year took of the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct YearTotal {
    /// What is known of it: the total, or a lower bound of it.
    pub(crate) known: Decimal,
    /// An order that takes what is not known: in which currency it is, to which no rate leads.
    pub(crate) unknown: Option<(String, Currency)>,
}

impl YearTotal {
    /// The total, when all of it is known.
    pub(crate) fn whole(&self) -> Option<Decimal> {
        self.unknown.is_none().then_some(self.known)
    }
}

impl Gateway {
    /// What the buyer's orders of the year took of the limit, but one; of orders that are only quoted, those that were placed
    /// before an order (by instant, then key), where one is given.
    pub(crate) async fn year_total(
        &self,
        who: &Limited,
        but: &str,
        before: Option<Timestamp>,
    ) -> Result<YearTotal> {
        let mut counter = YearCounter::default();
        let mut unknown = None;
        let mut declared = BTreeSet::new();
        self.index_declarations().await?;
        let of = who.of();
        for counts in typed::list::<AllowanceRecord>(&*self.store, Filter::all().states(&[&of])).await? {
            let id = &counts.value.declaration;
            let Some(filed) = typed::get::<DeclarationRecord>(&*self.store, id).await? else { continue };
            let (order, d) = (filed.value.order, filed.value.declaration);
            let mine = self.engines.limited(&d.buyer, d.to.country, d.ordered_at).as_ref() == Some(who);
            if !mine || order == but {
                continue;
            }
            let refused =
                matches!(filed.value.state, DeclarationState::Rejected | DeclarationState::Cancelled);
            if !refused {
                let value = d.goods.try_add(d.freight).map_err(|e| GatewayError::Quote(e.to_string()))?;
                let known = typed::get::<OrderRecord>(&*self.store, &order).await?.map(|o| o.value);
                match self.in_limit(who, value, d.ordered_at) {
                    Some(value) => {
                        let left = self.left(value, who.currency, known.as_ref())?;
                        counter.add(who.key.clone(), who.year, left);
                    }
                    None => unknown = Some((order.clone(), value.currency())),
                }
            }
            declared.insert(order);
        }
        let key = who.key.to_string();
        for quote in typed::list::<QuoteRecord>(&*self.store, Filter::all().states(&[&key])).await? {
            let Some(counted) = quote.value.counted.filter(|c| c.year == who.year) else { continue };
            let order = quote.value.order;
            if order == but || declared.contains(&order) {
                continue;
            }
            let known = typed::get::<OrderRecord>(&*self.store, &order).await?.map(|o| o.value);
            if known.as_ref().is_some_and(|o| matches!(o.stage, Stage::Cancelled | Stage::Stuck)) {
                continue;
            }
            let placed = known.as_ref().map(|o| o.order.placed_at.utc);
            if placed.zip(before).is_some_and(|(placed, before)| (placed, order.as_str()) > (before, but)) {
                continue;
            }
            match self.in_limit(who, counted.value, quote.value.made_at) {
                Some(value) => {
                    let left = self.left(value, who.currency, known.as_ref())?;
                    counter.add(who.key.clone(), who.year, left);
                }
                None => unknown = Some((order, counted.value.currency())),
            }
        }
        Ok(YearTotal { known: counter.total(&who.key, who.year), unknown })
    }

    /// The record by which a declaration is found when its buyer's year is counted.
    pub(crate) fn allowance(&self, declaration: &Declaration) -> AllowanceRecord {
        let d = declaration;
        let who = self.engines.limited(&d.buyer, d.to.country, d.ordered_at);
        AllowanceRecord { declaration: d.id.to_string(), of: who.map(|w| w.of()).unwrap_or_default() }
    }

    /// Declarations that were filed before there was such a record get theirs, once.
    async fn index_declarations(&self) -> Result<()> {
        if typed::get::<AllowanceRecord>(&*self.store, INDEXED).await?.is_some() {
            return Ok(());
        }
        let mut batch = Batch::new();
        for filed in typed::list::<DeclarationRecord>(&*self.store, Filter::all()).await? {
            batch.put(&self.allowance(&filed.value.declaration))?;
        }
        batch.put(&AllowanceRecord { declaration: INDEXED.to_owned(), of: String::new() })?;
        Ok(self.store.commit(batch).await?)
    }

    /// A value in the currency of the limit.
    fn in_limit(&self, who: &Limited, value: Money, at: Timestamp) -> Option<Decimal> {
        if value.currency() == who.currency {
            return Some(value.decimal());
        }
        let rate = self.engines.rates_for(who.to).any(value.currency(), who.currency, at)?;
        value.decimal().checked_mul(rate.rate)
    }

    /// What is left of a value after refunds, in proportion.
    fn left(&self, value: Decimal, currency: Currency, order: Option<&OrderRecord>) -> Result<Decimal> {
        let share = match order {
            Some(o) if o.order.refunded.is_positive() => {
                let kept = (o.order.total.decimal() - o.order.refunded.decimal()).max(Decimal::ZERO);
                kept.checked_div(o.order.total.decimal()).unwrap_or_default()
            }
            _ => Decimal::ONE,
        };
        let exact = Exact::new(value, currency).times(share);
        let rounded = exact.and_then(|e| e.round(Rounding::HalfUp));
        Ok(rounded.map_err(|e| GatewayError::Quote(e.to_string()))?.decimal())
    }
}
