//! The demo's end: the simulator's ledger beside our books. A new kind of figure is a struct, a function that fills it
//! and a line in [`Summary::of`]; what must hold of it goes into [`Summary::faults`].

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use tradewind_connector::Connector;
use tradewind_domain::{
    AccountId, ChangeState, Currency, DeclarationState, Money, OrderState, ShipmentState,
};
use tradewind_gateway::Gateway;
use tradewind_gateway::plan::Inputs;
use tradewind_gateway::records::{
    Asked, OfferRecord, OrderRecord, PayoutRecord, QuoteRecord, ShipmentRecord, Stage, StockRecord,
    TransactionRecord,
};
use tradewind_ledger::recon::{self, Options, Outcome, Policy};
use tradewind_simulator::{Ledger, MoneyRecord};
use tradewind_store::typed::{self, Record};
use tradewind_store::{Collection, Filter};

/// What the demo ends with.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) seed: u64,
    pub(super) listings: Listings,
    pub(super) orders: Orders,
    /// Units sold beyond the shelf: the worse of what the world and what our books say.
    pub(super) oversold: u64,
    pub(super) declarations: Declarations,
    pub(super) parcels: Parcels,
    /// Landed costs of orders that cross a border, by how much of each is known.
    pub(super) quotes: BTreeMap<String, usize>,
    /// What the others miss, with the number of orders.
    pub(super) quotes_miss: BTreeMap<String, usize>,
    /// By currency.
    pub(super) money: BTreeMap<String, MoneyLine>,
    /// What became of the money in each channel that sells or pays out, by currency: the world's own ledger, as decimal text.
    pub(super) channels: BTreeMap<String, BTreeMap<String, ChannelMoney>>,
    /// By account.
    pub(super) calls: BTreeMap<String, Calls>,
    /// The demo went on where another process had stopped: `calls` are of the last one alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) resumed: bool,
    /// What the simulated channels would complain about.
    pub(super) complaints: BTreeSet<String>,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Listings {
    /// SKU and account that rules, guards and stock allow.
    pub(super) intended: u32,
    /// Read back, and as intended.
    pub(super) live: u32,
    /// Stopped by a guard.
    pub(super) blocked: u32,
}

/// `placed`, `cancelled` and `unpaid` are the world's count, the rest ours.
#[derive(Debug, Default, Serialize)]
pub(super) struct Orders {
    pub(super) placed: usize,
    pub(super) imported: usize,
    /// Placed and not in our books.
    pub(super) lost: usize,
    /// In our books twice, or not placed at all.
    pub(super) doubled: usize,
    pub(super) cancelled: usize,
    pub(super) confirmed: usize,
    /// Neither confirmed nor cancelled at the end.
    pub(super) open: usize,
    /// Neither cancelled nor in any payout of its channel.
    pub(super) unpaid: usize,
    /// Not cancelled, and paid in full by the books, which are made from the documents and movements that were collected.
    pub(super) settled: usize,
    /// Not cancelled, and not settled so.
    pub(super) unsettled: usize,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Declarations {
    pub(super) filed: usize,
    pub(super) released: usize,
    pub(super) refused: usize,
    pub(super) open: usize,
}

/// As the carriers count.
#[derive(Debug, Default, Serialize)]
pub(super) struct Parcels {
    pub(super) booked: usize,
    pub(super) delivered: usize,
    /// Waybills that a carrier booked and we do not know.
    pub(super) unknown: usize,
    /// Booked for orders that were cancelled afterwards, by carriers that cannot void a label: noted on order and parcel.
    pub(super) after_cancellation: usize,
}

/// Money in one currency, as decimal text: the world's own figures, and what of its payouts is in our books.
#[derive(Debug, Default, Serialize)]
pub(super) struct MoneyLine {
    pub(super) sold: String,
    pub(super) refunded: String,
    pub(super) fees: String,
    /// Tax that the channel collected and pays itself: part of `sold`, never ours.
    pub(super) withheld_tax: String,
    pub(super) paid_out: String,
    /// Earned and not paid out when the demo ends; negative: owed to a channel after late returns.
    pub(super) held: String,
    /// Payouts in our books. With `released` and `untold` equal to `paid_out`, or the demo is not clean.
    pub(super) collected: String,
    /// In our books as what came to our balance with channels whose interface tells movements and no payouts. When it was sent on
    /// from there only the bank statement shows.
    pub(super) released: String,
    /// Of `paid_out`: by channels whose interface tells neither. Only the bank statement shows it.
    pub(super) untold: String,
    /// What the books, made from the documents and movements that were collected, cannot account for.
    pub(super) unexplained: String,
    #[serde(skip)]
    missing: i64,
    /// `unexplained`, in minor units.
    #[serde(skip)]
    loose: i64,
}

/// What became of a channel's money in one currency: the world's figures, as decimal text.
#[derive(Debug, Serialize)]
pub(super) struct ChannelMoney {
    sold: String,
    refunded: String,
    fees: String,
    withheld_tax: String,
    paid_out: String,
    held: String,
    elsewhere: String,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Calls {
    pub(super) sent: u64,
    pub(super) throttled: u64,
    /// Writes of which nobody knew whether they were carried out.
    pub(super) indeterminate: u64,
    /// Of these, settled by reading.
    pub(super) settled: u64,
}

impl Summary {
    pub(super) async fn of(seed: u64, gateway: &Gateway, truth: &Ledger) -> anyhow::Result<Summary> {
        let (quotes, quotes_miss) = quotes(gateway).await?;
        let books = books(gateway).await?;
        Ok(Summary {
            seed,
            listings: listings(gateway).await?,
            orders: orders(gateway, truth, &books).await?,
            oversold: oversold(gateway, truth).await?,
            declarations: declarations(gateway).await?,
            parcels: parcels(gateway, truth).await?,
            quotes,
            quotes_miss,
            money: money(gateway, truth, &books).await?,
            channels: channels(truth)?,
            calls: calls(gateway).await?,
            resumed: false,
            complaints: truth.complaints.clone(),
        })
    }

