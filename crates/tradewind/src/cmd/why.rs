//! `tradewind why`: where a price, the state of an offer or of an order comes from.

use anyhow::{Context as _, bail};
use clap::Subcommand;
use tradewind_domain::AccountId;
use tradewind_gateway::desired;
use tradewind_gateway::records::{
    DeclarationRecord, OfferRecord, OrderRecord, ShipmentRecord, offer_key, order_key,
};
use tradewind_store::typed;

use crate::context::{ConfigArg, block_on};
use crate::output::{Exit, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The derivation of a price.
    Price {
        /// SKU.
        sku: String,
        /// Account.
        #[arg(long)]
        channel: AccountId,
    },
    /// What is intended, sent and live of an offer.
    Offer {
        /// SKU.
        sku: String,
        /// Account.
        #[arg(long)]
        channel: AccountId,
    },
    /// Everything that happened to an order.
    Order {
        /// The channel's order id.
        order: String,
        /// Account.
        #[arg(long)]
        channel: AccountId,
    },
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let opened = args.config.open()?;
    match &args.what {
        What::Price { sku, channel } => {
            let entry = opened.gateway.config.account.iter().find(|a| a.id == *channel);
            let rules = entry
                .and_then(|a| a.offers.as_ref())
                .with_context(|| format!("account '{channel}' sells nothing: it has no [account.offers]"))?;
            let variants = block_on(async { Ok(opened.gateway.variants().await?) })?;
            let (_, variant) = variants
                .get(sku.as_str())
                .with_context(|| format!("SKU '{sku}' is not in the catalogue: run import"))?;
            match desired::price(variant, rules, &opened.gateway.config.guard) {
                Ok((_, trail)) if out.is_json() => out.json(&trail)?,
                Ok((_, trail)) => {
                    for (what, amount, source) in &trail.lines {
                        out.text(format!("{what:<32} {amount:>16}   {source}"))?;
                    }
                }
                Err(stop) if out.is_json() => {
                    out.json(&stop)?;
                    return Ok(Exit::Blocked);
                }
                Err(stop) => {
                    out.text(format!("no price: {}", stop.why))?;
                    return Ok(Exit::Blocked);
                }
            }
        }
        What::Offer { sku, channel } => {
            let sku = sku.parse()?;
            let record = block_on(async {
                Ok(typed::get::<OfferRecord>(&*opened.gateway.store, &offer_key(channel, &sku)).await?)
            })?;
            let record =
                record.with_context(|| format!("nothing was ever intended for '{sku}' at '{channel}'"))?;
            if out.is_json() {
                return out.json(&record.value).map(|()| Exit::Ok);
            }
            let r = record.value;
            out.text(format!("state     {}  (plan {})", r.state, r.plan))?;
            if let Some(d) = &r.desired {
                out.text(format!("intended  {} · {} units · {}", d.price, d.quantity, d.content.title))?;
            }
            if let Some(l) = &r.live {
                let price = l.price.map(|p| p.to_string()).unwrap_or_default();
                let quantity = l.quantity.map(|q| q.to_string()).unwrap_or_default();
                let read = r.read_at.map(|t| t.to_string()).unwrap_or_default();
                out.text(format!("live      {:?} · {price} · {quantity} units · read {read}", l.state))?;
                for issue in &l.issues {
                    out.text(format!("issue     {} {}", issue.code, issue.message))?;
                }
            }
            if let Some(note) = &r.note {
                out.text(format!("note      {note}"))?;
            }
        }
        What::Order { order, channel } => {
            let found = block_on(async {
                let store = &*opened.gateway.store;
                let Some(record) = typed::get::<OrderRecord>(store, &order_key(channel, order)).await? else {
                    return Ok(None);
                };
                let shipment =
                    typed::get::<ShipmentRecord>(store, record.value.shipment.as_deref().unwrap_or_default())
                        .await?;
                let declaration = typed::get::<DeclarationRecord>(
                    store,
                    record.value.declaration.as_deref().unwrap_or_default(),
                )
                .await?;
                Ok(Some((record.value, shipment.map(|s| s.value), declaration.map(|d| d.value))))
            })?;
            let Some((record, shipment, declaration)) = found else {
                bail!("order '{order}' of '{channel}' was never imported")
            };
            if out.is_json() {
                let all =
                    serde_json::json!({"order": record, "shipment": shipment, "declaration": declaration});
                return out.json(&all).map(|()| Exit::Ok);
            }
            let o = &record.order;
            out.text(format!(
                "order        {} at {}, placed {}, {} ({})",
                o.id, o.account, o.placed_at.utc, o.total, o.raw_status
            ))?;
            out.text(format!("imported     {}", record.imported_at))?;
            for line in &o.lines {
                out.text(format!(
                    "  line {:<12} {} × {} = {}",
                    line.id, line.quantity, line.channel_sku, line.total
                ))?;
            }
            if let Some(s) = shipment {
                let waybill = s.booked.as_ref().map(|b| b.waybill.to_string()).unwrap_or_default();
                out.text(format!(
                    "shipment     {} {} waybill {waybill}, parcel {:?}",
                    s.request.id, s.state, s.tracking
                ))?;
            }
            if let Some(d) = declaration {
                out.text(format!(
                    "declaration  {} {} {}",
                    d.declaration.id,
                    d.state,
                    d.authority_ref.unwrap_or_default()
                ))?;
            }
            out.text(format!("stage        {} {}", record.stage.name(), record.note.unwrap_or_default()))?;
        }
    }
    Ok(Exit::Ok)
}
