//! Declaring while the authority answers: what proves that a declaration arrived, and what is written over what.

use std::sync::Arc;

use serde_json::json;
use tradewind_connector::{Facet, Handle, Kind, Submitted};
use tradewind_domain::{
    CustomsReceipt, DeclarationState, Filed, FiledDocument, OrderPayment, OrderState, ReferenceKind,
};
use tradewind_gateway::records::{DeclarationRecord, OrderRecord, ReceiptRecord, Stage};
use tradewind_store::{Filter, typed};

use crate::fakes::Fake;
use crate::fulfil::{Trade, order};

/// An order whose parcel is declared, and the customs that it is declared to.
pub(crate) async fn trade() -> (Trade, Arc<Fake>) {
    let customs = Fake::new("customs", &[Facet::Declare, Facet::Receipts]);
    let shipping = "customs = { DE = \"customs\" }\n";
    let t = Trade::with(shipping, &[("customs", customs.clone())], &[Facet::Shipments]).await;
    let mut paid = order(OrderState::ReadyToShip, 9);
    paid.payments = self::paid();
    t.take(paid).await;
    (t, customs)
}

/// The order, paid whole.
pub(crate) fn paid() -> Vec<OrderPayment> {
    let payment = json!([{"provider": "wallet", "transaction": "P-1", "amount": {"amount": "108.00", "currency": "EUR"}}]);
    serde_json::from_value(payment).unwrap()
}

/// An answer about a document, by the number of that document.
fn answer(document: FiledDocument, reference: &str, state: Option<DeclarationState>) -> CustomsReceipt {
    CustomsReceipt {
        declaration: None,
        authority_ref: None,
        document,
        reference: reference.to_owned(),
        code: "2".to_owned(),
        message: "said".to_owned(),
        state,
        at: "2026-08-01T10:00:00Z".parse().unwrap(),
        key: format!("{document:?}/{reference}"),
    }
}

/// An answer to what was filed last.
pub(crate) fn to_declaration(customs: &Fake, state: DeclarationState) -> CustomsReceipt {
    let id = customs.other().filed.last().unwrap().id.clone();
    let receipt = answer(FiledDocument::Declaration, id.as_str(), Some(state));
    CustomsReceipt { declaration: Some(id), ..receipt }
}

#[tokio::test]
async fn an_answer_to_a_paper_does_not_prove_that_the_declaration_arrived() {
    let (t, customs) = trade().await;
    customs.other().fail.push(("file", Kind::Indeterminate));
    let done = t.gateway.fulfil().await.unwrap();
    assert_eq!((done.filed, done.postponed), (0, 1), "{done:?}");
    assert_eq!(t.one::<DeclarationRecord>().await.state, DeclarationState::Indeterminate);
    // The papers of order and payment were answered, the declaration was not: it is filed again, under the same number.
    let papers = [answer(FiledDocument::Order, "A-1", None), answer(FiledDocument::Payment, "P-1", None)];
    customs.other().receipts.extend(papers);
    assert_eq!(t.gateway.fulfil().await.unwrap().filed, 0);
    assert_eq!(t.one::<DeclarationRecord>().await.state, DeclarationState::Matched);
    assert_eq!(t.gateway.fulfil().await.unwrap().filed, 1);
    assert_eq!(t.one::<OrderRecord>().await.stage, Stage::Declared);
    let filed = customs.other().filed.clone();
    assert!(filed.len() == 2 && filed[0].id == filed[1].id);
}

#[tokio::test]
async fn an_answer_to_the_declaration_proves_that_it_arrived() {
    // It comes by itself, or only when it is asked for.
    for mailbox_works in [true, false] {
        let (t, customs) = trade().await;
        customs.other().fail.push(("file", Kind::Indeterminate));
        t.gateway.fulfil().await.unwrap();
        let receipt = to_declaration(&customs, DeclarationState::Acknowledged);
        customs.other().receipts.push(receipt);
        if !mailbox_works {
            customs.other().fail.push(("mailbox", Kind::Unavailable));
        }
        t.gateway.fulfil().await.unwrap();
        assert_eq!(t.one::<OrderRecord>().await.stage, Stage::Declared, "{mailbox_works}");
        assert_eq!(t.one::<DeclarationRecord>().await.state, DeclarationState::Acknowledged);
        assert_eq!((customs.count("file"), customs.count("ask")), (1, usize::from(!mailbox_works)));
    }
}

