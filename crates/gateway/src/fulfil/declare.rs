//! Declaring: the three documents are matched before anything is filed, receipts move the state, whatever their
//! order and however often they come.

use tradewind_connector::{CallCx, Cursor, Kind, Submitted};
use tradewind_domain::{
    AccountId, CustomsReceipt, Declaration, DeclarationId, DeclarationLine, DeclarationState,
    DeclaredPayment, DeclaredWaybill, Flow, Money,
};
use tradewind_store::typed::{self, Record};
use tradewind_store::{Batch, Filter};

use super::Fulfilled;
use crate::gateway::{Gateway, GatewayError, Result};
use crate::records::{CursorRecord, DeclarationRecord, OrderRecord, ReceiptRecord, ShipmentRecord, Stage};

impl Gateway {
    pub(super) async fn declare(&self, mut record: OrderRecord, done: &mut Fulfilled) -> Result<()> {
        let Some(shipping) = &self.config.shipping else { return Ok(()) };
        let shipment_id = record.shipment.clone().unwrap_or_default();
        let Some(shipment) = typed::get::<ShipmentRecord>(&*self.store, &shipment_id).await? else {
            return Ok(());
        };
        let Some(account) = shipping.customs.get(&shipment.value.request.to.country) else { return Ok(()) };
        let customs = self.account(account)?.clone();
        let Some(filing) = customs.customs().and_then(|c| c.declare()) else {
            return Err(GatewayError::Config(format!("account '{account}' files no declarations")));
        };
        let id = format!("D{shipment_id}");
        let known = typed::get::<DeclarationRecord>(&*self.store, &id).await?;
        let mut filed = match known {
            Some(known) => known.value,
            None => {
                let declaration = match self.declaration(&record, &shipment.value, &id) {
                    Ok(d) => d,
                    Err(why) => return self.stage(record, Stage::Stuck, Some(why), Batch::new()).await,
                };
                let mismatches = filing.validate(&declaration);
                if !mismatches.is_empty() {
                    let why = mismatches.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                    let note = format!("not filed, the documents do not match: {why}");
                    return self.stage(record, Stage::Stuck, Some(note), Batch::new()).await;
                }
                DeclarationRecord {
                    account: account.clone(),
                    order: record.key(),
                    declaration,
                    state: DeclarationState::Matched,
                    authority_ref: None,
                    note: None,
                    filed_at: None,
                }
            }
        };
        record.declaration = Some(id.clone());
        let doubtful = matches!(filed.state, DeclarationState::Sent | DeclarationState::Indeterminate);
        if doubtful {
            // A process died in the middle, or the answer was lost: the authority's receipts tell.
            return self.ask_authority(record, filed, done).await;
        }
        filed.state = DeclarationState::Sent;
        filed.filed_at = Some(self.now());
        let mut batch = Batch::new();
        batch.put(&filed)?;
        batch.put(&record)?;
        self.store.commit(batch).await?;
        let result = filing.submit(&CallCx::keyed(id), &filed.declaration).await;
        let mut batch = Batch::new();
        match result {
            Ok(Submitted::Done(()) | Submitted::Deferred(_)) => {
                done.filed += 1;
                batch.put(&filed)?.audit(
                    self.now(),
                    "declare",
                    record.key(),
                    filed.declaration.id.to_string(),
                );
                self.stage(record, Stage::Declared, None, batch).await
            }
            Err(e) if e.kind() == Kind::Indeterminate => {
                done.note(e.to_string());
                done.postponed += 1;
                filed.state = DeclarationState::Indeterminate;
                batch.put(&filed)?;
                Ok(self.store.commit(batch).await?)
            }
            Err(e) if e.kind().is_business() => {
                filed.state = DeclarationState::Rejected;
                filed.note = Some(e.to_string());
                batch.put(&filed)?;
                self.stage(record, Stage::Stuck, Some(e.to_string()), batch).await
            }
            Err(e) => {
                done.note(e.to_string());
                done.postponed += 1;
                filed.state = DeclarationState::Matched;
                batch.put(&filed)?;
                Ok(self.store.commit(batch).await?)
            }
        }
    }

