//! Returns of orders that the seller ships: report `GET_XML_RETURNS_DATA_BY_RETURN_DATE`, which has instants where its
//! tab-separated sibling has dates.
//!
//! The report goes by the day on which the buyer asked, so a case that changed later is not in a window of its change.
//! Sixty days, the most that one report has, are read each time that a window ends now: a case tells its changes for that long.
//!
//! Source: "Returns Reports" (attributes, sixty days). The words of `return_request_status` are not documented: `Approved`
//! is seen in a published report, every other counts as not decided and is kept verbatim.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tradewind_connector::role::Returns;
use tradewind_connector::{CallCx, Cursor, Error, Facet, Page, Priority, Window};
use tradewind_domain::{
    Currency, Money, OrderId, Return, ReturnId, ReturnState, Sku, SkuQuantity, SourceTime,
};

use crate::Amazon;
use crate::wanted::{Progress, Wanted, report_in};

/// The most that one report has.
const SPAN: SignedDuration = SignedDuration::from_hours(60 * 24);
/// A window that ends within so long of now ends now.
const NOW: SignedDuration = SignedDuration::from_hours(1);
/// So much time may pass from a window that is left out to the one that ends now.
const PAUSE: SignedDuration = SignedDuration::from_hours(24);
/// An end that is not in the future by Amazon's clock either.
const LAG: SignedDuration = SignedDuration::from_mins(2);

static RETURNS: Wanted =
    Wanted::of("GET_XML_RETURNS_DATA_BY_RETURN_DATE", &[], Facet::Returns, Priority::Report, true);

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Message", default)]
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    return_details: Vec<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    item_details: Vec<Item>,
    #[serde(default)]
    order_id: String,
    #[serde(default)]
    amazon_rma_id: String,
    #[serde(default)]
    return_request_date: String,
    #[serde(default)]
    return_request_status: String,
    label_details: Option<Label>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    merchant_sku: String,
    #[serde(default)]
    return_quantity: String,
    #[serde(default)]
    refund_amount: String,
}

#[derive(Deserialize)]
struct Label {
    #[serde(default)]
    currency_code: String,
}

fn one(details: &Details, store: Currency) -> Result<Return, Error> {
    let label = details.label_details.as_ref().map_or("", |l| l.currency_code.trim());
    let currency = if label.is_empty() { store } else { Currency::new(label)? };
    let mut skus = Vec::with_capacity(details.item_details.len());
    let mut amount: Option<Money> = None;
    for item in &details.item_details {
        let units = item.return_quantity.trim();
        let quantity = units.parse().map_err(|_| Error::decode(format!("return_quantity '{units}'")))?;
        skus.push(SkuQuantity { sku: Sku::new(item.merchant_sku.trim().to_owned())?, quantity });
        let text = item.refund_amount.trim();
        if !text.is_empty() {
            let part = Money::parse(text, currency)?;
            amount = Some(amount.map_or(Ok(part), |sum| sum.try_add(part))?);
        }
    }
    let at = details.return_request_date.trim();
    let opened: Timestamp =
        at.parse().map_err(|e| Error::decode(format!("return_request_date '{at}': {e}")))?;
    let order = details.order_id.trim();
    let rma = details.amazon_rma_id.trim();
    // Where nothing is sent back there is no authorisation; the same request is the same case.
    let id = if rma.is_empty() { format!("{order}/{opened}") } else { rma.to_owned() };
    let state = match details.return_request_status.trim() {
        "Approved" => ReturnState::Approved,
        _ => ReturnState::Requested,
    };
    Ok(Return {
        id: ReturnId::new(id)?,
        order: OrderId::new(order)?,
        state,
        raw_status: details.return_request_status.trim().to_owned(),
        lines: Vec::new(),
        skus,
        amount: amount.filter(|a| a.is_positive()),
        opened_at: SourceTime::utc(opened),
    })
}

/// The cases of a report, each by itself: one that is odd keeps back no other.
fn cases(text: &str, store: Currency) -> Result<Vec<Result<Return, Error>>, Error> {
    let envelope: Envelope =
        quick_xml::de::from_str(text).map_err(|e| Error::decode(format!("report of returns: {e}")))?;
    let all = envelope.messages.iter().flat_map(|m| &m.return_details);
    let named = |d: &Details| {
        one(d, store).map_err(|e| e.about(&format!("return {} of order {}", d.amazon_rma_id, d.order_id)))
    };
    Ok(all.map(named).collect())
}

/// What to ask for. A window that ends now: the sixty days before. One that ended earlier: itself, or nothing where the report of
/// the one that ends now has it all: a report takes minutes, and whoever reads windows reads them up to now.
fn span(window: Window, now: Timestamp) -> Result<Option<Window>, Error> {
    let before = |t: Timestamp, span| t.checked_sub(span).unwrap_or(Timestamp::MIN);
    let latest = before(now, LAG);
    let to = window.to.min(latest);
    if to.duration_since(window.from) > SPAN {
        return Err(Error::invalid("returns are read by windows of at most 60 days"));
    }
    let from = before(to, SPAN);
    if to >= before(latest, NOW) {
        return Ok(Some(Window { from, to }));
    }
    let covered = window.from >= before(latest, SPAN - PAUSE);
    Ok((!covered).then_some(Window { from: window.from, to }))
}