#[tokio::test]
async fn what_customs_said_during_the_filing_is_not_overwritten() {
    // Whatever the call itself ends with.
    for end in [None, Some(Kind::Indeterminate), Some(Kind::Duplicate), Some(Kind::Unavailable)] {
        let (t, customs) = trade().await;
        let (gateway, at) = (t.gateway.clone(), customs.clone());
        let filing = t.gateway.clone();
        customs.before("file", move || async move {
            // Another process reads the release; which declaration it is about is in the store alone by now.
            let known = filing.declarations().await.unwrap().remove(0).declaration.id;
            let receipt =
                answer(FiledDocument::Declaration, known.as_str(), Some(DeclarationState::Released));
            at.other().receipts.push(CustomsReceipt { declaration: Some(known), ..receipt });
            gateway.fulfil().await.unwrap();
            at.other().fail.extend(end.map(|kind| ("file", kind)));
        });
        t.gateway.fulfil().await.unwrap();
        assert_eq!(t.one::<DeclarationRecord>().await.state, DeclarationState::Released, "{end:?}");
        assert_eq!(t.one::<OrderRecord>().await.stage, Stage::Confirmed, "{end:?}");
        assert_eq!(customs.count("file"), 1, "{end:?}");
    }
}

#[tokio::test]
async fn a_message_of_customs_that_cannot_be_read_is_told() {
    let (t, customs) = trade().await;
    let mut receipt = answer(FiledDocument::Other, "0b5e", None);
    receipt.code = "unreadable".to_owned();
    receipt.message = "no envelope, of 110101190001011234".to_owned();
    customs.other().receipts.push(receipt);
    let done = t.gateway.fulfil().await.unwrap();
    // Where, what, and without the number of an identity card.
    let told = done.notes.iter().find(|n| n.contains("customs: ")).unwrap();
    for words in ["unreadable", "no envelope, of …1234", "Other/0b5e"] {
        assert!(told.contains(words), "{told}");
    }
    // Kept, and told once.
    assert_eq!(t.one::<ReceiptRecord>().await.0.reference, "0b5e");
    assert_eq!(t.gateway.fulfil().await.unwrap().notes, Vec::<String>::new());
}

/// A tax bill names the authority's number alone. Here it comes before the answer that tells that number, in a round of its own.
#[tokio::test]
async fn a_tax_bill_that_comes_before_the_number_it_names_finds_its_declaration() {
    let (t, customs) = trade().await;
    t.gateway.fulfil().await.unwrap();
    let id = t.one::<DeclarationRecord>().await.declaration.id;
    let mut bill = answer(FiledDocument::TaxBill, "26CN7", Some(DeclarationState::Assessed));
    bill.at = "2026-08-02T12:00:00Z".parse().unwrap();
    customs.other().receipts.push(bill);
    let done = t.gateway.fulfil().await.unwrap();
    assert!(done.notes.iter().any(|n| n.contains("belongs to no declaration of ours")), "{:?}", done.notes);
    let mut release = answer(FiledDocument::Declaration, "26CN7", Some(DeclarationState::Released));
    release.at = "2026-08-02T11:00:00Z".parse().unwrap();
    (release.declaration, release.authority_ref) = (Some(id.clone()), Some("26CN7".to_owned()));
    customs.other().receipts.push(release);
    t.gateway.fulfil().await.unwrap();
    assert_eq!(t.one::<DeclarationRecord>().await.state, DeclarationState::Assessed);
    let receipts = typed::list::<ReceiptRecord>(&*t.gateway.store, Filter::all()).await.unwrap();
    assert_eq!(receipts.len(), 2);
    assert!(receipts.iter().all(|r| r.value.0.declaration.as_ref() == Some(&id)), "{receipts:?}");
    // Once.
    assert_eq!(t.gateway.fulfil().await.unwrap().notes, Vec::<String>::new());
}