    /// What is not as it must be, in words; empty for a clean run.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut none = |count: usize, what: &str| {
            if count > 0 {
                faults.push(format!("{count} {what}"));
            }
        };
        let o = &self.orders;
        none(o.lost, "orders lost");
        none(o.doubled, "orders doubled");
        none(o.open, "orders neither shipped nor cancelled");
        none(o.unpaid, "orders never paid out");
        none(o.unsettled, "orders that our books do not show as settled");
        none(usize::try_from(self.oversold).unwrap_or(usize::MAX), "units oversold");
        none(self.declarations.open, "declarations without an answer");
        none(self.parcels.unknown, "parcels booked that we do not know");
        // One parcel per order that left, and one per order that was cancelled after its label was there.
        let due = o.confirmed + self.parcels.after_cancellation;
        none(self.parcels.booked.abs_diff(due), "parcels more or less than orders shipped");
        none(self.parcels.booked - self.parcels.delivered, "parcels not delivered");
        none(self.listings.intended.abs_diff(self.listings.live) as usize, "listings not as intended");
        none(self.complaints.len(), "complaints of channels");
        for (currency, m) in &self.money {
            if m.missing != 0 {
                let ours = format!("{} and {}", m.collected, m.released);
                faults.push(format!("{} {currency} paid out, {ours} released in our books", m.paid_out));
            }
            if m.loose != 0 {
                faults.push(format!("{} {currency} that the books cannot account for", m.unexplained));
            }
        }
        faults
    }
}

/// Landed costs by status, and what those that are not complete miss: a fact of several lines of an order is one.
async fn quotes(gateway: &Gateway) -> anyhow::Result<(BTreeMap<String, usize>, BTreeMap<String, usize>)> {
    #[derive(serde::Deserialize)]
    struct Request {
        lines: Vec<Line>,
    }
    #[derive(serde::Deserialize)]
    struct Line {
        id: String,
    }
    #[derive(serde::Deserialize)]
    struct Answer {
        status: String,
        missing: Vec<String>,
    }
    let (mut found, mut miss) = (BTreeMap::new(), BTreeMap::new());
    for quote in list::<QuoteRecord>(gateway).await? {
        let answer: Answer = serde_json::from_str(&quote.answer)?;
        *found.entry(answer.status).or_default() += 1;
        let asked: Request = serde_json::from_str(&quote.request)?;
        // `lines.7.rates.duty` is `rates.duty` of a line; a line's id may hold points itself.
        let fact = |name: &str| {
            let of_line = asked.lines.iter().find_map(|l| name.strip_prefix(&format!("lines.{}.", l.id)));
            of_line.unwrap_or(name).to_owned()
        };
        let facts: BTreeSet<String> = answer.missing.iter().map(|m| fact(m)).collect();
        for fact in facts {
            *miss.entry(fact).or_default() += 1;
        }
    }
    Ok((found, miss))
}

