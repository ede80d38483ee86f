//! Connector: paypal.
//!
//! Reading order: [`config`](Settings), `auth`, `map`, then the nouns: `transactions`, `refunds`, `disputes`,
//! `statements`, `inbound`.

mod auth;
mod config;
mod disputes;
mod inbound;
mod map;
mod refunds;
mod statements;
mod transactions;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tradewind_connector::role::{
    Disputes, MoneyDocument, Payments, Payouts, Refunds, Statements, Transactions,
};
use tradewind_connector::{
    AccountConfig, Bounds, CallCx, Capabilities, Connector, ConnectorInfo, Cursor, Error, Facet, Factory,
    Handle, Inbound, Kind, Opening, Page, Pipeline, Role, Runtime, Submitted, Support, Window,
};
use tradewind_domain::{
    BalanceTransaction, ConnectorId, Dispute, Payout, RefundRequest, Statement, StatementId,
};

use config::Account;
pub use config::Settings;
use transactions::{MAX_HOURS, Rows, Search, Span};

/// The connector's line in the registry.
pub static FACTORY: Factory = Factory {
    id: "paypal",
    info,
    capabilities,
    limits: include_str!("../limits.toml"),
    errors: include_str!("../errors.toml"),
    secrets: &["client_secret"],
    example: include_str!("../example.toml"),
    open,
};

fn info() -> ConnectorInfo {
    ConnectorInfo {
        id: ConnectorId::literal("paypal"),
        name: "PayPal".to_owned(),
        roles: vec![Role::Payment],
        api_version: "REST v1/v2".to_owned(),
        docs: "https://developer.paypal.com/api/rest/".to_owned(),
    }
}

fn capabilities() -> Capabilities {
    use Support::{Emulated, Native, Unsupported};
    Capabilities::new(
        &[
            (Facet::Transactions, Native),
            // Withdrawals (T04xx) of the transaction search.
            (Facet::Payouts, Emulated),
            // From a mirror of the SFTP folder.
            (Facet::Statements, Emulated),
            (Facet::Refund, Native),
            (Facet::Disputes, Native),
            // PayPal's API has no such call: payments are told to China's customs by companies with a Chinese licence.
            (Facet::CustomsPayment, Unsupported),
            (Facet::Webhooks, Native),
        ],
        Bounds { window_hours: Some(MAX_HOURS), visibility_lag_minutes: Some(6 * 60), ..Bounds::default() },
    )
}

fn open(config: AccountConfig, runtime: Runtime) -> Result<Arc<dyn Connector>, Error> {
    let account = Account::open(&config)?;
    let secret = config.secrets.need("client_secret")?.clone();
    let protocol = Arc::new(auth::Paypal::new(&account, secret)?);
    let mut granted = capabilities();
    if account.reports.is_none() {
        granted.revoke(Facet::Statements);
    }
    if account.webhook.is_none() {
        granted.revoke(Facet::Webhooks);
    }
    let opening = Opening { app: account.client_id.clone(), capabilities: granted, protocol };
    let pipeline = FACTORY.pipeline(&config, opening, runtime)?;
    Ok(Arc::new(Paypal { pipeline, account }))
}

/// One account.
struct Paypal {
    pipeline: Pipeline,
    account: Account,
}

impl Connector for Paypal {
    fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }
    fn payments(&self) -> Option<&dyn Payments> {
        Some(self)
    }
    fn inbound(&self) -> Option<&dyn Inbound> {
        self.account.webhook.as_ref().map(|w| w as &dyn Inbound)
    }
}

impl Payments for Paypal {
    fn transactions(&self) -> Option<&dyn Transactions> {
        Some(self)
    }
    fn payouts(&self) -> Option<&dyn Payouts> {
        Some(self)
    }
    fn statements(&self) -> Option<&dyn Statements> {
        self.account.reports.as_ref().map(|_| self as &dyn Statements)
    }
    fn refunds(&self) -> Option<&dyn Refunds> {
        Some(self)
    }
    fn disputes(&self) -> Option<&dyn Disputes> {
        Some(self)
    }
}

