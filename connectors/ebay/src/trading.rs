//! The Trading API (XML), for what the Inventory API does not see: listings made in eBay's own pages or by older
//! tools. They are read back, their stock and price are set, and they can be ended, by item id. A listing of the
//! Inventory API is never touched here; eBay refuses that (error 21919474).

use http::Method;
use quick_xml::de::from_str;
use quick_xml::escape::escape;
use serde::Deserialize;
use tradewind_connector::{
    Error, Facet, Kind, Num, OpCx, OpSpec, Operation, Priority, Safety, WireRequest, WireResponse,
};
use tradewind_domain::{Currency, ListingId, ListingRef, ListingState, LiveListing, Money, Sku};

use crate::config::Site;

/// Names of the operations here begin so: they are signed and read otherwise.
pub(crate) const PREFIX: &str = "trading.";
/// Schema version that the shapes below are of.
const LEVEL: &str = "1331";

const LIKE: OpSpec = OpSpec {
    name: "",
    facet: Facet::Listings,
    // Absolute quantity and price, and an end: twice is the same as once.
    safety: Safety::Natural,
    priority: Priority::Content,
    buckets: &["trading"],
    keep: false,
    doc: "https://developer.ebay.com/devzone/xml/docs/reference/ebay/index.html",
};
static GET: OpSpec = OpSpec { name: "trading.get_item", safety: Safety::Read, ..LIKE };
static STOCK: OpSpec =
    OpSpec { name: "trading.revise_stock", facet: Facet::Stock, priority: Priority::Stock, ..LIKE };
static PRICE: OpSpec =
    OpSpec { name: "trading.revise_price", facet: Facet::Prices, priority: Priority::Price, ..LIKE };
static END: OpSpec = OpSpec { name: "trading.end_item", facet: Facet::Withdraw, ..LIKE };

/// What every answer says of itself.
#[derive(Debug, Deserialize)]
pub(crate) struct Verdict {
    #[serde(rename = "Ack", default)]
    pub(crate) ack: String,
    #[serde(rename = "Errors", default)]
    pub(crate) errors: Vec<Problem>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Problem {
    #[serde(rename = "ErrorCode", default)]
    pub(crate) code: String,
    #[serde(rename = "SeverityCode", default)]
    pub(crate) severity: String,
    #[serde(rename = "ErrorClassification", default)]
    pub(crate) class: String,
    #[serde(rename = "ShortMessage", default)]
    short: String,
    #[serde(rename = "LongMessage", default)]
    long: String,
}

impl Problem {
    pub(crate) fn words(&self) -> String {
        if self.long.is_empty() { self.short.clone() } else { self.long.clone() }
    }
}

#[derive(Debug, Deserialize)]
struct ItemAnswer {
    #[serde(rename = "Item")]
    item: Item,
}

#[derive(Debug, Deserialize)]
struct Item {
    #[serde(rename = "ItemID")]
    id: String,
    #[serde(rename = "Quantity", default)]
    quantity: Option<u32>,
    #[serde(rename = "SellingStatus")]
    status: SellingStatus,
    #[serde(rename = "Title", default)]
    title: Option<String>,
}

#[derive(Debug, Deserialize)]
struct SellingStatus {
    #[serde(rename = "CurrentPrice", default)]
    price: Option<Amount>,
    #[serde(rename = "QuantitySold", default)]
    sold: u32,
    #[serde(rename = "ListingStatus", default)]
    status: String,
}

#[derive(Debug, Deserialize)]
struct Amount {
    #[serde(rename = "@currencyID")]
    currency: String,
    #[serde(rename = "$text")]
    value: String,
}

impl Amount {
    fn money(&self) -> Result<Money, Error> {
        let value = tradewind_domain::parse_decimal(self.value.trim())?;
        Num(value).money(Currency::new(&self.currency)?)
    }
}

/// Body and headers of one call. Order of elements is part of the schema.
fn request(site: &Site, call: &str, inner: &str) -> Result<WireRequest, Error> {
    let number = site.number.ok_or_else(|| {
        Error::new(
            Kind::Unsupported,
            format!("{} has no Trading site: legacy listings cannot be reached", site.marketplace),
        )
    })?;
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><{call}Request xmlns=\"urn:ebay:apis:eBLBaseComponents\">{inner}</{call}Request>"
    );
    Ok(WireRequest::new(Method::POST, &site.endpoint, "/ws/api.dll")?
        .header("x-ebay-api-call-name", call)?
        .header("x-ebay-api-siteid", number)?
        .header("x-ebay-api-compatibility-level", LEVEL)?
        .xml(text))
}

fn parsed<'a, T: Deserialize<'a>>(response: &'a WireResponse) -> Result<T, Error> {
    from_str(response.text()?).map_err(|e| Error::decode(format!("XML: {e}")))
}

