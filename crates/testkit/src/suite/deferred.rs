//! What a channel works on can be gone on with, by a process that has the handle and nothing else.

use tradewind_connector::{Access, CallCx, Connector, Error, Facet, Handle, Kind, Submitted};

use super::fixture::Case;
use super::report::{Group, Report};
use super::script::Answer;
use super::{Call, Suite, happy_steps, json};

impl Suite {
    /// A case that ends deferred is asked about at an opened connector of its own, by the facet that deferred it, as the gateway
    /// does. The channel answers nothing but errors: it must be asked, and the job is not over.
    pub(super) async fn deferred(&self, call: &Call, case: &Case, report: &mut Report) {
        // A call that asks, as this check does, is no further job.
        if call.safety.is_read() {
            return;
        }
        let Some((_, outcome)) = self.drive(call, case, happy_steps(case), None).await else { return };
        let Some(kept) = outcome.ok().and_then(|o| o.get("deferred").cloned()) else { return };
        let handle: Handle = match json::read(kept) {
            Ok(handle) => handle,
            Err(e) => {
                let text = format!("{}: a handle that cannot be kept: {e}", case.label());
                return report.fail(Group::Faults, text);
            }
        };
        let down = Answer::json(500, "{}");
        let Ok(bench) = self.open(Access::ReadWrite, vec![], Some(down)) else { return };
        let told = poll(bench.connector.as_ref(), call.facet, &handle).await;
        let wrong = match told {
            None => Some(format!("{:?} has no facet that can be asked", call.facet)),
            Some(Err(e)) if matches!(e.kind(), Kind::Unsupported | Kind::InvalidRequest) => {
                Some(e.to_string())
            }
            Some(Ok(Submitted::Done(()))) => Some("it is done, without an answer that says so".to_owned()),
            Some(_) if bench.script.calls().is_empty() => Some("nothing was asked".to_owned()),
            Some(_) => None,
        };
        report.expect(Group::Faults, wrong.is_none(), || {
            format!(
                "{}: flow '{}' is deferred, and poll does not go on with it: {}",
                case.label(),
                handle.flow,
                wrong.unwrap_or_default()
            )
        });
    }
}

/// Goes on with a handle through the facet that gave it.
async fn poll(
    connector: &dyn Connector,
    facet: Facet,
    handle: &Handle,
) -> Option<Result<Submitted<()>, Error>> {
    let cx = CallCx::new();
    let (market, money) = (connector.marketplace(), connector.payments());
    let actions = market.and_then(|m| m.order_actions());
    Some(match facet {
        Facet::Offers | Facet::Withdraw => plain(market?.offers()?.poll(&cx, handle).await),
        Facet::Stock => plain(market?.stock()?.poll(&cx, handle).await),
        Facet::Prices => plain(market?.prices()?.poll(&cx, handle).await),
        Facet::Refund if actions.is_none() => money?.refunds()?.poll(&cx, handle).await,
        Facet::Ship | Facet::Cancel | Facet::Refund => actions?.poll(&cx, handle).await,
        Facet::Shipments => plain(connector.logistics()?.shipments()?.poll(&cx, handle).await),
        Facet::Declare | Facet::Amend | Facet::CancelDeclaration => {
            plain(connector.customs()?.declare()?.poll(&cx, handle).await)
        }
        Facet::CustomsPayment => plain(money?.customs_payments()?.poll(&cx, handle).await),
        _ => return None,
    })
}

/// Only whether it is over counts here.
fn plain<T>(told: Result<Submitted<T>, Error>) -> Result<Submitted<()>, Error> {
    Ok(match told? {
        Submitted::Done(_) => Submitted::Done(()),
        Submitted::Deferred(handle) => Submitted::Deferred(handle),
    })
}
