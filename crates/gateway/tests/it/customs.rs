//! Declaring while the authority answers: what proves that a declaration arrived, and what is written over what.

use std::sync::Arc;

use serde_json::json;
use tradewind_connector::{Facet, Kind};
use tradewind_domain::{CustomsReceipt, DeclarationState, FiledDocument, OrderState};
use tradewind_gateway::records::{DeclarationRecord, OrderRecord, ReceiptRecord, Stage};

use crate::fakes::Fake;
use crate::fulfil::{Trade, order};

/// An order whose parcel is declared, and the customs that it is declared to.
async fn trade() -> (Trade, Arc<Fake>) {
    let customs = Fake::new("customs", &[Facet::Declare, Facet::Receipts]);
    let shipping = "customs = { DE = \"customs\" }\n";
    let t = Trade::with(shipping, &[("customs", customs.clone())], &[Facet::Shipments]).await;
    let mut paid = order(OrderState::ReadyToShip, 9);
    let payment = json!([{"provider": "wallet", "transaction": "P-1", "amount": {"amount": "108.00", "currency": "EUR"}}]);
    paid.payments = serde_json::from_value(payment).unwrap();
    t.take(paid).await;
    (t, customs)
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
fn to_declaration(customs: &Fake, state: DeclarationState) -> CustomsReceipt {
    let id = customs.other().filed.last().unwrap().id.clone();
    let receipt = answer(FiledDocument::Declaration, id.as_str(), Some(state));
    CustomsReceipt { declaration: Some(id), ..receipt }
}

fn count(customs: &Fake, call: &str) -> usize {
    customs.other().calls.iter().filter(|c| **c == call).count()
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
        assert_eq!((count(&customs, "file"), count(&customs, "ask")), (1, usize::from(!mailbox_works)));
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
        assert_eq!(count(&customs, "file"), 1, "{end:?}");
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
