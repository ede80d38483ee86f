//! What carriers are told of the goods in a parcel: what customs see, and nothing where there are none.

use serde_json::json;
use tradewind_connector::Facet;
use tradewind_domain::OrderState;
use tradewind_gateway::records::{OrderRecord, ProductRecord, ShipmentRecord, Stage};
use tradewind_store::Batch;

use crate::fulfil::{Trade, order};

/// From Germany: carriers are told of goods where customs see them, and of none within the customs and tax territory of the Union,
/// in which goods need no HS code either.
#[tokio::test]
async fn goods_are_told_to_a_carrier_where_customs_see_them() {
    let lanes = [
        (json!({"country": "DE"}), false),
        (json!({"country": "FR", "postcode": "75001"}), false),
        (json!({"country": "GB", "postcode": "BT1 5GS"}), false),
        (json!({"country": "GB", "postcode": "SW1A 1AA"}), true),
        (json!({"country": "ES", "postcode": "35001"}), true),
        (json!({"country": "CH"}), true),
    ];
    for (to, declared) in lanes {
        for hs in ["420222", ""] {
            let t = Trade::with("", &[], &[Facet::Shipments]).await;
            if hs.is_empty() {
                let mut bag = t.one::<ProductRecord>().await;
                bag.0.variants[0].hs = None;
                let mut batch = Batch::new();
                batch.put(&bag).unwrap();
                t.gateway.store.commit(batch).await.unwrap();
            }
            let mut sold = order(OrderState::ReadyToShip, 9);
            sold.ship_to = Some(serde_json::from_value(to.clone()).unwrap());
            t.take(sold).await;
            t.gateway.fulfil().await.unwrap();
            if declared && hs.is_empty() {
                let stuck = t.one::<OrderRecord>().await;
                assert_eq!(stuck.stage, Stage::Stuck);
                assert!(stuck.note.unwrap().contains("no HS code or origin, and the parcel passes customs"));
                continue;
            }
            let request = t.one::<ShipmentRecord>().await.request;
            assert_eq!(!request.contents.is_empty(), declared, "{to}");
            // The order's line, whatever of it is told: 3 × 400 g and 108.00.
            let first = request.parcels[0].weight.0;
            assert_eq!((first, request.invoice.total.to_string().as_str()), (1_200, "108.00 EUR"), "{to}");
        }
    }
}
