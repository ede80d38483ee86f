//! What a part of a row is to its order: one rule, for the reconciliation and for the bulk pass.

use crate::import::Class;

/// On which side of an order an amount stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The buyer paid it: goods, shipping, tax, less our own discounts.
    Paid,
    /// The buyer paid it as tax, and the marketplace remits it.
    Collected,
    /// Given back to the buyer.
    Back,
    /// Given back, and it was the marketplace's to remit.
    CollectedBack,
    /// Taken by a dispute, or returned.
    Disputed,
    /// Tax that somebody keeps for an authority.
    Withheld,
    /// What it cost.
    Fee,
    /// Nothing to the order.
    Aside,
}

/// Rows of this kind give money back, discounts included.
pub(crate) fn returns(kind: &str) -> bool {
    kind.to_ascii_lowercase().contains("refund")
}

/// The side of an amount of a class, by its sign, on a row that [`returns`] or not.
pub(crate) fn side(class: Class, minor: i64, returned: bool) -> Side {
    match class {
        Class::Sale | Class::Shipping | Class::TaxSeller if minor < 0 || returned => Side::Back,
        Class::Promotion if returned => Side::Back,
        Class::Sale | Class::Shipping | Class::Promotion | Class::TaxSeller => Side::Paid,
        Class::TaxFacilitator if minor < 0 || returned => Side::CollectedBack,
        Class::TaxFacilitator => Side::Collected,
        Class::Refund => Side::Back,
        Class::Dispute => Side::Disputed,
        Class::TaxWithheld | Class::Withholding => Side::Withheld,
        _ if class.is_fee() => Side::Fee,
        _ => Side::Aside,
    }
}

/// Totals with and without the tax that the marketplace collects are both the order's total.
pub(crate) fn settles(paid: i64, collected: i64, total: i64) -> bool {
    paid == total || collected != 0 && paid.checked_sub(collected) == Some(total)
}
