//! The rows of the normalised files, as they are written.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

type Text<'a> = Option<Cow<'a, str>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) account: Text<'a>,
    #[serde(borrow)]
    pub(super) placed_at: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) currency: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) total: Cow<'a, str>,
    #[serde(default, rename = "lines")]
    pub(super) _lines: Option<Vec<IgnoredAny>>,
    #[serde(borrow, default)]
    pub(super) reference: Text<'a>,
    #[serde(borrow, default)]
    pub(super) collected_duties_taxes: Text<'a>,
    #[serde(borrow, default)]
    pub(super) paid_at: Text<'a>,
    #[serde(borrow, default)]
    pub(super) payment_state: Text<'a>,
    #[serde(borrow, default)]
    pub(super) tracking: Text<'a>,
    #[serde(borrow, default)]
    pub(super) quoted: Option<Quoted<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quoted<'a> {
    #[serde(borrow, default)]
    pub(super) duty: Text<'a>,
    #[serde(borrow, default)]
    pub(super) vat: Text<'a>,
    #[serde(borrow, default)]
    pub(super) fee: Text<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refund<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) order: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) account: Text<'a>,
    #[serde(borrow)]
    pub(super) requested_at: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) currency: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) amount: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Invoice<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) orders: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) gross: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) net: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) vat: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) currency: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Component<'a> {
    #[serde(borrow)]
    pub(super) code: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) amount: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Transaction<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) provider: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) account: Text<'a>,
    #[serde(borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) event_code: Text<'a>,
    #[serde(borrow, default)]
    pub(super) source: Text<'a>,
    #[serde(borrow)]
    pub(super) occurred_at: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) currency: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) amount: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) fee: Text<'a>,
    #[serde(borrow, default)]
    pub(super) net: Text<'a>,
    #[serde(borrow, default)]
    pub(super) order: Text<'a>,
    #[serde(borrow, default)]
    pub(super) refers_to: Text<'a>,
    #[serde(borrow, default)]
    pub(super) payout: Text<'a>,
    #[serde(borrow, default)]
    pub(super) statement: Text<'a>,
    #[serde(borrow, default)]
    pub(super) rate: Text<'a>,
    #[serde(borrow, default)]
    pub(super) net_currency: Text<'a>,
    #[serde(default)]
    pub(super) balance_affecting: Option<bool>,
    #[serde(borrow, default)]
    pub(super) components: Option<Vec<Component<'a>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Amount<'a> {
    #[serde(borrow)]
    pub(super) amount: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) currency: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Period<'a> {
    #[serde(borrow, default)]
    pub(super) from: Text<'a>,
    #[serde(borrow, default)]
    pub(super) to: Text<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Statement<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) provider: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) account: Text<'a>,
    #[serde(borrow)]
    pub(super) currency: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) period: Option<Period<'a>>,
    #[serde(borrow, default)]
    pub(super) opening: Text<'a>,
    #[serde(borrow, default)]
    pub(super) closing: Text<'a>,
    #[serde(borrow, default)]
    pub(super) total: Text<'a>,
    #[serde(borrow, default)]
    pub(super) deposit_date: Text<'a>,
    #[serde(borrow, default)]
    pub(super) converted_total: Option<Amount<'a>>,
    #[serde(borrow, default)]
    pub(super) trace_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) transfer_status: Text<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Payout<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) provider: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) account: Text<'a>,
    #[serde(borrow)]
    pub(super) currency: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) amount: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) status: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) arrival: Text<'a>,
    #[serde(borrow, default)]
    pub(super) group: Text<'a>,
    #[serde(borrow, default)]
    pub(super) converted: Option<Amount<'a>>,
    #[serde(borrow, default)]
    pub(super) trace_id: Text<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bank<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) account: Text<'a>,
    #[serde(borrow)]
    pub(super) date: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) currency: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) amount: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) text: Text<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Carrier<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) account: Text<'a>,
    #[serde(borrow)]
    pub(super) tracking: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) currency: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) duty: Text<'a>,
    #[serde(borrow, default)]
    pub(super) vat: Text<'a>,
    #[serde(borrow, default)]
    pub(super) fee: Text<'a>,
    #[serde(borrow, default)]
    pub(super) total: Text<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Closed<'a> {
    #[serde(borrow)]
    pub(super) until: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    /// Of the row that only closes: how many entries follow it, and the hash over them.
    #[serde(default)]
    pub(super) entries: Option<usize>,
    #[serde(borrow, default)]
    pub(super) head: Text<'a>,
    #[serde(borrow, default)]
    pub(super) date: Text<'a>,
    #[serde(borrow, default)]
    pub(super) booked: Text<'a>,
    #[serde(borrow, default)]
    pub(super) text: Text<'a>,
    #[serde(default)]
    pub(super) trace: Vec<String>,
    #[serde(borrow, default)]
    pub(super) reverses: Text<'a>,
    #[serde(borrow, default)]
    pub(super) postings: Vec<Posting<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Posting<'a> {
    #[serde(borrow)]
    pub(super) account: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) currency: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) amount: Cow<'a, str>,
}
