//! Orders: what a buyer bought, who collects which tax, and how far each line has come.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::state::states;
use crate::{
    AccountId, Address, CollectedTax, Currency, Exact, FulfilmentId, Incoterm, Money, MoneyError, OrderId,
    OrderLineId, Sku, SourceTime, TaxId, TransactionId, Waybill,
};

states! {
    /// The state of an order, folded from its channel's own status, which is kept beside it.
    OrderState {
        /// Placed, not paid.
        PendingPayment => [AwaitingAcceptance, ReadyToShip, OnHold, Cancelled, CancelRequested, Exception],
        /// The seller must accept it.
        AwaitingAcceptance => [ReadyToShip, OnHold, Cancelled, CancelRequested, Exception],
        /// Paid; ship it.
        ReadyToShip => [Processing, PartiallyShipped, Shipped, OnHold, CancelRequested, Cancelled, Delivered, Exception],
        /// Being packed, or at the channel's own warehouse.
        Processing => [PartiallyShipped, Shipped, OnHold, CancelRequested, Cancelled, Delivered, Exception],
        /// Some units left.
        PartiallyShipped => [Shipped, Delivered, CancelRequested, Cancelled, OnHold, Exception],
        /// All units left.
        Shipped => [AwaitingPickup, Delivered, Exception],
        /// At a pick-up point.
        AwaitingPickup => [Delivered, Exception],
        /// Delivered.
        Delivered => [Exception],
        /// The buyer wants out.
        CancelRequested => [Cancelled, ReadyToShip, Processing, PartiallyShipped, Shipped, Exception],
        /// Cancelled; nothing ships, unless its buyer pays again.
        Cancelled => [ReadyToShip, Processing],
        /// The channel holds it back (fraud check, address).
        OnHold => [ReadyToShip, Processing, PartiallyShipped, Shipped, CancelRequested, Cancelled, Exception],
        /// Something a person must look at.
        Exception => [ReadyToShip, Processing, PartiallyShipped, Shipped, AwaitingPickup, Delivered, CancelRequested, Cancelled],
    }
}

impl OrderState {
    /// The order may be declared and booked now.
    #[must_use]
    pub const fn is_shippable(self) -> bool {
        matches!(self, OrderState::ReadyToShip | OrderState::Processing | OrderState::PartiallyShipped)
    }

    /// Nothing of it goes on for now: its buyer wants out, its money did not come or went back, or its channel holds it.
    #[must_use]
    pub const fn is_held(self) -> bool {
        matches!(
            self,
            OrderState::CancelRequested
                | OrderState::PendingPayment
                | OrderState::OnHold
                | OrderState::Exception
        )
    }

    /// All units left.
    #[must_use]
    pub const fn has_left(self) -> bool {
        matches!(self, OrderState::Shipped | OrderState::AwaitingPickup | OrderState::Delivered)
    }
}

/// The buyer, as far as the channel tells. Chinese channels give masked fields and a token.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Buyer {
    /// The channel's id or token of the buyer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name, possibly masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// E-mail, often a relay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Numbers that customs asks of a buyer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tax_ids: Vec<TaxId>,
}

impl std::fmt::Debug for Buyer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Buyer(…)")
    }
}

/// A payment that the channel names for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderPayment {
    /// Provider in the channel's words (`paypal`, `shopify_payments`, `marketplace`).
    pub provider: String,
    /// The provider's transaction, when the channel tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionId>,
    /// Amount paid.
    pub amount: Money,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<Timestamp>,
}

/// One line: a SKU and how many of it, with its state per unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// The channel's id of the line; with account and order it is the import key.
    pub id: OrderLineId,
    /// Our SKU; `None` when the channel names one that cannot be ours, see `channel_sku`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<Sku>,
    /// The SKU text as the channel gave it.
    #[serde(default)]
    pub channel_sku: String,
    /// Title at the time of sale.
    #[serde(default)]
    pub title: String,
    /// Units ordered.
    pub quantity: u32,
    /// Units cancelled.
    #[serde(default)]
    pub cancelled: u32,
    /// Units shipped.
    #[serde(default)]
    pub shipped: u32,
    /// Price of one unit before discount, which may have more decimals than the currency.
    pub unit_price: Exact,
    /// Goods total of the line after discount, without taxes on top.
    pub total: Money,
    /// Discount in `total`, positive.
    pub discount: Money,
    /// Taxes of this line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taxes: Vec<CollectedTax>,
    /// The fulfilment unit it belongs to, where the channel splits orders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fulfilment: Option<FulfilmentId>,
    /// The channel's status of the line, verbatim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_status: Option<String>,
}

impl OrderLine {
    /// Units that still have to be shipped.
    #[must_use]
    pub const fn open(&self) -> u32 {
        self.quantity.saturating_sub(self.cancelled).saturating_sub(self.shipped)
    }
}

