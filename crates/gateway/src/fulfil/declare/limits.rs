//! Is the customs scheme open to this order? The rules are landed cost's, and so is the counter of what a buyer has used of
//! a yearly limit: the same question as a quote's, put to the same packs.

use tradewind_domain::Declaration;
use tradewind_landed_cost::quote::Status;
use tradewind_landed_cost::request::Request;

use crate::gateway::{Gateway, Result};
use crate::landed::{Article, Ask};

impl Gateway {
    /// Why a declaration must not be filed under the scheme; `None`: nothing speaks against it.
    pub(super) async fn scheme_refuses(
        &self,
        declaration: &Declaration,
        scheme: &str,
        order: &str,
    ) -> Result<Option<String>> {
        let to = declaration.to.country;
        let who = self.engines.limited(&declaration.buyer, to, declaration.ordered_at);
        let before = match &who {
            Some(who) => Some(self.year_total(who, order, Some(declaration.ordered_at)).await?),
            None => None,
        };
        let lines = declaration.lines.iter().enumerate().map(|(i, line)| Article {
            id: (i + 1).to_string(),
            price: line.unit_value.decimal(),
            quantity: line.quantity,
            // Customs add up the values of the declaration, before what the buyer paid with vouchers.
            discount: rust_decimal::Decimal::ZERO,
            hs: Some(line.hs),
            origin: Some(line.origin),
        });
        let currency = declaration.paid.currency();
        let ask = Ask {
            from: Some(declaration.from.country),
            lane: self.config.lane(to).map(|(_, lane)| lane),
            scheme: Some((scheme, None)),
            freight: Some(declaration.freight),
            // Where not all of it is known, a lower bound: over the limit with that is over the limit.
            year_total_before: before.as_ref().map(|b| b.known),
            ..Ask::new(to, declaration.ordered_at, currency, lines.collect())
        };
        let (request, _) = ask.request(&self.engines);
        let rates = self.engines.rates_for(to);
        let answer = Request::parse(&request.to_string())
            .map_err(|e| e.to_string())
            .and_then(|r| self.engines.quotes(&rates).quote(&r).map_err(|e| e.to_string()));
        let quote = match answer {
            Ok(quote) => quote,
            Err(e) => return Ok(Some(format!("the rules of scheme {scheme} could not be asked: {e}"))),
        };
        Ok(match quote.status {
            Status::NotEligible | Status::Blocked => {
                let reason =
                    quote.reason.unwrap_or_else(|| "the scheme is not open to this order".to_owned());
                let instead = quote.fallback.map(|f| format!("; instead: {f}")).unwrap_or_default();
                Some(format!("{scheme}: {reason}{instead}"))
            }
            // A rate of duty that is missing changes what is owed, not whether it may be filed; a rate of exchange does not say
            // whether the order is within the limits.
            Status::Complete | Status::Partial | Status::Indeterminate => {
                let own = quote.missing.iter().any(|m| m.starts_with("fx."));
                let unknown = match before.and_then(|b| b.unknown) {
                    // A scheme that counts nothing asks for no total.
                    Some(other) if own || quote.year_total_after.is_some() => Some(other),
                    _ => (own && who.is_some()).then(|| (order.to_owned(), currency)),
                };
                unknown.map(|(of, currency)| {
                    format!(
                        "{scheme}: whether the buyer's limits hold is not known, order '{of}' is in {currency} and no rate leads from there: import one (tradewind fx)"
                    )
                })
            }
        })
    }
}

#[cfg(test)]
mod tests;
