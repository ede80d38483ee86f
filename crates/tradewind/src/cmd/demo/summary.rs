//! The demo's end: the simulator's ledger beside our books.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use tradewind_domain::{ChangeState, Currency, DeclarationState, Money};
use tradewind_gateway::Gateway;
use tradewind_gateway::records::{OfferRecord, OrderRecord, ShipmentRecord, Stage, StockRecord};
use tradewind_simulator::Ledger;
use tradewind_store::{Collection, Filter};
use tradewind_store::typed;

#[derive(Debug, Default, Serialize)]
pub(super) struct Listings {
    intended: u32,
    live: u32,
    blocked: u32,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Orders {
    placed: usize,
    imported: usize,
    lost: usize,
    doubled: usize,
    cancelled: usize,
    confirmed: usize,
    /// Neither confirmed nor cancelled at the end.
    open: usize,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Declarations {
    filed: usize,
    released: usize,
    refused: usize,
    open: usize,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Parcels {
    /// As the carrier counts.
    booked: usize,
    /// As the carrier counts.
    delivered: usize,
    /// Waybills that the carrier booked and we do not know.
    unknown: usize,
}

/// Money of the simulated channels in one currency, as decimal text; and what of their payouts we collected.
#[derive(Debug, Default, Serialize)]
pub(super) struct MoneyLine {
    sold: String,
    refunded: String,
    fees: String,
    paid_out: String,
    /// Payouts in our books. Equal to `paid_out`, or the demo is not clean.
    collected: String,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Calls {
    sent: u64,
    throttled: u64,
    indeterminate: u64,
    settled: u64,
}

/// What the demo ends with.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    seed: u64,
    listings: Listings,
    orders: Orders,
    oversold: u64,
    declarations: Declarations,
    parcels: Parcels,
    money: BTreeMap<String, MoneyLine>,
    calls: BTreeMap<String, Calls>,
    /// What the simulated channels would complain about.
    complaints: BTreeSet<String>,
}

impl Summary {
    pub(super) async fn of(
        seed: u64,
        intended: u32,
        blocked: u32,
        gateway: &Gateway,
        truth: &Ledger,
    ) -> anyhow::Result<Summary> {
        let store = &*gateway.store;
        let offers = typed::list::<OfferRecord>(store, Filter::all()).await?;
        let orders = typed::list::<OrderRecord>(store, Filter::all()).await?;
        let parcels = typed::list::<ShipmentRecord>(store, Filter::all()).await?;
        let stock = typed::list::<StockRecord>(store, Filter::all()).await?;
        let live = offers.iter().filter(|o| o.value.state == ChangeState::Live).count();
        let mut unsettled: BTreeMap<String, u64> = BTreeMap::new();
        for offer in offers.iter().filter(|o| o.value.state == ChangeState::Indeterminate) {
            *unsettled.entry(offer.value.account.to_string()).or_default() += 1;
        }
        let oversold_here: u64 = stock.iter().map(|s| u64::from(s.value.oversold)).sum();
        Ok(Summary {
            seed,
            listings: Listings { intended, live: u32::try_from(live)?, blocked },
            orders: orders_of(&orders, truth),
            oversold: truth.oversold().max(oversold_here),
            declarations: declarations_of(gateway).await?,
            parcels: parcels_of(&parcels, truth),
            money: money_of(gateway, truth).await?,
            calls: calls_of(gateway, &unsettled),
            complaints: truth.complaints.clone(),
        })
    }

    /// Nothing lost, doubled, oversold, open or uncollected.
    pub(super) fn is_clean(&self) -> bool {
        let o = &self.orders;
        o.lost + o.doubled + o.open == 0
            && self.oversold == 0
            && self.declarations.open == 0
            && self.parcels.unknown == 0
            && self.listings.live == self.listings.intended
            && self.money.values().all(|m| m.paid_out == m.collected)
    }

    /// Nothing is under way on either side.
    pub(super) async fn is_over(gateway: &Gateway, truth: &Ledger) -> anyhow::Result<bool> {
        let orders = typed::list::<OrderRecord>(&*gateway.store, Filter::all()).await?;
        let ours = orders
            .iter()
            .all(|o| matches!(o.value.stage, Stage::Confirmed | Stage::Cancelled | Stage::Stuck));
        let parcels = truth.parcels.values().flat_map(BTreeMap::values).all(|p| p.delivered || !p.booked);
        let paid =
            truth.orders.values().flat_map(BTreeMap::values).all(|o| o.cancelled || o.payout.is_some());
        let collected = money_of(gateway, truth).await?.values().all(|m| m.paid_out == m.collected);
        let under_way = [ChangeState::Sent, ChangeState::Accepted, ChangeState::Indeterminate];
        let offers = gateway.store.count(Collection::Offers, Filter::all().states(&under_way)).await?;
        let planned = gateway.plan().await?.changes.iter().any(|c| c.stop.is_none());
        Ok(ours && parcels && paid && collected && offers == 0 && !planned)
    }

    pub(super) fn table(&self) -> String {
        let (l, o, d, p) = (&self.listings, &self.orders, &self.declarations, &self.parcels);
        let mut text = format!(
            "seed {}\nlistings      {} intended · {} live · {} blocked by guards\n\
             orders        {} placed · {} imported · {} lost · {} doubled · {} cancelled · {} confirmed · {} open\n\
             stock         {} oversold\n",
            self.seed,
            l.intended,
            l.live,
            l.blocked,
            o.placed,
            o.imported,
            o.lost,
            o.doubled,
            o.cancelled,
            o.confirmed,
            o.open,
            self.oversold
        );
        if d.filed > 0 {
            text.push_str(&format!(
                "declarations  {} filed · {} released · {} refused · {} open\n",
                d.filed, d.released, d.refused, d.open
            ));
        }
        text.push_str(&format!(
            "parcels       {} booked · {} delivered · {} unknown to us\n\n",
            p.booked, p.delivered, p.unknown
        ));
        let mut money = Table::new();
        money.load_style(presets::NOTHING).set_header([
            "money",
            "sold",
            "refunded",
            "fees",
            "paid out",
            "in our books",
        ]);
        for (currency, m) in &self.money {
            money.add_row([currency, &m.sold, &m.refunded, &m.fees, &m.paid_out, &m.collected]);
        }
        let mut calls = Table::new();
        calls.load_style(presets::NOTHING).set_header([
            "calls",
            "sent",
            "throttled",
            "unknown outcome",
            "settled",
        ]);
        for (account, c) in &self.calls {
            calls.add_row([
                account.clone(),
                c.sent.to_string(),
                c.throttled.to_string(),
                c.indeterminate.to_string(),
                c.settled.to_string(),
            ]);
        }
        for table in [&mut money, &mut calls] {
            for column in table.column_iter_mut().skip(1) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        format!("{text}{money}\n\n{calls}")
    }
}

fn orders_of(ours: &[typed::Versioned<OrderRecord>], truth: &Ledger) -> Orders {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for order in ours {
        *seen.entry(order.value.order.id.as_str()).or_default() += 1;
    }
    let placed: Vec<(&String, &bool)> =
        truth.orders.values().flat_map(|c| c.iter().map(|(id, o)| (id, &o.cancelled))).collect();
    let stage = |s: Stage| ours.iter().filter(|o| o.value.stage == s).count();
    Orders {
        placed: placed.len(),
        imported: ours.len(),
        lost: placed.iter().filter(|(id, _)| !seen.contains_key(id.as_str())).count(),
        doubled: seen.values().filter(|n| **n > 1).count(),
        cancelled: placed.iter().filter(|(_, cancelled)| **cancelled).count(),
        confirmed: stage(Stage::Confirmed),
        open: ours.len() - stage(Stage::Confirmed) - stage(Stage::Cancelled),
    }
}

async fn declarations_of(gateway: &Gateway) -> anyhow::Result<Declarations> {
    let all = gateway.declarations().await?;
    let count = |states: &[DeclarationState]| all.iter().filter(|d| states.contains(&d.state)).count();
    Ok(Declarations {
        filed: all.iter().filter(|d| d.filed_at.is_some()).count(),
        released: count(&[DeclarationState::Released, DeclarationState::Assessed]),
        refused: count(&[DeclarationState::Rejected]),
        open: all.iter().filter(|d| !d.state.is_settled()).count(),
    })
}

fn parcels_of(ours: &[typed::Versioned<ShipmentRecord>], truth: &Ledger) -> Parcels {
    let known: BTreeSet<&str> =
        ours.iter().filter_map(|p| Some(p.value.booked.as_ref()?.waybill.as_str())).collect();
    let all = || truth.parcels.values().flat_map(|c| c.iter()).filter(|(_, p)| p.booked);
    Parcels {
        booked: all().count(),
        delivered: all().filter(|(_, p)| p.delivered).count(),
        unknown: all().filter(|(waybill, _)| !known.contains(waybill.as_str())).count(),
    }
}

async fn money_of(gateway: &Gateway, truth: &Ledger) -> anyhow::Result<BTreeMap<String, MoneyLine>> {
    let mut collected: BTreeMap<Currency, i64> = BTreeMap::new();
    let mut counted = BTreeSet::new();
    for payout in
        typed::list::<tradewind_gateway::records::PayoutRecord>(&*gateway.store, Filter::all()).await?
    {
        // Accounts of one seller see the same payouts: each is counted once.
        let p = payout.value.payout;
        if counted.insert(p.id.clone()) {
            *collected.entry(p.amount.currency()).or_default() += p.amount.minor();
        }
    }
    let mut lines: BTreeMap<String, [i64; 4]> = BTreeMap::new();
    // Channels that sell; what carriers charge is theirs to bill, not part of a payout.
    let sellers = truth.money.iter().filter(|(channel, _)| truth.orders.contains_key(*channel));
    for (code, m) in sellers.flat_map(|(_, m)| m) {
        let line = lines.entry(code.clone()).or_default();
        for (slot, value) in line.iter_mut().zip([m.sold, m.refunded, m.fees, m.paid_out]) {
            *slot += value;
        }
    }
    let mut shown = BTreeMap::new();
    for (code, [sold, refunded, fees, paid_out]) in lines {
        let currency = Currency::new(&code)?;
        let text = |minor: i64| Money::from_minor(minor, currency).amount();
        let ours = collected.get(&currency).copied().unwrap_or(0);
        let line = MoneyLine {
            sold: text(sold),
            refunded: text(refunded),
            fees: text(fees),
            paid_out: text(paid_out),
            collected: text(ours),
        };
        shown.insert(code, line);
    }
    Ok(shown)
}

fn calls_of(gateway: &Gateway, unsettled: &BTreeMap<String, u64>) -> BTreeMap<String, Calls> {
    let mut calls = BTreeMap::new();
    for (id, connector) in &gateway.accounts {
        let c = connector.pipeline().counts();
        let left = unsettled.get(id.as_str()).copied().unwrap_or(0);
        let settled = c.indeterminate.saturating_sub(left);
        calls.insert(
            id.to_string(),
            Calls { sent: c.sent, throttled: c.throttled, indeterminate: c.indeterminate, settled },
        );
    }
    calls
}
