//! What a channel works on can be gone on with, by a process that has the handle and nothing else.

use serde_json::Value;
use tradewind_connector::{Access, CallCx, Connector, Error, Facet, Handle, Kind};

use super::fixture::Case;
use super::report::{Group, Report};
use super::runs::render;
use super::script::Answer;
use super::{Call, Suite, happy_steps};

impl Suite {
    /// A case that ends deferred is asked about at an opened connector of its own, which is told nothing but errors: it must ask.
    pub(super) async fn deferred(&self, call: &Call, case: &Case, report: &mut Report) {
        // A call that asks, as this check does, is no further job.
        if call.safety.is_read() {
            return;
        }
        let Some((_, outcome)) = self.drive(call, case, happy_steps(case), None).await else { return };
        let handle = outcome.ok().and_then(|o| o.get("deferred").cloned());
        let Some(handle) = handle.and_then(|h: Value| serde_json::from_value::<Handle>(h).ok()) else {
            return;
        };
        let down = Answer::json(500, "{}");
        let Ok(bench) = self.open(Access::ReadWrite, vec![], Some(down)) else { return };
        let asked = poll(bench.connector.as_ref(), call.facet, &handle).await;
        let ended = asked.as_ref().is_some_and(|a| {
            a.as_ref().is_err_and(|e| matches!(e.kind(), Kind::Unsupported | Kind::InvalidRequest))
        });
        report.expect(Group::Faults, asked.is_some() && !ended, || {
            let told = asked.map_or_else(|| "no such facet".to_owned(), |a| render(&a.map(|()| Value::Null)));
            format!(
                "{}: flow '{}' is deferred, and poll does not go on with it: {told}",
                case.label(),
                handle.flow
            )
        });
    }
}

/// Goes on with a handle through the facet that gave it.
async fn poll(connector: &dyn Connector, facet: Facet, handle: &Handle) -> Option<Result<(), Error>> {
    let cx = CallCx::new();
    let (market, money) = (connector.marketplace(), connector.payments());
    Some(match facet {
        Facet::Offers | Facet::Withdraw | Facet::Stock | Facet::Prices => {
            market?.offers()?.poll(&cx, handle).await.map(drop)
        }
        Facet::Refund if market.is_none() => money?.refunds()?.poll(&cx, handle).await.map(drop),
        Facet::Ship | Facet::Cancel | Facet::Refund => {
            market?.order_actions()?.poll(&cx, handle).await.map(drop)
        }
        Facet::Shipments => connector.logistics()?.shipments()?.poll(&cx, handle).await.map(drop),
        Facet::Declare | Facet::Amend | Facet::CancelDeclaration => {
            connector.customs()?.declare()?.poll(&cx, handle).await.map(drop)
        }
        Facet::CustomsPayment => money?.customs_payments()?.poll(&cx, handle).await.map(drop),
        _ => return None,
    })
}
