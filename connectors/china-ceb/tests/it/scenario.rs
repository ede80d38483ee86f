//! Filings against the simulated port, over real HTTP and in virtual time. Every message that goes out and every one that
//! comes back is checked against the schemas of customs.

use std::sync::Arc;
use std::time::Duration;

use tradewind_connector::role::Connector;
use tradewind_connector::{CallCx, Clock, Cursor, Error, Kind, all_pages};
use tradewind_domain::{CustomsReceipt, Declaration, DeclarationState, FiledDocument, Money, ReferenceKind};
use tradewind_simulator::{Fault, Simulator};
use tradewind_testkit::{Follow, Live};

use crate::sample;

fn clock(sim: &Arc<Simulator>) -> Arc<dyn Clock> {
    let (a, b) = (sim.clone(), sim.clone());
    Arc::new(Follow { now: move || a.now(), wait: move |d| b.advance(d) })
}

/// An account at the simulated port. `settings` may differ from the example, with the port's address in it.
fn open(sim: &Arc<Simulator>, settings: &str, password: &str) -> Live {
    let c = sim.credentials("china-ceb");
    let secrets = [("bridge_password", password), ("signer_token", c.get("signer_token"))];
    Live::open_inside(&tradewind_china_ceb::FACTORY, settings, &secrets, clock(sim), &[], sample::documents)
        .unwrap()
}

fn settings(sim: &Arc<Simulator>) -> String {
    let url = sim.base_url("china-ceb");
    tradewind_china_ceb::FACTORY
        .example
        .replace("https://bridge.eport.example", &url)
        .replace("http://127.0.0.1:8622", &url)
}

struct Port {
    sim: Arc<Simulator>,
    connector: Arc<dyn Connector>,
    live: Live,
}

impl Port {
    async fn start(seed: u64) -> Port {
        let sim = Simulator::builder()
            .seed(seed)
            .channels(["china-ceb"])
            .hang(Duration::from_millis(50))
            .start()
            .await
            .unwrap();
        let sim = Arc::new(sim);
        let password = sim.credentials("china-ceb").get("bridge_password").to_owned();
        let live = open(&sim, &settings(&sim), &password);
        Port { sim, connector: live.connector.clone(), live }
    }

    async fn submit(&self, d: &Declaration) {
        let declare = self.connector.customs().unwrap().declare().unwrap();
        assert_eq!(declare.validate(d), []);
        declare.submit(&CallCx::keyed(d.id.to_string()), d).await.unwrap();
    }

    fn days(&self, days: u64) {
        self.sim.advance(Duration::from_secs(days * 86_400));
    }

    async fn mail(&self) -> Vec<CustomsReceipt> {
        let receipts = self.connector.customs().unwrap().receipts().unwrap();
        all_pages(
            |cursor: Option<Cursor>| async move { receipts.poll(&CallCx::new(), cursor.as_ref()).await },
        )
        .await
        .unwrap()
    }

    async fn state(&self, d: &Declaration) -> (DeclarationState, Vec<CustomsReceipt>) {
        let receipts = self.connector.customs().unwrap().receipts().unwrap();
        let told = receipts.of(&CallCx::new(), d).await.unwrap();
        (DeclarationState::Sent.after(&told), told)
    }

    /// Every message of this run kept to the schemas.
    fn schemas(&self, least: usize) {
        self.live.assert_exchanges(least);
    }
}

