//! What buyers take back: claims ("issues") as returns, and their wish to cancel, granted.
//!
//! The methods are not in the published metadata. Names, parameters and fields are those of AliExpress's generated SDKs
//! (`com.aliexpress.open`, 2024-12; `Top.Api`), the shape of a detail that of an answer of 2024-10 that an integration
//! keeps.

use async_trait::async_trait;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use tradewind_connector::role::Returns;
use tradewind_connector::{
    CallCx, Cursor, Error, Facet, Kind, OpCx, OpSpec, Operation, Page, Priority, Safety, Window, WireRequest,
    WireResponse,
};
use tradewind_domain::{LineQuantity, Money, Order, OrderId, Return, ReturnId, ReturnState};
use url::Url;

use crate::AliExpress;
use crate::map;
use crate::products::{business, dto};
use crate::wire::{self, Id, List, Rows, Wrapped};

static LIST: OpSpec = OpSpec {
    name: "issues.list",
    facet: Facet::Returns,
    safety: Safety::Read,
    priority: Priority::Report,
    buckets: &["seller"],
    keep: true,
    doc: "aliexpress.issue.issuelist.get",
};
static DETAIL: OpSpec = OpSpec { name: "issues.get", doc: "aliexpress.issue.detail.get", ..LIST };
static ACCEPT: OpSpec = OpSpec {
    name: "orders.accept_cancel",
    facet: Facet::Cancel,
    // The order shows it, and is read before each send.
    safety: Safety::ReadBack,
    priority: Priority::Orders,
    keep: false,
    doc: "aliexpress.trade.seller.order.acceptcancel",
    ..LIST
};

/// Issues in one page; more than fifty are not given.
const PAGE: u32 = 50;
/// The three states by which issues are listed. What a list without one holds is not documented.
const STATUSES: [&str; 3] = ["processing", "finish", "canceled_issue"];
/// The list takes no dates: issues are chosen by their time of change, whose zone is not documented (read as Pacific, like
/// all others). No zone is further off than this.
const DOUBT: SignedDuration = SignedDuration::from_hours(24);

/// Where a reading goes on: which of [`STATUSES`], which page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    status: usize,
    page: u32,
}

impl Place {
    fn of(cursor: Option<&Cursor>) -> Result<Place, Error> {
        let Some(Cursor(text)) = cursor else { return Ok(Place { status: 0, page: 1 }) };
        let read = || {
            let (status, page) = text.split_once('/')?;
            let status = STATUSES.iter().position(|s| *s == status)?;
            Some(Place { status, page: page.parse().ok().filter(|p| *p > 0)? })
        };
        read().ok_or_else(|| Error::invalid(format!("'{text}' is not a cursor of this connector")))
    }

    fn name(self) -> &'static str {
        STATUSES.get(self.status).copied().unwrap_or_default()
    }

    fn next(self, more: bool) -> Option<Cursor> {
        let next = if more {
            Place { page: self.page.saturating_add(1), ..self }
        } else {
            Place { status: self.status + 1, page: 1 }
        };
        (next.status < STATUSES.len()).then(|| Cursor(format!("{}/{}", next.name(), next.page)))
    }
}

/// A row of the list, as far as it leads to the detail.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Row {
    issue_id: Id,
    buyer_login_id: String,
    #[serde(default)]
    gmt_create: String,
    #[serde(default)]
    gmt_modified: String,
}

impl Row {
    /// Not changed since the window began, beyond doubt. A time that cannot be read says nothing.
    fn is_old(&self, window: &Window) -> bool {
        let stamp = if self.gmt_modified.is_empty() { &self.gmt_create } else { &self.gmt_modified };
        let changed = map::instant(stamp).ok().and_then(|t| t.utc.checked_add(DOUBT).ok());
        changed.is_some_and(|latest| latest < window.from)
    }
}

pub(crate) struct ListIssues {
    pub(crate) endpoint: Url,
}

impl Operation for ListIssues {
    type In = Place;
    /// Rows, and whether more pages of the same state follow.
    type Out = (Vec<Result<Row, Error>>, bool);