/// China's customs quote identity cards in refusals, and whatever fails, the round is printed and logged.
#[tokio::test]
async fn no_round_quotes_an_identity_number_that_an_error_of_customs_names() {
    const CARD: &str = "110101190001011234";
    for (call, kind) in [
        ("mailbox", Kind::Unavailable),
        ("file", Kind::Rejected),
        ("file", Kind::Unavailable),
        ("ask", Kind::Unavailable),
        ("go on", Kind::Rejected),
        ("go on", Kind::Unsupported),
        ("go on", Kind::Unavailable),
        ("withdraw", Kind::Rejected),
    ] {
        let (t, customs) = trade().await;
        match call {
            "ask" => customs.other().fail.push(("file", Kind::Indeterminate)),
            "go on" => customs.other().filing.push_back(job("sent")),
            _ => {}
        }
        if matches!(call, "ask" | "go on" | "withdraw") {
            t.gateway.fulfil().await.unwrap();
        }
        if call == "withdraw" {
            t.take(order(OrderState::Cancelled, 10)).await;
        }
        customs.other().says = Some("the payer is not 110101190001011234");
        customs.other().fail.push((call, kind));
        let done = t.gateway.fulfil().await.unwrap();
        let told = serde_json::to_string(&done).unwrap();
        assert!(told.contains("the payer is not …1234") && !told.contains(CARD), "{call} {kind:?}: {told}");
    }
}

/// A no in so many words is no yes (`Fulfilled::failed`).
#[tokio::test]
async fn a_plain_refusal_of_a_filing_or_of_a_void_is_counted() {
    let (t, customs) = trade().await;
    customs.other().fail.push(("file", Kind::Rejected));
    let done = t.gateway.fulfil().await.unwrap();
    assert_eq!((done.filed, done.failed, done.stuck), (0, 1, 1), "{done:?}");
    let t = Trade::new(&[Facet::Shipments, Facet::VoidShipment]).await;
    t.cancel_during(&t.carrier, "book");
    t.carrier.other().fail.push(("void", Kind::Rejected));
    let done = t.gateway.fulfil().await.unwrap();
    assert_eq!((done.voided, done.failed, done.after_cancellation), (0, 1, 1), "{done:?}");
}

const CONVERSATION: &str = "8a3b2c5e-5b1c-4a52-9a3e-0c7e1d2f3a4b";

fn job(step: &str) -> Submitted<Filed> {
    let (flow, id) = ("filing".to_owned(), "J1".to_owned());
    Submitted::Deferred(Handle { flow, id, step: step.to_owned(), state: json!(null), not_before: None })
}

/// As UK CDS does it: 202 with a conversation, which later answers name; the MRN comes with one of them.
#[tokio::test]
async fn what_the_authority_gave_is_kept_and_its_answers_are_known_by_it() {
    let (t, customs) = trade().await;
    let at = "2026-08-01T10:00:00Z".parse().unwrap();
    let taken = Filed::with(ReferenceKind::Message, CONVERSATION, at);
    customs.other().filing.push_back(Submitted::Done(taken.clone()));
    assert_eq!(t.gateway.fulfil().await.unwrap().filed, 1);
    let record = t.one::<DeclarationRecord>().await;
    assert_eq!(record.declaration.references, taken.references);
    assert_eq!((record.authority_ref, record.waits), (None, None));
    let mut receipt = answer(FiledDocument::Declaration, CONVERSATION, Some(DeclarationState::Acknowledged));
    receipt.authority_ref = Some("26GB0000000000001".to_owned());
    customs.other().receipts.push(receipt);
    let done = t.gateway.fulfil().await.unwrap();
    assert_eq!(done.notes, Vec::<String>::new(), "it is not nobody's");
    let record = t.one::<DeclarationRecord>().await;
    assert_eq!(record.state, DeclarationState::Acknowledged);
    assert_eq!(record.authority_ref.as_deref(), Some("26GB0000000000001"));
    // The buyer cancels: the authority is asked under its own number, and gives another conversation.
    let second = Filed::with(ReferenceKind::Message, "another", at);
    customs.other().filing.push_back(Submitted::Done(second.clone()));
    t.take(order(OrderState::Cancelled, 10)).await;
    t.gateway.fulfil().await.unwrap();
    let asked = customs.other().withdrawn.remove(0);
    assert_eq!(asked.number.as_deref(), Some("26GB0000000000001"));
    assert_eq!(asked.references, taken.references);
    let record = t.one::<DeclarationRecord>().await;
    assert!(record.withdrawn);
    let mut of_it = second.references;
    of_it[0].document = FiledDocument::Cancellation;
    assert_eq!(record.declaration.references, [taken.references, of_it].concat());
    // Its refusal names nothing but that conversation; the adapter cannot tell it from one of the declaration.
    let refusal = answer(FiledDocument::Declaration, "another", Some(DeclarationState::Rejected));
    customs.other().receipts.push(refusal);
    t.gateway.fulfil().await.unwrap();
    let record = t.one::<DeclarationRecord>().await;
    assert_eq!(record.state, DeclarationState::Acknowledged, "the declaration stands");
}