#[tokio::test]
async fn a_filing_is_released_and_taxed() {
    let port = Port::start(11).await;
    let mut d = sample::declaration();
    port.submit(&d).await;
    port.days(4);
    let (state, told) = port.state(&d).await;
    // The tax bill is the last word.
    assert_eq!(state, DeclarationState::Assessed);
    let number = told.iter().find_map(|r| r.authority_ref.clone()).unwrap();
    for document in [
        FiledDocument::Order,
        FiledDocument::Payment,
        FiledDocument::Waybill,
        FiledDocument::Declaration,
        FiledDocument::TaxBill,
    ] {
        assert!(told.iter().any(|r| r.document == document), "{document:?} unanswered");
    }
    // The mailbox tells the same, to one who does not ask for an order.
    let mail: Vec<CustomsReceipt> =
        port.mail().await.into_iter().filter(|r| d.is_answered_by(r, Some(&number))).collect();
    assert_eq!(mail, told);
    // Fact sheet, section 15: (398.00 + 12.00) × 13 % × 70 % = 37.31.
    let bills = port.connector.customs().unwrap().tax_bills().unwrap().of(&CallCx::new(), &d).await.unwrap();
    assert_eq!(bills.len(), 1);
    let charges: Vec<(String, String, String)> = bills[0]
        .charges
        .iter()
        .map(|c| (c.kind.clone(), c.base.unwrap().to_string(), c.amount.to_string()))
        .collect();
    assert_eq!(charges, [("valueAddedTax".to_owned(), "410.00 CNY".to_owned(), "37.31 CNY".to_owned())]);
    assert_eq!(port.sim.ledger().declarations["china-ceb"][d.id.as_str()].state, "released");
    // Too late to cancel: customs say so in a receipt, and the release stands.
    d.number = Some(number);
    let declare = port.connector.customs().unwrap().declare().unwrap();
    declare.cancel(&CallCx::keyed("late"), &d, "buyer changed his mind").await.unwrap();
    port.days(1);
    let (state, told) = port.state(&d).await;
    assert_eq!(state, DeclarationState::Assessed);
    assert!(told.iter().any(|r| r.document == FiledDocument::Cancellation && r.code == "-623005"));
    // Four papers and a cancellation out, in and without envelope; and all the receipts.
    port.schemas(30);
}

#[tokio::test]
async fn lost_answers_are_filed_again_and_counted_once() {
    let port = Port::start(12).await;
    let d = sample::declaration();
    port.sim.set_fault("china-ceb", None, Fault::DropAfter, 3);
    port.submit(&d).await;
    port.days(4);
    assert_eq!(port.state(&d).await.0, DeclarationState::Assessed);
    let ledger = port.sim.ledger();
    assert_eq!(ledger.declarations["china-ceb"].len(), 1);
    assert!(ledger.complaints.is_empty(), "{:?}", ledger.complaints);
    assert!(port.connector.pipeline().counts().retried >= 3);
    port.schemas(5);
}

#[tokio::test]
async fn papers_that_disagree_are_not_sent() {
    let port = Port::start(16).await;
    let declare = port.connector.customs().unwrap().declare().unwrap();
    // The carrier was told another telephone than the platform.
    let mut d = sample::declaration();
    d.waybill.as_mut().unwrap().to.phone = Some("13900000000".to_owned());
    assert_eq!(declare.validate(&d).len(), 1);
    // Nobody looked: the filing itself does.
    for refused in
        [declare.submit(&CallCx::keyed("a"), &d).await, declare.amend(&CallCx::keyed("b"), &d).await]
    {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidRequest);
        assert!(error.to_string().contains("13900000000"), "{error}");
    }
    assert_eq!(port.connector.pipeline().counts().sent, 0);
}

#[tokio::test]
async fn a_refused_list_is_amended_and_a_stored_one_cancelled() {
    let port = Port::start(13).await;
    let declare = port.connector.customs().unwrap().declare().unwrap();
    // A price ten times too high, the same on every paper: over the limit of one purchase (5,000 yuan), which only
    // customs check here. 2 × 2,990.00 + 12.00 + 37.31 = 6,029.31.
    let mut d = sample::declaration();
    let mut wrong = d.clone();
    let yuan = |text: &str| Money::parse(text, "CNY".parse().unwrap()).unwrap();
    wrong.lines[0].unit_value = yuan("2990.00");
    wrong.lines[0].value = yuan("5980.00");
    wrong.goods = wrong.lines[0].value;
    wrong.paid = yuan("6029.31");
    wrong.payment.as_mut().unwrap().amount = wrong.paid;
    assert_eq!(declare.validate(&wrong), []);
    declare.submit(&CallCx::keyed("first"), &wrong).await.unwrap();
    port.days(1);
    let (state, told) = port.state(&d).await;
    assert_eq!(state, DeclarationState::Rejected);
    assert!(told.iter().any(|r| r.code == "-621005"));
    // Corrected under the same numbers.
    declare.amend(&CallCx::keyed("second"), &d).await.unwrap();
    // Until customs have stored it. Concluded it is a minute later at the earliest.
    let mut told = Vec::new();
    for _ in 0..60 {
        port.sim.advance(Duration::from_secs(30));
        let state;
        (state, told) = port.state(&d).await;
        if state == DeclarationState::Registered {
            break;
        }
    }
    assert!(told.iter().any(|r| r.document == FiledDocument::Declaration && r.code == "120"));
    d.number = told.iter().find_map(|r| r.authority_ref.clone());
    declare.cancel(&CallCx::keyed("third"), &d, "买家取消订单").await.unwrap();
    port.days(1);
    let (state, _) = port.state(&d).await;
    assert_eq!(state, DeclarationState::Cancelled);
    port.schemas(5);
}