/// States of an offer whose last change has not come to its end.
const UNDER_WAY: [ChangeState; 3] = [ChangeState::Sent, ChangeState::Accepted, ChangeState::Indeterminate];

/// Nothing is under way on either side.
pub(super) async fn is_over(gateway: &Gateway, truth: &Ledger) -> anyhow::Result<bool> {
    let all = list::<OrderRecord>(gateway).await?;
    let ours = all.iter().all(|o| matches!(o.stage, Stage::Confirmed | Stage::Cancelled | Stage::Stuck));
    let parcels = truth.parcels.values().flat_map(BTreeMap::values).all(|p| p.delivered || !p.booked);
    if !(ours && parcels && unpaid(truth) == 0) {
        return Ok(false);
    }
    let collected = money(gateway, truth, &books(gateway).await?).await?.values().all(|m| m.missing == 0);
    let offers = gateway.store.count(Collection::Offers, Filter::all().states(&UNDER_WAY)).await?;
    let declared = declarations(gateway).await?.open == 0;
    let planned = gateway.plan().await?.changes.iter().any(|c| c.stop.is_none());
    Ok(collected && declared && offers == 0 && !planned)
}

async fn list<T: Record>(gateway: &Gateway) -> anyhow::Result<Vec<T>> {
    let all = typed::list::<T>(&*gateway.store, Filter::all()).await?;
    Ok(all.into_iter().map(|v| v.value).collect())
}

/// Intended is what a plan would put up if nothing were known of the channels.
async fn listings(gateway: &Gateway) -> anyhow::Result<Listings> {
    let offers: Vec<OfferRecord> = list(gateway).await?;
    let live = offers.iter().filter(|o| o.state == ChangeState::Live && o.asked != Asked::Withdrawal).count();
    let variants = gateway.variants().await?;
    // The shelf of the first day: what was sold since was on sale.
    let mut stock: BTreeMap<_, _> = gateway.stock().await?.into_iter().map(|(k, v)| (k, v.value)).collect();
    for (sku, record) in &mut stock {
        record.on_hand = variants.get(sku).and_then(|(_, v)| v.quantity).unwrap_or(0);
        record.reserved = 0;
        record.allotted.clear();
        record.allot(&gateway.stock_parts(), gateway.config.stock.buffer);
    }
    let capabilities = gateway.capabilities();
    let unknown = BTreeMap::new();
    let inputs = Inputs {
        config: &gateway.config,
        variants: &variants,
        offers: &unknown,
        stock: &stock,
        capabilities: &capabilities,
        engines: &gateway.engines,
    };
    let plan = inputs.plan(gateway.now());
    Ok(Listings { intended: plan.totals.create, live: u32::try_from(live)?, blocked: plan.totals.blocked })
}

fn unpaid(truth: &Ledger) -> usize {
    let all = truth.orders.values().flat_map(BTreeMap::values);
    all.filter(|o| !o.cancelled && o.payout.is_none()).count()
}

/// The books of all that was collected.
async fn books(gateway: &Gateway) -> anyhow::Result<Outcome> {
    let options = Options { as_of: None, policy: Policy::default(), zones: Vec::new() };
    Ok(recon::run(&gateway.facts().await?, &options)?)
}

