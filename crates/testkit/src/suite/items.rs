//! What a call about several items says of each: one outcome per item, in the order of the items, at once or when a submission
//! that is worked on later is asked about; and how many a bulk submission takes.

use std::collections::BTreeSet;

use serde_json::Value;
use tradewind_connector::role::ItemOutcome;
use tradewind_connector::{Access, CallCx, Connector, Error, Facet, Handle, Submitted};

use super::bounds::{first, ours, renamed};
use super::fixture::{self, Case, CaseKind};
use super::keys::plain;
use super::report::{Group, Report};
use super::runs::render;
use super::script::Step;
use super::{Bench, Call, Outcome, Suite, calls, happy_steps, json};

/// Copies of an item, by number: not in the order of their names.
const SEVERAL: [u32; 3] = [2, 1, 3];

impl Suite {
    /// Where a bulk submission is declared, it is made here, and the other way round.
    pub(super) fn bulk_is_declared(&self, report: &mut Report) {
        let Ok(bench) = self.open(Access::ReadWrite, vec![], None) else { return };
        let declared = bench.connector.capabilities().bounds.bulk_from.is_some();
        let made = self.calls.iter().any(|c| c.bulk);
        report.expect(Group::Manifest, declared == made, || match declared {
            true => {
                "Bounds::bulk_from is set, and no call of the suite makes a bulk submission (calls::list)"
                    .to_owned()
            }
            false => {
                "a call makes a bulk submission, and Bounds::bulk_from says that there is none".to_owned()
            }
        });
    }

    /// One outcome per item, in the items' order: of each case, of copies in another order than their names', and of a job when
    /// it is over.
    pub(super) async fn items(&self, call: &Call, cases: &[Case], report: &mut Report) {
        let facets = [Facet::Offers, Facet::Withdraw, Facet::Stock, Facet::Prices];
        let of_items = facets.contains(&call.facet) && !call.safety.is_read();
        for case in cases {
            let label = case.label();
            if !of_items || !case.input.is_array() {
                report.expect(Group::Manifest, case.later.is_empty(), || {
                    format!("{label}: answers for later, and it submits no items")
                });
                continue;
            }
            let Some((_, outcome)) = self.drive(call, case, happy_steps(case), None).await else { return };
            one_each(&label, &case.input, &outcome, report);
            self.ended(call, case, &outcome, report).await;
        }
        let Some(happy) = cases.iter().find(|c| of_items && c.kind == CaseKind::Happy) else { return };
        let Some(item) = first(&happy.input) else { return };
        let several = SEVERAL.map(|n| renamed(item, &format!("ITEM-{n:04}-END"), n));
        let case = Case { input: Value::Array(several.to_vec()), ..happy.clone() };
        let Some((_, outcome)) = self.drive(call, &case, happy_steps(happy), None).await else { return };
        one_each(&format!("{}, three of it", case.label()), &case.input, &outcome, report);
    }

    /// A job of items that is over says of each what became of it, by the handle alone.
    async fn ended(&self, call: &Call, case: &Case, outcome: &Outcome, report: &mut Report) {
        let label = case.label();
        let Some(handle) = handle(outcome) else {
            return report.expect(Group::Manifest, case.later.is_empty(), || {
                format!("{label}: answers for later, and it is over at once")
            });
        };
        if case.later.is_empty() {
            return report.expect(Group::Manifest, case.kind != CaseKind::Happy, || {
                format!(
                    "{label}: it is worked on later, and nothing shows what becomes of each item: record how the channel answers the questions about it (`later`, `later.2`, …)"
                )
            });
        }
        let Some((bench, ended)) = self.asked(call, case, &handle).await else { return };
        for (n, request) in bench.script.calls().iter().enumerate() {
            let path = case.folder.join(fixture::numbered("asked", n + 1));
            let told = fixture::golden(&path, &self.show(request));
            report.expect(Group::Codec, told.is_ok(), || {
                format!("{label}, asked later: {}", told.err().unwrap_or_default())
            });
        }
        report.expect(Group::Codec, bench.script.unused() == 0, || {
            format!(
                "{label}, asked later: {} of the recorded answers were never asked for",
                bench.script.unused()
            )
        });
        let told = fixture::golden(&case.folder.join("ended"), &render(&ended));
        report.expect(Group::Codec, told.is_ok(), || {
            format!("{label}, asked later: {}", told.err().unwrap_or_default())
        });
        let exchanges = Case { answers: case.later.clone(), ..case.clone() };
        self.specification(call, &exchanges, &bench.script.calls(), report);
        self.leaks(&label, &ended, report);
        report.expect(Group::Declaration, ended.as_ref().is_ok_and(Value::is_array), || {
            format!("{label}, asked later: it does not end with what is recorded: {}", render(&ended))
        });
        one_each(&format!("{label}, asked later"), &case.input, &ended, report);
    }

