//! Declaring: the three documents are matched before anything is filed ([`matched`]), receipts move the state, whatever their order and
//! however often they come ([`receipts`]), and the state moves the order ([`release`]).

mod amounts;
mod limits;
mod matched;
mod orphans;
mod receipts;
mod release;
mod waiting;

use tradewind_connector::role::Declare;
use tradewind_connector::{CallCx, Connector, Error, Facet, Kind, Submitted};
use tradewind_domain::{
    AccountId, Declaration, DeclarationId, DeclarationState, Filed, FiledDocument, IllegalStep,
};
use tradewind_store::typed::{self, Record, Versioned};
use tradewind_store::{Batch, Collection, Filter, StoreError};

use self::matched::customs_of;
use super::Fulfilled;
use crate::gateway::{Gateway, GatewayError, Result};
use crate::records::{DeclarationRecord, OrderRecord, ShipmentRecord, Stage};

/// What is stored of a declaration when the turn of its parcel comes.
enum Stored {
    /// Nothing, or a draft: what is declared is made of the order as it is now.
    Unmatched(Option<Versioned<DeclarationRecord>>),
    /// Its documents were matched: what is declared stands.
    Begun(Versioned<DeclarationRecord>),
}

impl Stored {
    fn new(known: Option<Versioned<DeclarationRecord>>) -> Stored {
        match known {
            Some(filed) if filed.value.state != DeclarationState::Draft => Stored::Begun(filed),
            draft => Stored::Unmatched(draft),
        }
    }

    /// It went to the authority, or may have.
    fn was_sent(&self) -> bool {
        matches!(self, Stored::Begun(filed) if filed.value.state != DeclarationState::Matched)
    }
}

/// Where an authority takes declarations in.
struct Desk<'a> {
    filing: &'a dyn Declare,
    /// It takes changes of what it has given a number.
    amends: bool,
}

impl<'a> Desk<'a> {
    fn of(customs: &'a dyn Connector, account: &AccountId) -> Result<Desk<'a>> {
        let Some(filing) = customs.customs().and_then(|c| c.declare()) else {
            return Err(GatewayError::Config(format!("account '{account}' files no declarations")));
        };
        Ok(Desk { filing, amends: customs.capabilities().support(Facet::Amend).works() })
    }

    /// Files it. A filing anew goes under a key of its own, or the first answer would be given once more; what has a number is changed.
    async fn submit(&self, filed: &DeclarationRecord) -> Result<Submitted<Filed>, Error> {
        let declaration = &filed.declaration;
        let id = &declaration.id;
        if filed.filings == 0 {
            return self.filing.submit(&CallCx::keyed(id.to_string()), declaration).await;
        }
        let anew = CallCx::keyed(format!("{id}/{}", filed.filings));
        if declaration.number.is_some() && self.amends {
            self.filing.amend(&anew, declaration).await
        } else {
            self.filing.submit(&anew, declaration).await
        }
    }
}

/// Where an order goes by what became of its declaration.
struct Step<'a> {
    order: &'a OrderRecord,
    stage: Stage,
    note: Option<String>,
}

impl Gateway {
    /// Files the declaration of an order's parcel, or goes on with one that was begun.
    pub(super) async fn declare(&self, mut record: OrderRecord, done: &mut Fulfilled) -> Result<()> {
        let shipment_id = record.shipment.clone().unwrap_or_default();
        let Some(shipment) = typed::get::<ShipmentRecord>(&*self.store, &shipment_id).await? else {
            return Ok(());
        };
        let shipment = shipment.value;
        let id = declaration_id(&shipment_id);
        let stored = Stored::new(typed::get::<DeclarationRecord>(&*self.store, &id).await?);
        if !stored.was_sent() && done.keeps_back(&record, &shipment) {
            return Ok(());
        }
        let account = match self.files_with(&shipment, &stored) {
            Ok(account) => account,
            Err(why) => return self.stage(record, Stage::Stuck, Some(why), Batch::new()).await,
        };
        let customs = self.account(&account)?.clone();
        let desk = Desk::of(&*customs, &account)?;
        let filed = match stored {
            Stored::Begun(filed) => filed,
            Stored::Unmatched(draft) => match self.declarable(&record, &shipment).await? {
                Ok(declaration) => to_file(draft, account, &record, declaration)?,
                Err(why) => return self.stage(record, Stage::Stuck, Some(why), Batch::new()).await,
            },
        };
        match filed.value.state {
            DeclarationState::Draft | DeclarationState::Matched => {
                self.file(record, filed, &desk, done).await
            }
            // A process died in the middle, or the answer was lost: the authority's receipts tell.
            DeclarationState::Sent | DeclarationState::Indeterminate => {
                record.declaration = Some(id);
                self.ask_authority(record, filed.value, done).await
            }
            // They told already: it arrived, and a second filing would write over what they said.
            _ => {
                record.declaration = Some(id);
                self.stage(record, Stage::Declared, None, Batch::new()).await
            }
        }
    }

