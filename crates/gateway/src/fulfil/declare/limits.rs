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
        let before = match self.engines.limited(&declaration.buyer, to, declaration.ordered_at) {
            Some(who) => self.year_total(&who, order).await?,
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
            year_total_before: before,
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
            // A rate that is missing changes what is owed, not whether it may be filed.
            Status::Complete | Status::Partial | Status::Indeterminate => None,
        })
    }
}

#[cfg(test)]
mod tests;