#[tokio::test]
async fn a_filing_that_is_taken_in_later_is_asked_about_until_it_is() {
    let (t, customs) = trade().await;
    let number = Filed::with(ReferenceKind::Number, "26GB1", "2026-08-01T10:00:00Z".parse().unwrap());
    customs.other().filing.extend([job("sent"), job("half"), Submitted::Done(number)]);
    t.gateway.fulfil().await.unwrap();
    let waits = |r: DeclarationRecord| r.waits.map(|w| w.handle.step);
    assert_eq!(waits(t.one().await).as_deref(), Some("sent"));
    assert_eq!(t.one::<OrderRecord>().await.stage, Stage::Declared);
    // The question itself may fail: asked again with the same handle.
    customs.other().fail.push(("go on", Kind::Unavailable));
    customs.other().filing.push_front(job("lost"));
    assert_eq!(t.gateway.fulfil().await.unwrap().postponed, 1);
    assert_eq!(waits(t.one().await).as_deref(), Some("sent"));
    t.gateway.fulfil().await.unwrap();
    assert_eq!(waits(t.one().await).as_deref(), Some("half"));
    t.gateway.fulfil().await.unwrap();
    let record = t.one::<DeclarationRecord>().await;
    assert_eq!((record.authority_ref.as_deref(), record.waits.is_none()), (Some("26GB1"), true));
    t.gateway.fulfil().await.unwrap();
    let asked: Vec<String> = customs.other().polled.iter().map(|h| h.step.clone()).collect();
    assert_eq!(asked, ["sent", "sent", "half"]);
    assert_eq!(customs.count("file"), 1, "filed once");
}

#[tokio::test]
async fn a_filing_that_is_refused_later_stops_the_order() {
    for (kind, stage) in [(Kind::Rejected, Stage::Stuck), (Kind::Unsupported, Stage::Declared)] {
        let (t, customs) = trade().await;
        customs.other().filing.push_back(job("sent"));
        t.gateway.fulfil().await.unwrap();
        customs.other().fail.push(("go on", kind));
        let done = t.gateway.fulfil().await.unwrap();
        // The refusal, and what the order needs then.
        assert_eq!(done.notes.len(), if stage == Stage::Stuck { 2 } else { 1 }, "{kind:?}");
        let record = t.one::<DeclarationRecord>().await;
        // Who cannot be asked has refused nothing: the receipts tell.
        let state = if kind == Kind::Rejected { DeclarationState::Rejected } else { DeclarationState::Sent };
        assert_eq!((record.state, record.waits), (state, None));
        assert_eq!(t.one::<OrderRecord>().await.stage, stage, "{kind:?}");
    }
}

#[tokio::test]
async fn a_release_that_came_meanwhile_outweighs_a_late_refusal_and_a_refused_withdrawal_changes_nothing() {
    let (t, customs) = trade().await;
    customs.other().filing.push_back(job("sent"));
    t.gateway.fulfil().await.unwrap();
    let held = to_declaration(&customs, DeclarationState::Held);
    customs.other().receipts.push(held);
    customs.other().fail.push(("go on", Kind::Duplicate));
    t.gateway.fulfil().await.unwrap();
    assert_eq!(t.one::<DeclarationRecord>().await.state, DeclarationState::Held);
    customs.other().filing.push_back(job("withdrawal"));
    t.take(order(OrderState::Cancelled, 10)).await;
    t.gateway.fulfil().await.unwrap();
    customs.other().fail.push(("go on", Kind::Rejected));
    t.gateway.fulfil().await.unwrap();
    let record = t.one::<DeclarationRecord>().await;
    assert_eq!((record.state, record.waits), (DeclarationState::Held, None));
    assert!(record.note.is_some_and(|n| n.contains("rejected")));
    t.gateway.fulfil().await.unwrap();
    assert_eq!(customs.count("withdraw"), 1, "a person looks at it; it is not asked for ever");
}

#[tokio::test]
async fn customs_that_are_not_configured_any_more_stop_nobody() {
    let (t, customs) = trade().await;
    customs.other().filing.push_back(job("sent"));
    t.gateway.fulfil().await.unwrap();
    t.take(order(OrderState::Cancelled, 10)).await;
    let mut second = order(OrderState::Shipped, 9);
    second.id = "A-2".parse().unwrap();
    t.take(second).await;
    // To be asked about, and to be withdrawn.
    let done = t.without("customs").fulfil().await.unwrap();
    assert_eq!(done.gone, [("customs".parse().unwrap(), 2)].into(), "{done:?}");
    assert_eq!(done.after_cancellation, 1, "what comes behind it is done: {done:?}");
}

