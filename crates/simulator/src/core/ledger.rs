//! The oracle: what truly happened in the simulated world.
//!
//! Channels write here at the moment a thing happens to *them* (a buyer pays, a parcel is handed
//! over, a payout leaves), never what a client claims. `demo` compares the gateway's books with
//! this. Every map is ordered, so equal worlds give equal bytes.

use super::money;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that happened, per channel.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// Orders by channel and the channel's order id.
    pub orders: BTreeMap<String, BTreeMap<String, OrderRecord>>,
    /// Listings by channel, then by `site/sku`.
    pub listings: BTreeMap<String, BTreeMap<String, ListingRecord>>,
    /// Physical stock by SKU, over all channels.
    pub stock: BTreeMap<String, StockRecord>,
    /// Money by channel and currency.
    pub money: BTreeMap<String, BTreeMap<String, MoneyRecord>>,
    /// Payouts by channel and payout id.
    pub payouts: BTreeMap<String, BTreeMap<String, PayoutRecord>>,
    /// Parcels by channel (carrier) and tracking number.
    pub parcels: BTreeMap<String, BTreeMap<String, ParcelRecord>>,
    /// Declarations by channel (customs) and declaration number.
    pub declarations: BTreeMap<String, BTreeMap<String, DeclarationRecord>>,
    /// Calls by channel and operation.
    pub calls: BTreeMap<String, BTreeMap<String, CallRecord>>,
    /// Things a fake considers a client's mistake worth showing (a shipped order that was
    /// cancelled, a declaration without a payment), in order of channel then text.
    pub complaints: BTreeSet<String>,
}

/// One order as the buyer placed it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct OrderRecord {
    /// When it was placed (ISO, UTC).
    pub placed_at: String,
    /// The channel's site (marketplace id, shop, country code).
    pub site: String,
    /// The buyer's country, ISO 3166 alpha-2.
    pub country: String,
    /// Currency of every amount here.
    pub currency: String,
    /// What the buyer pays in all, minor units.
    pub total: i64,
    /// Of which goods.
    pub goods: i64,
    /// Of which shipping charged to the buyer.
    pub shipping: i64,
    /// Of which tax.
    pub tax: i64,
    /// The lines.
    pub lines: Vec<LineRecord>,
    /// Cancelled in full.
    pub cancelled: bool,
    /// Who cancelled, when cancelled: `buyer`, `seller`, `channel`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<String>,
    /// Given back to the buyer so far, minor units.
    pub refunded: i64,
    /// The seller told the channel that it shipped (tracking number, empty if none was given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipped: Option<String>,
    /// The parcel reached the buyer.
    pub delivered: bool,
    /// Covered by this payout, if paid out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payout: Option<String>,
}

/// One order line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LineRecord {
    /// The channel's line id.
    pub id: String,
    /// The seller's SKU.
    pub sku: String,
    /// Units.
    pub quantity: u32,
    /// Price of one unit, minor units of the order's currency.
    pub unit_price: i64,
}

/// One listing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ListingRecord {
    /// `live`, `pending`, `refused`, `ended`.
    pub state: String,
    /// The channel's own id of it.
    pub id: String,
    /// Currency.
    pub currency: String,
    /// Price, minor units.
    pub price: i64,
    /// Units offered.
    pub quantity: u64,
}

/// Stock of one SKU over all channels.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct StockRecord {
    /// What the seller physically has at the start; `None` = nobody said, nothing is checked.
    pub owned: Option<u64>,
    /// Units in orders that were not cancelled.
    pub sold: u64,
    /// The worst shortage ever seen: units sold beyond `owned`.
    pub oversold: u64,
}

/// Money of one channel in one currency, minor units.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct MoneyRecord {
    /// Placed and not cancelled before payment.
    pub sold: i64,
    /// Given back to buyers.
    pub refunded: i64,
    /// Charged to the seller (positive).
    pub fees: i64,
    /// Tax collected and remitted by the channel itself (never reaches the seller).
    pub withheld_tax: i64,
    /// Left for the seller's bank.
    pub paid_out: i64,
    /// Earned and not paid out yet, as the channel's own balance says; negative: owed to the channel, which takes it from
    /// later funds.
    #[serde(default)]
    pub held: i64,
    /// Of what was sold here: paid through another channel (a payment provider), whose figures go on with it; there it
    /// stands with the other sign. Less what the provider gave back to buyers.
    #[serde(default)]
    pub elsewhere: i64,
}

