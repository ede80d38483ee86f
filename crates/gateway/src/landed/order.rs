//! The landed cost of an order: asked once, pinned, the same bytes ever after.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Map, Value, json};
use tradewind_domain::{
    CollectedTax, Country, Currency, Exact, Money, MoneyError, Order, OrderLine, Product, Rounding, Sku,
    TaxIdKind, TaxKind, Variant,
};
use tradewind_fx::calendar::Regime;
use tradewind_landed_cost::counter::BuyerKey;
use tradewind_landed_cost::pack::PackSet;
use tradewind_landed_cost::quote::{Engine, Quote};
use tradewind_landed_cost::rates::{FxRate, FxSource};
use tradewind_landed_cost::request::Request;
use tradewind_store::typed::{self, Record};
use tradewind_store::{Batch, Filter};

use super::term_code;
use crate::config::SoldVia;
use crate::gateway::{Gateway, GatewayError, Result};
use crate::records::{Counted, OrderRecord, QuoteRecord, QuotedRate, Stage};

/// A pinned quote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landed {
    /// As stored: request, rates and pack versions, answer.
    pub record: QuoteRecord,
    /// The answer with its types. Lines carry the order's line ids; an amount that is not known is `None`.
    pub quote: Quote,
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
        let (destination, mut request) = self.quote_request(order_, &variant, now)?;
        let buyer = self.limited_buyer(order_, destination, now);
        let before = match &buyer {
            Some((key, year)) => Some(self.year_total(key, *year, &order.key()).await?),
            None => None,
        };
        if let (Some(total), Some(buyer)) = (before, request.get_mut("buyer").and_then(Value::as_object_mut))
        {
            buyer.insert("year_total_before".to_owned(), json!(total.to_string()));
        }
        let text = request.to_string();
        let parsed = Request::parse(&text).map_err(|e| refused(order_, e))?;
        let rates = self.engines.rates_for(destination);
        let quote = self.engines.quotes(&rates).quote(&parsed).map_err(|e| refused(order_, e))?;
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
            answer: answer_text(&quote)?,
            counted: buyer.zip(before).and_then(|((buyer, year), before)| {
                let after = quote.year_total_after?;
                let value = Money::from_decimal(after.decimal() - before, after.currency()).ok()?;
                Some(Counted { buyer, year, value })
            }),
        };
        let mut batch = Batch::new();
        batch.put(&record)?.audit(now, "quote", record.order.clone(), format!("{:?}", quote.status));
        self.store.commit(batch).await?;
        Ok(Landed { record, quote })
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
        let quote = Engine::new(&packs).with_fx(&rates).quote(&request).map_err(|e| lost(e.to_string()))?;
        if answer_text(&quote)? != record.answer {
            return Err(lost(
                "this version of the program computes another answer than the stored one: keep the stored one, or \
                 forget it to quote anew"
                    .to_owned(),
            ));
        }
        Ok(quote)
    }

    /// The buyer, hashed, and the year, where the destination limits what one buyer may import in a year. `None` too when
    /// the order does not say who the buyer is: the quote then misses the total.
    fn limited_buyer(&self, order: &Order, to: Country, at: Timestamp) -> Option<(String, i16)> {
        let pack = self.engines.packs.for_country(to).filter(|p| p.rules.iter().any(|r| r.counter))?;
        let id = order.buyer.tax_ids.iter().find(|t| t.kind == TaxIdKind::ChineseId)?;
        // The order itself holds the number; the hash only keeps it from standing in a second place.
        let key = BuyerKey::new(b"tradewind yearly limit", &id.value);
        Some((key.to_string(), at.to_zoned(pack.zone.clone()).year()))
    }

    /// What a buyer's other orders of the year took of the limit: a prediction, customs counts over all platforms. A
    /// cancelled order took nothing, a refund gives its share back.
    async fn year_total(&self, buyer: &str, year: i16, but: &str) -> Result<Decimal> {
        let known = typed::list::<QuoteRecord>(&*self.store, Filter::all().states(&[buyer])).await?;
        let mut total = Decimal::ZERO;
        for quote in known.into_iter().map(|q| q.value).filter(|q| q.order != but) {
            let Some(counted) = quote.counted.filter(|c| c.year == year) else { continue };
            let order = typed::get::<OrderRecord>(&*self.store, &quote.order).await?.map(|o| o.value);
            let left = match &order {
                Some(o) if o.stage == Stage::Cancelled => Decimal::ZERO,
                Some(o) if o.order.refunded.is_positive() => {
                    let kept = o.order.total.decimal() - o.order.refunded.decimal();
                    kept.max(Decimal::ZERO).checked_div(o.order.total.decimal()).unwrap_or_default()
                }
                _ => Decimal::ONE,
            };
            let share = Exact::new(counted.value.decimal() * left, counted.value.currency());
            total += share.round(Rounding::HalfUp).map_err(|e| GatewayError::Quote(e.to_string()))?.decimal();
        }
        Ok(total)
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

    /// The request as `tradewind quote --request` takes it.
    fn quote_request<'v>(
        &self,
        order: &Order,
        variant: &dyn Fn(&Sku) -> Option<&'v Variant>,
        at: Timestamp,
    ) -> Result<(Country, Value)> {
        let to = order.ship_to.as_ref().ok_or_else(|| refused(order, "the channel tells no address yet"))?;
        let country = to.country;
        let mut request = Map::new();
        let regions =
            self.engines.packs.for_country(country).map(|p| p.regions.as_slice()).unwrap_or_default();
        // A region is a question of law only where the pack has rates by region.
        let region = to.region.as_deref().filter(|_| !regions.is_empty());
        request.insert("destination".to_owned(), json!({"country": country.code(), "region": region}));
        if let Some(shipping) = &self.config.shipping {
            request.insert("ship_from".to_owned(), json!(shipping.from.country.code()));
        }
        request.insert("legal_event_at".to_owned(), json!(at.to_string()));
        request.insert("flow".to_owned(), json!("import_b2c"));
        if let Some((_, lane)) = self.config.lane(country) {
            lane.put(&mut request);
        }
        registered(order, country, &mut request);
        let entry = self.config.account.iter().find(|a| a.id == order.account);
        let rules = entry.and_then(|a| a.offers.as_ref());
        if let Some(via) = rules.and_then(|r| r.sold_via) {
            request.insert("sold_via".to_owned(), json!(via.code()));
        }
        if let Some(term) = order.incoterm {
            request.insert("incoterm".to_owned(), json!(term_code(term)));
        }
        request.insert("currency".to_owned(), json!(order.currency.code()));
        let stated = self.engines.rates_for(country).stated(order.currency, country, at);
        request.insert("fx".to_owned(), stated);
        let told = order.all_taxes().any(|t| t.kind == TaxKind::Vat);
        let inclusive = !told && rules.is_some_and(|r| self.engines.prices_contain_tax(r, at));
        request.insert("prices_include_tax".to_owned(), json!(inclusive));
        let money = |e: MoneyError| refused(order, e);
        let shipping = without_included(order.shipping, &order.taxes).map_err(money)?;
        request.insert("freight".to_owned(), json!(shipping.amount()));
        let mut buyer = Map::new();
        if let Some(vat) = order.buyer.tax_ids.iter().find(|t| t.kind == TaxIdKind::Vat) {
            buyer.insert("vat_number".to_owned(), json!(vat.value));
        }
        request.insert("buyer".to_owned(), Value::Object(buyer));
        let mut lines = Vec::new();
        for line in order.lines.iter().filter(|l| l.quantity > l.cancelled) {
            let known = line.sku.as_ref().and_then(variant);
            let (hs, origin) = (known.and_then(|v| v.hs), known.and_then(|v| v.origin));
            let facts = self.engines.goods.of(hs.as_ref(), origin, country);
            let (price, quantity, discount) = valued(line).map_err(money)?;
            lines.push(json!({
                "id": line.id.as_str(), "unit_price": price.to_string(), "quantity": quantity,
                "discount": discount.to_string(), "hs": hs.map(|h| h.as_str().to_owned()),
                "origin": origin.map(|o| o.code().to_owned()), "rates": facts.rates, "facts": facts.facts,
            }));
        }
        if lines.is_empty() {
            return Err(refused(order, "no unit of it is open"));
        }
        request.insert("lines".to_owned(), Value::Array(lines));
        Ok((country, Value::Object(request)))
    }
}

