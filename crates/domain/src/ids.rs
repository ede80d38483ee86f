//! Identifiers, one type per kind: an order id cannot stand where a SKU is meant.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The text cannot be an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {problem}")]
pub struct InvalidId {
    /// Which kind of identifier.
    pub kind: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

fn check(kind: &'static str, text: &str, max: usize) -> Result<(), InvalidId> {
    let problem = if text.is_empty() {
        "is empty"
    } else if text.len() > max {
        "is too long"
    } else if text.chars().any(char::is_control) {
        "contains a control character"
    } else if text.trim() != text {
        "starts or ends with a blank"
    } else {
        return Ok(());
    };
    Err(InvalidId { kind, problem })
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks and wraps the text.
            ///
            /// # Errors
            #[doc = concat!("Empty, longer than ", stringify!($max), " bytes, with control characters, or with blanks at an end.")]
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                check($kind, &text, $max)?;
                Ok(Self(text.into_boxed_str()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }
        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.into()
            }
        }
    };
}

id!(/// An account: one login at one channel, named by the user (`ebay-uk`, `dhl-main`).
    AccountId, "account", 64);
id!(/// The connector's short name (`amazon`, `dhl-express`).
    ConnectorId, "connector", 40);

impl ConnectorId {
    /// The id that a connector's own source names.
    ///
    /// # Panics
    /// The text is no id: a defect of the connector, which its conformance suite shows.
    #[must_use]
    pub fn literal(name: &'static str) -> Self {
        match Self::new(name) {
            Ok(id) => id,
            Err(e) => unreachable!("{name:?}: {e}"),
        }
    }
}

id!(/// The seller's stock-keeping unit: the key of a variant in every channel.
    Sku, "SKU", 120);
id!(/// A product: what groups variants.
    ProductId, "product id", 120);
id!(/// The channel's own id of a listing or offer (ASIN + marketplace, eBay offer id, Shopify GID).
    ListingId, "listing id", 255);
id!(/// The channel's id of an order.
    OrderId, "order id", 120);
id!(/// The channel's id of an order line.
    OrderLineId, "order line id", 120);
id!(/// The channel's id of a fulfilment unit: package, shipment box, fulfilment order.
    FulfilmentId, "fulfilment id", 160);
id!(/// A payment or balance transaction at its provider.
    TransactionId, "transaction id", 160);
id!(/// A payout of a provider to a bank account.
    PayoutId, "payout id", 160);
id!(/// A settlement statement or report.
    StatementId, "statement id", 160);
id!(/// Our id of a shipment, written before the carrier is called and sent as its reference.
    ShipmentId, "shipment id", 64);
id!(/// A carrier's waybill or tracking number.
    Waybill, "waybill", 64);
id!(/// Our id of a customs declaration.
    DeclarationId, "declaration id", 64);
id!(/// A return or refund case.
    ReturnId, "return id", 160);
id!(/// A stock location (warehouse, shop, channel fulfilment centre).
    LocationId, "location id", 120);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_refuse_what_breaks_keys() {
        assert!(Sku::new("").is_err());
        assert!(Sku::new(" A").is_err());
        assert!(Sku::new("A\nB").is_err());
        assert!(Sku::new("x".repeat(121)).is_err());
        assert_eq!(Sku::new("茶-1").unwrap().as_str(), "茶-1");
        assert!(serde_json::from_str::<Sku>("\"\"").is_err());
    }
}