    async fn ask_authority(
        &self,
        record: OrderRecord,
        mut filed: DeclarationRecord,
        done: &mut Fulfilled,
    ) -> Result<()> {
        let customs = self.account(&filed.account)?.clone();
        let Some(receipts) = customs.customs().and_then(|c| c.receipts()) else { return Ok(()) };
        match receipts.of(&CallCx::new(), &filed.declaration.id).await {
            Ok(found) if found.is_empty() => {
                // The authority never saw it. Filing again under the same id is safe: it keys on that id.
                filed.state = DeclarationState::Matched;
                let mut batch = Batch::new();
                batch.put(&filed)?;
                done.postponed += 1;
                Ok(self.store.commit(batch).await?)
            }
            Ok(found) => {
                let id = filed.declaration.id.to_string();
                let mut batch = Batch::new();
                filed.state = DeclarationState::Sent;
                batch.put(&filed)?;
                self.stage(record, Stage::Declared, None, batch).await?;
                for receipt in found {
                    self.take_receipt(receipt).await?;
                }
                let _ = id;
                Ok(())
            }
            Err(e) => {
                done.note(e.to_string());
                done.postponed += 1;
                Ok(())
            }
        }
    }

    /// Polls receipts of every customs account.
    pub(super) async fn receipts(&self, done: &mut Fulfilled) -> Result<()> {
        let ids: Vec<AccountId> =
            self.accounts.iter().filter(|(_, c)| c.customs().is_some()).map(|(id, _)| id.clone()).collect();
        for id in ids {
            let customs = self.account(&id)?.clone();
            let Some(receipts) = customs.customs().and_then(|c| c.receipts()) else { continue };
            let known = typed::get::<CursorRecord>(&*self.store, &format!("{id}/receipts")).await?;
            let mut cursor = known.and_then(|c| c.value.cursor).map(Cursor);
            loop {
                let page = match receipts.poll(&CallCx::new(), cursor.as_ref()).await {
                    Ok(page) => page,
                    Err(e) => {
                        done.note(e.to_string());
                        done.postponed += 1;
                        break;
                    }
                };
                for receipt in page.items {
                    self.take_receipt(receipt).await?;
                }
                let Some(next) = page.next.filter(|n| Some(n) != cursor.as_ref()) else { break };
                let mut batch = Batch::new();
                batch.put(&CursorRecord {
                    account: id.clone(),
                    stream: "receipts".to_owned(),
                    until: None,
                    cursor: Some(next.0.clone()),
                })?;
                self.store.commit(batch).await?;
                cursor = Some(next);
            }
        }
        Ok(())
    }

    /// Takes one receipt in: once, whatever its order.
    async fn take_receipt(&self, receipt: CustomsReceipt) -> Result<()> {
        let record = ReceiptRecord(receipt);
        if typed::get::<ReceiptRecord>(&*self.store, &record.key()).await?.is_some() {
            return Ok(());
        }
        let mut batch = Batch::new();
        batch.put(&record)?;
        let receipt = record.0;
        if let Some(known) =
            typed::get::<DeclarationRecord>(&*self.store, receipt.declaration.as_str()).await?
        {
            let mut filed = known.value;
            filed.authority_ref = receipt.authority_ref.clone().or(filed.authority_ref);
            match receipt.state {
                // A late receipt of an earlier state changes nothing; so does one the machine does not allow.
                Some(state) if filed.state.can_become(state) => {
                    filed.state = state;
                    filed.note = Some(format!("{} {}", receipt.code, receipt.message));
                }
                Some(_) => {}
                None => filed.note = Some(format!("{} {}", receipt.code, receipt.message)),
            }
            batch.put(&filed)?;
        }
        Ok(self.store.commit(batch).await?)
    }

