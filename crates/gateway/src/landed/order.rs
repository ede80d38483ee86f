//! The landed cost of an order: asked once, pinned, the same bytes ever after.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use tradewind_domain::{
    Address, CollectedTax, Country, Currency, Money, MoneyError, Order, OrderLine, Product, Rounding, Sku,
    TaxIdKind, TaxKind, Variant,
};
use tradewind_fx::calendar::Regime;
use tradewind_landed_cost::pack::PackSet;
use tradewind_landed_cost::quote::{Engine, Line, Quote};
use tradewind_landed_cost::rates::{FxRate, FxSource};
use tradewind_landed_cost::refund::{self, Reversal};
use tradewind_landed_cost::request::Request;
use tradewind_store::typed::{self, Record};
use tradewind_store::{Batch, Expect, StoreError};

use super::pins::Recording;
use super::{Article, Ask};
use crate::config::SoldVia;
use crate::gateway::{Gateway, GatewayError, Result};
use crate::records::{Counted, OrderRecord, QuoteRecord, QuotedRate};

/// A pinned quote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landed {
    /// As stored: request, rates and pack versions, answer.
    pub record: QuoteRecord,
    /// The answer with its types. Lines carry the order's line ids; an amount that is not known is `None`.
    pub quote: Quote,
}

impl Landed {
    /// What the order's refunds so far reverse of its charges, line by line: in proportion to the money given back, with
    /// cumulative rounding, so that refunds in pieces come to the charge exactly. Whether a tax office gives it back too
    /// is another question: `tax_treatment` says where it was collected.
    ///
    /// # Errors
    /// An amount overflows.
    pub fn given_back(&self, order: &Order) -> Result<Vec<(String, Vec<Reversal>)>> {
        let total = order.total.decimal();
        let back = order.refunded.decimal().min(total);
        if back <= Decimal::ZERO {
            return Ok(Vec::new());
        }
        let reversed = |l: &Line| refund::line(l, total, Decimal::ZERO, back).map_err(|e| refused(order, e));
        self.quote.lines.iter().map(|l| Ok((l.id.clone(), reversed(l)?))).collect()
    }
}

fn refused(order: &Order, why: impl std::fmt::Display) -> GatewayError {
    GatewayError::Quote(format!("order '{}' of '{}': {why}", order.id, order.account))
}

impl Gateway {
    /// The landed cost of an order, for its open units, under the law of the moment it is first asked. The answer is
    /// stored with the request, the exchange rates and the rule packs it was computed from; asked again, the stored
    /// one is computed anew from exactly these and must give the same bytes.
    ///
    /// What is not known (a SKU without HS code or origin, a rate) is in the quote's `status` and `missing`, never a
    /// zero. [`Gateway::forget_landed_cost`] lets an order whose facts were mended be quoted again.
    ///
    /// # Errors
    /// The order has no address or nothing open, its address names an unknown region, or the store failed.
    pub async fn landed_cost(&self, order: &OrderRecord) -> Result<Landed> {
        self.landed_cost_of(order, &self.variants().await?).await
    }