#[tokio::test]
async fn papers_of_a_list_without_number_are_deleted() {
    let port = Port::start(14).await;
    let d = sample::declaration();
    port.submit(&d).await;
    // Taken in, but before customs look (a minute later at the earliest): nothing is numbered yet.
    port.sim.advance(Duration::from_secs(30));
    let declare = port.connector.customs().unwrap().declare().unwrap();
    // The list stands: that is not a withdrawal yet.
    let key = CallCx::keyed("stop");
    let not_yet = declare.cancel(&key, &d, "").await.unwrap_err();
    assert!(not_yet.kind() == Kind::Conflict && not_yet.message().contains("120"), "{not_yet}");
    // Their people look the three deletions up by these: order, payment, waybill.
    let numbers = |e: &Error| -> Vec<String> {
        let of: Vec<_> = e.given().references.iter().map(|r| (r.document, r.kind.clone())).collect();
        let papers = [FiledDocument::Order, FiledDocument::Payment, FiledDocument::Waybill];
        assert_eq!(of, papers.map(|paper| (paper, ReferenceKind::Message)));
        e.given().references.iter().map(|r| r.value.clone()).collect()
    };
    let deleted = numbers(&not_yet);
    assert_eq!(deleted.iter().collect::<std::collections::HashSet<_>>().len(), 3, "{deleted:?}");
    // Asked again, nothing is sent again, and they are the same.
    let sent = port.connector.pipeline().counts().sent;
    let again = declare.cancel(&key, &d, "").await.unwrap_err();
    assert_eq!((again.kind(), numbers(&again)), (Kind::Conflict, deleted));
    assert_eq!(port.connector.pipeline().counts().sent, sent);
    port.days(2);
    let (state, told) = port.state(&d).await;
    assert_eq!(state, DeclarationState::Rejected);
    assert!(told.iter().any(|r| r.code == "100" && r.message.contains("三单信息不全")));
    let before = port.connector.pipeline().counts().sent;
    // Had they numbered it: the same intention now cancels the list itself, by a signature and a CEB623.
    let numbered = Declaration { number: Some("292520262I00000042".to_owned()), ..d };
    declare.cancel(&key, &numbered, "买家取消订单").await.unwrap();
    assert_eq!(port.connector.pipeline().counts().sent, before + 2);
    port.schemas(5);
}

#[tokio::test]
async fn a_wrong_password_and_a_refused_envelope_say_what_to_do() {
    let port = Port::start(15).await;
    let settings = settings(&port.sim);
    let open = |settings: &str, password: &str| open(&port.sim, settings, password).connector;
    let d = sample::declaration();
    let submit = |c: Arc<dyn Connector>| {
        let d = d.clone();
        async move {
            let declare = c.customs().unwrap().declare().unwrap();
            declare.submit(&CallCx::keyed("k"), &d).await.unwrap_err()
        }
    };
    assert_eq!(submit(open(&settings, "wrong")).await.kind(), Kind::Unauthenticated);
    let password = port.sim.credentials("china-ceb").get("bridge_password").to_owned();
    let other = settings.replace("# receiver_id = \"DXPEDCCEB0000002\"", "receiver_id = \"DXPNOBODY\"");
    let error = submit(open(&other, &password)).await;
    assert_eq!((error.kind(), error.upstream_ref().unwrap().code.as_str()), (Kind::Config, "2001"));
}
