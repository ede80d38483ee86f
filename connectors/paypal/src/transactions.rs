//! Transaction Search: a near-real-time report, not a ledger. Rows may come up to three hours late, and a
//! transaction id is not unique: the key adds event code, currency, side and initiation time.

use jiff::Timestamp;
use serde::Deserialize;
use tradewind_connector::{
    Error, Facet, OpCx, OpSpec, Operation, Priority, Records, Safety, WireRequest, WireResponse,
};
use tradewind_domain::{BalanceTransaction, OrderId, Payout, PayoutId, PayoutState, TransactionId};
use url::Url;

use crate::map::{WireMoney, seconds, time};

static SEARCH: OpSpec = OpSpec {
    name: "transactions.search",
    facet: Facet::Transactions,
    safety: Safety::Read,
    priority: Priority::Report,
    buckets: &["reporting"],
    keep: true,
    doc: "https://developer.paypal.com/docs/api/transaction-search/v1/#transactions_get",
};

static WITHDRAWALS: OpSpec = OpSpec { name: "payouts.search", facet: Facet::Payouts, ..SEARCH };

/// Widest span of one query: 31 days.
pub(crate) const MAX_HOURS: u32 = 31 * 24;
/// Most rows of one page.
const PAGE_SIZE: u32 = 500;

/// One page of one span.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) page: u32,
}

/// Rows of a page, and whether more pages follow.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) items: Vec<Result<(BalanceTransaction, Option<Payout>), Error>>,
    pub(crate) more: bool,
}

/// `GET /v1/reporting/transactions`.
pub(crate) struct Search {
    pub(crate) base: Url,
    /// Only this event code (`T0400`), for payouts.
    pub(crate) event: Option<&'static str>,
}

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    transaction_details: Records,
    page: Option<u32>,
    total_pages: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Detail {
    transaction_info: Info,
}

#[derive(Debug, Deserialize)]
struct Info {
    transaction_id: String,
    paypal_reference_id: Option<String>,
    paypal_reference_id_type: Option<String>,
    transaction_event_code: String,
    transaction_initiation_date: String,
    transaction_updated_date: Option<String>,
    transaction_amount: WireMoney,
    fee_amount: Option<WireMoney>,
    transaction_status: Option<String>,
    bank_reference_id: Option<String>,
    invoice_id: Option<String>,
    custom_field: Option<String>,
}

impl Operation for Search {
    type In = Span;
    type Out = Rows;

    fn spec(&self) -> &OpSpec {
        if self.event.is_some() { &WITHDRAWALS } else { &SEARCH }
    }

    fn encode(&self, _: &OpCx<'_>, span: &Span) -> Result<WireRequest, Error> {
        Ok(WireRequest::new(http::Method::GET, &self.base, "/v1/reporting/transactions")?
            .query("start_date", seconds(span.from))
            .query("end_date", seconds(span.to))
            .query_opt("transaction_type", self.event)
            .query("fields", "transaction_info")
            .query("balance_affecting_records_only", "Y")
            .query("page_size", PAGE_SIZE.to_string())
            .query("page", span.page.to_string()))
    }

    fn decode(&self, _: &OpCx<'_>, span: &Span, response: &WireResponse) -> Result<Rows, Error> {
        let answer: Answer = response.json()?;
        let page = answer.page.unwrap_or(span.page);
        if page != span.page {
            return Err(Error::decode(format!("asked for page {}, got page {page}", span.page)));
        }
        // Without the number of pages a full one does not pass for the last: what is behind it would be left out for ever.
        let full = answer.transaction_details.len() >= PAGE_SIZE as usize;
        let more = match answer.total_pages {
            Some(total) => page < total,
            None if full => return Err(Error::decode("a full page of transactions without total_pages")),
            None => false,
        };
        let read = |d: Detail| row(d.transaction_info);
        let items = answer.transaction_details.read("transaction", "transaction_info.transaction_id", read);
        Ok(Rows { items: items.collect(), more })
    }
}