/// China numbers a list late: until then its papers can be deleted, and nothing more.
#[tokio::test]
async fn a_withdrawal_is_asked_for_until_the_declaration_itself_is_withdrawn() {
    let (t, customs) = trade().await;
    t.gateway.fulfil().await.unwrap();
    t.take(order(OrderState::Cancelled, 10)).await;
    let deleted = Filed::with(ReferenceKind::Message, "DEL-1", t.gateway.clock.now());
    let written = async || {
        let id = t.one::<DeclarationRecord>().await.declaration.id;
        let known = typed::get::<DeclarationRecord>(&*t.gateway.store, id.as_str()).await.unwrap();
        known.unwrap().version
    };
    let before = written().await;
    // Two rounds; what is given again is kept once, and written once.
    for _ in 0..2 {
        customs.other().fail.push(("withdraw", Kind::Conflict));
        customs.other().filing.push_back(Submitted::Done(deleted.clone()));
        t.gateway.fulfil().await.unwrap();
        let record = t.one::<DeclarationRecord>().await;
        assert!(!record.withdrawn);
        let kept: Vec<_> = record.declaration.references.iter().map(|r| r.value.as_str()).collect();
        assert_eq!(kept, ["DEL-1"]);
        assert_eq!(written().await, before + 1);
    }
    let mut numbered = to_declaration(&customs, DeclarationState::Registered);
    numbered.authority_ref = Some("292520262I00000042".to_owned());
    customs.other().receipts.push(numbered);
    t.gateway.fulfil().await.unwrap();
    assert!(t.one::<DeclarationRecord>().await.withdrawn);
    let numbers: Vec<_> = customs.other().withdrawn.iter().map(|d| d.number.clone()).collect();
    assert_eq!(numbers, [None, None, Some("292520262I00000042".to_owned())]);
}

/// Customs' own trouble (China: -621013, "try again") decides nothing: filed again an hour later, once for each such answer.
#[tokio::test]
async fn what_customs_neither_took_nor_refused_is_filed_again() {
    let (t, customs) = trade().await;
    t.gateway.fulfil().await.unwrap();
    let mut trouble = to_declaration(&customs, DeclarationState::Sent);
    (trouble.state, trouble.code) = (None, "-621013".to_owned());
    customs.other().receipts.push(trouble.clone());
    let done = t.gateway.fulfil().await.unwrap();
    assert!(done.notes.iter().any(|n| n.contains("-621013") && n.contains("decides nothing")), "{done:?}");
    for (minutes, filed) in [(59, 1), (2, 2), (120, 2)] {
        t.gateway.clock.sleep(std::time::Duration::from_secs(minutes * 60)).await;
        t.gateway.fulfil().await.unwrap();
        t.gateway.fulfil().await.unwrap();
        assert_eq!(customs.other().filed.len(), filed, "{minutes}");
    }
    let filed = customs.other().filed.clone();
    assert_eq!(filed[0].id, filed[1].id);
}

#[tokio::test]
async fn a_declaration_of_which_nothing_is_heard_is_told() {
    let (t, customs) = trade().await;
    t.gateway.fulfil().await.unwrap();
    let told = async |hours: u64| {
        t.gateway.clock.sleep(std::time::Duration::from_secs(hours * 3_600)).await;
        let done = t.gateway.fulfil().await.unwrap();
        done.notes
            .iter()
            .any(|n| n.contains("order shop/A-1: its declaration") && n.contains("waits for customs"))
    };
    assert_eq!([told(24).await, told(1).await], [false, true]);
    // A person asked there, and files it once more.
    assert_eq!(t.gateway.try_again("shop/A-1").await.unwrap(), Stage::ToDeclare);
    assert_eq!((t.gateway.fulfil().await.unwrap().filed, customs.other().filed.len()), (1, 2));
    // An inspection takes days.
    let held = to_declaration(&customs, DeclarationState::Held);
    customs.other().receipts.push(held);
    assert_eq!([told(71).await, told(24 * 4).await], [false, true]);
    let refused = t.gateway.try_again("shop/A-1").await.unwrap_err().to_string();
    assert!(refused.contains("in the hands of customs (Held)"), "{refused}");
}
