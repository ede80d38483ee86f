//! What carriers ask for a parcel: every account that quotes is asked for the same one, and the offers stand side by side.

use jiff::Timestamp;
use serde::Serialize;
use tradewind_connector::role::{RateRequest, Rates};
use tradewind_connector::{CallCx, Connector, Facet};
use tradewind_domain::{AccountId, Address, Currency, Incoterm, Money, Parcel, RateQuote, Rounding};
use tradewind_fx::convert;
use tradewind_store::Filter;
use tradewind_store::typed;

use crate::config::ShippingConfig;
use crate::fulfil::book::{hand_over, shipment_id};
use crate::gateway::{Gateway, GatewayError, Result};
use crate::records::{OrderRecord, ShipmentRecord, order_key};

/// A carrier's offer beside the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offered {
    /// Carrier account.
    pub account: AccountId,
    /// What it offers.
    #[serde(flatten)]
    pub quote: RateQuote,
    /// None costs less.
    pub cheapest: bool,
    /// None arrives earlier.
    pub fastest: bool,
    /// The price in the currency that all are compared in, where it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared: Option<Money>,
}

/// What the carriers offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offers {
    /// What they were asked for.
    pub request: RateRequest,
    /// Accounts asked.
    pub asked: u32,
    /// Accounts that did not answer.
    pub failed: u32,
    /// Why, and what else is to be said, for people.
    pub notes: Vec<String>,
    /// Offers, cheapest first.
    pub offers: Vec<Offered>,
}

fn rates_of(connector: &dyn Connector) -> Option<&dyn Rates> {
    let works = connector.capabilities().support(Facet::Rates).works();
    connector.logistics().and_then(|l| l.rates()).filter(|_| works)
}

impl Gateway {
    /// The sender, from the configuration.
    ///
    /// # Errors
    /// It has none.
    pub fn sender(&self) -> Result<&ShippingConfig> {
        let missing = || {
            GatewayError::Config(
                "[shipping] is missing: parcels need a sender and a carrier account".to_owned(),
            )
        };
        self.config.shipping.as_ref().ok_or_else(missing)
    }

    /// An order by the channel's id or by the number that people see.
    ///
    /// # Errors
    /// There is none, there are several; the store failed.
    pub async fn find_order(&self, name: &str, account: Option<&AccountId>) -> Result<OrderRecord> {
        if let Some(account) = account
            && let Some(found) = typed::get::<OrderRecord>(&*self.store, &order_key(account, name)).await?
        {
            return Ok(found.value);
        }
        let filter = account.map_or_else(Filter::all, |a| Filter::account(a.as_str()));
        let all = typed::list::<OrderRecord>(&*self.store, filter).await?.into_iter().map(|o| o.value);
        let named = |o: &OrderRecord| o.order.id.as_str() == name || o.order.number.as_deref() == Some(name);
        let mut found: Vec<OrderRecord> = all.filter(named).collect();
        match (found.pop(), found.as_slice()) {
            (Some(order), []) => Ok(order),
            (Some(last), others) => {
                let accounts: Vec<&str> =
                    others.iter().chain([&last]).map(|o| o.order.account.as_str()).collect();
                Err(GatewayError::Config(format!(
                    "order '{name}' is one of several accounts: say which with --channel ({})",
                    accounts.join(", ")
                )))
            }
            (None, _) => {
                Err(GatewayError::Config(format!("order '{name}' was never imported: run tradewind orders")))
            }
        }
    }

    /// What to ask carriers for an order: its parcel as it was booked, else as it would be.
    ///
    /// # Errors
    /// There is nothing to ship, or a fact of its goods is missing; the store failed.
    pub async fn parcel_of(&self, order: &OrderRecord) -> Result<RateRequest> {
        let id = shipment_id(order);
        let ship_at = hand_over(self.now());
        let request = match typed::get::<ShipmentRecord>(&*self.store, &id).await? {
            Some(known) => known.value.request,
            None => {
                let variants = self.variants().await?;
                let made = self.shipment_request(order, self.sender()?, &variants, &id)?;
                let of = |why| GatewayError::Config(format!("order {}: {why}", order.order.id));
                made.map_err(of)?
            }
        };
        let value = Some(request.invoice.total).filter(|_| request.from.passes_customs_to(&request.to));
        let (from, to, parcels, incoterm) = (request.from, request.to, request.parcels, request.incoterm);
        Ok(RateRequest { from, to, parcels, value, incoterm, ship_at })
    }

