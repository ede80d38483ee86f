//! `tradewind why price`: how a price was chosen and what is left of it, with the place of every input.

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Serialize;
use tradewind_domain::{AccountId, Decimal, Money, Sku};
use tradewind_gateway::fees::{Assumed, FeeCheck, fees_of_rules};
use tradewind_gateway::pricing::{Priced, Prices};
use tradewind_gateway::{Gateway, GatewayError, desired};

use crate::context::{self, block_on};
use crate::output::{Exit, Output};

pub(super) fn run(
    gateway: &Gateway,
    sku: &str,
    channel: &AccountId,
    (at, ask): (Option<Timestamp>, bool),
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
                let found = Found {
                    price: priced.price,
                    assumed: prices.fees_of(terms, &priced.derivation),
                    blocked: priced.stop.is_some(),
                };
                let text = || text(sku, channel, &priced);
                return found.show(gateway, (channel, &variant.sku), ask, (&priced, &text), out);
            }
            Err(stop) => stop,
        },
        None => match desired::price(variant, rules, &gateway.config.guard) {
            Ok((price, trail)) => {
                let found = Found { price, assumed: fees_of_rules(rules, price)?, blocked: false };
                let text = || {
                    let lines = trail.lines.iter();
                    let lines =
                        lines.map(|(what, amount, source)| format!("{what:<32} {amount:>16}   {source}"));
                    lines.collect::<Vec<_>>().join("\n")
                };
                return found.show(gateway, (channel, &variant.sku), ask, (&trail, &text), out);
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

/// A price that was found.
struct Found {
    price: Money,
    assumed: Vec<Assumed>,
    blocked: bool,
}

impl Found {
    /// Prints what made it, and, when asked, what the channel would take of it. A price that is blocked is told as such
    /// whatever the channel says.
    fn show<T: Serialize>(
        self,
        gateway: &Gateway,
        (channel, sku): (&AccountId, &Sku),
        ask: bool,
        (made, text): (&T, &dyn Fn() -> String),
        out: &Output,
    ) -> anyhow::Result<Exit> {
        let (price, assumed) = (self.price, self.assumed);
        let check = match ask {
            false => None,
            true => match block_on(async { Ok(gateway.check_fees(channel, sku, price, assumed).await) })? {
                Ok(check) => Some(check),
                Err(GatewayError::Channel(e)) => {
                    out.error(&anyhow::Error::new(e));
                    return Ok(Exit::Channel);
                }
                Err(e) => return Err(e.into()),
            },
        };
        if out.is_json() {
            let mut value = serde_json::to_value(made)?;
            if let (Some(map), Some(check)) = (value.as_object_mut(), &check) {
                map.insert("fees".to_owned(), serde_json::to_value(check)?);
            }
            out.json(&value)?;
        } else {
            out.text(text())?;
            if let Some(check) = &check {
                out.text(estimate(channel, check))?;
            }
        }
        Ok(match check {
            _ if self.blocked => Exit::Blocked,
            Some(check) if !check.difference.is_zero() => Exit::Changes,
            _ => Exit::Ok,
        })
    }
}

/// The channel's estimate beside what was assumed, and the difference in words.
fn estimate(channel: &AccountId, check: &FeeCheck) -> String {
    let mut out = format!("\n{channel} estimates for a sale at {}\n", check.price);
    let row = |what: &str, amount: Money, origin: &str| {
        format!("  {what:<30} {:>12}   {origin}", amount.amount()).trim_end().to_owned() + "\n"
    };
    for fee in &check.estimated {
        out.push_str(&row(&fee.code, fee.amount, ""));
    }
    out.push_str(&row("in all", check.estimated_total, ""));
    out.push_str("the price was made with\n");
    for fee in &check.assumed {
        out.push_str(&row(&fee.name, fee.amount, &fee.origin));
    }
    out.push_str(&row("in all", check.assumed_total, ""));
    let by = check.difference.amount();
    out.push_str(&match check.difference.minor() {
        0 => "no difference".to_owned(),
        n if n > 0 => {
            format!("the channel takes {by} {} more than the price was made for", check.price.currency())
        }
        _ => format!(
            "the channel takes {} {} less than the price was made for",
            check.difference.negated().amount(),
            check.price.currency()
        ),
    });
    out
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