    /// [`Gateway::landed_cost`] with the catalogue that the caller has read already.
    pub(crate) async fn landed_cost_of(
        &self,
        order: &OrderRecord,
        variants: &BTreeMap<Sku, (Product, Variant)>,
    ) -> Result<Landed> {
        if let Some(known) = typed::get::<QuoteRecord>(&*self.store, &order.key()).await? {
            let quote = self.reproduce(&known.value).await?;
            return Ok(Landed { record: known.value, quote });
        }
        let variant = |sku: &Sku| variants.get(sku).map(|(_, v)| v);
        let order_ = &order.order;
        let now = self.now();
        let to =
            order_.ship_to.as_ref().ok_or_else(|| refused(order_, "the channel tells no address yet"))?;
        let destination = to.country;
        let buyer = self.engines.limited(&order_.buyer, destination, order_.placed_at.utc);
        let before = match &buyer {
            Some(who) => self.year_total(who, &order.key(), None).await?.whole(),
            None => None,
        };
        let mut ask = self.question(order_, to, &variant, now)?;
        ask.year_total_before = before;
        let (request, _) = ask.request(&self.engines);
        let text = request.to_string();
        let parsed = Request::parse(&text).map_err(|e| refused(order_, e))?;
        let rates = self.engines.rates_for(destination);
        let recording = Recording::new(&*self.engines.tariff);
        let engine = self.engines.quotes(&rates).with_tariff(&recording);
        let quote = engine.quote(&parsed).map_err(|e| refused(order_, e))?;
        for (name, digest) in &quote.packs {
            if let Some(pack) = self.engines.packs.version(name, digest) {
                self.store.keep_payload(pack.text.as_bytes()).await?;
            }
        }
        let fx = quote.fx.iter().map(|f| QuotedRate {
            id: f.id.clone(),
            from: f.from.clone(),
            to: f.to.clone(),
            rate: f.rate.clone(),
        });
        let record = QuoteRecord {
            account: order_.account.clone(),
            order: order.key(),
            made_at: now,
            request: text,
            fx: fx.collect(),
            packs: quote.packs.clone(),
            tariff: recording.pins(),
            answer: answer_text(&quote)?,
            counted: buyer.zip(before).and_then(|(who, before)| {
                let after = quote.year_total_after?;
                let value = Money::from_decimal(after.decimal() - before, after.currency()).ok()?;
                Some(Counted { buyer: who.key.to_string(), year: who.year, value })
            }),
        };
        let mut batch = Batch::new();
        batch.put_expecting(&record, Expect::Absent)?.audit(
            now,
            "quote",
            record.order.clone(),
            format!("{:?}", quote.status),
        );
        match self.store.commit(batch).await {
            Err(e @ StoreError::Conflict { .. }) => {
                // Another process quoted it meanwhile: one quote of an order is pinned, the first.
                let known = typed::get::<QuoteRecord>(&*self.store, &order.key()).await?.ok_or(e)?;
                let quote = self.reproduce(&known.value).await?;
                Ok(Landed { record: known.value, quote })
            }
            written => written.map(|()| Landed { record, quote }).map_err(GatewayError::from),
        }
    }

    /// Computes a stored quote anew from the request, rates and packs it was made from.
    ///
    /// # Errors
    /// The answer is not the stored one byte for byte (another version of the program computes differently), a pack
    /// was not kept, or the store failed.
    pub async fn reproduce(&self, record: &QuoteRecord) -> Result<Quote> {
        let lost = |what: String| GatewayError::Quote(format!("quote of order '{}': {what}", record.order));
        let mut texts = Vec::new();
        for (name, digest) in &record.packs {
            let hash = digest.trim_start_matches("sha256:");
            let bytes = self.store.payload(hash).await?;
            let bytes = bytes.ok_or_else(|| lost(format!("rule pack {name} {digest} was not kept")))?;
            let text = String::from_utf8(bytes).map_err(|e| lost(e.to_string()))?;
            texts.push((format!("{name} {digest}"), text));
        }
        let packs = PackSet::from_texts(texts.iter().map(|(f, t)| (f.as_str(), t.as_str())), [])
            .map_err(|e| lost(e.to_string()))?;
        let request = Request::parse(&record.request).map_err(|e| lost(e.to_string()))?;
        let rates = Pinned(&record.fx);
        let engine = Engine::new(&packs).with_fx(&rates).with_tariff(&record.tariff).for_stored();
        let quote = engine.quote(&request).map_err(|e| lost(e.to_string()))?;
        if answer_text(&quote)? != record.answer {
            return Err(lost(
                "this version of the program computes another answer than the stored one: keep the stored one, or \
                 forget it to quote anew"
                    .to_owned(),
            ));
        }
        Ok(quote)
    }

    /// Forgets an order's quote, so that the next call quotes it under the law of that moment.
    ///
    /// # Errors
    /// The store failed.
    pub async fn forget_landed_cost(&self, order: &OrderRecord) -> Result<()> {
        let mut batch = Batch::new();
        batch.delete(QuoteRecord::COLLECTION, order.key());
        batch.audit(self.now(), "forget quote", order.key(), String::new());
        Ok(self.store.commit(batch).await?)
    }