fn answer_text(quote: &Quote) -> Result<String> {
    serde_json::to_string(quote).map_err(|e| GatewayError::Quote(e.to_string()))
}

/// A scheme under which the channel sold: its number travels with the order and goes before the lane's.
fn registered(order: &Order, to: Country, request: &mut Map<String, Value>) {
    for id in &order.registrations {
        let scheme = match (id.kind, to.code()) {
            (TaxIdKind::Ioss, _) => "ioss",
            (TaxIdKind::Voec, "NO") => "voec",
            (TaxIdKind::Gst, "AU") => "au_gst",
            (TaxIdKind::Gst, "NZ") => "nz_gst",
            (TaxIdKind::Gst, "SG") => "sg_ovr",
            _ => continue,
        };
        request.insert("scheme".to_owned(), json!(scheme));
        request.insert("scheme_id".to_owned(), json!(id.value));
    }
}

fn without_included(amount: Money, taxes: &[CollectedTax]) -> Result<Money, MoneyError> {
    let inside = taxes.iter().filter(|t| t.included).map(|t| t.amount);
    amount.try_sub(Money::try_sum(amount.currency(), inside)?)
}

/// Price of one, units and discount, such that price × units − discount is exactly what the open units cost without
/// contained taxes. The price of one is rounded up where it does not come out even; the discount takes it back.
fn valued(line: &OrderLine) -> Result<(Decimal, u32, Decimal), MoneyError> {
    let open = line.quantity - line.cancelled;
    let net = without_included(line.total, &line.taxes)?;
    let net = if line.cancelled == 0 {
        net
    } else {
        net.allocate(&[Decimal::from(open), Decimal::from(line.cancelled)])?.swap_remove(0)
    };
    let units = Decimal::from(open);
    let each = net.decimal().checked_div(units).ok_or_else(|| MoneyError::Overflow(net.to_string()))?;
    let each = each.round_dp_with_strategy(net.currency().exponent() + 2, RoundingStrategy::AwayFromZero);
    Ok((each, open, (each * units - net.decimal()).normalize()))
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
