//! What is told of an order that is over: everything that is kept of it, oldest first.

use tradewind_connector::Facet;
use tradewind_domain::{DeclarationState, OrderState};
use tradewind_gateway::records::Stage;

use crate::customs::{to_declaration, trade};
use crate::fulfil::{Trade, order};

/// Everything that is kept of an order has its line, oldest first, with whose word it is.
#[tokio::test]
async fn the_history_of_an_order_tells_parcel_declaration_receipt_and_confirmation() {
    let (t, customs) = trade().await;
    t.gateway.fulfil().await.unwrap();
    let released = to_declaration(&customs, DeclarationState::Released);
    customs.other().receipts.push(released);
    t.gateway.fulfil().await.unwrap();
    let shop = "shop".parse().unwrap();
    let history = t.gateway.history(&shop, "A-1").await.unwrap().unwrap();
    assert_eq!(history.order.stage, Stage::Confirmed);
    assert_eq!((history.shipments.len(), history.declarations.len(), history.receipts.len()), (1, 1, 1));
    let parcel = history.shipments[0].request.id.to_string();
    let told: Vec<String> = history.timeline.iter().map(|h| format!("{} [{}]", h.what, h.source)).collect();
    for part in [
        "placed: 108.00 EUR, 1 lines [shop]".to_owned(),
        "imported as ".to_owned(),
        format!("booked: parcel {parcel} [our journal]"),
        "declared: ".to_owned(),
        "customs answered 2 said: Released [customs]".to_owned(),
        "released by customs:".to_owned(),
        format!("confirmed to the channel: parcel {parcel} [our journal]"),
    ] {
        assert!(told.iter().any(|line| line.contains(&part)), "{part}: {told:#?}");
    }
    assert!(history.timeline.is_sorted_by_key(|h| h.at), "{told:#?}");
    assert!(told[0].starts_with("placed"), "{told:#?}");
    assert!(t.gateway.history(&shop, "A-2").await.unwrap().is_none());
}

/// China's customs quote identity cards.
#[tokio::test]
async fn the_history_of_an_order_does_not_quote_identity_numbers() {
    let (t, customs) = trade().await;
    t.gateway.fulfil().await.unwrap();
    let mut refused = to_declaration(&customs, DeclarationState::Rejected);
    refused.message = "the payer is not 110101190001011234".to_owned();
    customs.other().receipts.push(refused);
    t.gateway.fulfil().await.unwrap();
    let history = t.gateway.history(&"shop".parse().unwrap(), "A-1").await.unwrap().unwrap();
    assert_eq!(history.receipts[0].0.message, "the payer is not …1234");
    let told: Vec<&str> = history.timeline.iter().map(|h| h.what.as_str()).collect();
    assert!(told.contains(&"customs answered 2 the payer is not …1234: Rejected"), "{told:#?}");
    assert!(!told.iter().any(|line| line.contains("110101190001011234")), "{told:#?}");
}

/// When it was cancelled by the channel's word, and when we heard of it.
#[tokio::test]
async fn the_history_of_a_cancelled_order_says_when() {
    let t = Trade::new(&[Facet::Shipments]).await;
    t.take(order(OrderState::Cancelled, 11)).await;
    let history = t.gateway.history(&"shop".parse().unwrap(), "A-1").await.unwrap().unwrap();
    let line = |part: &str| history.timeline.iter().find(|h| h.what.contains(part)).unwrap().clone();
    let (channel, ours) = (line("last change: Cancelled"), line("channel changed it: Cancelled"));
    assert_eq!((channel.at.to_string().as_str(), channel.source.as_str()), ("2026-08-01T11:00:00Z", "shop"));
    assert_eq!((ours.at.to_string().as_str(), ours.source.as_str()), ("2026-08-01T10:00:00Z", "our journal"));
    assert!(ours.what.ends_with("cancelled"), "the stage that followed: {}", ours.what);
}
