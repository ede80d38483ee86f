//! `tradewind why landed`: the pinned landed cost of an order, and what its refunds reverse of it.

use anyhow::Context as _;
use tradewind_domain::AccountId;
use tradewind_gateway::Gateway;
use tradewind_gateway::records::{OrderRecord, order_key};
use tradewind_store::typed;

use crate::cmd::quote::table;
use crate::context::{self, block_on};
use crate::output::{Exit, Output};

pub(super) fn run(gateway: &Gateway, order: &str, channel: &AccountId, out: &Output) -> anyhow::Result<Exit> {
    context::known(&gateway.config, channel)?;
    let (landed, record) = block_on(async {
        let known = typed::get::<OrderRecord>(&*gateway.store, &order_key(channel, order)).await?;
        let record = known.with_context(|| {
            format!("order '{order}' of '{channel}' was never imported: run tradewind orders")
        })?;
        Ok((gateway.landed_cost(&record.value).await?, record.value))
    })?;
    if out.is_json() {
        // The stored bytes: what was pinned, not what this version would print.
        out.text(&landed.record.answer)?;
        return Ok(Exit::Ok);
    }
    out.text(format!("order {order} at {channel}, quoted {}", landed.record.made_at))?;
    for rate in &landed.record.fx {
        out.text(format!("rate  1 {} = {} {} ({})", rate.from, rate.rate, rate.to, rate.id))?;
    }
    out.text(table(&landed.quote))?;
    let back = landed.given_back(&record.order)?;
    if !back.is_empty() {
        out.text(format!("reversed by refunds of {} of {}", record.order.refunded, record.order.total))?;
    }
    for (line, reversals) in back {
        for r in reversals.iter().filter(|r| !r.amount.is_zero()) {
            out.text(format!("  line {line}: {} {} ({})", r.kind, r.amount.amount(), r.layer))?;
        }
    }
    Ok(Exit::Ok)
}