    /// Moves an order on when its declaration is settled.
    pub(super) async fn await_release(&self, record: OrderRecord, done: &mut Fulfilled) -> Result<()> {
        let id = record.declaration.clone().unwrap_or_default();
        let Some(filed) = typed::get::<DeclarationRecord>(&*self.store, &id).await? else { return Ok(()) };
        match filed.value.state {
            DeclarationState::Released | DeclarationState::Assessed => {
                done.released += 1;
                let mut batch = Batch::new();
                batch.audit(
                    self.now(),
                    "released",
                    record.key(),
                    filed.value.authority_ref.unwrap_or_default(),
                );
                self.stage(record, Stage::ToConfirm, None, batch).await
            }
            DeclarationState::Rejected | DeclarationState::Cancelled => {
                let why = filed.value.note.unwrap_or_else(|| "refused by customs".to_owned());
                self.stage(record, Stage::Stuck, Some(why), Batch::new()).await
            }
            _ => Ok(()),
        }
    }

    /// Declarations in final and open states.
    ///
    /// # Errors
    /// The store failed.
    pub async fn declarations(&self) -> Result<Vec<DeclarationRecord>> {
        let all = typed::list::<DeclarationRecord>(&*self.store, Filter::all()).await?;
        Ok(all.into_iter().map(|d| d.value).collect())
    }

    fn declaration(
        &self,
        record: &OrderRecord,
        shipment: &ShipmentRecord,
        id: &str,
    ) -> Result<Declaration, String> {
        let order = &record.order;
        let shipping = self.config.shipping.as_ref().ok_or("[shipping] is missing")?;
        let booked = shipment.booked.as_ref().ok_or("the parcel is not booked")?;
        let request = &shipment.request;
        let zero = Money::zero(order.currency);
        let lines: Vec<DeclarationLine> = request
            .contents
            .iter()
            .map(|c| DeclarationLine {
                sku: c.sku.clone(),
                name: c.description.clone(),
                specification: String::new(),
                hs: c.hs,
                origin: c.origin,
                quantity: c.quantity,
                net: c.net,
                unit_value: c.unit_value,
                value: c.line_value,
            })
            .collect();
        let on_top = order.all_taxes().filter(|t| !t.included).map(|t| t.amount);
        let taxes = Money::try_sum(order.currency, on_top).map_err(|e| e.to_string())?;
        let payment = order
            .payments
            .first()
            .ok_or("the channel names no payment for this order, and customs wants one")?;
        let gross = tradewind_domain::Grams(request.parcels.iter().map(|p| p.weight.0).sum());
        Ok(Declaration {
            id: DeclarationId::new(id).map_err(|e| e.to_string())?,
            flow: Flow::Import,
            order: order.id.clone(),
            platform: shipping.platform.clone(),
            ordered_at: order.placed_at.utc,
            buyer: order.buyer.clone(),
            from: request.from.clone(),
            to: request.to.clone(),
            lines,
            goods: request.invoice.total,
            freight: order.shipping,
            discount: zero,
            taxes,
            paid: order.total,
            payment: Some(DeclaredPayment {
                provider: payment.provider.clone(),
                provider_code: None,
                transaction: payment
                    .transaction
                    .clone()
                    .ok_or("the channel names no transaction number of the payment")?,
                amount: payment.amount,
                paid_at: payment.paid_at.unwrap_or(order.placed_at.utc),
                payer: order.buyer.clone(),
            }),
            waybill: Some(DeclaredWaybill {
                carrier: shipment.account.to_string(),
                carrier_code: None,
                waybill: booked.waybill.clone(),
                pieces: request.parcels.len() as u32,
                gross,
                freight: order.shipping,
                insurance: zero,
            }),
            registrations: shipping.registrations.clone(),
            gross,
        })
    }
}