/// The composite key of a row; the ledger's importers of PayPal's files make the same.
fn key(info: &Info, currency: &str, negative: bool, at: Timestamp) -> String {
    let side = if negative { "DR" } else { "CR" };
    format!("{}:{}:{currency}:{side}:{at}", info.transaction_id, info.transaction_event_code)
}

/// PayPal's own transaction id in a key made by [`key`].
pub(crate) fn plain_id(id: &TransactionId) -> &str {
    id.as_str().split(':').next().unwrap_or_default()
}

fn row(info: Info) -> Result<(BalanceTransaction, Option<Payout>), Error> {
    let amount = info.transaction_amount.money()?;
    // Signed from our side on the wire: −0.52 costs us 0.52.
    let fee =
        info.fee_amount.as_ref().map(WireMoney::money).transpose()?.map(tradewind_domain::Money::negated);
    let net = match fee {
        Some(fee) => amount.try_sub(fee)?,
        None => amount,
    };
    let initiated = time(&info.transaction_initiation_date)?;
    let occurred =
        info.transaction_updated_date.as_deref().map(time).transpose()?.unwrap_or_else(|| initiated.clone());
    let id = key(&info, amount.currency().code(), amount.is_negative(), initiated.utc);
    let own = |text: Option<String>| text.filter(|t| !t.is_empty());
    let order = own(info.invoice_id).or(own(info.custom_field));
    let reference = own(info.paypal_reference_id)
        .filter(|_| matches!(info.paypal_reference_id_type.as_deref(), None | Some("TXN")));
    let withdrawal = info.transaction_event_code.starts_with("T04");
    let payout_id =
        withdrawal.then(|| PayoutId::new(info.transaction_id.clone())).transpose().map_err(Error::decode)?;
    let raw_status = info.transaction_status.clone().unwrap_or_default();
    let payout = match &payout_id {
        None => None,
        Some(id) => Some(Payout {
            id: id.clone(),
            // A withdrawal leaves the balance: it comes to our bank.
            amount: amount.negated(),
            state: match raw_status.as_str() {
                "S" => PayoutState::Paid,
                "P" => PayoutState::InTransit,
                "D" => PayoutState::Failed,
                "V" => PayoutState::Returned,
                other => {
                    return Err(Error::decode(format!("withdrawal {id} has the unknown status '{other}'")));
                }
            },
            raw_status: raw_status.clone(),
            initiated_at: initiated.clone(),
            arrival: None,
            converted: None,
            trace_id: info.bank_reference_id.clone(),
        }),
    };
    let transaction = BalanceTransaction {
        id: TransactionId::new(id).map_err(Error::decode)?,
        kind: kind_word(&info.transaction_event_code).to_owned(),
        event_code: Some(info.transaction_event_code),
        occurred_at: occurred,
        amount,
        fee,
        net: Some(net),
        rate: None,
        order: order.map(OrderId::new).transpose().map_err(Error::decode)?,
        refers_to: reference.map(TransactionId::new).transpose().map_err(Error::decode)?,
        payout: payout_id,
        statement: None,
        // Only balance-affecting rows were asked for; a denied or pending one moves nothing all the same.
        balance_affecting: matches!(raw_status.as_str(), "S" | "V" | ""),
        components: Vec::new(),
    };
    Ok((transaction, payout))
}