/// Where a search over a wide window goes on: `from|to|page` of the span at hand. What comes after `to` is cut anew.
fn parse_cursor(cursor: &Cursor) -> Result<Span, Error> {
    let mut parts = cursor.0.split('|');
    let mut next = || parts.next().unwrap_or_default();
    let bad = || Error::invalid(format!("'{}' is not a cursor of this connector", cursor.0));
    let (from, to, page) = (next(), next(), next());
    Ok(Span {
        from: from.parse().map_err(|_| bad())?,
        to: to.parse().map_err(|_| bad())?,
        page: page.parse().map_err(|_| bad())?,
    })
}

fn cursor_of(span: &Span) -> Cursor {
    Cursor(format!("{}|{}|{}", span.from, span.to, span.page))
}

/// The span that begins at `from`: at most 31 days, not beyond the window.
fn span_from(from: Timestamp, window: Window) -> Span {
    let widest = from.checked_add(SignedDuration::from_hours(i64::from(MAX_HOURS))).unwrap_or(window.to);
    Span { from, to: widest.min(window.to), page: 1 }
}

/// What follows a page: the next page, the next span, or nothing.
fn next_of(span: &Span, more: bool, window: Window) -> Option<Cursor> {
    if more {
        return Some(cursor_of(&Span { page: span.page + 1, ..span.clone() }));
    }
    (span.to < window.to).then(|| cursor_of(&span_from(span.to, window)))
}

impl Paypal {
    /// One page. A span with too many rows is halved until it answers; the rest follows by the cursor.
    async fn search(
        &self,
        cx: &CallCx,
        event: Option<&'static str>,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<(Rows, Option<Cursor>), Error> {
        if window.from >= window.to {
            return Ok((Rows { items: Vec::new(), more: false }, None));
        }
        let op = Search { base: self.account.base.clone(), event };
        let mut span =
            cursor.map(parse_cursor).transpose()?.unwrap_or_else(|| span_from(window.from, window));
        loop {
            match self.pipeline.call(&op, &span, cx).await {
                Ok(rows) => {
                    let next = next_of(&span, rows.more, window);
                    return Ok((rows, next));
                }
                Err(e)
                    if too_large(&e) && span.to.duration_since(span.from) > SignedDuration::from_mins(10) =>
                {
                    let half = span.to.duration_since(span.from) / 2;
                    let to = span.from.checked_add(half).map_err(|e| Error::invalid(e.to_string()))?;
                    span = Span { to, page: 1, ..span };
                }
                Err(e) => return Err(e),
            }
        }
    }
}

/// How long after its day a file may appear in the mirror.
const FILE_LATENESS: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The folder tells when a file's day was, not when the file came: PayPal writes it on the next day, a mirror that runs by
/// night has it a night later, and one that stood still later yet. What is collected is known by its name, so all that may
/// be new is offered again.
fn offered(file: &Statement, window: Window) -> bool {
    file.to > window.from.checked_sub(FILE_LATENESS).unwrap_or(Timestamp::MIN) && file.to <= window.to
}

fn too_large(error: &Error) -> bool {
    error.kind() == Kind::Rejected
        && error.upstream_ref().is_some_and(|u| {
            u.code == "RESULTSET_TOO_LARGE" || u.sub_code.as_deref() == Some("RESULTSET_TOO_LARGE")
        })
}

#[async_trait]
impl Transactions for Paypal {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<BalanceTransaction, Error>>, Error> {
        let (rows, next) = self.search(cx, None, window, cursor).await?;
        Ok(Page { items: rows.items, next }.map_read(|(transaction, _)| transaction))
    }
}

#[async_trait]
impl Payouts for Paypal {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<Payout, Error>>, Error> {
        let (rows, next) = self.search(cx, Some("T0400"), window, cursor).await?;
        let payouts = rows.items.into_iter().map(|row| row.map(|(_, payout)| payout));
        Ok(Page { items: payouts.filter_map(Result::transpose).collect(), next })
    }
}