async fn orders(gateway: &Gateway, truth: &Ledger, books: &Outcome) -> anyhow::Result<Orders> {
    let ours: Vec<OrderRecord> = list(gateway).await?;
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for order in &ours {
        *seen.entry(order.order.id.as_str()).or_default() += 1;
    }
    let placed: BTreeMap<&str, bool> =
        truth.orders.values().flat_map(|c| c.iter().map(|(id, o)| (id.as_str(), o.cancelled))).collect();
    let stage = |s: Stage| ours.iter().filter(|o| o.stage == s).count();
    let due = books.orders.iter().filter(|o| placed.get(o.id.as_str()) != Some(&true));
    let (settled, unsettled): (Vec<_>, Vec<_>) =
        due.partition(|o| matches!(o.state, "Settled" | "Reconciled"));
    Ok(Orders {
        placed: truth.placed_count(),
        imported: ours.len(),
        lost: placed.keys().filter(|id| !seen.contains_key(*id)).count(),
        doubled: seen.iter().filter(|(id, n)| **n > 1 || !placed.contains_key(*id)).count(),
        cancelled: placed.values().filter(|cancelled| **cancelled).count(),
        confirmed: stage(Stage::Confirmed),
        open: ours.len() - stage(Stage::Confirmed) - stage(Stage::Cancelled),
        unpaid: unpaid(truth),
        settled: settled.len(),
        unsettled: unsettled.len(),
    })
}

async fn oversold(gateway: &Gateway, truth: &Ledger) -> anyhow::Result<u64> {
    let stock: Vec<StockRecord> = list(gateway).await?;
    Ok(truth.oversold().max(stock.iter().map(|s| u64::from(s.oversold)).sum()))
}

async fn declarations(gateway: &Gateway) -> anyhow::Result<Declarations> {
    let all = gateway.declarations().await?;
    let count = |states: &[DeclarationState]| all.iter().filter(|d| states.contains(&d.state)).count();
    Ok(Declarations {
        filed: all.iter().filter(|d| d.filed_at.is_some()).count(),
        released: count(&[DeclarationState::Released, DeclarationState::Assessed]),
        refused: count(&[DeclarationState::Rejected]),
        open: all.iter().filter(|d| !d.state.is_settled()).count(),
    })
}

async fn parcels(gateway: &Gateway, truth: &Ledger) -> anyhow::Result<Parcels> {
    let ours: Vec<ShipmentRecord> = list(gateway).await?;
    let known: BTreeSet<&str> =
        ours.iter().filter_map(|p| Some(p.booked.as_ref()?.waybill.as_str())).collect();
    let all = || truth.parcels.values().flatten().filter(|(_, p)| p.booked);
    let stages: BTreeMap<String, Stage> =
        list::<OrderRecord>(gateway).await?.into_iter().map(|o| (o.key(), o.stage)).collect();
    let late = ours.iter().filter(|p| {
        let cancelled = stages.get(&p.order) == Some(&Stage::Cancelled);
        // Only what a person was told of: a parcel that nobody noticed is a fault.
        cancelled && p.booked.is_some() && p.state != ShipmentState::Voided && p.note.is_some()
    });
    Ok(Parcels {
        after_cancellation: late.count(),
        booked: all().count(),
        delivered: all().filter(|(_, p)| p.delivered).count(),
        unknown: all().filter(|(waybill, _)| !known.contains(waybill.as_str())).count(),
    })
}

/// Channels that sell or pay out; what carriers charge is theirs to bill, not part of a payout.
fn sellers(truth: &Ledger) -> impl Iterator<Item = (&String, &BTreeMap<String, MoneyRecord>)> {
    truth.money.iter().filter(|(c, _)| truth.orders.contains_key(*c) || truth.payouts.contains_key(*c))
}

fn channels(truth: &Ledger) -> anyhow::Result<BTreeMap<String, BTreeMap<String, ChannelMoney>>> {
    let mut all: BTreeMap<String, BTreeMap<String, ChannelMoney>> = BTreeMap::new();
    for (channel, by_currency) in sellers(truth) {
        for (code, m) in by_currency {
            let currency = Currency::new(code)?;
            let text = |minor: i64| Money::from_minor(minor, currency).amount();
            let money = ChannelMoney {
                sold: text(m.sold),
                refunded: text(m.refunded),
                fees: text(m.fees),
                withheld_tax: text(m.withheld_tax),
                paid_out: text(m.paid_out),
                held: text(m.held),
                elsewhere: text(m.elsewhere),
            };
            all.entry(channel.clone()).or_default().insert(code.clone(), money);
        }
    }
    Ok(all)
}

/// Money facets of a channel, whichever role has them: movements, payouts.
fn tells(connector: &dyn Connector) -> (bool, bool) {
    let (m, p) = (connector.marketplace(), connector.payments());
    let movements = m.and_then(|m| m.transactions()).or_else(|| p.and_then(|p| p.transactions()));
    let payouts = m.and_then(|m| m.payouts()).or_else(|| p.and_then(|p| p.payouts()));
    (movements.is_some(), payouts.is_some())
}