    fn spec(&self) -> &OpSpec {
        &LIST
    }
    fn encode(&self, _: &OpCx<'_>, place: &Place) -> Result<WireRequest, Error> {
        #[derive(Serialize)]
        struct Query {
            current_page: u32,
            page_size: u32,
            issue_status: &'static str,
        }
        let query = Query { current_page: place.page, page_size: PAGE, issue_status: place.name() };
        business(&self.endpoint, LIST.doc, &[("query_dto", dto(&query)?)])
    }
    fn decode(&self, _: &OpCx<'_>, place: &Place, response: &WireResponse) -> Result<Self::Out, Error> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            data_list: Rows,
            total_item: Option<Id>,
        }
        let answer: Answer = wire::read(response)?;
        let more = answer.data_list.more(answer.total_item, place.page, PAGE, "issues")?;
        Ok((answer.data_list.0.read("issue", "issue_id", Ok).collect(), more))
    }
}

/// An issue whole: `result_object`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Issue {
    issue_status: String,
    /// The order; `order_id` is the line.
    parent_order_id: Id,
    order_id: Id,
    gmt_create: String,
    #[serde(default)]
    buyer_return_no: Option<String>,
    #[serde(default)]
    buyer_solution_list: List<Solution>,
    #[serde(default)]
    seller_solution_list: List<Solution>,
    #[serde(default)]
    platform_solution_list: List<Solution>,
}

#[derive(Debug, Clone, Deserialize)]
struct Solution {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    is_default: bool,
    #[serde(default)]
    solution_type: Option<String>,
    /// In the buyer's money.
    #[serde(default)]
    refund_money: String,
    #[serde(default)]
    refund_money_currency: String,
    /// In the seller's; empty where the platform decided.
    #[serde(default)]
    refund_money_post: String,
    #[serde(default)]
    refund_money_post_currency: String,
}

impl Solution {
    fn reached(&self) -> bool {
        matches!(self.status.as_deref(), Some("reached" | "perform"))
    }

    fn money(&self) -> Result<Option<Money>, Error> {
        let pairs = [
            (&self.refund_money_post, &self.refund_money_post_currency),
            (&self.refund_money, &self.refund_money_currency),
        ];
        let Some((amount, currency)) = pairs.into_iter().find(|(a, c)| !a.is_empty() && !c.is_empty()) else {
            return Ok(None);
        };
        let currency = currency.parse().map_err(|_| Error::decode(format!("currency '{currency}'")))?;
        Ok(Some(
            Money::parse(amount, currency).map_err(|e| Error::decode(format!("amount '{amount}': {e}")))?,
        ))
    }
}

impl Issue {
    /// What both agreed on or the platform decided; `None` while nothing is settled.
    fn settled(&self) -> Option<&Solution> {
        let agreed = [&self.seller_solution_list, &self.buyer_solution_list];
        let agreed = agreed.into_iter().flat_map(|l| l.0.iter()).find(|s| s.reached());
        let finished = self.issue_status == "finish";
        // A proposal of the platform binds when the issue has ended with it.
        let platform = self.platform_solution_list.0.iter().find(|s| finished || s.reached());
        platform.or(agreed)
    }

    /// What the buyer asks for.
    fn asked(&self) -> Option<&Solution> {
        let all = &self.buyer_solution_list.0;
        all.iter().find(|s| s.is_default).or_else(|| all.first())
    }

    fn read(&self, id: &Id, order: Option<&Order>) -> Result<Return, Error> {
        let settled = self.settled();
        let amount = match settled.or_else(|| self.asked()) {
            Some(solution) => solution.money()?,
            None => None,
        };
        let on_the_way = self.buyer_return_no.as_deref().is_some_and(|n| !n.is_empty());
        let state = match self.issue_status.as_str() {
            "canceled_issue" => ReturnState::Closed,
            "finish" if settled.is_some() && amount.is_none_or(Money::is_positive) => ReturnState::Refunded,
            "finish" => ReturnState::Closed,
            "processing" if on_the_way => ReturnState::InTransit,
            "processing" if settled.is_some() => ReturnState::Approved,
            // A word that no document names is not decided, as far as we understand; `raw_status` keeps it.
            _ => ReturnState::Requested,
        };
        let kind = settled.or_else(|| self.asked()).and_then(|s| s.solution_type.as_deref());
        let line = order.and_then(|o| o.lines.iter().find(|l| l.id.as_str() == self.order_id.0));
        Ok(Return {
            id: ReturnId::new(id.0.clone())?,
            order: self.parent_order_id.0.parse()?,
            state,
            raw_status: kind
                .map_or_else(|| self.issue_status.clone(), |k| format!("{}/{k}", self.issue_status)),
            // An issue is about a line as a whole.
            lines: line
                .map(|l| LineQuantity { line: l.id.clone(), quantity: l.quantity })
                .into_iter()
                .collect(),
            skus: Vec::new(),
            amount,
            opened_at: map::instant(&self.gmt_create)?,
        })
    }
}

