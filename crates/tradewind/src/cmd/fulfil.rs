//! `tradewind fulfil` and `tradewind declare`. Exit of `fulfil` 0: nothing is left, 2: what is left waits for others' work, 3: an
//! order needs a person, 4: nothing went through, 5: some did.

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
    /// Ask the carriers about all parcels on their way, due or not. Else each is asked about every few hours, by the age of its
    /// last scan.
    #[arg(long)]
    track_now: bool,
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
        Ok(if args.track_now { gateway.fulfil_and_track_all().await? } else { gateway.fulfil().await? })
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
            (done.left_after_all, "of them with the carrier: count the shelf"),
            (done.kept_back, "kept back"),
            (done.moved, "parcels moved"),
            (done.stuck, "stuck"),
            (done.oversold, "units oversold"),
            (done.defects, "steps not taken: a defect of this program"),
            (done.postponed, "to be tried again"),
        ];
        out.text(counts(&parts, "nothing to do"))?;
    }
    Ok(exit(&done))
}

/// What needs a person comes first: an order that is stuck, a parcel that must be kept back or left all the same, units that must be got.
fn exit(done: &Fulfilled) -> Exit {
    let left = done.failed > 0 || !done.gone.is_empty();
    let person = [
        done.stuck,
        done.after_cancellation,
        done.left_after_all,
        done.kept_back,
        done.oversold,
        done.defects,
    ];
    match (person.iter().any(|n| *n > 0), done.postponed > 0) {
        (true, _) => Exit::Blocked,
        (false, false) => Exit::Ok,
        (false, true) if left && done.did_something() => Exit::Partial,
        (false, true) if done.failed > 0 => Exit::Channel,
        // Nobody can go on with an account that is not there.
        (false, true) if left => Exit::Blocked,
        // A carrier or a channel works on it.
        (false, true) => Exit::Changes,
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
    #![allow(clippy::unwrap_used)] // a panic is the failure report

    use tradewind_domain::AccountId;

    use super::*;

    #[test]
    fn a_parcel_that_must_be_kept_back_needs_a_person() {
        let done = Fulfilled { after_cancellation: 1, postponed: 1, ..Fulfilled::default() };
        assert_eq!(exit(&done), Exit::Blocked);
        assert_eq!(exit(&Fulfilled { left_after_all: 1, moved: 1, ..Fulfilled::default() }), Exit::Blocked);
        assert_eq!(exit(&Fulfilled { kept_back: 1, ..Fulfilled::default() }), Exit::Blocked);
        // As `orders` ends that finds the same.
        assert_eq!(exit(&Fulfilled { oversold: 2, confirmed: 1, ..Fulfilled::default() }), Exit::Blocked);
        assert_eq!(exit(&Fulfilled { defects: 1, confirmed: 1, ..Fulfilled::default() }), Exit::Blocked);
    }

    /// As docs/cli.md has the codes.
    #[test]
    fn how_a_round_ends() {
        let of = |stuck, postponed, failed, booked| {
            exit(&Fulfilled { stuck, postponed, failed, booked, ..Fulfilled::default() })
        };
        assert_eq!(of(0, 0, 0, 3), Exit::Ok);
        // A call that failed and was made good within the round leaves nothing.
        assert_eq!(of(0, 0, 1, 3), Exit::Ok);
        assert_eq!(of(1, 1, 1, 3), Exit::Blocked);
        assert_eq!(of(0, 1, 1, 3), Exit::Partial);
        assert_eq!(of(0, 1, 1, 0), Exit::Channel);
        // The carrier works on it.
        assert_eq!(of(0, 1, 0, 0), Exit::Changes);
        assert_eq!(of(0, 1, 0, 3), Exit::Changes);
        let gone = |booked| {
            let gone = [(AccountId::new("parcels").unwrap(), 1)].into();
            exit(&Fulfilled { gone, postponed: 1, booked, ..Fulfilled::default() })
        };
        assert_eq!(gone(1), Exit::Partial);
        assert_eq!(gone(0), Exit::Blocked);
    }
}
