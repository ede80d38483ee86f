//! `tradewind fulfil` and `tradewind declare`.

use tradewind_gateway::fulfil::Fulfilled;

use crate::context::{self, ConfigArg, block_on, watched};
use crate::output::{self, Exit, Output, counts};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Try a stuck order once more: what stopped it was put right where the gateway cannot see it. May be repeated.
    #[arg(long, value_name = "ACCOUNT/ORDER")]
    again: Vec<String>,
}

#[derive(clap::Args)]
pub(crate) struct DeclareArgs {
    #[command(flatten)]
    config: ConfigArg,
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let opened = args.config.open()?;
    let _alone = context::alone(&opened, "fulfil")?;
    let gateway = &opened.gateway;
    context::note_no_account(out, &gateway.config);
    let done = block_on(watched(out, gateway, "fulfilling", async {
        for order in &args.again {
            gateway.try_again(order).await?;
        }
        Ok(gateway.fulfil().await?)
    }))?;
    if out.is_json() {
        out.json(&done)?;
    } else {
        for note in &done.notes {
            out.note(note);
        }
        let parts = [
            (done.booked, "booked"),
            (done.filed, "declared"),
            (done.released, "released"),
            (done.confirmed, "confirmed"),
            (done.cancelled, "cancelled"),
            (done.voided, "labels voided"),
            (done.after_cancellation, "parcels of cancelled orders"),
            (done.moved, "parcels moved"),
            (done.stuck, "stuck"),
            (done.postponed, "to be tried again"),
        ];
        out.text(counts(&parts, "nothing to do"))?;
    }
    Ok(exit(&done))
}

/// What needs a person comes first: an order that is stuck, a parcel that must be kept back.
fn exit(done: &Fulfilled) -> Exit {
    match (done.stuck + done.after_cancellation, done.postponed) {
        (0, 0) => Exit::Ok,
        (0, _) => Exit::Partial,
        _ => Exit::Blocked,
    }
}

/// A declaration as it is shown: without the buyer, whose identity number is in it.
#[derive(serde::Serialize)]
struct Row<'a> {
    id: &'a str,
    account: &'a str,
    order: &'a str,
    state: tradewind_domain::DeclarationState,
    /// The authority's number.
    number: Option<&'a str>,
    goods: tradewind_domain::Money,
    taxes: tradewind_domain::Money,
    paid: tradewind_domain::Money,
    filed_at: Option<jiff::Timestamp>,
    withdrawn: bool,
    /// What the authority gave besides: messages, conversations.
    references: &'a [tradewind_domain::CustomsReference],
    /// It works on the last filing.
    under_way: bool,
    last_answer: Option<&'a str>,
}

impl Row<'_> {
    fn of(d: &tradewind_gateway::records::DeclarationRecord) -> Row<'_> {
        Row {
            id: d.declaration.id.as_str(),
            account: d.account.as_str(),
            order: &d.order,
            state: d.state,
            number: d.authority_ref.as_deref(),
            goods: d.declaration.goods,
            taxes: d.declaration.taxes,
            paid: d.declaration.paid,
            filed_at: d.filed_at,
            withdrawn: d.withdrawn,
            references: &d.declaration.references,
            under_way: d.waits.is_some(),
            last_answer: d.note.as_deref(),
        }
    }
}

pub(crate) fn declare(args: &DeclareArgs, out: &Output) -> anyhow::Result<Exit> {
    let opened = args.config.open()?;
    let declarations = block_on(async { Ok(opened.gateway.declarations().await?) })?;
    if out.is_json() {
        let rows: Vec<_> = declarations.iter().map(Row::of).collect();
        out.json(&rows)?;
    } else {
        let mut table = output::table();
        table.set_header(["declaration", "order", "state", "number", "last answer"]);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parcel_that_must_be_kept_back_needs_a_person() {
        let done = Fulfilled { after_cancellation: 1, postponed: 1, ..Fulfilled::default() };
        assert_eq!(exit(&done), Exit::Blocked);
        assert_eq!(exit(&Fulfilled { postponed: 1, ..Fulfilled::default() }), Exit::Partial);
    }
}
