//! Declared limits hold: batches, titles, products that go as a whole, what one cancellation takes.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tradewind_connector::{Bounds, Cancels, Facet, Kind};

use super::faults::kinds_of;
use super::fixture::{Case, CaseKind};
use super::keys::plain;
use super::report::{Group, Report};
use super::runs::render;
use super::{Bench, Call, Outcome, Suite, happy_steps};

/// Units that a variant which stays is given, and those that it is said to show: numbers that stand nowhere else.
const STAY: (u32, u32) = (4711, 4712);

impl Suite {
    pub(super) async fn bounds(&self, call: &Call, happy: &Case, report: &mut Report) {
        let bounds = (self.factory.capabilities)().bounds;
        self.batch(call, happy, &bounds, report).await;
        match call.facet {
            _ if call.safety.is_read() => {}
            Facet::Offers => self.titles(call, happy, &bounds, report).await,
            Facet::Cancel => self.cancellation(call, happy, bounds.cancels, report).await,
            _ => {}
        }
    }

    /// No request carries more items than a batch.
    async fn batch(&self, call: &Call, happy: &Case, bounds: &Bounds, report: &mut Report) {
        let batch = match call.facet {
            // Counted by itself.
            Facet::Offers if call.bulk => return self.bulk(call, happy, bounds.bulk_batch, report).await,
            Facet::Offers | Facet::Withdraw => bounds.offers_batch,
            Facet::Stock => bounds.stock_batch,
            Facet::Prices => bounds.prices_batch,
            Facet::Listings => bounds.listings_batch,
            Facet::Tracking => bounds.tracking_batch,
            _ => None,
        };
        let Some(batch) = batch else { return };
        let label = happy.label();
        let Some(item) = first(&happy.input) else {
            let text = format!("{label}: a batch is {batch}, and the input is no list: no batch is shown");
            // A sweep, the question about a job.
            return match call.safety.is_read() {
                true => report.skip(Group::Declaration, text),
                false => report.fail(Group::Declaration, text),
            };
        };
        let (mut items, mut names) = (Vec::new(), Vec::new());
        for n in 0..=batch {
            let item = renamed(item, &format!("BATCH-{n:04}-END"), n);
            names.push(idents(&item));
            items.push(item);
        }
        let case = Case { input: Value::Array(items), ..happy.clone() };
        // A flow that asks something first is answered, so that its write is seen.
        let Some((bench, outcome)) = self.drive(call, &case, happy_steps(happy), None).await else { return };
        let requests = bench.script.calls();
        let most = requests.iter().map(|r| {
            let text = plain(&self.show(r));
            names.iter().filter(|own| own.iter().any(|name| text.contains(name.as_str()))).count()
        });
        let most = most.max().unwrap_or_default();
        // What no request names was not looked at, unless it was refused before one was sent.
        let seen = most > 0 || (requests.is_empty() && ours(&outcome));
        report.expect(Group::Declaration, seen && most <= batch as usize, || match seen {
            true => format!("{label}: a batch is {batch}, and {most} items are in one request"),
            false => format!(
                "{label}: a batch is {batch}, and of {} items none is named in a request; outcome {}",
                batch + 1,
                render(&outcome)
            ),
        });
    }

    /// A title too long is refused unsent: in characters, and in bytes of letters that take two.
    async fn titles(&self, call: &Call, happy: &Case, bounds: &Bounds, report: &mut Report) {
        let label = happy.label();
        let chars = bounds.title_chars.map(|n| ("characters", "x".repeat(n as usize + 1)));
        let bytes = bounds.title_bytes.map(|n| ("bytes", "ü".repeat(n as usize / 2 + 1)));
        for (what, title) in chars.into_iter().chain(bytes) {
            let mut item = first(&happy.input).cloned().unwrap_or_default();
            let place = ["/content/title", "/offers/0/offer/content/title"]
                .into_iter()
                .find(|place| item.pointer(place).is_some());
            let Some(place) = place.and_then(|place| item.pointer_mut(place)) else {
                let text = format!(
                    "{label}: a title has so many {what}, and the input is no list of offers or drafts"
                );
                report.fail(Group::Declaration, text);
                continue;
            };
            *place = Value::String(title.clone());
            let case = Case { input: Value::Array(vec![item]), ..happy.clone() };
            let Some((bench, outcome)) = self.drive(call, &case, happy_steps(happy), None).await else {
                return;
            };
            let sent = bench.script.calls().iter().any(|r| plain(&self.show(r)).contains(&title));
            report.expect(Group::Declaration, ours(&outcome) && !sent, || {
                format!(
                    "{label}: a title of {} {what} is not refused unsent; outcome {}",
                    if what == "bytes" { title.len() } else { title.chars().count() },
                    render(&outcome)
                )
            });
        }
    }

