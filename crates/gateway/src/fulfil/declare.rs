//! Declaring: the three documents are matched before anything is filed, receipts move the state, whatever their
//! order and however often they come.

mod amounts;
mod limits;
mod orphans;
mod waiting;

use jiff::SignedDuration;
use tradewind_connector::{CallCx, Cursor, Error, Facet, Kind, Submitted};
use tradewind_domain::{
    AccountId, Country, Currency, CustomsReceipt, Declaration, DeclarationId, DeclarationLine,
    DeclarationState, DeclaredPayment, DeclaredWaybill, Filed, FiledDocument, Flow, Money, OrderState,
    PackedGoods,
};
use tradewind_store::typed::{self, Record, Versioned};
use tradewind_store::{Batch, Collection, Expect, Filter, StoreError};

use super::Fulfilled;
use super::book::clean;
use crate::config::ShippingConfig;
use crate::gateway::{Gateway, GatewayError, Result};
use crate::records::{CursorRecord, DeclarationRecord, OrderRecord, ReceiptRecord, ShipmentRecord, Stage};

/// After an answer that decides nothing, not before.
const FILED_AGAIN: SignedDuration = SignedDuration::from_hours(1);
/// Then a person looks at it.
const MOST_FILINGS: u32 = 5;
/// A system that takes declarations in says so within minutes.
const TAKEN_IN_WITHIN: SignedDuration = SignedDuration::from_hours(24);
/// An inspection takes days.
const DECIDED_WITHIN: SignedDuration = SignedDuration::from_hours(5 * 24);

impl Gateway {
    pub(super) async fn declare(&self, mut record: OrderRecord, done: &mut Fulfilled) -> Result<()> {
        let shipment_id = record.shipment.clone().unwrap_or_default();
        let Some(shipment) = typed::get::<ShipmentRecord>(&*self.store, &shipment_id).await? else {
            return Ok(());
        };
        let id = declaration_id(&shipment_id);
        let known = typed::get::<DeclarationRecord>(&*self.store, &id).await?;
        let begun = known.as_ref().map(|k| &k.value).filter(|k| k.state != DeclarationState::Draft);
        if begun.is_none_or(|k| k.state == DeclarationState::Matched)
            && done.keeps_back(&record, &shipment.value)
        {
            return Ok(());
        }
        let named = match &self.config.shipping {
            None => Err("[shipping] is missing in the configuration".to_owned()),
            Some(shipping) => customs_of(shipping, shipment.value.request.to.country),
        };
        // What was begun with an authority stays with it, though no parcel is to be declared there any more.
        let account = match (named, begun) {
            (Ok(account), _) => account.clone(),
            (Err(_), Some(begun)) => begun.account.clone(),
            (Err(why), None) => return self.stage(record, Stage::Stuck, Some(why), Batch::new()).await,
        };
        let customs = self.account(&account)?.clone();
        let Some(filing) = customs.customs().and_then(|c| c.declare()) else {
            return Err(GatewayError::Config(format!("account '{account}' files no declarations")));
        };
        let mut filed = match known {
            Some(known) if known.value.state != DeclarationState::Draft => known,
            known => {
                let declaration = match self.declarable(&record, &shipment.value).await? {
                    Ok(declaration) => declaration,
                    Err(why) => return self.stage(record, Stage::Stuck, Some(why), Batch::new()).await,
                };
                match known {
                    // To be filed anew: what the authority gave for it stays.
                    Some(mut known) => {
                        let filed = &mut known.value;
                        let references = std::mem::take(&mut filed.declaration.references);
                        filed.declaration =
                            Declaration { number: filed.authority_ref.clone(), references, ..declaration };
                        filed.state.step(DeclarationState::Matched)?;
                        known
                    }
                    None => {
                        let value = DeclarationRecord::new(account.clone(), record.key(), declaration);
                        Versioned { value, version: 0 }
                    }
                }
            }
        };
        let before = record.clone();
        record.declaration = Some(id.clone());
        match filed.value.state {
            DeclarationState::Draft | DeclarationState::Matched => {}
            // A process died in the middle, or the answer was lost: the authority's receipts tell.
            DeclarationState::Sent | DeclarationState::Indeterminate => {
                return self.ask_authority(record, filed.value, done).await;
            }
            // They told already: it arrived, and a second filing would write over what they said.
            _ => return self.stage(record, Stage::Declared, None, Batch::new()).await,
        }
        // Nothing is filed for an order that was cancelled since it was read.
        let Some(expect) = self.unchanged(&before).await? else { return Ok(()) };
        filed.value.state.step(DeclarationState::Sent)?;
        filed.value.filed_at = Some(self.now());
        let mut batch = Batch::new();
        batch.put_back(&filed)?.put_expecting(&record, expect)?;
        batch.put(&self.allowance(&filed.value.declaration))?;
        self.store.commit(batch).await?;
        let declaration = &filed.value.declaration;
        let result = match filed.value.filings {
            0 => filing.submit(&CallCx::keyed(id), declaration).await,
            // Under a key of its own, or the first answer would be given once more. What has a number is changed.
            n => {
                let key = CallCx::keyed(format!("{id}/{n}"));
                let amends = customs.capabilities().support(Facet::Amend).works();
                match declaration.number {
                    Some(_) if amends => filing.amend(&key, declaration).await,
                    _ => filing.submit(&key, declaration).await,
                }
            }
        };
        let filed = &filed.value.declaration.id;
        match result {
            Ok(answer) => {
                done.filed += 1;
                let mut batch = Batch::new();
                batch.audit(self.now(), "declare", record.key(), filed.to_string());
                let declared = Some((&record, Stage::Declared, None));
                self.became(filed, DeclarationState::Sent, Some(answer), declared, batch).await
            }
            Err(e) if e.kind().is_business() => {
                done.failed += 1;
                let stuck = Some((&record, Stage::Stuck, Some(unidentified(&e.to_string()))));
                self.became(filed, DeclarationState::Rejected, None, stuck, Batch::new()).await
            }
            Err(e) => {
                done.refused(self.told_unidentified(&e));
                done.postponed += 1;
                let state = match e.kind() {
                    Kind::Indeterminate => DeclarationState::Indeterminate,
                    _ => DeclarationState::Matched,
                };
                self.became(filed, state, None, None, Batch::new()).await
            }
        }
    }

