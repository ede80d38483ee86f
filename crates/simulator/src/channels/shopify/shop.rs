//! The shop's state.

use super::resolve::legacy;
use super::{CURRENCY, FIRST_REFRESH, STATIC_TOKEN};
use crate::core::buyers::{Buyer, Offer};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const LOCATION: &str = "gid://shopify/Location/70010001";
pub(super) const PUBLICATION: &str = "gid://shopify/Publication/80010001";
/// Where the shop's buyers live, one of twenty each. The seller is a trading company in Shenzhen with bonded stock in China,
/// and an own shop is the one channel here from which such stock is sold: its platform is registered with China's customs,
/// AliExpress serves no buyers in mainland China, and the western marketplaces file nothing there. So China is the largest
/// market of it, and the shop's own language and currency keep buyers elsewhere; those of North America may pay with PayPal.
const BUYERS: [&str; 20] = [
    "CN", "CN", "CN", "CN", "CN", "CN", "CN", "CN", "CN", "US", "US", "US", "US", "US", "US", "US", "CA",
    "GB", "DE", "FR",
];
pub(super) const SCOPES: &str = "read_products,write_products,read_inventory,write_inventory,read_locations,read_orders,write_orders,read_all_orders,read_merchant_managed_fulfillment_orders,write_merchant_managed_fulfillment_orders,read_shopify_payments_payouts,read_publications,write_publications";

/// Buyers here pay VAT, and see prices in euro.
pub(super) const EU: &[&str] = &["AT", "BE", "DE", "ES", "FR", "IE", "IT", "NL", "PL", "SE"];

/// The id of a part of an order, by the order's.
pub(super) fn sub(id: &str, kind: &str, n: usize) -> String {
    format!("gid://shopify/{kind}/{}{n:02}", legacy(id))
}

/// Tax that the shop adds for a destination, per mille of the goods: VAT of 20 %; in China the 70 % of 13 % VAT that
/// retail imports pay.
pub(super) fn tax_per_mille(country: &str) -> i64 {
    match country {
        "CN" => 91,
        c if c == "GB" || EU.contains(&c) => 200,
        _ => 0,
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Variant {
    pub(super) id: String,
    pub(super) item: String,
    pub(super) sku: String,
    pub(super) barcode: Option<String>,
    pub(super) price: i64,
    pub(super) compare_at: Option<i64>,
    pub(super) options: Vec<(String, String)>,
    pub(super) tracked: bool,
    pub(super) oversell: bool,
    pub(super) hs: Option<String>,
    pub(super) origin: Option<String>,
    pub(super) available: i64,
    pub(super) committed: i64,
    pub(super) shown_price: i64,
    pub(super) shown_stock: i64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Product {
    pub(super) id: String,
    pub(super) handle: String,
    pub(super) title: String,
    pub(super) html: String,
    pub(super) vendor: String,
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) tags: Vec<String>,
    pub(super) options: Vec<(String, Vec<String>)>,
    pub(super) variants: Vec<Variant>,
    /// Asked to be published; buyers see it when `live`.
    pub(super) published: bool,
    pub(super) live: bool,
    pub(super) created_ms: i64,
    pub(super) updated_ms: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) variant: String,
    pub(super) product: String,
    pub(super) sku: String,
    pub(super) title: String,
    pub(super) quantity: i64,
    pub(super) refunded: i64,
    pub(super) shipped: i64,
    pub(super) unit: i64,
    pub(super) tax: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Transaction {
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) amount: i64,
    pub(super) at_ms: i64,
    pub(super) parent: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) at_ms: i64,
    pub(super) amount: i64,
    pub(super) transaction: String,
    pub(super) lines: Vec<(String, i64)>,
}

#[derive(Debug, Clone)]
pub(super) struct Fulfilment {
    pub(super) id: String,
    pub(super) company: String,
    pub(super) number: String,
    pub(super) url: String,
    pub(super) at_ms: i64,
    pub(super) lines: Vec<(String, i64)>,
    pub(super) delivered_ms: Option<i64>,
}