    /// What to ask carriers for a parcel that belongs to no order.
    ///
    /// # Errors
    /// There is no sender; a parcel over a customs border has no value.
    pub fn a_parcel(
        &self,
        parcel: Parcel,
        to: Address,
        value: Option<Money>,
        incoterm: Incoterm,
    ) -> Result<RateRequest> {
        let from = self.sender()?.from.clone();
        let crosses = from.passes_customs_to(&to);
        if crosses && value.is_none() {
            return Err(GatewayError::Config(format!(
                "from {} to {} a parcel passes customs, and some carriers price that by its value: say --value, such as \"20.00 EUR\"",
                from.country, to.country
            )));
        }
        let value = value.filter(|_| crosses);
        Ok(RateRequest { from, to, parcels: vec![parcel], value, incoterm, ship_at: hand_over(self.now()) })
    }

    /// Asks every account that quotes. Makes calls, changes nothing.
    ///
    /// # Errors
    /// No account quotes rates. One that fails is counted.
    pub async fn rates(&self, request: RateRequest) -> Result<Offers> {
        let mut offers = Offers { request, asked: 0, failed: 0, notes: Vec::new(), offers: Vec::new() };
        for (id, connector) in &self.accounts {
            let Some(facet) = rates_of(connector.as_ref()) else { continue };
            offers.asked += 1;
            match facet.quote(&CallCx::new(), &offers.request).await {
                Ok(quotes) if quotes.is_empty() => {
                    offers.notes.push(format!("{id} offers nothing for this parcel"))
                }
                Ok(quotes) => {
                    for quote in quotes {
                        match quote {
                            Ok(quote) => offers.offers.push(Offered {
                                account: id.clone(),
                                quote,
                                cheapest: false,
                                fastest: false,
                                compared: None,
                            }),
                            Err(e) => offers.notes.push(format!("{id}: an offer cannot be read: {e}")),
                        }
                    }
                }
                Err(e) => {
                    offers.failed += 1;
                    offers.notes.push(format!("{id} did not quote: {e}{}", self.login_hint(id, &e)));
                }
            }
        }
        if offers.asked == 0 {
            return Err(GatewayError::Config(
                "no account quotes rates: tradewind connectors shows which carriers do".to_owned(),
            ));
        }
        self.compare(&mut offers);
        Ok(offers)
    }

    /// Marks and sorts. Prices in several currencies are compared in the first one's, at the rates of the day; where a rate is
    /// missing each currency is compared by itself, and that is said.
    fn compare(&self, offers: &mut Offers) {
        let Some(common) = offers.offers.first().map(|o| o.quote.price.currency()) else { return };
        let converted: std::result::Result<Vec<Money>, String> = offers
            .offers
            .iter()
            .map(|o| self.in_currency(o.quote.price, common, offers.request.ship_at))
            .collect();
        match converted {
            Ok(all) => {
                for (offer, money) in offers.offers.iter_mut().zip(all) {
                    offer.compared = Some(money).filter(|m| m.currency() != offer.quote.price.currency());
                }
            }
            Err(why) => {
                offers
                    .notes
                    .push(format!("prices of several currencies are each compared by themselves: {why}"));
            }
        }
        let price = |o: &Offered| o.compared.unwrap_or(o.quote.price);
        let least: std::collections::BTreeMap<String, i64> =
            offers.offers.iter().fold(std::collections::BTreeMap::new(), |mut least, o| {
                let (code, minor) = (price(o).currency().code().to_owned(), price(o).minor());
                least.entry(code).and_modify(|m: &mut i64| *m = minor.min(*m)).or_insert(minor);
                least
            });
        let first = offers.offers.iter().filter_map(|o| o.quote.delivery).min();
        for o in &mut offers.offers {
            o.cheapest = least.get(price(o).currency().code()) == Some(&price(o).minor());
            o.fastest = first.is_some() && o.quote.delivery == first;
        }
        offers.offers.sort_by_key(|o| {
            (
                price(o).currency().code().to_owned(),
                price(o).minor(),
                o.account.clone(),
                o.quote.product.clone(),
            )
        });
    }

    fn in_currency(&self, price: Money, to: Currency, at: Timestamp) -> std::result::Result<Money, String> {
        if price.currency() == to {
            return Ok(price);
        }
        let engines = &self.engines;
        let day = at.to_zoned(jiff::tz::TimeZone::UTC).date();
        let rate = engines.rates.rate(&engines.fx.source, price.currency(), to, day, engines.policy());
        let rate = rate.map_err(|e| e.to_string())?;
        convert(price, &rate, Rounding::HalfUp).map(|c| c.to).map_err(|e| e.to_string())
    }
}
