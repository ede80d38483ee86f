//! Quantities and prices alone: `bulkUpdatePriceQuantity`, which takes one SKU per call. A listing that the Inventory
//! API does not know is revised through Trading by its item id.

use async_trait::async_trait;
use http::Method;
use tradewind_connector::role::{ItemOutcome, PriceChange, Prices, Stock, StockChange};
use tradewind_connector::{
    CallCx, Error, Facet, Kind, OpCx, OpSpec, Operation, Priority, Submitted, WireRequest, WireResponse,
};
use tradewind_domain::Sku;

use crate::Ebay;
use crate::config::Site;
use crate::items::{LIKE, request};
use crate::offers::settled;
use crate::trading::{Revise, Revision};
use crate::wire::{NewAmount, inventory as w};

// Absolute values: twice is the same as once.
static STOCK: OpSpec = OpSpec {
    name: "stock.set",
    facet: Facet::Stock,
    priority: Priority::Stock,
    buckets: &["inventory", "revisions"],
    ..LIKE
};
static PRICE: OpSpec = OpSpec {
    name: "prices.set",
    facet: Facet::Prices,
    priority: Priority::Price,
    buckets: &["inventory", "revisions"],
    ..LIKE
};

struct SetStock<'a>(&'a Site);

impl Operation for SetStock<'_> {
    type In = StockChange;
    type Out = ();

    fn spec(&self) -> &OpSpec {
        &STOCK
    }

    fn subject(&self, change: &StockChange) -> String {
        change.key.sku.to_string()
    }

    fn object(&self, change: &StockChange) -> Option<String> {
        Some(change.key.sku.to_string())
    }

    fn encode(&self, _: &OpCx<'_>, change: &StockChange) -> Result<WireRequest, Error> {
        let one = [w::PriceQuantity {
            sku: change.key.sku.as_str(),
            ship_to_location_availability: Some(w::Quantity { quantity: change.quantity }),
            offers: Vec::new(),
        }];
        request(self.0, Method::POST, "/bulk_update_price_quantity")?.json(&w::Requests { requests: &one })
    }

    fn decode(&self, _: &OpCx<'_>, change: &StockChange, response: &WireResponse) -> Result<(), Error> {
        mentioned(&change.key.sku, response)
    }
}

/// A price with the offer that carries it.
struct SetPrice<'a>(&'a Site);

impl Operation for SetPrice<'_> {
    type In = (PriceChange, String);
    type Out = ();

    fn spec(&self) -> &OpSpec {
        &PRICE
    }

    fn subject(&self, (change, _): &(PriceChange, String)) -> String {
        change.key.sku.to_string()
    }

    fn object(&self, (change, _): &(PriceChange, String)) -> Option<String> {
        Some(change.key.sku.to_string())
    }

    fn encode(&self, _: &OpCx<'_>, (change, offer): &(PriceChange, String)) -> Result<WireRequest, Error> {
        let one = [w::PriceQuantity {
            sku: change.key.sku.as_str(),
            ship_to_location_availability: None,
            offers: vec![w::OfferPrice { offer_id: offer, price: NewAmount::of(change.price) }],
        }];
        request(self.0, Method::POST, "/bulk_update_price_quantity")?.json(&w::Requests { requests: &one })
    }

    fn decode(
        &self,
        _: &OpCx<'_>,
        (change, _): &(PriceChange, String),
        response: &WireResponse,
    ) -> Result<(), Error> {
        mentioned(&change.key.sku, response)
    }
}

/// Refusals were found by the protocol; what is left must speak of our SKU.
fn mentioned(sku: &Sku, response: &WireResponse) -> Result<(), Error> {
    let answers = response.json::<w::Responses>()?.responses;
    if answers.iter().any(|a| a.is_fine() && a.sku.as_deref() == Some(sku.as_str())) {
        Ok(())
    } else {
        Err(Error::decode(format!("the answer does not mention '{sku}'")))
    }
}

/// The Inventory API does not have this SKU. After an answer that was lost the pipeline says in doubt to that; but no quantity
/// that is set takes an item away, so that there was none before either.
fn knows_no_sku(error: &Error) -> bool {
    let unknown = error.upstream_ref().is_some_and(|u| u.code == "25702");
    error.kind() == Kind::NotFound || (error.kind() == Kind::Indeterminate && unknown)
}

impl Ebay {
    async fn set_stock(&self, cx: &CallCx, change: &StockChange) -> Result<(), Error> {
        let step = cx.step(change.key.sku.as_str());
        let known = self.pipeline.call(&SetStock(&self.site), change, &step).await;
        match (known, &change.key.listing) {
            (Err(e), Some(listing)) if knows_no_sku(&e) => {
                let input = (listing.clone(), Revision::Quantity(change.quantity));
                self.pipeline.call(&Revise { site: &self.site, price: false }, &input, &step).await
            }
            (known, _) => known,
        }
    }

    async fn set_price(&self, cx: &CallCx, change: &PriceChange) -> Result<(), Error> {
        if change.price.currency() != self.site.currency {
            return Err(Error::invalid(format!(
                "{} sells in {}, the price is {}",
                self.site.marketplace, self.site.currency, change.price
            )));
        }
        let step = cx.step(change.key.sku.as_str());
        match (self.offer_of(cx, &change.key.sku).await?, &change.key.listing) {
            (Some(offer), _) => {
                let input = (change.clone(), offer.offer_id);
                self.pipeline.call(&SetPrice(&self.site), &input, &step).await
            }
            (None, Some(listing)) => {
                let input = (listing.clone(), Revision::Price(change.price));
                self.pipeline.call(&Revise { site: &self.site, price: true }, &input, &step).await
            }
            (None, None) => {
                let text = format!("'{}' has no offer on {}", change.key.sku, self.site.marketplace);
                Err(Error::new(Kind::NotFound, text))
            }
        }
    }
}

#[async_trait]
impl Stock for Ebay {
    async fn set(&self, cx: &CallCx, changes: &[StockChange]) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        let mut outcomes = Vec::with_capacity(changes.len());
        for change in changes {
            outcomes.push(ItemOutcome::of(&change.key.sku, self.set_stock(cx, change).await.map(|()| None)));
        }
        settled(outcomes)
    }
}

#[async_trait]
impl Prices for Ebay {
    async fn set(&self, cx: &CallCx, changes: &[PriceChange]) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        let mut outcomes = Vec::with_capacity(changes.len());
        for change in changes {
            outcomes.push(ItemOutcome::of(&change.key.sku, self.set_price(cx, change).await.map(|()| None)));
        }
        settled(outcomes)
    }
}