#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) number: u64,
    pub(super) buyer: Buyer,
    /// Presentment currency and its rate per shop unit, as a fraction of 100.
    pub(super) shown_in: (&'static str, i64),
    pub(super) gateway: &'static str,
    pub(super) lines: Vec<Line>,
    pub(super) shipping: i64,
    pub(super) tax: i64,
    pub(super) total: i64,
    pub(super) created_ms: i64,
    pub(super) updated_ms: i64,
    pub(super) cancelled_ms: Option<i64>,
    pub(super) cancel_reason: Option<String>,
    pub(super) transactions: Vec<Transaction>,
    pub(super) refunds: Vec<Refund>,
    pub(super) fulfilments: Vec<Fulfilment>,
}

impl Order {
    pub(super) fn refunded(&self) -> i64 {
        self.refunds.iter().map(|r| r.amount).sum()
    }
    pub(super) fn open_quantity(&self) -> i64 {
        self.lines.iter().map(|l| (l.quantity - l.refunded - l.shipped).max(0)).sum()
    }
    pub(super) fn fulfilment_order(&self) -> String {
        self.id.replace("/Order/", "/FulfillmentOrder/")
    }
}

#[derive(Debug, Clone)]
pub(super) struct Balance {
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) source: &'static str,
    pub(super) order: Option<(String, String)>,
    pub(super) transaction: Option<String>,
    pub(super) amount: i64,
    pub(super) fee: i64,
    pub(super) at_ms: i64,
    pub(super) payout: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Payout {
    pub(super) id: String,
    pub(super) at_ms: i64,
    pub(super) status: &'static str,
    pub(super) net: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Bulk {
    pub(super) id: String,
    pub(super) created_ms: i64,
    pub(super) done: bool,
    pub(super) file: String,
    pub(super) text: String,
    pub(super) objects: usize,
    pub(super) roots: usize,
    pub(super) query: String,
}

#[derive(Debug, Default)]
pub(super) struct Shop {
    pub(super) products: BTreeMap<String, Product>,
    pub(super) creations: BTreeMap<String, u32>,
    pub(super) orders: BTreeMap<String, Order>,
    pub(super) balances: Vec<Balance>,
    pub(super) payouts: BTreeMap<String, Payout>,
    pub(super) bulks: Vec<Bulk>,
    /// Topic, callback address.
    pub(super) subscriptions: Vec<(String, String)>,
    /// Idempotency key → digest of the arguments, answer.
    pub(super) keys: BTreeMap<String, (String, Value)>,
    pub(super) jobs: BTreeMap<String, i64>,
    tokens: BTreeMap<String, i64>,
    used: BTreeSet<String>,
    issued: u32,
}

impl Shop {
    pub(super) fn token_valid(&self, token: &str, now: i64) -> bool {
        token == STATIC_TOKEN || self.tokens.get(token).is_some_and(|end| *end > now)
    }

    pub(super) fn new_token(&mut self, now: i64, seconds: i64) -> String {
        self.issued += 1;
        let token = format!("shpat_simtoken{}", self.issued);
        self.tokens.insert(token.clone(), now + seconds * 1_000);
        token
    }

    /// A refresh token works once.
    pub(super) fn rotate(&mut self, refresh: &str, now: i64) -> Option<(String, String)> {
        let known = refresh == FIRST_REFRESH
            || refresh
                .strip_prefix("shprt_simrefresh")
                .and_then(|n| n.parse::<u32>().ok())
                .is_some_and(|n| n <= self.issued);
        if !known || !self.used.insert(refresh.to_owned()) {
            return None;
        }
        let access = self.new_token(now, 3_600);
        Some((access, format!("shprt_simrefresh{}", self.issued)))
    }

    pub(super) fn bulk_file(&self, file: &str) -> Option<String> {
        self.bulks.iter().find(|b| b.done && b.file == file).map(|b| b.text.clone())
    }

    pub(super) fn variant(&mut self, id: &str) -> Option<&mut Variant> {
        self.products.values_mut().flat_map(|p| p.variants.iter_mut()).find(|v| v.id == id || v.item == id)
    }

    pub(super) fn offers(&self) -> Vec<Offer> {
        let live = self.products.values().filter(|p| p.live && p.status == "ACTIVE");
        live.flat_map(|p| p.variants.iter())
            .filter(|v| !v.sku.is_empty())
            .map(|v| Offer {
                sku: v.sku.clone(),
                listing: v.id.clone(),
                site: "online_store".to_owned(),
                currency: CURRENCY.to_owned(),
                price: v.shown_price,
                available: u64::try_from(v.shown_stock).unwrap_or(0),
                countries: BUYERS.map(str::to_owned).to_vec(),
            })
            .collect()
    }
}
