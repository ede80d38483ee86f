//! The one way a quote is asked for. Orders, declarations and prices all put their question through here, so that a lane, a
//! goods fact or an exchange rate counts alike for each.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use tradewind_domain::{Country, Currency, HsCode, Incoterm, Money};

use super::Engines;
use crate::config::{Lane, SoldVia};

/// A question, before its lines are looked up among the goods facts. What is `None` is left out of the request.
pub(crate) struct Ask<'a> {
    pub(crate) to: Country,
    pub(crate) region: Option<&'a str>,
    pub(crate) from: Option<Country>,
    /// The instant whose law applies.
    pub(crate) law: Timestamp,
    /// The instant whose exchange rates the request states, where it must.
    pub(crate) rates: Timestamp,
    pub(crate) lane: Option<&'a Lane>,
    /// Scheme and number; before the lane's.
    pub(crate) scheme: Option<(&'a str, Option<&'a str>)>,
    /// Before the lane's.
    pub(crate) incoterm: Option<Incoterm>,
    pub(crate) sold_via: Option<SoldVia>,
    pub(crate) currency: Currency,
    pub(crate) quote_currency: Option<Currency>,
    pub(crate) prices_include_tax: bool,
    pub(crate) vat: Option<Decimal>,
    pub(crate) freight: Option<Money>,
    pub(crate) vat_number: Option<&'a str>,
    pub(crate) year_total_before: Option<Decimal>,
    pub(crate) lines: Vec<Article>,
}

/// A line of the question.
pub(crate) struct Article {
    pub(crate) id: String,
    pub(crate) price: Decimal,
    pub(crate) quantity: u32,
    pub(crate) discount: Decimal,
    pub(crate) hs: Option<HsCode>,
    pub(crate) origin: Option<Country>,
}

impl<'a> Ask<'a> {
    /// A question about goods for a country, with nothing else said.
    pub(crate) fn new(to: Country, law: Timestamp, currency: Currency, lines: Vec<Article>) -> Ask<'a> {
        Ask {
            to,
            region: None,
            from: None,
            law,
            rates: law,
            lane: None,
            scheme: None,
            incoterm: None,
            sold_via: None,
            currency,
            quote_currency: None,
            prices_include_tax: false,
            vat: None,
            freight: None,
            vat_number: None,
            year_total_before: None,
            lines,
        }
    }

    /// The request as `tradewind quote --request` takes it, and where the goods facts in it stand.
    pub(crate) fn request(&self, engines: &Engines) -> (Value, Vec<String>) {
        let mut out = Map::new();
        let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
        put("destination", json!({"country": self.to.code(), "region": self.region}));
        if let Some(from) = self.from {
            put("ship_from", json!(from.code()));
        }
        put("legal_event_at", json!(self.law.to_string()));
        put("flow", json!("import_b2c"));
        if let Some(lane) = self.lane {
            lane.put(&mut out);
        }
        let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
        if let Some((scheme, id)) = self.scheme {
            put("scheme", json!(scheme));
            put("scheme_id", json!(id));
        }
        if let Some(term) = self.incoterm {
            put("incoterm", json!(term.code()));
        }
        if let Some(via) = self.sold_via {
            put("sold_via", json!(via.code()));
        }
        put("currency", json!(self.currency.code()));
        if let Some(currency) = self.quote_currency {
            put("quote_currency", json!(currency.code()));
        }
        put("fx", engines.rates_for(self.to).stated(self.currency, self.to, self.rates));
        put("prices_include_tax", json!(self.prices_include_tax));
        if let Some(rate) = self.vat {
            put("rates", json!({"vat": rate.to_string()}));
        }
        if let Some(freight) = self.freight {
            put("freight", json!(freight.amount()));
        }
        let mut buyer = Map::new();
        if let Some(number) = self.vat_number {
            buyer.insert("vat_number".to_owned(), json!(number));
        }
        if let Some(total) = self.year_total_before {
            buyer.insert("year_total_before".to_owned(), json!(total.to_string()));
        }
        put("buyer", Value::Object(buyer));
        let mut origins = Vec::new();
        let lines = self.lines.iter().map(|a| {
            let facts = engines.goods.of(a.hs.as_ref(), a.origin, self.to);
            origins.extend(facts.origins);
            json!({
                "id": a.id, "unit_price": a.price.to_string(), "quantity": a.quantity, "discount": a.discount.to_string(),
                "hs": a.hs.map(|h| h.as_str().to_owned()), "origin": a.origin.map(|o| o.code().to_owned()),
                "rates": facts.rates, "facts": facts.facts,
            })
        });
        let lines = Value::Array(lines.collect());
        put("lines", lines);
        (Value::Object(out), origins)
    }
}