    /// A process that has the handle and nothing else asks, and gets what is recorded.
    async fn asked(&self, call: &Call, case: &Case, handle: &Handle) -> Option<(Bench, Outcome)> {
        let steps = case.later.iter().cloned().map(Step::Answer).collect();
        let bench = self.open(Access::ReadWrite, steps, None).ok()?;
        let ended = poll(bench.connector.as_ref(), call.facet, handle).await?;
        Some((bench, ended.and_then(|told| json::outcomes(calls::untimed(told)))))
    }

    /// A bulk submission takes as many as is said, all of them in one request, and of one more none is lost.
    pub(super) async fn bulk(&self, call: &Call, happy: &Case, most: Option<u32>, report: &mut Report) {
        let label = happy.label();
        let Some(most) = most else {
            return report.skip(
                Group::Declaration,
                format!("{label}: a bulk submission has no most: Bounds::bulk_batch"),
            );
        };
        let Some(item) = first(&happy.input) else {
            let text =
                format!("{label}: a bulk submission takes {most}, and the input is no list: none is shown");
            return report.fail(Group::Declaration, text);
        };
        for count in [most, most.saturating_add(1)] {
            // The last first: the order is theirs, not that of their names.
            let numbers = (0..count).rev();
            let items = numbers.map(|n| renamed(item, &format!("BULK-{n:06}-END"), n)).collect();
            let case = Case { input: Value::Array(items), ..happy.clone() };
            let Some((bench, outcome)) = self.drive(call, &case, happy_steps(happy), None).await else {
                return;
            };
            let requests = bench.script.calls();
            let named = requests.iter().map(|r| marks(&plain(&self.show(r))).len()).max().unwrap_or_default();
            let label = format!("{label}: a bulk submission takes {most}, and of {count}");
            // One too many may be refused as a whole, unsent.
            if count > most && requests.is_empty() && ours(&outcome) {
                report.pass(Group::Declaration);
                continue;
            }
            report.expect(Group::Declaration, named == most as usize, || {
                format!("{label} {named} are in one request; outcome {}", shortened(&outcome))
            });
            let told = match handle(&outcome) {
                Some(handle) => match self.asked(call, &case, &handle).await {
                    Some((_, ended)) => ended,
                    None => return,
                },
                None => outcome,
            };
            let listed = told.as_ref().is_ok_and(Value::is_array);
            report.expect(Group::Declaration, listed, || {
                format!("{label} none is told of by itself: {}", shortened(&told))
            });
            one_each(&label, &case.input, &told, report);
        }
    }
}

/// The handle of a submission that is worked on later.
fn handle(outcome: &Outcome) -> Option<Handle> {
    // One that cannot be kept is told where deferred submissions are looked at.
    json::read(outcome.as_ref().ok()?.get("deferred")?.clone()).ok()
}

async fn poll(
    connector: &dyn Connector,
    facet: Facet,
    handle: &Handle,
) -> Option<Result<Submitted<Vec<ItemOutcome>>, Error>> {
    let (cx, market) = (CallCx::new(), connector.marketplace()?);
    Some(match facet {
        Facet::Offers | Facet::Withdraw => market.offers()?.poll(&cx, handle).await,
        Facet::Stock => market.stock()?.poll(&cx, handle).await,
        Facet::Prices => market.prices()?.poll(&cx, handle).await,
        _ => return None,
    })
}

/// Where outcomes are told, they are those of the items, one each and in their order.
fn one_each(label: &str, input: &Value, outcome: &Outcome, report: &mut Report) {
    let Ok(Value::Array(told)) = outcome else { return };
    let told: Vec<&str> = told.iter().filter_map(|o| o.get("sku")?.as_str()).collect();
    let items: Vec<&str> = input.as_array().into_iter().flatten().flat_map(skus).collect();
    report.expect(Group::Declaration, told == items, || {
        let first = items.iter().zip(&told).position(|(item, told)| item != told);
        let at = first.unwrap_or_else(|| items.len().min(told.len()));
        let (item, named) = (items.get(at).unwrap_or(&"none"), told.get(at).unwrap_or(&"none"));
        format!(
            "{label}: one outcome per item in their order: {} items have {} outcomes; number {} is '{item}', and '{named}' is told",
            items.len(),
            told.len(),
            at + 1
        )
    });
}

/// The SKUs of which an outcome is told: siblings have none.
fn skus(item: &Value) -> Vec<&str> {
    if let Some(offers) = item.get("offers").and_then(Value::as_array) {
        return offers.iter().filter_map(|o| o.get("offer")).flat_map(skus).collect();
    }
    if let Some(key) = item.get("key") {
        return skus(key);
    }
    item.get("sku").and_then(Value::as_str).into_iter().collect()
}

/// The items of a bulk submission that a text names.
fn marks(text: &str) -> BTreeSet<&str> {
    text.match_indices("BULK-").filter_map(|(at, _)| text.get(at..at + "BULK-000000-END".len())).collect()
}

/// Two thousand outcomes help nobody.
fn shortened(outcome: &Outcome) -> String {
    render(outcome).chars().take(400).collect()
}