/// The answer must be one: an acknowledgement that protocol and table found good.
fn acknowledged(response: &WireResponse) -> Result<(), Error> {
    match parsed::<Verdict>(response)?.ack.as_str() {
        "Success" | "Warning" => Ok(()),
        other => Err(Error::decode(format!("Ack '{other}'"))),
    }
}

/// `GetItem`: what buyers see.
pub(crate) struct GetItem<'a>(pub(crate) &'a Site);

impl Operation for GetItem<'_> {
    type In = (Sku, ListingId);
    type Out = LiveListing;

    fn spec(&self) -> &OpSpec {
        &GET
    }

    fn encode(&self, _: &OpCx<'_>, (_, id): &(Sku, ListingId)) -> Result<WireRequest, Error> {
        request(self.0, "GetItem", &format!("<ItemID>{}</ItemID>", escape(id.as_str())))
    }

    fn decode(
        &self,
        _: &OpCx<'_>,
        (sku, _): &(Sku, ListingId),
        response: &WireResponse,
    ) -> Result<LiveListing, Error> {
        let item = parsed::<ItemAnswer>(response)?.item;
        let state = match item.status.status.as_str() {
            "Active" => ListingState::Live,
            "Completed" | "Ended" => ListingState::Inactive,
            other => ListingState::Other(other.to_owned()),
        };
        Ok(LiveListing {
            // The key that was asked for: a legacy listing often has no SKU of its own.
            key: ListingRef { sku: sku.clone(), listing: Some(ListingId::new(item.id)?) },
            state,
            price: item.status.price.as_ref().map(Amount::money).transpose()?,
            // `Quantity` counts from the beginning of the listing.
            quantity: item.quantity.map(|q| q.saturating_sub(item.status.sold)),
            title: item.title,
            issues: Vec::new(),
        })
    }
}

/// `ReviseInventoryStatus` of one listing.
pub(crate) enum Revision {
    Quantity(u32),
    Price(Money),
}

pub(crate) struct Revise<'a> {
    pub(crate) site: &'a Site,
    /// Which of the two facets asks.
    pub(crate) price: bool,
}

impl Operation for Revise<'_> {
    type In = (ListingId, Revision);
    type Out = ();

    fn spec(&self) -> &OpSpec {
        if self.price { &PRICE } else { &STOCK }
    }

    fn subject(&self, (id, _): &(ListingId, Revision)) -> String {
        id.to_string()
    }

    fn encode(&self, _: &OpCx<'_>, (id, revision): &(ListingId, Revision)) -> Result<WireRequest, Error> {
        let change = match revision {
            Revision::Quantity(n) => format!("<Quantity>{n}</Quantity>"),
            Revision::Price(p) => {
                format!("<StartPrice currencyID=\"{}\">{}</StartPrice>", p.currency().code(), p.amount())
            }
        };
        let inner =
            format!("<InventoryStatus><ItemID>{}</ItemID>{change}</InventoryStatus>", escape(id.as_str()));
        request(self.site, "ReviseInventoryStatus", &inner)
    }

    fn decode(&self, _: &OpCx<'_>, _: &(ListingId, Revision), response: &WireResponse) -> Result<(), Error> {
        acknowledged(response)
    }
}

/// `EndFixedPriceItem`.
pub(crate) struct EndItem<'a>(pub(crate) &'a Site);

impl Operation for EndItem<'_> {
    type In = ListingId;
    type Out = ();

    fn spec(&self) -> &OpSpec {
        &END
    }

    fn subject(&self, id: &ListingId) -> String {
        id.to_string()
    }

    fn encode(&self, _: &OpCx<'_>, id: &ListingId) -> Result<WireRequest, Error> {
        let inner =
            format!("<ItemID>{}</ItemID><EndingReason>NotAvailable</EndingReason>", escape(id.as_str()));
        request(self.0, "EndFixedPriceItem", &inner)
    }

    fn decode(&self, _: &OpCx<'_>, _: &ListingId, response: &WireResponse) -> Result<(), Error> {
        acknowledged(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reader knows XML's own five entities and expands no others.
    #[test]
    fn entities_of_a_document_are_refused() {
        let ack = |xml: &str| {
            parsed::<Verdict>(&WireResponse::json_text(200, xml)).map(|v| v.ack).map_err(|e| e.kind())
        };
        assert_eq!(ack("<R><Ack>A &amp; B</Ack></R>"), Ok("A & B".to_owned()));
        let bomb = "<!DOCTYPE R [<!ENTITY a 'Success'>]><R><Ack>&a;</Ack></R>";
        assert_eq!(ack(bomb), Err(Kind::Decode));
    }
}