/// One payout.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PayoutRecord {
    /// Currency.
    pub currency: String,
    /// Amount, minor units; negative when the seller owes.
    pub amount: i64,
    /// When it left (ISO, UTC).
    pub at: String,
    /// The orders it covers.
    pub orders: Vec<String>,
}

/// One parcel.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ParcelRecord {
    /// The shipper's reference (usually the order id).
    pub reference: String,
    /// Destination country.
    pub country: String,
    /// Booked and not voided.
    pub booked: bool,
    /// Delivered.
    pub delivered: bool,
    /// Number of scans so far.
    pub scans: u32,
}

/// One customs declaration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DeclarationRecord {
    /// The order it is for.
    pub order: String,
    /// `filed`, `released`, `refused`.
    pub state: String,
    /// Duty and tax assessed, minor units of `currency`.
    pub duties: i64,
    /// Currency of `duties`.
    pub currency: String,
    /// Reason when refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Calls to one operation.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct CallRecord {
    /// Requests that reached the channel.
    pub received: u64,
    /// Answered "too many requests", by quota or by fault.
    pub throttled: u64,
    /// Disturbed by an injected fault of any kind.
    pub faulted: u64,
}

impl Ledger {
    /// The money row of a channel and currency.
    pub fn money(&mut self, channel: &str, currency: &str) -> &mut MoneyRecord {
        self.money.entry(channel.to_owned()).or_default().entry(currency.to_owned()).or_default()
    }

    /// A buyer placed `order`: books stock, revenue and the order itself.
    pub fn placed(&mut self, channel: &str, id: &str, order: OrderRecord) {
        for line in &order.lines {
            let stock = self.stock.entry(line.sku.clone()).or_default();
            stock.sold = stock.sold.saturating_add(u64::from(line.quantity));
            if let Some(owned) = stock.owned {
                stock.oversold = stock.oversold.max(stock.sold.saturating_sub(owned));
            }
        }
        self.money(channel, &order.currency).sold += order.total;
        self.orders.entry(channel.to_owned()).or_default().insert(id.to_owned(), order);
    }

    /// The order of a channel.
    pub fn order(&mut self, channel: &str, id: &str) -> Option<&mut OrderRecord> {
        self.orders.get_mut(channel)?.get_mut(id)
    }

    /// The whole order was cancelled: units return to stock, the sale is taken back. What the
    /// channel already refunded for it must not be booked as a refund as well. Twice is once.
    pub fn cancelled(&mut self, channel: &str, id: &str, by: &str) {
        let Some(order) = self.order(channel, id) else { return };
        if order.cancelled {
            return;
        }
        order.cancelled = true;
        order.cancelled_by = Some(by.to_owned());
        let (currency, total) = (order.currency.clone(), order.total);
        let units: Vec<(String, u64)> =
            order.lines.iter().map(|l| (l.sku.clone(), u64::from(l.quantity))).collect();
        for (sku, quantity) in units {
            if let Some(stock) = self.stock.get_mut(&sku) {
                stock.sold = stock.sold.saturating_sub(quantity);
            }
        }
        self.money(channel, &currency).sold -= total;
    }

    /// `amount` minor units went back to the buyer of a shipped order.
    pub fn refunded(&mut self, channel: &str, id: &str, amount: i64) {
        let Some(order) = self.order(channel, id) else { return };
        order.refunded += amount;
        let currency = order.currency.clone();
        self.money(channel, &currency).refunded += amount;
    }

    /// The channel charged the seller `amount` (negative gives a fee back).
    pub fn fee(&mut self, channel: &str, currency: &str, amount: i64) {
        self.money(channel, currency).fees += amount;
    }

    /// A buyer of `channel` paid `amount` through `provider` (negative: got it back).
    pub fn through(&mut self, channel: &str, provider: &str, currency: &str, amount: i64) {
        self.money(channel, currency).elsewhere += amount;
        self.money(provider, currency).elsewhere -= amount;
    }

