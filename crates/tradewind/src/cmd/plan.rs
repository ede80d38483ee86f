//! `tradewind plan`: what would change, and why not. Exit 0: nothing, 2: changes, 3: something is blocked; with `--refresh`
//! 4: no channel could be read, 5: some could not, or some listings. The plan is made all the same, of what is known.

use std::path::PathBuf;

use anyhow::Context as _;
use tradewind_domain::AccountId;
use tradewind_gateway::GatewayError;
use tradewind_gateway::plan::{Action, Plan};

use crate::context::{ConfigArg, block_on};
use crate::files;
use crate::output::{self, Entry, Exit, Output, counts};

/// Listings of an account that are named when they cannot be read.
const UNREAD_TOLD: usize = 5;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Write the plan here, for `apply`.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Read all known listings again before planning.
    #[arg(long)]
    refresh: bool,
    /// Show at most so many rows.
    #[arg(long, default_value_t = 40)]
    rows: usize,
}

/// An account whose listings could not be read, or not all of them: what is planned for it is planned with what was known.
#[derive(serde::Serialize)]
struct Unread {
    account: AccountId,
    error: String,
}

/// What `--json` shows: the plan, and what it was made without.
#[derive(serde::Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    #[serde(skip_serializing_if = "<[Unread]>::is_empty")]
    unread: &'a [Unread],
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let opened = args.config.open()?;
    let gateway = &opened.gateway;
    if gateway.config.account.iter().all(|a| a.offers.is_none()) {
        out.note("no account sells anything: add [[account]] with [account.offers]");
    }
    let (plan, unread, failed, asked) = block_on(async {
        let (mut unread, mut failed, mut asked) = (Vec::new(), 0, 0);
        if args.refresh {
            for (id, ..) in gateway.marketplaces() {
                asked += 1;
                match gateway.refresh(id).await {
                    Ok(done) if done.unread.is_empty() => {}
                    Ok(done) => {
                        let mut said: Vec<String> =
                            done.unread.iter().take(UNREAD_TOLD).map(ToString::to_string).collect();
                        if done.unread.len() > UNREAD_TOLD {
                            said.push(format!("and {} more", done.unread.len() - UNREAD_TOLD));
                        }
                        let error = said.join("; ");
                        out.note(format!(
                            "{id}: not all listings could be read, these are planned with what is known of them: {error}"
                        ));
                        unread.push(Unread { account: id.clone(), error });
                    }
                    // One channel that is away keeps back no plan for the others; `apply` reads before it sends.
                    Err(GatewayError::Channel(e)) => {
                        failed += 1;
                        let error = format!("{e}{}", gateway.login_hint(id, &e));
                        out.note(format!(
                            "{id}: its listings could not be read, planned with what is known: {error}"
                        ));
                        unread.push(Unread { account: id.clone(), error });
                    }
                    Err(e) => return Err(e.into()),
                }
            }
        }
        Ok((gateway.plan().await?, unread, failed, asked))
    })?;
    for note in &plan.notes {
        out.note(note);
    }
    if let Some(path) = &args.out {
        let text = serde_json::to_vec_pretty(&plan)?;
        files::replace(path, &text).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    if out.is_json() {
        out.json(&Shown { plan: &plan, unread: &unread })?
    } else {
        show(&plan, args.rows, out)?
    }
    let go = plan.changes.iter().any(|c| c.stop.is_none());
    Ok(match Exit::of_failures(failed, asked, false) {
        // Channels were read, but for some listings.
        Exit::Ok if !unread.is_empty() => Exit::Partial,
        Exit::Ok if plan.totals.blocked > 0 => Exit::Blocked,
        Exit::Ok if go => Exit::Changes,
        other => other,
    })
}

fn show(plan: &Plan, rows: usize, out: &Output) -> anyhow::Result<()> {
    let mut listed = Vec::new();
    // What is stopped comes first: that is what a person must read.
    let mut changes: Vec<_> = plan.changes.iter().collect();
    changes.sort_by_key(|c| c.stop.is_none());
    for change in changes.iter().take(rows) {
        let (sign, what) = match &change.action {
            Some(Action::Create { offer }) => ("+", format!("{} · {} units", offer.price, offer.quantity)),
            Some(Action::Update { fields, .. }) => {
                let fields: Vec<String> =
                    fields.iter().map(|f| format!("{} {} → {}", f.field, f.from, f.to)).collect();
                ("~", fields.join(", "))
            }
            Some(Action::Lower { from, to, .. }) => ("↓", format!("{from} → {to} units")),
            Some(Action::Raise { from, to, .. }) => ("↑", format!("{from} → {to} units")),
            Some(Action::Withdraw { .. }) => ("-", "withdraw".to_owned()),
            None => ("!", String::new()),
        };
        // A reason is read to its end, below the row; a list of changed fields need not be.
        let (sign, below) = match &change.stop {
            Some(stop) => ("!", format!("BLOCKED {}", stop.why)),
            None => (sign, String::new()),
        };
        let what: String = what.chars().take(90).collect();
        let cells = [sign, change.account.as_str(), change.sku.as_str(), &what, &change.cause];
        listed.push(Entry { cells: cells.map(str::to_owned).to_vec(), below });
    }
    if !plan.changes.is_empty() {
        out.text(output::listing(&[], &listed, output::width()))?;
    }
    if changes.len() > rows {
        out.text(format!("… and {} more rows (--rows N, or --json)", changes.len() - rows))?;
    }
    let t = plan.totals;
    let calls: u32 = plan.calls.values().sum();
    let parts = [
        (t.create, "create"),
        (t.update, "update"),
        (t.lower, "lower"),
        (t.raise, "raise"),
        (t.withdraw, "withdraw"),
        (t.blocked, "blocked"),
    ];
    out.text(format!("plan {}: {}", plan.id, counts(&parts, "nothing to change")))?;
    if calls > 0 { out.text(format!("about {calls} calls")) } else { Ok(()) }
}