#[async_trait]
impl Returns for Amazon {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<Return, Error>>, Error> {
        let Some(cursor) = cursor else {
            let Some(span) = span(window, self.pipeline.now())? else { return Ok(Page::last(Vec::new())) };
            return Ok(Page { items: Vec::new(), next: Some(self.want(cx, &RETURNS, Some(span)).await?) });
        };
        let report = report_in(cursor)
            .ok_or_else(|| Error::invalid(format!("'{}' is no place in a report of returns", cursor.0)))?;
        Ok(match self.wanted(cx, &RETURNS, report).await? {
            Progress::Running(next) => Page { items: Vec::new(), next: Some(next) },
            Progress::Done(text) => Page::last(cases(&text, self.site.currency)?),
            Progress::Nothing => Page::last(Vec::new()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shape of a published report; names and numbers are ours.
    fn report(rma: &str, status: &str, quantity: &str) -> String {
        let item = |sku: &str, amount: &str| {
            format!(
                "<item_details><item_name>Cup &amp; saucer</item_name><asin>B071VG5N9D</asin><return_reason_code>CR-UNWANTED_ITEM</return_reason_code>\
<merchant_sku>{sku}</merchant_sku><in_policy>Y</in_policy><return_quantity>{quantity}</return_quantity><resolution>StandardRefund</resolution><refund_amount>{amount}</refund_amount></item_details>"
            )
        };
        format!(
            "<return_details>{}{}<order_id>303-1234567-8901234</order_id><order_date>2026-07-01T17:08:47Z</order_date><amazon_rma_id>{rma}</amazon_rma_id>\
<return_request_date>2026-07-12T12:44:17Z</return_request_date><return_request_status>{status}</return_request_status><a_to_z_claim>false</a_to_z_claim><is_prime>N</is_prime>\
<label_details><currency_code>EUR</currency_code><label_cost>0.0</label_cost></label_details><order_amount>79.8</order_amount><order_quantity>2</order_quantity></return_details>",
            item("CUP", "59.9"),
            item("SAUCER", "19.9")
        )
    }

    fn read(details: &[String]) -> Vec<Result<Return, Error>> {
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<AmazonEnvelope><Header><documentVersion>1.0</documentVersion></Header><MessageType>ReturnReport</MessageType><Message>{}</Message></AmazonEnvelope>",
            details.concat()
        );
        cases(&text, Currency::new("EUR").unwrap()).unwrap()
    }

    #[test]
    fn a_case_has_its_goods_its_amount_and_its_state() {
        let found = read(&[report("DJ1XPkq5RRMA", "Approved", "1"), report("", "Pending", "2")]);
        let first = found[0].as_ref().unwrap();
        // 59.9 + 19.9 = 79.80
        assert_eq!(first.amount.unwrap().minor(), 7_980);
        assert_eq!((first.id.as_str(), first.state), ("DJ1XPkq5RRMA", ReturnState::Approved));
        let goods: Vec<_> = first.skus.iter().map(|s| (s.sku.as_str(), s.quantity)).collect();
        assert_eq!(goods, [("CUP", 1), ("SAUCER", 1)]);
        assert_eq!(first.opened_at.utc.to_string(), "2026-07-12T12:44:17Z");
        let second = found[1].as_ref().unwrap();
        assert_eq!(second.id.as_str(), "303-1234567-8901234/2026-07-12T12:44:17Z");
        assert_eq!((second.state, second.raw_status.as_str()), (ReturnState::Requested, "Pending"));
    }

    #[test]
    fn one_odd_case_keeps_back_no_other() {
        let found = read(&[report("R-1", "Approved", "some"), report("R-2", "Approved", "1")]);
        let error = found[0].as_ref().unwrap_err().to_string();
        assert!(error.contains("R-1") && error.contains("return_quantity 'some'"), "{error}");
        assert!(found[1].is_ok());
        assert!(read(&[]).is_empty());
    }

    #[test]
    fn sixty_days_are_asked_for_and_none_of_the_future() {
        let at = |day: &str| format!("{day}T00:00:00Z").parse::<Timestamp>().unwrap();
        let now = at("2026-07-10");
        let asked = |from: &str, to: &str| span(Window { from: at(from), to: at(to) }, now).unwrap();
        // Up to now, two minutes back. 60 days before 10 July: − 30 = 10 June, − 30 = 11 May.
        let last = asked("2026-07-09", "2026-07-10").unwrap();
        assert_eq!(last.to.to_string(), "2026-07-09T23:58:00Z");
        assert_eq!(last.from.to_string(), "2026-05-10T23:58:00Z");
        // What the last one has is not asked for twice; with a day to spare for the time until it is read.
        assert_eq!(asked("2026-06-09", "2026-07-09"), None);
        assert_eq!(asked("2026-05-12", "2026-06-11"), None);
        // What it has not is asked for as it is.
        let own = |from: &str, to: &str| Some(Window { from: at(from), to: at(to) });
        assert_eq!(asked("2026-05-11", "2026-06-10"), own("2026-05-11", "2026-06-10"));
        assert_eq!(asked("2026-04-10", "2026-05-10"), own("2026-04-10", "2026-05-10"));
        assert!(span(Window { from: at("2026-01-01"), to: now }, now).is_err());
    }
}