    /// Money left for the seller's bank. The orders it covers are marked.
    pub fn paid_out(&mut self, channel: &str, id: &str, payout: PayoutRecord) {
        self.money(channel, &payout.currency).paid_out += payout.amount;
        for order in &payout.orders {
            if let Some(order) = self.order(channel, order) {
                order.payout = Some(id.to_owned());
            }
        }
        self.payouts.entry(channel.to_owned()).or_default().insert(id.to_owned(), payout);
    }

    /// The seller told the channel that the order shipped.
    pub fn shipped(&mut self, channel: &str, id: &str, tracking: &str) {
        if let Some(order) = self.order(channel, id) {
            order.shipped = Some(tracking.to_owned());
        }
    }

    /// The listing of `sku` on `site` is now so.
    pub fn listing(&mut self, channel: &str, site: &str, sku: &str, record: ListingRecord) {
        self.listings.entry(channel.to_owned()).or_default().insert(format!("{site}/{sku}"), record);
    }

    /// A parcel of a carrier, made if new.
    pub fn parcel(&mut self, channel: &str, tracking: &str) -> &mut ParcelRecord {
        self.parcels.entry(channel.to_owned()).or_default().entry(tracking.to_owned()).or_default()
    }

    /// A declaration, made if new.
    pub fn declaration(&mut self, channel: &str, number: &str) -> &mut DeclarationRecord {
        self.declarations.entry(channel.to_owned()).or_default().entry(number.to_owned()).or_default()
    }

    /// The seller physically owns `quantity` of `sku`.
    pub fn own(&mut self, sku: &str, quantity: u64) {
        let stock = self.stock.entry(sku.to_owned()).or_default();
        stock.owned = Some(quantity);
        stock.oversold = stock.oversold.max(stock.sold.saturating_sub(quantity));
    }

    /// Something a client should not have done.
    pub fn complain(&mut self, channel: &str, what: &str) {
        self.complaints.insert(format!("{channel}: {what}"));
    }

    pub(crate) fn call(&mut self, channel: &str, operation: &str) -> &mut CallRecord {
        self.calls.entry(channel.to_owned()).or_default().entry(operation.to_owned()).or_default()
    }

    /// Orders placed over all channels.
    #[must_use]
    pub fn placed_count(&self) -> usize {
        self.orders.values().map(BTreeMap::len).sum()
    }

    /// Units sold beyond what the seller owned, over all SKUs.
    #[must_use]
    pub fn oversold(&self) -> u64 {
        self.stock.values().map(|s| s.oversold).sum()
    }

    /// The ledger as JSON bytes: equal worlds, equal bytes.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }
}

impl OrderRecord {
    /// The total as text in the order's currency, for messages.
    #[must_use]
    pub fn total_text(&self) -> String {
        format!("{} {}", money::text(self.total, &self.currency), self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(quantity: u32) -> OrderRecord {
        OrderRecord {
            currency: "EUR".into(),
            total: 1_000,
            lines: vec![LineRecord { id: "1".into(), sku: "S".into(), quantity, unit_price: 500 }],
            ..OrderRecord::default()
        }
    }

    #[test]
    fn stock_and_money_follow_orders_and_cancellations() {
        let mut ledger = Ledger::default();
        ledger.own("S", 3);
        ledger.placed("a", "1", order(2));
        assert_eq!(ledger.oversold(), 0);
        ledger.cancelled("a", "1", "buyer");
        ledger.cancelled("a", "1", "buyer");
        assert_eq!(ledger.stock["S"].sold, 0);
        assert_eq!(ledger.money("a", "EUR").sold, 0);
        ledger.placed("a", "2", order(2));
        ledger.placed("b", "1", order(2));
        // 4 sold of 3 owned.
        assert_eq!(ledger.oversold(), 1);
        ledger.refunded("a", "2", 400);
        assert_eq!((ledger.money("a", "EUR").sold, ledger.money("a", "EUR").refunded), (1_000, 400));
        assert_eq!(ledger.placed_count(), 3);
    }
}