    /// What is to be declared of an order, or why it cannot be. Makes no call.
    pub(super) async fn declarable(
        &self,
        record: &OrderRecord,
        shipment: &ShipmentRecord,
    ) -> Result<Result<Declaration, String>> {
        let shipping = self.sender()?;
        let country = shipment.request.to.country;
        let account = match customs_of(shipping, country) {
            Ok(account) => account,
            Err(why) => return Ok(Err(why)),
        };
        let customs = self.account(account)?.clone();
        let Some(filing) = customs.customs().and_then(|c| c.declare()) else {
            return Ok(Err(format!("account '{account}' files no declarations")));
        };
        let id = declaration_id(shipment.request.id.as_str());
        let accepted = customs.capabilities().bounds.currencies.clone();
        let declaration = match self.declaration(record, shipment, &id, &accepted) {
            Ok(declaration) => declaration,
            Err(why) => return Ok(Err(why)),
        };
        if let Some(scheme) = shipping.scheme.get(&declaration.to.country)
            && let Some(why) = self.scheme_refuses(&declaration, scheme, &record.key()).await?
        {
            return Ok(Err(format!("not filed, {why}")));
        }
        let mismatches = filing.validate(&declaration);
        if !mismatches.is_empty() {
            let why = mismatches.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            return Ok(Err(format!("not filed, the documents do not match: {why}")));
        }
        Ok(Ok(declaration))
    }