/// An order of one channel account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Account.
    pub account: AccountId,
    /// The channel's id.
    pub id: OrderId,
    /// A second number that people see (Shopify's `#1001`), when it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Placed.
    pub placed_at: SourceTime,
    /// Last changed, as the channel says.
    pub updated_at: SourceTime,
    /// Folded state.
    pub state: OrderState,
    /// The channel's status, verbatim.
    pub raw_status: String,
    /// Currency of all amounts here: the one in which the seller is owed.
    pub currency: Currency,
    /// What the buyer paid in their own currency, when it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buyer_total: Option<Money>,
    /// Buyer.
    #[serde(default)]
    pub buyer: Buyer,
    /// Where it goes; `None` until the channel reveals it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ship_to: Option<Address>,
    /// Lines.
    pub lines: Vec<OrderLine>,
    /// Shipping charged to the buyer, without taxes on top.
    pub shipping: Money,
    /// Taxes of the order that no line carries (on shipping, say).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taxes: Vec<CollectedTax>,
    /// What the buyer paid in `currency`; to be shown, see [`Order::told_total`].
    pub total: Money,
    /// Payments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payments: Vec<OrderPayment>,
    /// Refunded so far, positive.
    pub refunded: Money,
    /// Registration numbers that the parcel must carry (IOSS of a marketplace, VOEC ...).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registrations: Vec<TaxId>,
    /// Delivery terms, when the channel fixes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incoterm: Option<Incoterm>,
    /// Ship before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ship_by: Option<Timestamp>,
    /// Fulfilled by the channel's own warehouse: nothing for us to ship.
    #[serde(default)]
    pub channel_fulfilled: bool,
}

impl Order {
    /// What the buyer pays, as far as the channel has told. While an order waits for its payment, and when it is cancelled before
    /// it, a channel may tell no total: `total` is zero then, and what is not known is not zero.
    #[must_use]
    pub fn told_total(&self) -> Option<Money> {
        let unpaid = matches!(self.state, OrderState::PendingPayment | OrderState::Cancelled);
        Some(self.total).filter(|total| !unpaid || !total.is_zero())
    }

    /// All taxes, of lines and order.
    pub fn all_taxes(&self) -> impl Iterator<Item = &CollectedTax> {
        self.taxes.iter().chain(self.lines.iter().flat_map(|l| l.taxes.iter()))
    }

    /// Goods + shipping + taxes that are on top of prices: what `total` must be.
    ///
    /// # Errors
    /// A part is in another currency, or overflow.
    pub fn footing(&self) -> Result<Money, MoneyError> {
        let goods = Money::try_sum(self.currency, self.lines.iter().map(|l| l.total))?;
        let on_top = self.all_taxes().filter(|t| !t.included).map(|t| t.amount);
        goods.try_add(self.shipping)?.try_add(Money::try_sum(self.currency, on_top)?)
    }
}

/// Units of one line, in an action on an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineQuantity {
    /// Line.
    pub line: OrderLineId,
    /// Units.
    pub quantity: u32,
}

/// Units of one SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkuQuantity {
    /// SKU.
    pub sku: Sku,
    /// Units.
    pub quantity: u32,
}

/// "These units left in this parcel": what a marketplace is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShipmentNotice {
    /// Order.
    pub order: OrderId,
    /// Our shipment; its text is the reference where a channel takes one.
    pub shipment: crate::ShipmentId,
    /// Fulfilment unit, where the channel has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fulfilment: Option<FulfilmentId>,
    /// What is in the parcel.
    pub lines: Vec<LineQuantity>,
    /// Carrier's short name in our words (`dhl-express`); the connector maps it to the channel's code.
    pub carrier: String,
    /// Waybill.
    pub waybill: Waybill,
    /// When it left.
    pub shipped_at: Timestamp,
}

/// Why the seller cancels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// Nothing to ship.
    OutOfStock,
    /// The buyer asked.
    BuyerRequest,
    /// The address cannot be delivered to.
    Undeliverable,
    /// Price or listing mistake.
    PricingError,
    /// Cannot be exported or imported.
    Restricted,
}

/// A refund the seller gives on an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundRequest {
    /// Our key of the refund.
    pub id: crate::ReturnId,
    /// Order.
    pub order: OrderId,
    /// Lines and units, when the refund is for goods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<LineQuantity>,
    /// Amount, positive.
    pub amount: Money,
    /// Reason.
    pub reason: CancelReason,
    /// Payment to refund, where the channel asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionId>,
}

states! {
    /// A return case.
    ReturnState {
        /// The buyer asked.
        Requested => [Approved, Declined, Closed],
        /// The seller agreed.
        Approved => [InTransit, Received, Refunded, Closed],
        /// On its way back.
        InTransit => [Received, Refunded, Closed],
        /// Back in the warehouse.
        Received => [Refunded, Closed],
        /// Money returned.
        Refunded => [Closed],
        /// The seller declined.
        Declined => [Approved, Closed],
        /// Over.
        Closed => [],
    }
}

/// A return as the channel tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Return {
    /// Case.
    pub id: crate::ReturnId,
    /// Order.
    pub order: OrderId,
    /// State.
    pub state: ReturnState,
    /// The channel's status, verbatim.
    pub raw_status: String,
    /// Units.
    pub lines: Vec<LineQuantity>,
    /// Units by SKU, where the channel names no line of the order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skus: Vec<SkuQuantity>,
    /// Refund asked or given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// Opened.
    pub opened_at: SourceTime,
}