/// The family of a T-code in words (fact sheet §6.4); the code itself is kept.
fn kind_word(code: &str) -> &'static str {
    match code {
        "T1107" => "refund",
        "T1106" | "T1201" => "chargeback",
        "T1202" => "chargeback_reversal",
        "T1108" => "fee_reversal",
        _ => match code.get(..3) {
            Some("T00") => "payment",
            Some("T01") => "fee",
            Some("T02") => "conversion",
            Some("T03") => "deposit",
            Some("T04") => "withdrawal",
            Some("T11") => "reversal",
            Some("T12") => "adjustment",
            Some("T15") => "hold",
            Some("T19") => "correction",
            Some("T21") => "reserve",
            _ => "other",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_becomes_keyed_rows() {
        let search = Search { base: Url::parse("https://api-m.paypal.com").unwrap(), event: None };
        let account = "paypal".parse().unwrap();
        let cx = OpCx { account: &account, now: Timestamp::UNIX_EPOCH, nonce: "", key: "" };
        let span = Span {
            from: "2026-03-01T00:00:00Z".parse().unwrap(),
            to: "2026-03-05T00:00:00Z".parse().unwrap(),
            page: 1,
        };
        let request = search.encode(&cx, &span).unwrap();
        assert_eq!(
            request.full_url().as_str(),
            "https://api-m.paypal.com/v1/reporting/transactions?start_date=2026-03-01T00%3A00%3A00Z&end_date=2026-03-05T00%3A00%3A00Z\
             &fields=transaction_info&balance_affecting_records_only=Y&page_size=500&page=1"
        );
        let body = r#"{"page":1,"total_pages":2,"total_items":2,"transaction_details":[
            {"transaction_info":{"transaction_id":"5TY05013RG002845M","transaction_event_code":"T0006","transaction_initiation_date":"2026-03-02T10:00:00+0000",
             "transaction_updated_date":"2026-03-02T10:00:05+0000","transaction_amount":{"currency_code":"EUR","value":"115.00"},
             "fee_amount":{"currency_code":"EUR","value":"-3.26"},"transaction_status":"S","invoice_id":"1001"}},
            {"transaction_info":{"transaction_id":"9XY","paypal_reference_id":"5TY05013RG002845M","paypal_reference_id_type":"TXN","transaction_event_code":"T0400",
             "transaction_initiation_date":"2026-03-03T10:00:00+0000","transaction_amount":{"currency_code":"EUR","value":"-100.00"},
             "transaction_status":"S","bank_reference_id":"BANK1"}},
            {"transaction_info":{"transaction_id":"ODD","transaction_event_code":"T0006"}}]}"#;
        let rows = search.decode(&cx, &span, &WireResponse::json_text(200, body)).unwrap();
        assert!(rows.more);
        let (sale, none) = rows.items[0].as_ref().unwrap();
        assert!(none.is_none());
        assert_eq!(sale.id.as_str(), "5TY05013RG002845M:T0006:EUR:CR:2026-03-02T10:00:00Z");
        assert_eq!(plain_id(&sale.id), "5TY05013RG002845M");
        // 115.00 − 3.26 = 111.74
        assert_eq!((sale.fee.unwrap().minor(), sale.net.unwrap().minor()), (326, 11_174));
        let (out, payout) = rows.items[1].as_ref().unwrap();
        assert_eq!(out.payout.as_ref().unwrap().as_str(), "9XY");
        let payout = payout.as_ref().unwrap();
        assert_eq!(
            (payout.amount.minor(), payout.state, payout.trace_id.as_deref()),
            (10_000, PayoutState::Paid, Some("BANK1"))
        );
        // One that is odd keeps back no other, and is named.
        assert!(rows.items[2].as_ref().unwrap_err().message().starts_with("transaction ODD: "));
    }

    #[test]
    fn a_full_page_that_does_not_tell_how_many_there_are_is_not_taken_for_the_last() {
        let search = Search { base: Url::parse("https://api-m.paypal.com").unwrap(), event: None };
        let account = "paypal".parse().unwrap();
        let cx = OpCx { account: &account, now: Timestamp::UNIX_EPOCH, nonce: "", key: "" };
        let span = Span { from: Timestamp::UNIX_EPOCH, to: Timestamp::UNIX_EPOCH, page: 1 };
        let read = |rows: usize, more: &str| {
            let text = format!(r#"{{"transaction_details":[{}]{more}}}"#, vec!["{}"; rows].join(","));
            search.decode(&cx, &span, &WireResponse::json_text(200, text))
        };
        // Five hundred are asked for in one page.
        assert!(read(500, "").unwrap_err().message().contains("without total_pages"));
        assert!(!read(499, "").unwrap().more);
        assert!(!read(500, r#","total_pages":1"#).unwrap().more);
    }
}