    /// Where a product is one document, what it leaves out is taken off sale: variants that stay are told again, each with the
    /// units that it is given, not with those that it showed.
    pub(super) async fn siblings(&self, cases: &BTreeMap<String, Vec<Case>>, report: &mut Report) {
        if !(self.factory.capabilities)().bounds.whole_products {
            return;
        }
        let mut seen = 0;
        for call in self.calls.iter().filter(|c| c.facet == Facet::Offers && !c.safety.is_read()) {
            let own = cases.get(&call.op).map(Vec::as_slice).unwrap_or_default();
            for case in own.iter().filter(|c| matches!(c.kind, CaseKind::Happy | CaseKind::Other)) {
                let mut input = case.input.clone();
                let drafts = input.as_array_mut().into_iter().flatten();
                let Some(stays) = drafts.filter_map(|d| d.pointer_mut("/siblings/0")).next() else {
                    continue;
                };
                let names = idents(stays);
                stays["offer"]["quantity"] = STAY.0.into();
                stays["shown"] = STAY.1.into();
                seen += 1;
                let case = Case { input, ..case.clone() };
                self.stays(call, &case, &names, report).await;
            }
        }
        report.expect(Group::Manifest, seen > 0, || {
            "a product goes as a whole, and no case of Offers puts a draft with a sibling: nothing shows that it stays on sale".to_owned()
        });
    }

    async fn stays(&self, call: &Call, case: &Case, names: &[String], report: &mut Report) {
        let label = case.label();
        let Some((bench, outcome)) = self.drive(call, case, happy_steps(case), None).await else { return };
        let writes = written(self, &bench);
        let told = writes.iter().find(|text| names.iter().any(|name| text.contains(name.as_str())));
        let Some(told) = told else {
            let text = format!(
                "{label}: a variant that stays is in no write, by none of {names:?}: it goes off sale; outcome {}",
                render(&outcome)
            );
            return report.fail(Group::Declaration, text);
        };
        report.pass(Group::Declaration);
        if let Some(why) = &call.leaves_siblings {
            let text = format!("{label}: the units of a variant that stays are not told: {why}");
            return report.skip(Group::Declaration, text);
        }
        report.expect(Group::Declaration, told.contains(&STAY.0.to_string()), || {
            format!("{label}: a variant that stays goes without its {} units (it showed {})", STAY.0, STAY.1)
        });
    }

