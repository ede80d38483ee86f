//! The suite of `tradewind-testkit`.

use std::sync::Arc;

use tradewind_connector::role::{Connector, Declare, Receipts, TaxBills};
use tradewind_connector::{CallCx, Cursor, Error, Facet, Safety};
use tradewind_domain::Declaration;
use tradewind_testkit::{Answer, Call, Suite, calls, json};

use crate::sample;

fn declare(c: &Arc<dyn Connector>) -> Result<&dyn Declare, Error> {
    c.customs().and_then(|c| c.declare()).ok_or_else(json::absent)
}
fn receipts(c: &Arc<dyn Connector>) -> Result<&dyn Receipts, Error> {
    c.customs().and_then(|c| c.receipts()).ok_or_else(json::absent)
}
fn bills(c: &Arc<dyn Connector>) -> Result<&dyn TaxBills, Error> {
    c.customs().and_then(|c| c.tax_bills()).ok_or_else(json::absent)
}

fn answer(status: u16, text: &str) -> Answer {
    let mut answer = Answer::json(status, text);
    answer.headers = vec![("content-type".to_owned(), "text/plain; charset=utf-8".to_owned())];
    answer
}

/// The platform's reply to a message whose schema or whose receiver is wrong, as the fixtures have it.
const SCHEMA: &str = include_str!("../fixtures/declaration.submit/schema-error/response");
const MISMATCH: &str = include_str!("../fixtures/receipts.poll/refused/response");

fn xml(recorded: &str) -> Answer {
    let mut answer = answer(200, recorded.split_once("\n\n").map_or("", |(_, body)| body.trim_end()));
    answer.headers = vec![("content-type".to_owned(), "application/xml".to_owned())];
    answer
}

#[tokio::test]
async fn conformance() {
    let cx = || CallCx::keyed("TD0000000000000042");
    let report = Suite::new(&tradewind_china_ceb::FACTORY, env!("CARGO_MANIFEST_DIR"))
        .secret("bridge_password", "bridge-password-0001")
        .secret("signer_token", "signer-token-0001")
        .documents(sample::documents)
        // The time of sending stands in the envelope and in the message; the message's number must not change.
        .volatile(&["authorization", "Data", "signed_info"])
        .fresh(&["CreatTime"])
        .refuses_in_200("declaration.", xml(SCHEMA))
        .refuses_in_200("receipts.", xml(MISMATCH))
        .refuses_in_200("tax_bills.", xml(MISMATCH))
        .throttled(answer(503, "BUSY"))
        .broken(answer(500, "ERROR"))
        .call(Call::new("declaration.submit", Facet::Declare, Safety::Natural, move |c, input| async move {
            let declaration: Declaration = json::read(input)?;
            calls::filed(declare(&c)?.submit(&cx(), &declaration).await?)
        }))
        .call(Call::new("declaration.amend", Facet::Amend, Safety::Natural, move |c, input| async move {
            let declaration: Declaration = json::read(input)?;
            calls::filed(declare(&c)?.amend(&cx(), &declaration).await?)
        }))
        .call(Call::new(
            "declaration.cancel",
            Facet::CancelDeclaration,
            Safety::Natural,
            move |c, input| async move {
                let declaration: Declaration = json::read(input)?;
                calls::filed(declare(&c)?.cancel(&cx(), &declaration, "买家取消订单").await?)
            },
        ))
        .call(
            Call::new("receipts.poll", Facet::Receipts, Safety::Read, |c, input| async move {
                let cursor = input.get("cursor").and_then(|v| v.as_str()).map(|t| Cursor(t.to_owned()));
                json::write(receipts(&c)?.poll(&CallCx::new(), cursor.as_ref()).await?)
            })
            .paged(),
        )
        .call(Call::new("receipts.of", Facet::Receipts, Safety::Read, |c, input| async move {
            let declaration: Declaration = json::read(input)?;
            json::write(receipts(&c)?.of(&CallCx::new(), &declaration).await?)
        }))
        .call(Call::new("tax_bills.of", Facet::TaxBills, Safety::Read, |c, input| async move {
            let declaration: Declaration = json::read(input)?;
            json::write(bills(&c)?.of(&CallCx::new(), &declaration).await?)
        }))
        .run()
        .await;
    report.assert();
}
