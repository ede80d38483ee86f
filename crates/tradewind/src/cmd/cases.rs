//! `tradewind returns` and `tradewind disputes`: pull, then list; what waits for us comes first.

use jiff::Timestamp;
use tradewind_gateway::cases::{DisputeCase, PulledCases, ReturnCase};

use crate::context::{self, ConfigArg, block_on, watched};
use crate::output::{self, Exit, Output, counts, words};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Only list what is stored; call nobody.
    #[arg(long)]
    offline: bool,
    /// Only what is not over.
    #[arg(long)]
    open: bool,
}

pub(crate) fn returns(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let opened = args.config.open()?;
    let gateway = &opened.gateway;
    context::note_no_account(out, &gateway.config);
    let (pulled, mut cases) = block_on(watched(out, gateway, "pulling returns", async {
        let pulled = if args.offline { PulledCases::default() } else { gateway.pull_returns().await? };
        Ok((pulled, gateway.returns().await?))
    }))?;
    cases.retain(|c| !args.open || !c.is_over());
    let waiting = cases.iter().filter(|c| c.waits_for_us()).count();
    if out.is_json() {
        out.json(&serde_json::json!({"pulled": pulled, "returns": cases}))?;
    } else {
        let mut table = output::table();
        table.set_header(["account", "return", "order", "opened (UTC)", "goods", "refund", "state"]);
        for c in &cases {
            table.add_row([
                c.account.to_string(),
                c.case.id.to_string(),
                order_of(c),
                day(c.case.opened_at.utc),
                goods_of(c),
                c.case.amount.map(|m| m.to_string()).unwrap_or_default(),
                words(c.case.state.name()),
            ]);
        }
        let over = cases.iter().filter(|c| c.is_over()).count();
        let parts = [
            (waiting as u64, "to be approved or declined"),
            ((cases.len() - waiting - over) as u64, "under way"),
            (over as u64, "over"),
        ];
        tell(out, &pulled, args.offline, &table, &counts(&parts, "no returns"))?;
    }
    Ok(exit(waiting, &pulled))
}

pub(crate) fn disputes(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let opened = args.config.open()?;
    let gateway = &opened.gateway;
    context::note_no_account(out, &gateway.config);
    let (pulled, mut cases) = block_on(watched(out, gateway, "pulling disputes", async {
        let pulled = if args.offline { PulledCases::default() } else { gateway.pull_disputes().await? };
        Ok((pulled, gateway.disputes().await?))
    }))?;
    cases.retain(|c| !args.open || !c.is_over());
    let waiting = cases.iter().filter(|c| c.waits_for_us()).count();
    if out.is_json() {
        out.json(&serde_json::json!({"pulled": pulled, "disputes": cases}))?;
    } else {
        let mut table = output::table();
        table.set_header([
            "account",
            "dispute",
            "order",
            "opened (UTC)",
            "amount",
            "state",
            "answer by (UTC)",
        ]);
        for c in &cases {
            table.add_row([
                c.account.to_string(),
                c.case.id.clone(),
                c.order
                    .as_ref()
                    .map_or_else(|| "not known".to_owned(), |o| format!("{} {}", o.account, o.id)),
                day(c.case.opened_at.utc),
                c.case.amount.to_string(),
                words(c.case.state.name()),
                deadline(c),
            ]);
        }
        let over = cases.iter().filter(|c| c.is_over()).count();
        let parts = [
            (waiting as u64, "to be answered"),
            ((cases.len() - waiting - over) as u64, "under review"),
            (over as u64, "decided"),
        ];
        tell(out, &pulled, args.offline, &table, &counts(&parts, "no disputes"))?;
    }
    Ok(exit(waiting, &pulled))
}

/// A deadline means something while we must answer, and no longer.
fn deadline(c: &DisputeCase) -> String {
    c.case.respond_by.filter(|_| c.waits_for_us()).map(minute).unwrap_or_default()
}

fn order_of(c: &ReturnCase) -> String {
    let unknown = if c.order_known { "" } else { " (not imported)" };
    format!("{}{unknown}", c.case.order)
}

fn goods_of(c: &ReturnCase) -> String {
    let goods: Vec<String> = c.goods.iter().map(|(sku, units)| format!("{units} × {sku}")).collect();
    let units: u64 = c.case.lines.iter().map(|l| u64::from(l.quantity)).sum();
    match (goods.is_empty(), units) {
        (false, _) => goods.join(", "),
        (true, 0) => String::new(),
        (true, units) => format!("{units} units"),
    }
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

pub(super) fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

fn tell(
    out: &Output,
    pulled: &PulledCases,
    offline: bool,
    table: &comfy_table::Table,
    sum: &str,
) -> anyhow::Result<()> {
    for error in &pulled.errors {
        out.note(error);
    }
    if !table.is_empty() {
        out.text(table.to_string())?;
    }
    if offline {
        return out.text(sum);
    }
    let asked = match pulled.asked {
        0 => "no account tells any".to_owned(),
        n => format!("of {n} accounts {} could not be read; {} new or changed", pulled.failed, pulled.new),
    };
    out.text(format!("{sum}; {asked}"))
}

/// What waits for us comes first: a person must decide, whether or not every account could be read.
fn exit(waiting: usize, pulled: &PulledCases) -> Exit {
    match waiting {
        0 => Exit::of_failures(pulled.failed, pulled.asked, pulled.new > 0),
        _ => Exit::Blocked,
    }
}
