//! What a channel would take of a sale, asked of itself, beside what our price assumed.

use serde::Serialize;
use tradewind_connector::role::{FeeEstimate, FeeEstimates};
use tradewind_connector::{CallCx, Connector, Error, Facet};
use tradewind_domain::{AccountId, Exact, ListingRef, Money, Rounding, Sku};
use tradewind_pricing::Derivation;
use tradewind_store::typed;

use crate::config::OfferRules;
use crate::gateway::{Gateway, GatewayError, Result};
use crate::pricing::{Prices, Terms};
use crate::records::{OfferRecord, offer_key};

/// A fee that a price was made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Assumed {
    /// Its name.
    pub name: String,
    /// Positive: what it costs.
    pub amount: Money,
    /// Where it stands.
    pub origin: String,
}

/// The channel's word beside ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FeeCheck {
    /// At this price.
    pub price: Money,
    /// What we assumed.
    pub assumed: Vec<Assumed>,
    /// All of it.
    pub assumed_total: Money,
    /// What the channel estimates.
    pub estimated: Vec<FeeEstimate>,
    /// All of it.
    pub estimated_total: Money,
    /// Estimated less assumed: positive where the channel takes more than the price was made for.
    pub difference: Money,
}

impl Prices<'_> {
    /// The channel's fees in a derivation, as the price book has them. Costs, border and returns are none of them.
    #[must_use]
    pub fn fees_of(&self, (_, _, channel): Terms<'_>, derivation: &Derivation) -> Vec<Assumed> {
        let edition = self.engines.book.as_ref().map(|b| b.at(self.law));
        let fees = edition.and_then(|e| e.channels.get(channel)).map(|c| c.fees.as_slice());
        let line_of = |label: &str, origin: &str| {
            derivation.lines.iter().find(|l| l.origin == origin && l.label.strip_prefix("- ") == Some(label))
        };
        let lines =
            fees.unwrap_or_default().iter().filter_map(|f| line_of(&f.name, &f.origin).map(|l| (f, l)));
        lines
            .map(|(f, line)| Assumed {
                name: f.name.clone(),
                amount: line.amount.negated(),
                origin: f.origin.clone(),
            })
            .collect()
    }
}

/// The share that an account's simple rules assume.
///
/// # Errors
/// It does not fit.
pub fn fees_of_rules(rules: &OfferRules, price: Money) -> Result<Vec<Assumed>> {
    let share = price.decimal().checked_mul(rules.fees);
    let too_large = || GatewayError::Config(format!("{} of {price} does not fit", rules.fees));
    let amount = Exact::new(share.ok_or_else(too_large)?, price.currency());
    let amount = amount.round(Rounding::HalfUp).map_err(Error::from)?;
    Ok(vec![Assumed { name: "fees".to_owned(), amount, origin: "account offers.fees".to_owned() }])
}

fn estimates_of(connector: &dyn Connector) -> Option<&dyn FeeEstimates> {
    let works = connector.capabilities().support(Facet::FeeEstimates).works();
    connector.marketplace().and_then(|m| m.fee_estimates()).filter(|_| works)
}

impl Gateway {
    /// Asks the channel what it would take of a sale at this price.
    ///
    /// # Errors
    /// The channel has no such call, or fails; its fees are in another currency than the price.
    pub async fn check_fees(
        &self,
        account: &AccountId,
        sku: &Sku,
        price: Money,
        assumed: Vec<Assumed>,
    ) -> Result<FeeCheck> {
        let connector = self.account(account)?.clone();
        let facet = estimates_of(connector.as_ref()).ok_or_else(|| {
            GatewayError::Config(format!("account '{account}' has no call that estimates its fees"))
        })?;
        let offer = typed::get::<OfferRecord>(&*self.store, &offer_key(account, sku)).await?;
        let key = ListingRef { sku: sku.clone(), listing: offer.and_then(|o| o.value.listing) };
        let estimated = facet.estimate(&CallCx::new(), &key, price).await?;
        let sum = |amounts: Vec<Money>| Money::try_sum(price.currency(), amounts).map_err(Error::from);
        let assumed_total = sum(assumed.iter().map(|a| a.amount).collect())?;
        let estimated_total = sum(estimated.iter().map(|e| e.amount).collect())?;
        let difference = estimated_total.try_sub(assumed_total).map_err(Error::from)?;
        Ok(FeeCheck { price, assumed, assumed_total, estimated, estimated_total, difference })
    }
}