/// What came to our balance with channels that tell movements and no payouts, by currency: each movement once, whichever accounts
/// of a seller see it.
async fn released(gateway: &Gateway) -> anyhow::Result<BTreeMap<Currency, i64>> {
    let mut sums: BTreeMap<Currency, i64> = BTreeMap::new();
    let mut counted = BTreeSet::new();
    for TransactionRecord { account, transaction: t } in list(gateway).await? {
        let connector = gateway.account(&account)?;
        if tells(connector.as_ref()) != (true, false) || !t.balance_affecting {
            continue;
        }
        let net = t.net.map_or_else(|| t.fee.map_or(Ok(t.amount), |fee| t.amount.try_sub(fee)), Ok)?;
        if counted.insert((connector.info().id.clone(), t.id)) {
            *sums.entry(net.currency()).or_default() += net.minor();
        }
    }
    Ok(sums)
}

async fn money(
    gateway: &Gateway,
    truth: &Ledger,
    books: &Outcome,
) -> anyhow::Result<BTreeMap<String, MoneyLine>> {
    let mut collected: BTreeMap<Currency, i64> = BTreeMap::new();
    let mut counted = BTreeSet::new();
    for PayoutRecord { account, payout } in list(gateway).await? {
        // Accounts of one seller see the same payouts: each is counted once.
        let provider = gateway.account(&account)?.info().id.clone();
        if counted.insert((provider, payout.id)) {
            *collected.entry(payout.amount.currency()).or_default() += payout.amount.minor();
        }
    }
    let released = released(gateway).await?;
    let silent: BTreeSet<&str> = gateway
        .accounts
        .values()
        .filter(|c| tells(c.as_ref()) == (false, false))
        .map(|c| c.info().id.as_str())
        .collect();
    let mut untold: BTreeMap<&str, i64> = BTreeMap::new();
    for (_, m) in truth.money.iter().filter(|(c, _)| silent.contains(c.as_str())) {
        for (code, m) in m {
            *untold.entry(code).or_default() += m.paid_out;
        }
    }
    let mut lines: BTreeMap<String, [i64; 6]> = BTreeMap::new();
    for (code, m) in sellers(truth).flat_map(|(_, m)| m) {
        let line = lines.entry(code.clone()).or_default();
        let figures = [m.sold, m.refunded, m.fees, m.withheld_tax, m.paid_out, m.held];
        for (slot, value) in line.iter_mut().zip(figures) {
            *slot += value;
        }
    }
    // What cannot be accounted for is shown in whatever currency it is.
    for (currency, _) in books.unexplained.iter().filter(|(_, minor)| **minor != 0) {
        lines.entry(currency.to_string()).or_default();
    }
    let mut shown = BTreeMap::new();
    for (code, [sold, refunded, fees, withheld, paid_out, held]) in lines {
        let currency = Currency::new(&code)?;
        let text = |minor: i64| Money::from_minor(minor, currency).amount();
        let collected = collected.get(&currency).copied().unwrap_or(0);
        let released = released.get(&currency).copied().unwrap_or(0);
        let untold = untold.get(code.as_str()).copied().unwrap_or(0);
        let loose = books.unexplained.get(&currency).copied().unwrap_or(0);
        let line = MoneyLine {
            sold: text(sold),
            refunded: text(refunded),
            fees: text(fees),
            withheld_tax: text(withheld),
            paid_out: text(paid_out),
            held: text(held),
            collected: text(collected),
            released: text(released),
            untold: text(untold),
            unexplained: text(loose),
            missing: paid_out - untold - released - collected,
            loose,
        };
        shown.insert(code, line);
    }
    Ok(shown)
}

/// Writes of which nobody knows yet whether they were carried out, by the account they were sent through: offers, and what
/// [`orders_in_doubt`] counts.
async fn in_doubt(gateway: &Gateway) -> anyhow::Result<BTreeMap<AccountId, u64>> {
    let mut open = orders_in_doubt(gateway).await?;
    for offer in list::<OfferRecord>(gateway).await? {
        *open.entry(offer.account).or_default() += u64::from(offer.state == ChangeState::Indeterminate);
    }
    Ok(open)
}

