//! The payment role, and the money facets that marketplaces share with it.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tradewind_domain::{
    BalanceTransaction, Buyer, DeclaredPayment, Dispute, Filed, Money, OrderId, Payout, RefundRequest,
    Statement, StatementId,
};

use crate::error::Error;
use crate::operation::{CallCx, Handle, Submitted};
use crate::page::{Cursor, Page, Window};

/// A provider that takes and moves money.
pub trait Payments: Send + Sync {
    /// Balance transactions.
    fn transactions(&self) -> Option<&dyn Transactions> {
        None
    }
    /// Payouts.
    fn payouts(&self) -> Option<&dyn Payouts> {
        None
    }
    /// Settlement documents.
    fn statements(&self) -> Option<&dyn Statements> {
        None
    }
    /// Refunds.
    fn refunds(&self) -> Option<&dyn Refunds> {
        None
    }
    /// Disputes.
    fn disputes(&self) -> Option<&dyn Disputes> {
        None
    }
    /// Payment declarations to customs.
    fn customs_payments(&self) -> Option<&dyn CustomsPayments> {
        None
    }
}

/// Balance transactions, in the provider's own codes; the ledger maps them.
#[async_trait]
pub trait Transactions: Send + Sync {
    /// Movements in the window.
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<BalanceTransaction, Error>>, Error>;
}

/// Payouts.
#[async_trait]
pub trait Payouts: Send + Sync {
    /// Payouts initiated or changed in the window.
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<Payout, Error>>, Error>;
}

/// A settlement document as the provider made it, byte for byte. The ledger's importers read it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoneyDocument {
    /// Statement.
    pub id: StatementId,
    /// Provider's name in the ledger's words (`amazon`, `paypal`).
    pub provider: String,
    /// Format in the ledger's words (`settlement-v2`, `stl`, `trr`).
    pub format: String,
    /// Name that the provider gives the file.
    pub file_name: String,
    /// The bytes, decompressed.
    #[serde(skip)]
    pub bytes: bytes::Bytes,
}

impl std::fmt::Debug for MoneyDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MoneyDocument({} {} {}, {} bytes)", self.provider, self.format, self.id, self.bytes.len())
    }
}

/// Settlement documents.
#[async_trait]
pub trait Statements: Send + Sync {
    /// Statements whose period ended in the window.
    async fn list(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<Statement, Error>>, Error>;
    /// One document.
    async fn fetch(&self, cx: &CallCx, id: &StatementId) -> Result<MoneyDocument, Error>;
}

/// Refunds.
#[async_trait]
pub trait Refunds: Send + Sync {
    /// Gives money back on a payment.
    async fn refund(&self, cx: &CallCx, refund: &RefundRequest) -> Result<Submitted<()>, Error>;
    /// Goes on with a deferred refund.
    async fn poll(&self, _cx: &CallCx, _handle: &Handle) -> Result<Submitted<()>, Error> {
        Err(Error::new(crate::error::Kind::Unsupported, "this provider refunds at once"))
    }
}

/// Disputes.
#[async_trait]
pub trait Disputes: Send + Sync {
    /// Disputes opened or changed in the window.
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<Dispute, Error>>, Error>;
}

/// A payment to be declared to customs by its provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomsPayment {
    /// Order.
    pub order: OrderId,
    /// The payment.
    pub payment: DeclaredPayment,
    /// The payer, whose identity customs checks.
    pub buyer: Buyer,
    /// Freight part.
    pub freight: Money,
    /// Tax part.
    pub taxes: Money,
}

/// Payment declarations to customs (China).
#[async_trait]
pub trait CustomsPayments: Send + Sync {
    /// Declares; what comes back is what the provider and customs gave for it (a verifying department's number).
    async fn declare(&self, cx: &CallCx, payment: &CustomsPayment) -> Result<Submitted<Filed>, Error>;
    /// Goes on with a deferred declaration: customs have not answered the provider yet.
    async fn poll(&self, _cx: &CallCx, _handle: &Handle) -> Result<Submitted<Filed>, Error> {
        Err(Error::new(crate::error::Kind::Unsupported, "this provider declares at once"))
    }
}