    /// What a call made of a declaration that was sent, with its answer, in one commit with what belongs to it and the step of its order.
    /// Receipts that another process took in during the call have the last word: what they made of it stays.
    async fn became(
        &self,
        id: &DeclarationId,
        state: DeclarationState,
        answer: Option<Submitted<Filed>>,
        step: Option<(&OrderRecord, Stage, Option<String>)>,
        batch: Batch,
    ) -> Result<()> {
        loop {
            let Some(mut filed) = typed::get::<DeclarationRecord>(&*self.store, id.as_str()).await? else {
                return Ok(());
            };
            let mut batch = batch.clone();
            let answered =
                !matches!(filed.value.state, DeclarationState::Sent | DeclarationState::Indeterminate);
            if !answered {
                filed.value.state.step(state)?;
                if let Some((.., Some(note))) = &step {
                    filed.value.note = Some(note.clone());
                }
            }
            if let Some(answer) = answer.clone() {
                filed.value.heard(answer, false);
            }
            if !answered || answer.is_some() {
                batch.put_back(&filed)?;
            }
            let written = match &step {
                // It is filed, whatever the call says of it.
                Some((order, ..)) if answered => {
                    self.stage((*order).clone(), Stage::Declared, None, batch).await
                }
                Some((order, stage, note)) => self.stage((*order).clone(), *stage, note.clone(), batch).await,
                None => self.store.commit(batch).await.map_err(GatewayError::from),
            };
            match written {
                Err(e) if of_declarations(&e) => {}
                other => return other,
            }
        }
    }

    async fn ask_authority(
        &self,
        record: OrderRecord,
        filed: DeclarationRecord,
        done: &mut Fulfilled,
    ) -> Result<()> {
        let id = &filed.declaration.id;
        let customs = self.account(&filed.account)?.clone();
        let Some(receipts) = customs.customs().and_then(|c| c.receipts()) else {
            done.urge(format!(
                "order {}: whether its declaration {id} arrived cannot be asked of account '{}': look it up there",
                record.key(),
                filed.account
            ));
            done.postponed += 1;
            return Ok(());
        };
        match receipts.of(&CallCx::new(), &filed.numbered()).await {
            // Only an answer to the declaration itself proves that it arrived: the papers of order, payment and waybill are
            // answered on their own. Filing again under the same id is safe: the authority keys on that id.
            Ok(found) => {
                let proof = found.iter().any(|r| r.document == FiledDocument::Declaration);
                if proof {
                    let declared = Some((&record, Stage::Declared, None));
                    self.became(id, DeclarationState::Sent, None, declared, Batch::new()).await?;
                } else {
                    done.postponed += 1;
                    self.became(id, DeclarationState::Matched, None, None, Batch::new()).await?;
                }
                for receipt in found {
                    self.take_receipt(&filed.account, receipt, done).await?;
                }
                Ok(())
            }
            Err(e) => {
                done.refused(self.told_unidentified(&e));
                done.postponed += 1;
                Ok(())
            }
        }
    }

    /// An error of an authority, for people: without the numbers of persons that it quotes.
    fn told_unidentified(&self, error: &Error) -> String {
        unidentified(&self.told(error))
    }