pub(crate) struct GetIssue {
    pub(crate) endpoint: Url,
}

impl Operation for GetIssue {
    type In = Row;
    type Out = Issue;

    fn spec(&self) -> &OpSpec {
        &DETAIL
    }
    fn encode(&self, _: &OpCx<'_>, row: &Row) -> Result<WireRequest, Error> {
        let fields = [("buyer_login_id", row.buyer_login_id.clone()), ("issue_id", row.issue_id.0.clone())];
        business(&self.endpoint, DETAIL.doc, &fields)
    }
    fn decode(&self, _: &OpCx<'_>, _: &Row, response: &WireResponse) -> Result<Issue, Error> {
        #[derive(Deserialize)]
        struct Answer {
            result_object: Issue,
        }
        Ok(wire::read::<Answer>(response)?.result_object)
    }
}

/// Grants a buyer's wish to cancel.
pub(crate) struct AcceptCancel {
    pub(crate) endpoint: Url,
}

impl Operation for AcceptCancel {
    /// Order, and its buyer.
    type In = (OrderId, String);
    type Out = ();

    fn spec(&self) -> &OpSpec {
        &ACCEPT
    }
    fn encode(&self, _: &OpCx<'_>, (order, buyer): &(OrderId, String)) -> Result<WireRequest, Error> {
        #[derive(Serialize)]
        struct Request<'a> {
            buyer_login_id: &'a str,
            order_id: Id,
        }
        let request = Request { buyer_login_id: buyer, order_id: Id(order.as_str().to_owned()) };
        business(&self.endpoint, ACCEPT.doc, &[("param_order_cancel_request", dto(&request)?)])
    }
    fn decode(&self, _: &OpCx<'_>, _: &(OrderId, String), response: &WireResponse) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Answer {
            target: Option<bool>,
        }
        // `success: false` was found by the protocol; `target` is what came of it.
        match wire::read::<Wrapped<Answer>>(response)?.result.target {
            Some(true) => Ok(()),
            Some(false) => {
                Err(Error::new(Kind::Rejected, "AliExpress did not cancel the order").after_send())
            }
            None => Err(Error::decode("no target in the answer")),
        }
    }
    fn subject(&self, (order, _): &(OrderId, String)) -> String {
        order.to_string()
    }
}

impl AliExpress {
    async fn issue(&self, cx: &CallCx, row: &Row) -> Result<Return, Error> {
        let issue = self.pipeline.call(&self.issue, row, cx).await?;
        let order: OrderId = issue.parent_order_id.0.parse()?;
        let order = match self.pipeline.call(&self.get, &order, cx).await {
            Ok(detail) => Some(detail.order),
            Err(e) if e.kind() == Kind::NotFound => None,
            Err(e) => return Err(e),
        };
        issue.read(&row.issue_id, order.as_ref())
    }
}

