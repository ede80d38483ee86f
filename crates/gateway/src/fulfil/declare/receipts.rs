//! What authorities say: each receipt is taken in once, and the state of a declaration follows from all of its receipts.

use tradewind_connector::{CallCx, Cursor};
use tradewind_domain::{AccountId, CustomsReceipt, DeclarationState, FiledDocument};
use tradewind_store::typed::{self, Record, Versioned};
use tradewind_store::{Batch, Expect, Filter, StoreError};

use super::unidentified;
use crate::fulfil::Fulfilled;
use crate::gateway::{Gateway, GatewayError, Result};
use crate::records::{CursorRecord, DeclarationRecord, ReceiptRecord};

impl Gateway {
    /// Polls receipts of every customs account.
    pub(in crate::fulfil) async fn receipts(&self, done: &mut Fulfilled) -> Result<()> {
        let mut polled: Vec<&AccountId> = Vec::new();
        for (id, customs) in &self.accounts {
            let Some(receipts) = customs.customs().and_then(|c| c.receipts()) else { continue };
            polled.push(id);
            let known = typed::get::<CursorRecord>(&*self.store, &format!("{id}/receipts")).await?;
            let mut cursor = known.and_then(|c| c.value.cursor).map(Cursor);
            loop {
                let page = match receipts.poll(&CallCx::new(), cursor.as_ref()).await {
                    Ok(page) => page,
                    Err(e) => {
                        done.refused(self.told_unidentified(&e));
                        done.postponed += 1;
                        break;
                    }
                };
                for receipt in page.items {
                    self.take_receipt(id, receipt, done).await?;
                }
                let Some(next) = page.next.filter(|n| Some(n) != cursor.as_ref()) else { break };
                let mut batch = Batch::new();
                batch.put(&CursorRecord {
                    account: id.clone(),
                    stream: "receipts".to_owned(),
                    until: None,
                    listed_to: None,
                    cursor: Some(next.0.clone()),
                    connector: None,
                })?;
                self.store.commit(batch).await?;
                cursor = Some(next);
            }
        }
        self.claim_orphans(&polled, done).await
    }

    /// Takes one receipt in: once, whatever its order. The state of the declaration is folded anew from all of its
    /// receipts, so it does not depend on when which of them came.
    pub(super) async fn take_receipt(
        &self,
        account: &AccountId,
        receipt: CustomsReceipt,
        done: &mut Fulfilled,
    ) -> Result<()> {
        loop {
            match self.try_take_receipt(account, receipt.clone(), done).await {
                // Another process took one in for the same declaration: folded again, with that one.
                Err(GatewayError::Store(StoreError::Conflict { .. })) => {}
                other => return other,
            }
        }
    }

    async fn try_take_receipt(
        &self,
        account: &AccountId,
        receipt: CustomsReceipt,
        done: &mut Fulfilled,
    ) -> Result<()> {
        let mut record = ReceiptRecord(receipt);
        let kept = typed::get::<ReceiptRecord>(&*self.store, &record.key()).await?;
        if kept.as_ref().is_some_and(|k| k.value.0.declaration.is_some()) {
            return Ok(());
        }
        let expect = kept.as_ref().map_or(Expect::Absent, Versioned::expect);
        let mut batch = Batch::new();
        let Some(mut known) = self.answered(account, &record.0).await? else {
            if kept.is_some() {
                return Ok(());
            }
            // Nobody's that we know, or one that cannot be read: kept, and a person is told.
            let CustomsReceipt { code, message, key, .. } = &record.0;
            let told = format!(
                "{account}: a message of customs belongs to no declaration of ours, look it up there ({code} {}; kept as receipt {key})",
                unidentified(message)
            );
            batch.put_expecting(&record, Expect::Absent)?.audit(
                self.now(),
                "receipt of nobody's",
                key.clone(),
                told.clone(),
            );
            self.store.commit(batch).await?;
            done.note(told);
            return Ok(());
        };
        let filed = &mut known.value;
        record.0.declaration = Some(filed.declaration.id.clone());
        record.0.document = filed.declaration.document_of(&record.0);
        let mine = Filter::all().states(&[filed.declaration.id.as_str()]);
        let mut receipts: Vec<CustomsReceipt> =
            typed::list::<ReceiptRecord>(&*self.store, mine).await?.into_iter().map(|r| r.value.0).collect();
        receipts.push(record.0.clone());
        receipts.sort_by_key(|r| r.at);
        let state = DeclarationState::Sent.after(&receipts);
        if state != DeclarationState::Sent {
            filed.state = state;
        }
        let told = receipts.iter().rev().find_map(|r| r.authority_ref.clone());
        filed.authority_ref = told.or(filed.authority_ref.take());
        if record.0.state.is_none() && is_about_it(&record.0) {
            let CustomsReceipt { code, message, .. } = &record.0;
            let id = &filed.declaration.id;
            done.note(format!(
                "{id}: customs answered {code} {}, which decides nothing",
                unidentified(message)
            ));
        }
        if let Some(last) = receipts.last() {
            filed.note = Some(format!("{} {}", last.code, unidentified(&last.message)));
        }
        batch.put_expecting(&record, expect)?.put_back(&known)?;
        Ok(self.store.commit(batch).await?)
    }

    /// The declaration that a receipt is about: the one it names, or the one with a document of that number.
    async fn answered(
        &self,
        account: &AccountId,
        receipt: &CustomsReceipt,
    ) -> Result<Option<Versioned<DeclarationRecord>>> {
        if let Some(id) = &receipt.declaration {
            return Ok(typed::get::<DeclarationRecord>(&*self.store, id.as_str()).await?);
        }
        let all = typed::list::<DeclarationRecord>(&*self.store, Filter::account(account.as_str())).await?;
        let answers =
            |d: &DeclarationRecord| d.declaration.is_answered_by(receipt, d.authority_ref.as_deref());
        Ok(all.into_iter().find(|d| answers(&d.value)))
    }
}

/// An answer to the declaration itself, or to its cancellation.
pub(super) fn is_about_it(receipt: &CustomsReceipt) -> bool {
    matches!(receipt.document, FiledDocument::Declaration | FiledDocument::Cancellation)
}