    /// A channel that would cancel more than was asked for is not asked, and one that is asked is told what.
    async fn cancellation(&self, call: &Call, happy: &Case, cancels: Cancels, report: &mut Report) {
        let label = happy.label();
        let line = happy.input.pointer("/order/lines/0");
        let Some((line, id)) = line.and_then(|l| Some((l, l.get("id")?.as_str()?))) else {
            let text = format!(
                "{label}: its order has no line: nothing shows that no more of it is cancelled than is asked for"
            );
            return report.fail(Group::Declaration, text);
        };
        // Two lines of a thousand units each, all of them open.
        let [one, two, none] = [1, 2, 3].map(|n| numbered(id, n));
        let of = |id: &str| {
            let mut line = line.clone();
            (line["id"], line["quantity"]) = (id.into(), 1_000.into());
            (line["shipped"], line["cancelled"]) = (0.into(), 0.into());
            line
        };
        let case = |id: &str, units: u32| {
            let mut input = happy.input.clone();
            input["order"]["lines"] = json!([of(&one), of(&two)]);
            input["lines"] = json!([{ "line": id, "quantity": units }]);
            Case { input, ..happy.clone() }
        };
        let mut refused = vec![
            ("a unit more than is open", case(&one, 1_001), Kind::InvalidRequest),
            ("a line of another order", case(&none, 1), Kind::InvalidRequest),
        ];
        // Pairs of which the channel must hear the difference.
        let mut told = Vec::new();
        match cancels {
            Cancels::Orders => {
                refused.push(("one unit of a thousand", case(&one, 1), Kind::Unsupported));
                refused.push(("one line of two", case(&one, 1_000), Kind::Unsupported));
            }
            Cancels::Lines => {
                refused.push(("one unit of a thousand", case(&one, 1), Kind::Unsupported));
                told.push(("this line or that", case(&one, 1_000), case(&two, 1_000)));
            }
            Cancels::Units => {
                told.push(("this line or that", case(&one, 1_000), case(&two, 1_000)));
                told.push(("seven units or eight", case(&one, 7), case(&one, 8)));
            }
        }
        for (what, case, kind) in refused {
            let Some((bench, outcome)) = self.drive(call, &case, happy_steps(happy), None).await else {
                return;
            };
            let told = kinds_of(&outcome).iter().any(|k| k == kind.name());
            report.expect(Group::Declaration, told && bench.script.calls().is_empty(), || {
                format!(
                    "{label}: to cancel {what} is not refused unsent ({kind:?}), though Bounds::cancels says {cancels:?}; outcome {}",
                    render(&outcome)
                )
            });
        }
        for (what, this, that) in told {
            let Some((first, outcome)) = self.drive(call, &this, happy_steps(happy), None).await else {
                return;
            };
            let Some((second, _)) = self.drive(call, &that, happy_steps(happy), None).await else { return };
            let (first, second) = (written(self, &first), written(self, &second));
            report.expect(Group::Declaration, !first.is_empty() && first != second, || {
                format!(
                    "{label}: {what}: the channel is told the same ({} writes), though Bounds::cancels says {cancels:?}; outcome {}",
                    first.len(),
                    render(&outcome)
                )
            });
        }
    }
}

/// The writes of a conversation, in words.
fn written(suite: &Suite, bench: &Bench) -> Vec<String> {
    let writes = bench.script.sent().into_iter().filter(|s| s.writes.is_some());
    writes.map(|s| plain(&suite.masked(&s.request))).collect()
}

pub(super) fn first(input: &Value) -> Option<&Value> {
    input.as_array().and_then(|items| items.first())
}

/// Refused as our own mistake, at once or when the submission is asked for.
pub(super) fn ours(outcome: &Outcome) -> bool {
    let ours = [Kind::InvalidRequest.name(), Kind::Config.name()];
    let left_out = outcome.as_ref().is_ok_and(|v| v.to_string().contains("left_out"));
    left_out || kinds_of(outcome).iter().any(|k| ours.contains(&k.as_str()))
}

/// A copy under another name: an offer, a draft of its first offer, a change, a reference, a number alone.
pub(super) fn renamed(item: &Value, name: &str, n: u32) -> Value {
    match item {
        Value::String(text) => Value::String(numbered(text, n)),
        Value::Object(map) => {
            let own = map.iter().filter(|(k, _)| *k != "siblings");
            let renamed = own.map(|(k, v)| {
                let v = match (k.as_str(), v) {
                    ("sku" | "product", Value::String(_)) => Value::String(name.to_owned()),
                    ("listing", Value::String(text)) => Value::String(numbered(text, n)),
                    ("key" | "offer", inner) => renamed(inner, name, n),
                    ("offers", Value::Array(all)) => {
                        all.iter().take(1).map(|one| renamed(one, name, n)).collect()
                    }
                    (_, other) => other.clone(),
                };
                (k.clone(), v)
            });
            Value::Object(renamed.collect())
        }
        other => other.clone(),
    }
}

/// Its last digits, four at most, are another number.
fn numbered(text: &str, n: u32) -> String {
    let digits = text.len() - text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let keep = text.len() - digits.min(4);
    format!("{}{n:04}", text.get(..keep).unwrap_or_default())
}

/// What names an item in a request.
fn idents(item: &Value) -> Vec<String> {
    match item {
        Value::String(text) => vec![text.clone()],
        Value::Object(map) => map
            .iter()
            .flat_map(|(k, v)| match (k.as_str(), v) {
                ("sku" | "listing", Value::String(text)) => vec![text.clone()],
                ("key" | "offer", inner) => idents(inner),
                ("offers", Value::Array(all)) => all.iter().flat_map(idents).collect(),
                _ => Vec::new(),
            })
            .collect(),
        _ => Vec::new(),
    }
}