    /// Polls receipts of every customs account.
    pub(super) async fn receipts(&self, done: &mut Fulfilled) -> Result<()> {
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
    async fn take_receipt(
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

    /// Withdraws what was filed for orders that were cancelled since. Customs answer with receipts; a declaration that
    /// they released already stays released.
    pub(super) async fn withdraw(&self, done: &mut Fulfilled) -> Result<()> {
        for filed in self.declarations().await? {
            if filed.withdrawn || filed.state.is_settled() || filed.filed_at.is_none() {
                continue;
            }
            let Some(order) = typed::get::<OrderRecord>(&*self.store, &filed.order).await? else { continue };
            if order.value.order.state != OrderState::Cancelled {
                continue;
            }
            let Some(customs) = self.accounts.get(&filed.account).cloned() else {
                done.absent(&filed.account);
                continue;
            };
            let Some(filing) = customs.customs().and_then(|c| c.declare()) else { continue };
            let declaration = filed.numbered();
            let key = CallCx::keyed(format!("{}/withdraw", declaration.id));
            match filing.cancel(&key, &declaration, "the buyer cancelled the order").await {
                Ok(answer) => self.withdrew(&declaration.id, answer).await?,
                // Tried again in the next round; the declaration may have a number then.
                Err(e) => {
                    // What was given for the messages of a cancellation that is not one yet is kept.
                    let asked = FiledDocument::Cancellation;
                    self.alter(&declaration.id, None, |filed| {
                        filed.took(e.given().clone(), asked);
                        Ok(())
                    })
                    .await?;
                    done.refused(self.told_unidentified(&e));
                    done.postponed += 1;
                }
            }
        }
        Ok(())
    }

    /// Writes that a cancellation was asked for, on the declaration as it is stored by now.
    async fn withdrew(&self, id: &DeclarationId, answer: Submitted<Filed>) -> Result<()> {
        self.alter(id, Some("withdraw"), |filed| {
            filed.withdrawn = true;
            filed.heard(answer.clone(), true);
            Ok(())
        })
        .await
    }

    /// Moves an order on when its declaration is settled.
    pub(super) async fn await_release(&self, record: OrderRecord, done: &mut Fulfilled) -> Result<()> {
        let id = record.declaration.clone().unwrap_or_default();
        let Some(filed) = typed::get::<DeclarationRecord>(&*self.store, &id).await? else { return Ok(()) };
        let parcel = record.shipment.as_deref().unwrap_or_default();
        if let Some(parcel) = typed::get::<ShipmentRecord>(&*self.store, parcel).await?
            && done.keeps_back(&record, &parcel.value)
        {
            return Ok(());
        }
        match filed.value.state {
            DeclarationState::Released | DeclarationState::Assessed => {
                done.released += 1;
                let mut batch = Batch::new();
                // The parcel knows that it may move.
                let shipment = record.shipment.clone().unwrap_or_default();
                if let Some(mut parcel) = typed::get::<ShipmentRecord>(&*self.store, &shipment).await? {
                    parcel.value.cleared = filed.value.authority_ref.clone().or_else(|| Some(id.clone()));
                    batch.put_back(&parcel)?;
                }
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
            _ => self.still_waits(record, filed, done).await,
        }
    }

    /// Files a declaration again of which customs said that they did not get to it, and tells of one that waits for too long.
    async fn still_waits(
        &self,
        record: OrderRecord,
        mut filed: Versioned<DeclarationRecord>,
        done: &mut Fulfilled,
    ) -> Result<()> {
        let Some(filed_at) = filed.value.filed_at else { return Ok(()) };
        let waited = self.now().duration_since(filed_at);
        let id = filed.value.declaration.id.clone();
        if filed.value.state == DeclarationState::Sent
            && filed.value.waits.is_none()
            && filed.value.filings < MOST_FILINGS
            && waited > FILED_AGAIN
        {
            // Once for each such answer. Filing again under the same number is safe: the authority keys on it.
            let mine = Filter::all().states(&[id.as_str()]);
            let receipts = typed::list::<ReceiptRecord>(&*self.store, mine).await?;
            let open = receipts.iter().filter(|r| r.value.0.state.is_none() && is_about_it(&r.value.0));
            if open.count() > filed.value.filings as usize {
                filed.value.file_anew()?;
                let mut batch = Batch::new();
                batch.put_back(&filed)?.audit(self.now(), "file again", record.key(), id.to_string());
                return self.stage(record, Stage::ToDeclare, None, batch).await;
            }
        }
        let patience = match filed.value.state {
            DeclarationState::Sent | DeclarationState::Acknowledged => TAKEN_IN_WITHIN,
            _ => DECIDED_WITHIN,
        };
        if waited > patience {
            let last = filed.value.note.as_deref().unwrap_or("nothing");
            let key = record.key();
            let more = if patience == TAKEN_IN_WITHIN {
                format!("; if they do not have it: tradewind fulfil --again {key}")
            } else {
                String::new()
            };
            done.urge(format!(
                "order {key}: its declaration {id} waits for customs since {filed_at} ({}; last heard: {last}): ask them{more}",
                filed.value.state
            ));
        }
        Ok(())
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
        accepted: &[Currency],
    ) -> Result<Declaration, String> {
        let order = &record.order;
        let shipping = self.config.shipping.as_ref().ok_or("[shipping] is missing")?;
        let booked = shipment.booked.as_ref().ok_or("the parcel is not booked")?;
        let request = &shipment.request;
        let amounts = amounts::of(order, amounts::total(order, accepted)?)?;
        let open = order.lines.iter().zip(&amounts.lines).filter(|(line, _)| line.open() > 0);
        let lines: Vec<DeclarationLine> = open
            .zip(&request.contents)
            .map(|((line, (unit_value, value)), packed)| DeclarationLine {
                sku: packed.sku.clone(),
                name: packed.description.clone(),
                specification: String::new(),
                hs: packed.hs,
                origin: packed.origin,
                quantity: line.open(),
                net: packed.net,
                unit_value: *unit_value,
                value: *value,
            })
            .collect();
        let payment = order
            .payments
            .first()
            .ok_or("the channel names no payment for this order, and customs want one")?;
        // The channel tells the payment in the order's currency; of a whole payment the buyer's total is the same money.
        let amount = if payment.amount == order.total { amounts.paid } else { payment.amount };
        let gross = tradewind_domain::Grams(request.parcels.iter().map(|p| p.weight.0).sum());
        let carrier = self.account(&shipment.account).map_err(|e| e.to_string())?.info().id.to_string();
        let to = clean(order.ship_to.clone().ok_or("the channel did not give an address")?);
        let pieces = u32::try_from(request.parcels.len()).map_err(|_| "too many parcels")?;
        Ok(Declaration {
            id: DeclarationId::new(id).map_err(|e| e.to_string())?,
            flow: Flow::Import,
            order: order.id.clone(),
            platform: shipping.platform.clone(),
            ordered_at: order.placed_at.utc,
            buyer: order.buyer.clone(),
            from: request.from.clone(),
            to,
            lines,
            goods: amounts.goods,
            freight: amounts.freight,
            discount: amounts.discount,
            taxes: amounts.taxes,
            paid: amounts.paid,
            payment: Some(DeclaredPayment {
                provider: payment.provider.clone(),
                provider_code: None,
                transaction: payment
                    .transaction
                    .clone()
                    .ok_or("the channel names no transaction number of the payment")?,
                amount,
                paid_at: payment.paid_at.unwrap_or(order.placed_at.utc),
                payer: order.buyer.clone(),
            }),
            waybill: Some(DeclaredWaybill {
                carrier,
                carrier_code: None,
                waybill: booked.waybill.clone(),
                pieces,
                gross,
                freight: amounts.freight,
                insurance: Money::zero(amounts.paid.currency()),
                to: request.to.clone(),
                contents: request
                    .contents
                    .iter()
                    .map(|c| PackedGoods { sku: c.sku.clone(), quantity: c.quantity })
                    .collect(),
            }),
            registrations: shipping.registrations.clone(),
            gross,
            transport: None,
            number: None,
            references: Vec::new(),
        })
    }
}

/// The customs account for parcels to a country, or that there is none.
fn customs_of(shipping: &ShippingConfig, country: Country) -> Result<&AccountId, String> {
    let named = shipping.customs.get(&country);
    named.ok_or_else(|| format!("[shipping.customs] names no account for {country}"))
}

/// Our number of the declaration of a parcel. Twenty characters: what China's customs take.
pub(crate) fn declaration_id(shipment: &str) -> String {
    format!("TD{}", shipment.strip_prefix("TW").unwrap_or(shipment))
}

/// An answer to the declaration itself, or to its cancellation.
fn is_about_it(receipt: &CustomsReceipt) -> bool {
    matches!(receipt.document, FiledDocument::Declaration | FiledDocument::Cancellation)
}

/// Somebody else wrote a declaration meanwhile.
fn of_declarations(error: &GatewayError) -> bool {
    matches!(error, GatewayError::Store(StoreError::Conflict { collection, .. }) if *collection == Collection::Declarations.table())
}

/// Words of an authority without numbers that may identify a person: China's customs quote identity cards. Runs of
/// fifteen and more digits keep their last four.
pub(crate) fn unidentified(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars().map(Some).chain([None]) {
        match c {
            Some(c) if c.is_ascii_digit() || (matches!(c, 'X' | 'x') && run.len() >= 14) => run.push(c),
            other => {
                if run.len() >= 15 {
                    out.push('…');
                    out.push_str(&run[run.len() - 4..]);
                } else {
                    out.push_str(&run);
                }
                run.clear();
                out.extend(other);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::unidentified;

    #[test]
    fn identity_numbers_leave_the_words_of_customs() {
        assert_eq!(
            unidentified("三单比对不符: 姓名 99999919000101123X / 110101190001011234; 运单 1234567890"),
            "三单比对不符: 姓名 …123X / …1234; 运单 1234567890"
        );
        assert_eq!(unidentified("292520262I00000042"), "292520262I00000042");
        assert_eq!(unidentified("99999919000101123X"), "…123X");
        assert_eq!(unidentified(""), "");
    }
}
