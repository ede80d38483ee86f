//! The customs role.

use async_trait::async_trait;
use tradewind_domain::{CustomsReceipt, Declaration, Filed, Mismatch, TaxBill};

use crate::error::Error;
use crate::operation::{CallCx, Handle, Submitted};
use crate::page::{Cursor, Page};

/// An authority, or the port that leads to it.
pub trait Customs: Send + Sync {
    /// Filing.
    fn declare(&self) -> Option<&dyn Declare> {
        None
    }
    /// What it answers.
    fn receipts(&self) -> Option<&dyn Receipts> {
        None
    }
    /// Assessed taxes.
    fn tax_bills(&self) -> Option<&dyn TaxBills> {
        None
    }
}

/// Filing declarations. Answers come as receipts: `Done` here means "taken in", never "released". It says what the
/// authority gave (a conversation, a number), which stands in [`Declaration::references`] from then on.
#[async_trait]
pub trait Declare: Send + Sync {
    /// What would be refused, found offline: the pre-match of the documents that this authority demands, and
    /// its field rules. Pure.
    fn validate(&self, declaration: &Declaration) -> Vec<Mismatch>;
    /// Files; every document the authority demands for one declaration.
    async fn submit(&self, cx: &CallCx, declaration: &Declaration) -> Result<Submitted<Filed>, Error>;
    /// Changes a filed one.
    async fn amend(&self, _cx: &CallCx, _declaration: &Declaration) -> Result<Submitted<Filed>, Error> {
        Err(Error::new(crate::error::Kind::Unsupported, "this authority takes no amendments"))
    }
    /// Withdraws a filed one. `Ok` says that the withdrawal of the declaration itself was taken in; as long as that cannot be (the
    /// authority has given it no number yet) it is an error, and the caller asks again, under the same key. What was given
    /// for messages that were taken all the same stands on that error ([`Error::having`]).
    async fn cancel(
        &self,
        _cx: &CallCx,
        _declaration: &Declaration,
        _reason: &str,
    ) -> Result<Submitted<Filed>, Error> {
        Err(Error::new(crate::error::Kind::Unsupported, "this authority takes no cancellations"))
    }
    /// Goes on with a deferred filing, amendment or cancellation.
    async fn poll(&self, _cx: &CallCx, _handle: &Handle) -> Result<Submitted<Filed>, Error> {
        Err(Error::new(crate::error::Kind::Unsupported, "this authority takes filings in at once"))
    }
}

/// Receipts, in any order, possibly repeated.
///
/// One that names nothing but a conversation or a message is told as one about the declaration, under that number: whoever takes
/// it in knows whether a cancellation was given that number, and what is said of it then
/// ([`Declaration::document_of`](tradewind_domain::Declaration::document_of)).
#[async_trait]
pub trait Receipts: Send + Sync {
    /// Receipts after the cursor.
    async fn poll(&self, cx: &CallCx, cursor: Option<&Cursor>) -> Result<Page<CustomsReceipt>, Error>;
    /// Receipts of one declaration and its documents, where they can be asked for: settles an indeterminate filing.
    /// The whole declaration is given, because authorities key on different numbers of it.
    async fn of(&self, cx: &CallCx, declaration: &Declaration) -> Result<Vec<CustomsReceipt>, Error>;
    /// Receipts in a message that was pushed or dropped as a file. Pure.
    ///
    /// # Errors
    /// Not a message of this authority.
    fn ingest(&self, bytes: &[u8]) -> Result<Vec<CustomsReceipt>, Error>;
}

/// Tax bills.
#[async_trait]
pub trait TaxBills: Send + Sync {
    /// Bills of one declaration.
    async fn of(&self, cx: &CallCx, declaration: &Declaration) -> Result<Vec<TaxBill>, Error>;
}
