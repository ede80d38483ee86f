//! `tradewind fulfil` and `tradewind declare`.

use comfy_table::{Table, presets};

use crate::context::{ConfigArg, block_on, watched};
use crate::output::{Exit, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(clap::Args)]
pub(crate) struct DeclareArgs {
    #[command(flatten)]
    config: ConfigArg,
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let opened = args.config.open()?;
    let gateway = &opened.gateway;
    let done = block_on(watched(out, gateway, "fulfilling", async { Ok(gateway.fulfil().await?) }))?;
    if out.is_json() {
        out.json(&done)?;
    } else {
        for note in &done.notes {
            out.note(note);
        }
        out.text(format!(
            "{} booked, {} declared, {} released, {} confirmed, {} parcels moved, {} stuck, {} to be tried again",
            done.booked, done.filed, done.released, done.confirmed, done.moved, done.stuck, done.postponed
        ))?;
    }
    Ok(match (done.stuck, done.postponed) {
        (0, 0) => Exit::Ok,
        (0, _) => Exit::Partial,
        _ => Exit::Blocked,
    })
}

pub(crate) fn declare(args: &DeclareArgs, out: &Output) -> anyhow::Result<Exit> {
    let opened = args.config.open()?;
    let declarations = block_on(async { Ok(opened.gateway.declarations().await?) })?;
    if out.is_json() {
        out.json(&declarations)?;
    } else {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header([
            "declaration",
            "order",
            "state",
            "number",
            "last answer",
        ]);
        for d in &declarations {
            table.add_row([
                d.declaration.id.to_string(),
                d.order.clone(),
                d.state.to_string(),
                d.authority_ref.clone().unwrap_or_default(),
                d.note.clone().unwrap_or_default(),
            ]);
        }
        if declarations.is_empty() {
            out.text("no declarations: [shipping.customs] names where we declare ourselves")?;
        } else {
            out.text(table.to_string())?;
        }
    }
    let open = declarations.iter().any(|d| !d.state.is_settled());
    Ok(if open { Exit::Changes } else { Exit::Ok })
}