/// Of parcels and declarations; of confirmations and cancellations, which are settled by reading the order, those that are
/// still due.
async fn orders_in_doubt(gateway: &Gateway) -> anyhow::Result<BTreeMap<AccountId, u64>> {
    let mut open: BTreeMap<AccountId, u64> = BTreeMap::new();
    let mut count = |account: AccountId, doubtful: bool| {
        *open.entry(account).or_default() += u64::from(doubtful);
    };
    for parcel in list::<ShipmentRecord>(gateway).await? {
        let doubtful = matches!(parcel.state, ShipmentState::CreateUnknown | ShipmentState::CreatePending);
        count(parcel.account, doubtful);
    }
    for filed in gateway.declarations().await? {
        count(filed.account, filed.state == DeclarationState::Indeterminate);
    }
    for order in list::<OrderRecord>(gateway).await? {
        let due = order.stage == Stage::ToConfirm || order.order.state == OrderState::CancelRequested;
        count(order.order.account, due);
    }
    Ok(open)
}

/// Something was sent of which nobody knows whether it was carried out; with `listings` of these as well, until the channel
/// has published them, and units that came back with cancelled orders, until they are for sale again.
pub(super) async fn is_in_doubt(gateway: &Gateway, listings: bool) -> anyhow::Result<bool> {
    if listings {
        let under_way = gateway.store.count(Collection::Offers, Filter::all().states(&UNDER_WAY)).await?;
        let returned = Filter::all().states(&[StockRecord::RETURNED]);
        if under_way > 0 || gateway.store.count(Collection::Stock, returned).await? > 0 {
            return Ok(true);
        }
    }
    Ok(orders_in_doubt(gateway).await?.values().any(|n| *n > 0))
}

async fn calls(gateway: &Gateway) -> anyhow::Result<BTreeMap<String, Calls>> {
    let unsettled = in_doubt(gateway).await?;
    let mut calls = BTreeMap::new();
    for (id, connector) in &gateway.accounts {
        let c = connector.pipeline().counts();
        let settled = c.indeterminate.saturating_sub(unsettled.get(id).copied().unwrap_or(0));
        let counts = Calls { sent: c.sent, throttled: c.throttled, indeterminate: c.indeterminate, settled };
        calls.insert(id.to_string(), counts);
    }
    Ok(calls)
}

#[cfg(test)]
mod tests {
    use tradewind_simulator::core::ledger::{OrderRecord as Placed, PayoutRecord as Payout};

    use super::*;

    fn summary(orders: Orders) -> Summary {
        Summary {
            seed: 1,
            listings: Listings::default(),
            orders,
            oversold: 0,
            declarations: Declarations::default(),
            parcels: Parcels::default(),
            quotes: BTreeMap::new(),
            quotes_miss: BTreeMap::new(),
            money: BTreeMap::new(),
            channels: BTreeMap::new(),
            calls: BTreeMap::new(),
            resumed: false,
            complaints: BTreeSet::new(),
        }
    }

    /// Four orders at two channels: one is cancelled, which no payout covers; of the others one more is paid out each time.
    #[test]
    fn an_order_that_no_payout_covers_is_no_clean_run() {
        let mut truth = Ledger::default();
        for (channel, id) in [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")] {
            truth.placed(
                channel,
                id,
                Placed { currency: "EUR".to_owned(), total: 1_000, ..Placed::default() },
            );
        }
        truth.cancelled("b", "2", "buyer");
        let verdict =
            |truth: &Ledger| summary(Orders { unpaid: unpaid(truth), ..Orders::default() }).faults();
        for (channel, id, left) in [("a", "1", 2), ("a", "2", 1)] {
            let payout =
                Payout { currency: "EUR".to_owned(), orders: vec![id.to_owned()], ..Payout::default() };
            truth.paid_out(channel, &format!("P{id}"), payout);
            assert_eq!(verdict(&truth), [format!("{left} orders never paid out")]);
        }
        let payout = Payout { currency: "EUR".to_owned(), orders: vec!["1".to_owned()], ..Payout::default() };
        // The order 1 of b, not that of a.
        truth.paid_out("b", "P3", payout);
        assert_eq!(verdict(&truth), Vec::<String>::new());
    }
}
