//! `tradewind apply`: refuses a stale plan. Exit 0: all live or accepted, 2: nothing was sent, and channels still work
//! on what was sent before, 3: nothing may go out, or the plan does not fit the world, 4: nothing went through, 5: some of it
//! did.

use std::path::PathBuf;

use anyhow::Context as _;
use tradewind_gateway::apply::{Applied, Settled};
use tradewind_gateway::plan::Plan;

use crate::context::{self, ConfigArg, block_on, watched};
use crate::output::{Exit, Output, counts};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Plan file of `plan --out`; without it only what is under way is settled.
    plan: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let plan: Option<Plan> = match &args.plan {
        Some(path) => {
            let text = std::fs::read(path).with_context(|| {
                format!("{} cannot be read: write a plan with tradewind plan --out FILE", path.display())
            })?;
            Some(serde_json::from_slice(&text).with_context(|| {
                format!("{} is no plan: write one with tradewind plan --out FILE", path.display())
            })?)
        }
        None => None,
    };
    let opened = args.config.open()?;
    let _alone = context::alone(&opened, "apply")?;
    let gateway = &opened.gateway;
    let (applied, settled, polled) = block_on(watched(out, gateway, "applying", async {
        let applied = match &plan {
            Some(plan) => gateway.apply(plan).await?,
            None => Applied::default(),
        };
        let (settled, polled) = gateway.settle().await?;
        Ok((applied, settled, polled))
    }))?;
    if out.is_json() {
        out.json(&serde_json::json!({"applied": applied, "settled": settled, "polled": polled}))?;
    } else {
        for error in applied.errors.iter().chain(&polled.errors) {
            out.note(error);
        }
        out.text(summary(&applied, &settled, &polled))?;
    }
    let blocked = plan.as_ref().map_or(0, |p| p.totals.blocked);
    Ok(exit(blocked, &applied, &settled, &polled))
}

/// What is not zero, in words.
fn summary(applied: &Applied, settled: &Settled, polled: &Applied) -> String {
    let parts = [
        (applied.accepted + polled.accepted, "accepted"),
        // What is deferred was asked for again by settling: it is counted there.
        (polled.deferred, "deferred"),
        (applied.rejected + polled.rejected + settled.rejected, "rejected"),
        (applied.indeterminate + polled.indeterminate, "unknown"),
        (applied.postponed + polled.postponed, "postponed"),
        (applied.held, "held"),
        (settled.live, "read back live"),
        (settled.waiting, "waiting"),
        (settled.again, "to be planned again"),
    ];
    counts(&parts, "nothing to do")
}

fn exit(blocked: u32, applied: &Applied, settled: &Settled, polled: &Applied) -> Exit {
    let failed = |a: &Applied| a.rejected + a.indeterminate + a.postponed;
    let failed = failed(applied) + failed(polled) + settled.rejected + settled.again + settled.unread;
    let accepted = (applied.accepted + polled.accepted).saturating_sub(settled.rejected + settled.again);
    let good = accepted + polled.deferred + settled.live;
    let sent = applied.accepted + applied.deferred;
    let open = settled.waiting + polled.deferred;
    match (failed, applied.held, good) {
        // A plan of which nothing may go out is a person's to decide.
        (0, 0, 0) if blocked > 0 => Exit::Blocked,
        // Asked again until nothing is open: 0 says that it is not.
        (0, 0, _) if sent == 0 && open > 0 => Exit::Changes,
        (0, 0, _) => Exit::Ok,
        (0, _, 0) => Exit::Blocked,
        (_, _, 0) => Exit::Channel,
        _ => Exit::Partial,
    }
}

#[cfg(test)]
mod tests {
    use super::{Exit, exit};
    use tradewind_gateway::apply::{Applied, Settled};

    #[test]
    fn the_exit_says_what_became_of_the_items() {
        let (a, s) = (Applied::default, Settled::default);
        let cases = [
            (Exit::Ok, 0, a(), s(), a()),
            // Two blocked by guards, one went.
            (Exit::Ok, 2, Applied { accepted: 1, ..a() }, s(), a()),
            (Exit::Blocked, 2, a(), s(), a()),
            (Exit::Blocked, 0, Applied { held: 3, ..a() }, s(), a()),
            (Exit::Partial, 0, Applied { held: 1, accepted: 1, ..a() }, s(), a()),
            (Exit::Channel, 0, Applied { postponed: 2, ..a() }, s(), a()),
            // Accepted, and refused when it was read back: nothing went through.
            (Exit::Channel, 0, Applied { accepted: 1, ..a() }, Settled { rejected: 1, ..s() }, a()),
            // The channel did not answer when it was asked what is live.
            (Exit::Channel, 0, a(), Settled { waiting: 2, unread: 2, ..s() }, a()),
            // What a deferred submission ended with counts, with or without a plan.
            (Exit::Channel, 0, a(), s(), Applied { rejected: 1, ..a() }),
            (Exit::Partial, 0, a(), Settled { live: 1, ..s() }, Applied { rejected: 1, accepted: 1, ..a() }),
            (Exit::Ok, 0, Applied { deferred: 2, ..a() }, s(), Applied { deferred: 2, ..a() }),
            (Exit::Ok, 0, Applied { accepted: 2, ..a() }, Settled { waiting: 2, ..s() }, a()),
            // Only asked: some live, some not yet; a feed that the channel still works on.
            (Exit::Changes, 0, a(), Settled { live: 1, waiting: 2, ..s() }, a()),
            (Exit::Changes, 0, a(), s(), Applied { deferred: 2, ..a() }),
        ];
        for (want, blocked, applied, settled, polled) in cases {
            assert_eq!(
                exit(blocked, &applied, &settled, &polled),
                want,
                "{applied:?} {settled:?} {polled:?}"
            );
        }
    }
}
