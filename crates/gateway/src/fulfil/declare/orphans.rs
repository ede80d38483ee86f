//! Receipts that came before it was known whose they are.

use tradewind_domain::{AccountId, CustomsReceipt, FiledDocument};
use tradewind_store::Filter;
use tradewind_store::typed;

use super::super::Fulfilled;
use crate::gateway::{Gateway, Result};
use crate::records::{DeclarationRecord, ReceiptRecord};

impl Gateway {
    /// Gives the declarations of accounts what was kept as nobody's: a tax bill names the authority's number alone, and may come
    /// before the receipt that tells us that number.
    pub(super) async fn claim_orphans(&self, accounts: &[&AccountId], done: &mut Fulfilled) -> Result<()> {
        let kept = typed::list::<ReceiptRecord>(&*self.store, Filter::all().states(&[""])).await?;
        // Where nothing is named there is nothing to find.
        let names_one = |r: &CustomsReceipt| r.document != FiledDocument::Other;
        let kept: Vec<CustomsReceipt> = kept.into_iter().map(|r| r.value.0).filter(names_one).collect();
        if kept.is_empty() {
            return Ok(());
        }
        for account in accounts {
            let ours =
                typed::list::<DeclarationRecord>(&*self.store, Filter::account(account.as_str())).await?;
            for receipt in &kept {
                let answers =
                    |d: &DeclarationRecord| d.declaration.is_answered_by(receipt, d.authority_ref.as_deref());
                if let Some(found) = ours.iter().find(|d| answers(&d.value)) {
                    // By its name it is not looked for a second time.
                    let declaration = Some(found.value.declaration.id.clone());
                    let named = CustomsReceipt { declaration, ..receipt.clone() };
                    self.take_receipt(account, named, done).await?;
                }
            }
        }
        Ok(())
    }
}