#[async_trait]
impl Statements for Paypal {
    async fn list(
        &self,
        cx: &CallCx,
        window: Window,
        _: Option<&Cursor>,
    ) -> Result<Page<Result<Statement, Error>>, Error> {
        let base = self.reports()?;
        let op = statements::List { base, currency: self.account.currency };
        let all = self.pipeline.call(&op, &(), cx).await?;
        Ok(Page::last(all.into_iter().filter(|s| offered(s, window)).map(Ok).collect()))
    }

    async fn fetch(&self, cx: &CallCx, id: &StatementId) -> Result<MoneyDocument, Error> {
        self.pipeline.call(&statements::Fetch { base: self.reports()? }, id, cx).await
    }
}

impl Paypal {
    fn reports(&self) -> Result<url::Url, Error> {
        self.account.reports.clone().ok_or_else(|| {
            Error::new(
                Kind::Unsupported,
                "no folder of reports is configured: set reports = \"https://…\" for this account",
            )
        })
    }
}

#[async_trait]
impl Refunds for Paypal {
    async fn refund(&self, cx: &CallCx, refund: &RefundRequest) -> Result<Submitted<()>, Error> {
        self.pipeline.call(&refunds::Refund { base: self.account.base.clone() }, refund, cx).await
    }
    async fn poll(&self, cx: &CallCx, handle: &Handle) -> Result<Submitted<()>, Error> {
        if handle.flow != refunds::FLOW {
            return Err(Error::invalid(format!("PayPal knows no flow '{}'", handle.flow)));
        }
        let get = refunds::Get { base: self.account.base.clone() };
        self.pipeline.call(&get, handle.id.as_str(), cx).await
    }
}

#[async_trait]
impl Disputes for Paypal {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<Dispute, Error>>, Error> {
        let list = disputes::List { base: self.account.base.clone() };
        let get = disputes::Get { base: self.account.base.clone() };
        let input = disputes::ListIn { window, token: cursor.map(|c| c.0.clone()) };
        let page = self.pipeline.call(&list, &input, cx).await?;
        let (pipeline, get) = (&self.pipeline, &get);
        let read = |id: String| async move {
            let told = pipeline.call(get, id.as_str(), cx).await;
            told.map_err(|e| e.about(&format!("dispute {id}")))
        };
        page.complete(read).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_comes_late_is_offered() {
        let at = |t: &str| t.parse::<Timestamp>().unwrap();
        let of = |day: &str, next: &str| Statement {
            id: format!("STL-{day}.R.09.CSV").parse().unwrap(),
            currency: "EUR".parse().unwrap(),
            from: at(&format!("{day}T00:00:00Z")),
            to: at(&format!("{next}T00:00:00Z")),
            total: None,
        };
        // The file of the 10th, first seen on the 12th at two o'clock by a poll of every hour with a day of overlap.
        let window = Window { from: at("2026-08-11T01:00:00Z"), to: at("2026-08-12T02:00:00Z") };
        assert!(offered(&of("2026-08-10", "2026-08-11"), window));
        // Thirty days before the window, and one that is not over yet.
        assert!(!offered(&of("2026-07-11", "2026-07-12"), window));
        assert!(!offered(&of("2026-08-12", "2026-08-13"), window));
    }

    #[test]
    fn wide_windows_are_cut_into_spans_without_gap() {
        let at = |t: &str| t.parse::<Timestamp>().unwrap();
        let window = Window { from: at("2026-01-01T00:00:00Z"), to: at("2026-03-01T00:00:00Z") };
        let first = span_from(window.from, window);
        // 31 days from 1 January.
        assert_eq!(first.to, at("2026-02-01T00:00:00Z"));
        let second = parse_cursor(&next_of(&first, true, window).unwrap()).unwrap();
        assert_eq!((second.from, second.to, second.page), (first.from, first.to, 2));
        let third = parse_cursor(&next_of(&second, false, window).unwrap()).unwrap();
        assert_eq!((third.from, third.to, third.page), (first.to, window.to, 1));
        assert!(next_of(&third, false, window).is_none());
        assert!(parse_cursor(&Cursor("x".into())).is_err());
    }
}