    /// The question that an order puts.
    fn question<'a>(
        &'a self,
        order: &'a Order,
        address: &'a Address,
        variant: &dyn Fn(&Sku) -> Option<&'a Variant>,
        at: Timestamp,
    ) -> Result<Ask<'a>> {
        let to = address.country;
        let money = |e: MoneyError| refused(order, e);
        let mut lines = Vec::new();
        for line in order.lines.iter().filter(|l| l.open() > 0) {
            let known = line.sku.as_ref().and_then(variant);
            let (price, quantity, discount) = valued(line).map_err(money)?;
            let (hs, origin) = (known.and_then(|v| v.hs), known.and_then(|v| v.origin));
            lines.push(Article { id: line.id.to_string(), price, quantity, discount, hs, origin });
        }
        if lines.is_empty() {
            return Err(refused(order, "no unit of it is open"));
        }
        let regions = self.engines.packs.for_country(to).map(|p| p.regions.as_slice()).unwrap_or_default();
        let entry = self.config.account.iter().find(|a| a.id == order.account);
        let rules = entry.and_then(|a| a.offers.as_ref());
        let told = order.all_taxes().any(|t| t.kind == TaxKind::Vat);
        let inclusive = !told && rules.is_some_and(|r| self.engines.prices_contain_tax(r, at));
        Ok(Ask {
            // A region is a question of law only where the pack has rates by region.
            region: address.region.as_deref().filter(|_| !regions.is_empty()),
            from: self.config.shipping.as_ref().map(|s| s.from.country),
            lane: self.config.lane(to).map(|(_, lane)| lane),
            scheme: registered(order, to),
            incoterm: order.incoterm,
            sold_via: rules.and_then(|r| r.sold_via),
            prices_include_tax: inclusive,
            freight: Some(without_included(order.shipping, &order.taxes).map_err(money)?),
            vat_number: order
                .buyer
                .tax_ids
                .iter()
                .find(|t| t.kind == TaxIdKind::Vat)
                .map(|t| t.value.as_str()),
            ..Ask::new(to, at, order.currency, lines)
        })
    }
}

fn answer_text(quote: &Quote) -> Result<String> {
    serde_json::to_string(quote).map_err(|e| GatewayError::Quote(e.to_string()))
}

/// A scheme under which the channel sold, and its number, which travel with the order and go before the lane's.
fn registered(order: &Order, to: Country) -> Option<(&'static str, Option<&str>)> {
    order.registrations.iter().rev().find_map(|id| {
        let scheme = match (id.kind, to.code()) {
            (TaxIdKind::Ioss, _) => "ioss",
            (TaxIdKind::Voec, "NO") => "voec",
            (TaxIdKind::Gst, "AU") => "au_gst",
            (TaxIdKind::Gst, "NZ") => "nz_gst",
            (TaxIdKind::Gst, "SG") => "sg_ovr",
            _ => return None,
        };
        Some((scheme, Some(id.value.as_str())))
    })
}

fn without_included(amount: Money, taxes: &[CollectedTax]) -> Result<Money, MoneyError> {
    let inside = taxes.iter().filter(|t| t.included).map(|t| t.amount);
    amount.try_sub(Money::try_sum(amount.currency(), inside)?)
}

/// Price of one, units and discount, such that price × units − discount is exactly what the open units cost without
/// contained taxes. The price of one is rounded up where it does not come out even; the discount takes it back.
fn valued(line: &OrderLine) -> Result<(Decimal, u32, Decimal), MoneyError> {
    let open = line.open();
    let net = without_included(line.total, &line.taxes)?;
    let net = match line.quantity.saturating_sub(open) {
        0 => net,
        gone => net.allocate(&[Decimal::from(open), Decimal::from(gone)])?.swap_remove(0),
    };
    let units = Decimal::from(open);
    let each = net.decimal().checked_div(units).ok_or_else(|| MoneyError::Overflow(net.to_string()))?;
    let step = Decimal::new(1, net.currency().exponent() + 2);
    let each = Rounding::Up.to_step(each, step);
    Ok((each.normalize(), open, (each * units - net.decimal()).normalize()))
}

/// Answers only with the rates that a stored quote used.
struct Pinned<'a>(&'a [QuotedRate]);

impl FxSource for Pinned<'_> {
    fn rate(&self, _: Regime, from: Currency, to: Currency, _: Timestamp) -> Result<FxRate, String> {
        let found = self.0.iter().find(|r| r.from == from.code() && r.to == to.code());
        let found = found.ok_or_else(|| format!("the stored quote used no rate from {from} to {to}"))?;
        let rate = tradewind_domain::parse_decimal(&found.rate).map_err(|e| e.to_string())?;
        Ok(FxRate { rate, id: found.id.clone() })
    }
}

impl SoldVia {
    /// As a quote request says it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            SoldVia::Marketplace => "marketplace",
            SoldVia::Shop => "shop",
        }
    }
}