#[async_trait]
impl Returns for AliExpress {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<Return, Error>>, Error> {
        let place = Place::of(cursor)?;
        let (rows, more) = self.pipeline.call(&self.issues, &place, cx).await?;
        let items = rows.into_iter().filter(|r| !r.as_ref().is_ok_and(|r| r.is_old(&window))).collect();
        let read = |row: Row| async move {
            self.issue(cx, &row).await.map_err(|e| e.of_named("issue", row.issue_id.0))
        };
        Page { items, next: place.next(more) }.complete(read).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issue(status: &str, rest: &str) -> Return {
        let text = format!(
            r#"{{"issue_status":"{status}","parent_order_id":8194715118451470,"order_id":8194715118461470,
                "gmt_create":"2024-10-28 04:23:19"{rest}}}"#
        );
        serde_json::from_str::<Issue>(&text).unwrap().read(&Id("6345753109519425".to_owned()), None).unwrap()
    }

    fn solution(list: &str, status: &str, local: &str, post: &str) -> String {
        let currency = if post.is_empty() { "" } else { "USD" };
        format!(
            r#","{list}":{{"solution_api_dto":[{{"status":"{status}","solution_type":"refund","refund_money":"{local}",
                "refund_money_currency":"BRL","refund_money_post":"{post}","refund_money_post_currency":"{currency}"}}]}}"#
        )
    }

    #[test]
    fn an_issue_is_what_was_settled() {
        use ReturnState::{Approved, Closed, InTransit, Refunded, Requested};
        let asked = solution("buyer_solution_list", "wait_seller_accept", "407.47", "66.65");
        let agreed = solution("buyer_solution_list", "reached", "407.47", "66.65");
        let decided = format!("{asked}{}", solution("platform_solution_list", "", "407.47", ""));
        let refused = format!("{asked}{}", solution("platform_solution_list", "", "0.00", ""));
        let back = format!(r#"{agreed},"buyer_return_no":"RB123456789CN""#);
        for (status, rest, state, amount) in [
            ("processing", String::new(), Requested, None),
            ("processing", asked.clone(), Requested, Some((6_665, "USD"))),
            ("processing", agreed.clone(), Approved, Some((6_665, "USD"))),
            ("processing", back, InTransit, Some((6_665, "USD"))),
            // The platform's proposal binds nobody yet.
            ("processing", decided.clone(), Requested, Some((6_665, "USD"))),
            // The answer of 2024-10: the platform decided, in the buyer's money alone.
            ("finish", decided, Refunded, Some((40_747, "BRL"))),
            ("finish", agreed, Refunded, Some((6_665, "USD"))),
            ("finish", refused, Closed, Some((0, "BRL"))),
            // It ended, and what was asked for was never agreed on.
            ("finish", asked.clone(), Closed, Some((6_665, "USD"))),
            ("canceled_issue", asked.clone(), Closed, Some((6_665, "USD"))),
            ("beamed_up", asked, Requested, Some((6_665, "USD"))),
        ] {
            let r = issue(status, &rest);
            let money = r.amount.map(|a| (a.minor(), a.currency().code().to_owned()));
            let want = amount.map(|(minor, code)| (minor, code.to_owned()));
            assert_eq!((r.state, money), (state, want), "{status} {rest}");
        }
        // 04:23:19 PDT is 11:23:19 UTC.
        let r = issue("finish", "");
        assert_eq!(
            (r.opened_at.utc.to_string().as_str(), r.raw_status.as_str()),
            ("2024-10-28T11:23:19Z", "finish")
        );
    }

    #[test]
    fn a_reading_goes_through_all_states_page_by_page() {
        let mut place = Place::of(None).unwrap();
        let mut seen = vec![format!("{}/{}", place.name(), place.page)];
        // Two pages of the first state, one of the others.
        for more in [true, false, false, false] {
            match place.next(more) {
                Some(Cursor(text)) => {
                    place = Place::of(Some(&Cursor(text.clone()))).unwrap();
                    seen.push(text);
                }
                None => seen.push("end".to_owned()),
            }
        }
        assert_eq!(seen, ["processing/1", "processing/2", "finish/1", "canceled_issue/1", "end"]);
        for odd in ["2", "beamed_up/1", "finish/0", "finish/x"] {
            assert!(Place::of(Some(&Cursor(odd.to_owned()))).is_err(), "{odd}");
        }
    }

    #[test]
    fn an_issue_is_left_out_only_beyond_doubt() {
        let window = Window {
            from: "2026-08-03T00:00:00Z".parse().unwrap(),
            to: "2026-08-04T00:00:00Z".parse().unwrap(),
        };
        let row = |created: &str, modified: &str| Row {
            issue_id: Id("1".to_owned()),
            buyer_login_id: "b".to_owned(),
            gmt_create: created.to_owned(),
            gmt_modified: modified.to_owned(),
        };
        // 1 August 16:59:59 PDT is 23:59:59 UTC: with a day's doubt it ends before the window, a second later it does not.
        assert!(row("", "2026-08-01 16:59:59").is_old(&window));
        assert!(!row("", "2026-08-01 17:00:00").is_old(&window));
        assert!(row("2026-07-01 00:00:00", "").is_old(&window));
        assert!(!row("", "").is_old(&window) && !row("", "yesterday").is_old(&window));
    }
}
