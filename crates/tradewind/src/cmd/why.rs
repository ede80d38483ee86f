//! `tradewind why`: where a price, the state of an offer or of an order comes from; which rows stand behind an order's money, a
//! payout, a cent; which calls were made.

mod call;
mod order;
mod price;
mod quote;

use anyhow::Context as _;
use clap::Subcommand;
use jiff::Timestamp;
use tradewind_domain::{AccountId, Currency, Money};
use tradewind_gateway::records::{OfferRecord, offer_key};
use tradewind_ledger::why;
use tradewind_store::typed;

use crate::cmd::reconcile::Sources;
use crate::context::{self, ConfigArg, block_on};
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
        /// As of this instant, with its law, exchange rates and promotions; now when absent.
        #[arg(long)]
        at: Option<Timestamp>,
        /// Ask the channel what it would take of such a sale, and say how that differs from what the price was made with
        /// (exit 2 if it does).
        #[arg(long, conflicts_with = "at")]
        ask: bool,
    },
    /// What is intended, sent and live of an offer.
    Offer {
        /// SKU.
        sku: String,
        /// Account.
        #[arg(long)]
        channel: AccountId,
        /// List the calls behind it too, as `why order --calls` does.
        #[arg(long)]
        calls: bool,
    },
    /// What an order costs at the border, pinned: made on first asking, the same ever after.
    Landed {
        /// The channel's order id.
        order: String,
        /// Account.
        #[arg(long)]
        channel: AccountId,
    },
    /// Everything that happened to an order, oldest first, each line with its source: order, parcel, declaration, cases, money. With
    /// `--input`: its money alone, from files.
    Order {
        /// The channel's order id.
        order: String,
        /// Account; needed where two have an order of this number.
        #[arg(long, conflicts_with = "input")]
        channel: Option<AccountId>,
        /// List the calls behind it too: every write about it that is not known to have failed, and every kept answer that names
        /// it, its parcel, declaration or cases. What was sent is not kept, nor are answers of reads that change nothing here.
        #[arg(long, conflicts_with = "input")]
        calls: bool,
        #[command(flatten)]
        sources: Sources,
    },
    /// One call that `--calls` lists: what it was about, how it ended, and what was answered.
    Call {
        /// Its id, such as w3f0c2a9d41b7e688 or a17.
        id: String,
        /// Print the answer's body, with secrets, numbers of persons and documents taken out. An answer that lists orders names the
        /// buyers of all of them.
        #[arg(long)]
        raw: bool,
    },
    /// The rows, entries, bank lines and differences of a payout or settlement.
    Payout {
        /// The provider's id.
        id: String,
        #[command(flatten)]
        sources: Sources,
    },
    /// Where an amount can come from: differences, rows and bank lines of exactly that amount, either sign.
    Cent {
        /// Amount, such as 0.01.
        #[arg(allow_hyphen_values = true)]
        amount: String,
        /// Currency.
        currency: String,
        #[command(flatten)]
        sources: Sources,
    },
}

/// The money behind an order, a payout or an amount, from the books.
fn money(args: &Args, out: &Output) -> anyhow::Result<Option<Exit>> {
    let (sources, what) = match &args.what {
        What::Order { channel: None, sources, order, .. } if sources.input.is_some() => {
            (sources, format!("order '{order}'"))
        }
        What::Payout { id, sources } => (sources, format!("payout or settlement '{id}'")),
        What::Cent { amount, sources, .. } => (sources, amount.clone()),
        _ => return Ok(None),
    };
    let outcome = sources.reconcile(&args.config, &[])?;
    let found = match &args.what {
        What::Order { order, .. } => why::order(&outcome, order),
        What::Payout { id, .. } => why::payout(&outcome, id),
        What::Cent { amount, currency, .. } => {
            Some(why::cent(&outcome, Money::parse(amount, Currency::new(currency)?)?))
        }
        _ => None,
    };
    let found = found.with_context(|| format!("{what} is not in the books"))?;
    if out.is_json() {
        out.json(&found)?;
    } else {
        let text = why::text(&found);
        out.text(if text.is_empty() { format!("nothing in the books is {what}") } else { text })?;
    }
    Ok(Some(Exit::Ok))
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    if let Some(exit) = money(args, out)? {
        return Ok(exit);
    }
    let opened = args.config.open()?;
    match &args.what {
        What::Price { sku, channel, at, ask } => {
            return price::run(&opened.gateway, sku, channel, (*at, *ask), out);
        }
        What::Offer { sku, channel, calls } => {
            let sku = sku.parse()?;
            let record = block_on(async {
                Ok(typed::get::<OfferRecord>(&*opened.gateway.store, &offer_key(channel, &sku)).await?)
            })?;
            if record.is_none() {
                context::known(&opened.gateway.config, channel)?;
            }
            let record = record.with_context(|| {
                format!(
                    "nothing was ever intended for '{sku}' at '{channel}': run tradewind plan, it says why"
                )
            })?;
            let r = record.value;
            let calls = match calls {
                true => Some(block_on(async { Ok(opened.gateway.calls_of_offer(&r).await?) })?),
                false => None,
            };
            if out.is_json() {
                let mut told = serde_json::to_value(&r)?;
                if let Some(calls) = &calls {
                    told["calls"] = call::rows(&opened.gateway, calls)?.into();
                }
                return out.json(&told).map(|()| Exit::Ok);
            }
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
            if let Some(calls) = &calls {
                call::list(&opened.gateway, calls, out)?;
            }
        }
        What::Call { id, raw } => {
            return call::one(&opened.gateway, id, *raw, out);
        }
        What::Landed { order, channel } => {
            return quote::run(&opened.gateway, order, channel, out);
        }
        What::Order { order, channel, sources, calls } => {
            return order::run(&opened.gateway, order, channel.as_ref(), (sources, *calls), out);
        }
        // Answered by `money` above.
        What::Payout { .. } | What::Cent { .. } => {}
    }
    Ok(Exit::Ok)
}
