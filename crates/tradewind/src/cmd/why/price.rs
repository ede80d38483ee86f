//! `tradewind why price`: how a price was chosen and what is left of it, with the place of every input.

use anyhow::Context as _;
use jiff::Timestamp;
use tradewind_domain::{AccountId, Decimal};
use tradewind_gateway::Gateway;
use tradewind_gateway::desired;
use tradewind_gateway::pricing::{Priced, Prices};

use crate::context::{self, block_on};
use crate::output::{Exit, Output};

pub(super) fn run(
    gateway: &Gateway,
    sku: &str,
    channel: &AccountId,
    at: Option<Timestamp>,
    out: &Output,
) -> anyhow::Result<Exit> {
    context::known(&gateway.config, channel)?;
    let entry = gateway.config.account.iter().find(|a| a.id == *channel);
    let rules = entry
        .and_then(|a| a.offers.as_ref())
        .with_context(|| format!("account '{channel}' sells nothing: it has no [account.offers]"))?;
    let variants = block_on(async { Ok(gateway.variants().await?) })?;
    let (_, variant) =
        variants.get(sku).with_context(|| format!("SKU '{sku}' is not in the catalogue: run import"))?;
    let prices = Prices::new(&gateway.config, &gateway.engines, at.unwrap_or_else(|| gateway.now()));
    let stop = match prices.terms(channel) {
        Some(terms) => match prices.sum(terms, variant) {
            Ok(priced) => {
                if out.is_json() {
                    out.json(&priced)?
                } else {
                    out.text(text(sku, channel, &priced))?
                }
                return Ok(if priced.stop.is_some() { Exit::Blocked } else { Exit::Ok });
            }
            Err(stop) => stop,
        },
        None => match desired::price(variant, rules, &gateway.config.guard) {
            Ok((_, trail)) => {
                if out.is_json() {
                    out.json(&trail)?;
                } else {
                    for (what, amount, source) in &trail.lines {
                        out.text(format!("{what:<32} {amount:>16}   {source}"))?;
                    }
                }
                return Ok(Exit::Ok);
            }
            Err(stop) => stop,
        },
    };
    if out.is_json() {
        out.json(&stop)?
    } else {
        out.text(format!("no price: {}", stop.why))?
    }
    Ok(Exit::Blocked)
}

fn percent(share: Decimal) -> String {
    format!("{} %", (share * Decimal::ONE_HUNDRED).round_dp(2).normalize())
}

fn text(sku: &str, channel: &AccountId, p: &Priced) -> String {
    let mut out = format!("{sku} at {channel}: {}\n\n", p.price);
    for step in &p.steps {
        out.push_str(format!("{:<46}   {}", step.what, step.origin).trim_end());
        out.push('\n');
    }
    out.push('\n');
    out.push_str(&p.derivation.table());
    out.push_str(&format!("\nfloor {} of net ({})", percent(p.floor.value), p.floor.origin));
    if let Some(target) = &p.target {
        out.push_str(&format!(", target {} ({})", percent(target.value), target.origin));
    }
    for gap in &p.cliffs {
        let again = gap.good_again.map_or_else(
            || "no price above it earns the target again".to_owned(),
            |g| format!("prices earn the target again from {g} on"),
        );
        out.push_str(&format!("\ncliff: above {} a charge jumps; {again}", gap.last_good));
    }
    for note in &p.notes {
        out.push_str(&format!("\nnote: {note}"));
    }
    if let Some(stop) = &p.stop {
        out.push_str(&format!("\nBLOCKED {}", stop.why));
    }
    out
}