    /// The account to file with, or why there is none. What was begun with an authority stays with it, though no parcel is to be
    /// declared there any more.
    fn files_with(&self, shipment: &ShipmentRecord, stored: &Stored) -> Result<AccountId, String> {
        let named = match &self.config.shipping {
            None => Err("[shipping] is missing in the configuration".to_owned()),
            Some(shipping) => customs_of(shipping, shipment.request.to.country),
        };
        match (named, stored) {
            (Ok(account), _) => Ok(account.clone()),
            (Err(_), Stored::Begun(begun)) => Ok(begun.value.account.clone()),
            (Err(why), Stored::Unmatched(_)) => Err(why),
        }
    }

    /// Files a declaration. It stands as sent before the call: an answer that never comes is asked for, and nothing is filed twice.
    async fn file(
        &self,
        mut record: OrderRecord,
        mut filed: Versioned<DeclarationRecord>,
        desk: &Desk<'_>,
        done: &mut Fulfilled,
    ) -> Result<()> {
        // Nothing is filed for an order that was cancelled since it was read.
        let Some(expect) = self.unchanged(&record).await? else { return Ok(()) };
        record.declaration = Some(filed.value.key());
        filed.value.state.step(DeclarationState::Sent)?;
        filed.value.filed_at = Some(self.now());
        let mut batch = Batch::new();
        batch.put_back(&filed)?.put_expecting(&record, expect)?;
        batch.put(&self.allowance(&filed.value.declaration))?;
        self.store.commit(batch).await?;
        let answer = desk.submit(&filed.value).await;
        self.file_answered(&record, &filed.value.declaration.id, answer, done).await
    }

    async fn file_answered(
        &self,
        order: &OrderRecord,
        id: &DeclarationId,
        answer: Result<Submitted<Filed>, Error>,
        done: &mut Fulfilled,
    ) -> Result<()> {
        match answer {
            Ok(answer) => {
                done.filed += 1;
                let mut batch = Batch::new();
                batch.audit(self.now(), "declare", order.key(), id.to_string());
                let declared = Step { order, stage: Stage::Declared, note: None };
                self.became(id, DeclarationState::Sent, Some(answer), Some(declared), batch).await
            }
            Err(e) if e.kind().is_business() => {
                done.failed += 1;
                let note = Some(unidentified(&e.to_string()));
                let stuck = Step { order, stage: Stage::Stuck, note };
                self.became(id, DeclarationState::Rejected, None, Some(stuck), Batch::new()).await
            }
            Err(e) => {
                done.refused(self.told_unidentified(&e));
                done.postponed += 1;
                let state = match e.kind() {
                    Kind::Indeterminate => DeclarationState::Indeterminate,
                    _ => DeclarationState::Matched,
                };
                self.became(id, state, None, None, Batch::new()).await
            }
        }
    }

    /// What a call made of a declaration that was sent, with its answer, in one commit with what belongs to it and the step of its order.
    /// Receipts that another process took in during the call have the last word: what they made of it stays.
    async fn became(
        &self,
        id: &DeclarationId,
        state: DeclarationState,
        answer: Option<Submitted<Filed>>,
        step: Option<Step<'_>>,
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
                if let Some(note) = step.as_ref().and_then(|s| s.note.as_ref()) {
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
                Some(s) if answered => self.stage(s.order.clone(), Stage::Declared, None, batch).await,
                Some(s) => self.stage(s.order.clone(), s.stage, s.note.clone(), batch).await,
                None => self.store.commit(batch).await.map_err(GatewayError::from),
            };
            match written {
                Err(e) if of_declarations(&e) => {}
                other => return other,
            }
        }
    }

    /// Asks whether a declaration arrived of which no answer is known.
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
                    let declared = Some(Step { order: &record, stage: Stage::Declared, note: None });
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

    /// Declarations in final and open states.
    ///
    /// # Errors
    /// The store failed.
    pub async fn declarations(&self) -> Result<Vec<DeclarationRecord>> {
        let all = typed::list::<DeclarationRecord>(&*self.store, Filter::all()).await?;
        Ok(all.into_iter().map(|d| d.value).collect())
    }
}

/// A declaration whose documents match. Of a draft, what the authority gave for it stays.
fn to_file(
    draft: Option<Versioned<DeclarationRecord>>,
    account: AccountId,
    order: &OrderRecord,
    declaration: Declaration,
) -> Result<Versioned<DeclarationRecord>, IllegalStep> {
    let Some(mut known) = draft else {
        let value = DeclarationRecord::new(account, order.key(), declaration);
        return Ok(Versioned { value, version: 0 });
    };
    let filed = &mut known.value;
    let references = std::mem::take(&mut filed.declaration.references);
    filed.declaration = Declaration { number: filed.authority_ref.clone(), references, ..declaration };
    filed.state.step(DeclarationState::Matched)?;
    Ok(known)
}

/// Our number of the declaration of a parcel. Twenty characters: what China's customs take.
pub(crate) fn declaration_id(shipment: &str) -> String {
    format!("TD{}", shipment.strip_prefix("TW").unwrap_or(shipment))
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
