//! The versioned tables that read the providers' words: `config/fees/<provider>.toml`.
//!
//! Keys are the provider's own codes, classes are ours. What no row matches is [`None`]: suspense and `UNMAPPED_CODE`, never a
//! guess. The built-in tables can be replaced by a user's file of the same shape.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use foldhash::{HashMap, HashMapExt};
use serde::Deserialize;

use super::Provider;
use super::error::{ImportResult, Refusal};

macro_rules! classes {
    ($($variant:ident = $name:literal, $doc:literal;)+) => {
        /// What a code means for the books.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Class {
            $(#[doc = $doc] $variant,)+
        }

        impl Class {
            /// All classes.
            pub const ALL: &[Class] = &[$(Class::$variant),+];

            /// The name in tables and reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Class::$variant => $name,)+
                }
            }
        }
    };
}

classes! {
    Sale = "sale", "Goods sold.";
    Shipping = "shipping", "Shipping charged to the buyer.";
    Promotion = "promotion", "Discount that we fund.";
    Coupon = "coupon", "Discount that we fund at the payment: the order's total is before it.";
    TaxSeller = "tax.seller", "Tax collected for us to remit.";
    TaxFacilitator = "tax.facilitator", "Tax that the marketplace collects and remits; nets to zero with what it withholds.";
    TaxWithheld = "tax.withheld", "What the marketplace withholds of the tax that it collected.";
    Refund = "refund", "Money back to a buyer.";
    Dispute = "dispute", "Money taken or returned in a dispute.";
    Reimbursement = "reimbursement", "The channel pays for loss or error.";
    Reserve = "reserve", "Held back or released.";
    Payout = "payout", "To the bank, or back from it.";
    Conversion = "conversion", "One leg of a currency exchange.";
    Transfer = "transfer", "Between accounts of ours, or a correction without income or cost.";
    Loan = "loan", "Advance received or repaid.";
    Duty = "duty", "Customs duty collected or charged.";
    ImportVat = "import_vat", "Import VAT or GST.";
    Withholding = "withholding", "Tax withheld from us.";
    None = "none", "Carries no money.";
    Commission = "fee.commission", "Share of the sale.";
    Fixed = "fee.fixed", "Fixed fee per item or order.";
    Processing = "fee.processing", "Payment processing.";
    Scheme = "fee.scheme", "Interchange and scheme cost.";
    RefundAdmin = "fee.refund_admin", "Kept when a sale is refunded.";
    Fulfilment = "fee.fulfilment", "Picking, packing, shipping by the channel.";
    Storage = "fee.storage", "Storage, inbound and removal.";
    Label = "fee.label", "Shipping labels.";
    Advertising = "fee.advertising", "Advertising.";
    Subscription = "fee.subscription", "Plans and invoices.";
    DisputeFee = "fee.dispute", "Fee of a dispute.";
    Fx = "fee.fx", "Currency exchange fee shown by itself.";
    PayoutFee = "fee.payout", "Fee of a payout.";
    FeeTax = "fee.tax", "Tax on a fee, or for a tax service.";
    OtherFee = "fee.other", "Fee of another kind.";
}

impl Class {
    /// The class is a cost (a credit of it is a cost given back).
    #[must_use]
    pub fn is_fee(self) -> bool {
        self.name().starts_with("fee.")
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    provider: String,
    version: String,
    source: String,
    #[serde(default)]
    traits: Traits,
    code: Vec<WireRow>,
}

/// How a provider's documents behave, as data: `config/fees/README.md`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Traits {
    /// How bank texts call it, in small letters.
    pub names: Vec<String>,
    /// Rows of one document that are equal in everything can be real.
    pub repeats: bool,
    /// An id is of one row, whatever its kind.
    pub own_ids: bool,
    /// Rows of one id differ in sign.
    pub signed_ids: bool,
    /// What a statement is to the bank.
    pub statement: StatementKind,
    /// Reserves go from statement to statement.
    pub reserve_chain: bool,
    /// They tell the movements of the interface again under no id of theirs: what a document settles, it replaces. Otherwise
    /// both carry the same ids, and are compared row by row.
    pub restates: bool,
    /// Sales that are shown before they are money.
    pub deferred: Option<Deferred>,
    /// Days after which money of an order has moved at the latest, where that takes longer than the policy expects.
    pub payment_days: Option<i32>,
}

/// What a statement is to the bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementKind {
    /// Its total is sent.
    Transfer,
    /// It lists a period; transfers are rows of it.
    Bill,
    /// It is sent where the account has no payouts.
    #[default]
    Either,
}

/// Finer codes of deferred sales.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deferred {
    /// Shown, and no money yet.
    pub held: String,
    /// The release, which is the money.
    pub released: String,
    /// A held one that was released since.
    pub both: String,
}

/// The built-in tables, read once a process.
static TABLES: LazyLock<BTreeMap<Provider, CodeTable>> = LazyLock::new(|| {
    Provider::ALL.into_iter().filter_map(|p| CodeTable::builtin(p).map(|t| (p, t))).collect()
});

/// The built-in tables by provider.
pub(crate) fn tables() -> &'static BTreeMap<Provider, CodeTable> {
    &TABLES
}

/// How a provider's documents behave.
pub(crate) fn traits(p: Provider) -> &'static Traits {
    static NONE: LazyLock<Traits> = LazyLock::new(Traits::default);
    TABLES.get(&p).map_or(&NONE, |t| &t.traits)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRow {
    kind: Option<String>,
    code: String,
    class: String,
}

/// One provider's table.
#[derive(Debug, Clone)]
pub struct CodeTable {
    /// The provider's name.
    pub provider: String,
    /// Version, to be named by every result that used it.
    pub version: String,
    /// Where the meanings come from.
    pub source: String,
    /// How its documents behave.
    pub traits: Traits,
    exact: HashMap<(Option<String>, String), Class>,
    /// (kind, prefix, class), longest prefix first.
    prefixes: Vec<(Option<String>, String, Class)>,
}

impl CodeTable {
    /// Reads a table.
    ///
    /// # Errors
    /// The text is no table of this shape, names an unknown class, or says two things about one code.
    pub fn parse(text: &str) -> ImportResult<CodeTable> {
        let bad = |why: String| Refusal::malformed(0, format!("fee-code table: {why}"));
        let w: Wire = toml::from_str(text).map_err(|e| bad(e.message().to_owned()))?;
        let mut table = CodeTable {
            provider: w.provider,
            version: w.version,
            source: w.source,
            traits: w.traits,
            exact: HashMap::new(),
            prefixes: Vec::new(),
        };
        for row in w.code {
            let class = Class::ALL
                .iter()
                .copied()
                .find(|c| c.name() == row.class)
                .ok_or_else(|| bad(format!("class '{}' of code '{}' is unknown", row.class, row.code)))?;
            if let Some(prefix) = row.code.strip_suffix('*') {
                table.prefixes.push((row.kind, prefix.to_owned(), class));
            } else if let Some(had) = table.exact.insert((row.kind, row.code.clone()), class) {
                return Err(bad(format!("code '{}' stands twice ({had} and {class})", row.code)));
            }
        }
        // Longest first; with a kind before without.
        table
            .prefixes
            .sort_by(|a, b| (b.1.len(), b.0.is_some()).cmp(&(a.1.len(), a.0.is_some())).then(a.1.cmp(&b.1)));
        Ok(table)
    }

    /// The built-in table; `None` for carriers and banks, which have no codes.
    #[must_use]
    pub fn builtin(provider: Provider) -> Option<CodeTable> {
        let text = match provider {
            Provider::Amazon => include_str!("../../../../config/fees/amazon.toml"),
            Provider::Ebay => include_str!("../../../../config/fees/ebay.toml"),
            Provider::Shopify => include_str!("../../../../config/fees/shopify.toml"),
            Provider::Paypal => include_str!("../../../../config/fees/paypal.toml"),
            Provider::Stripe => include_str!("../../../../config/fees/stripe.toml"),
            Provider::Adyen => include_str!("../../../../config/fees/adyen.toml"),
            Provider::Wechatpay => include_str!("../../../../config/fees/wechatpay.toml"),
            Provider::Alipay => include_str!("../../../../config/fees/alipay.toml"),
            Provider::Aliexpress => include_str!("../../../../config/fees/aliexpress.toml"),
            Provider::Carrier | Provider::Bank => return None,
        };
        CodeTable::parse(text).ok()
    }

    /// What a code means on a row of a kind: kind and code, then code, then the longest prefix. `None`: unmapped.
    #[must_use]
    pub fn class(&self, kind: &str, code: &str) -> Option<Class> {
        let exact = |kind: Option<&str>| self.exact.get(&(kind.map(str::to_owned), code.to_owned())).copied();
        exact(Some(kind)).or_else(|| exact(None)).or_else(|| {
            self.prefixes
                .iter()
                .find(|(k, prefix, _)| {
                    k.as_deref().is_none_or(|k| k == kind) && code.starts_with(prefix.as_str())
                })
                .map(|(.., class)| *class)
        })
    }

    /// The class of a row's fee that no component details.
    #[must_use]
    pub fn fee(&self, kind: &str) -> Option<Class> {
        self.class(kind, "FEE")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_table_parses() {
        for p in Provider::ALL {
            let has = !matches!(p, Provider::Carrier | Provider::Bank);
            assert_eq!(CodeTable::builtin(p).map(|t| t.provider), has.then(|| p.name().to_owned()), "{p}");
        }
    }

    #[test]
    fn the_most_specific_row_wins() {
        let t = CodeTable::builtin(Provider::Amazon).unwrap();
        assert_eq!(t.class("Order", "ItemPrice/Principal"), Some(Class::Sale));
        assert_eq!(t.class("Refund", "ItemPrice/Principal"), Some(Class::Refund));
        // amazon-settlement §3: the sample files it under ItemFees.
        assert_eq!(
            t.class("Order", "ItemFees/MarketplaceFacilitatorVAT-Principal"),
            Some(Class::TaxWithheld)
        );
        assert_eq!(t.class("Order", "ItemFees/SomethingNew"), None);
        let t = CodeTable::builtin(Provider::Paypal).unwrap();
        assert_eq!(t.class("T0106", "T0106"), Some(Class::DisputeFee));
        assert_eq!(t.class("T0101", "T0101"), Some(Class::OtherFee));
        assert_eq!(t.class("T9900", "T9900"), None);
    }

    #[test]
    fn a_table_that_says_two_things_is_refused() {
        let text = "provider='x'\nversion='1'\nsource='s'\n[[code]]\ncode='a'\nclass='sale'\n[[code]]\ncode='a'\nclass='refund'\n";
        assert!(CodeTable::parse(text).is_err());
        assert!(CodeTable::parse(&text.replace("refund", "nonsense")).is_err());
    }
}
