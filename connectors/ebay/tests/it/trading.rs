//! The simulated Trading API against eBay's service definition: every call that it serves, done and refused, request and
//! answer.

use tradewind_simulator::{Demand, Fault};
use tradewind_testkit::spec::SpecSet;

use crate::world::{World, quiet};

/// What one call must be answered with.
struct Says<'a> {
    call: &'a str,
    inner: String,
    ack: &'a str,
    /// Of the first error; empty for none.
    code: &'a str,
}

fn says<'a>(call: &'a str, inner: impl Into<String>, ack: &'a str, code: &'a str) -> Says<'a> {
    Says { call, inner: inner.into(), ack, code }
}

impl World {
    /// Makes the call and holds what is sent and answered against the definition; gives the answer.
    async fn says(&self, set: &SpecSet, wanted: Says<'_>) -> String {
        let schema = set.xsd.as_ref().expect("the folder of eBay has the service definition");
        let (asked, told) = self.trading(wanted.call, &wanted.inner).await;
        for document in [&asked, &told] {
            assert_eq!(schema.check(document), [], "{document}");
        }
        assert_eq!(schema.exchange(&asked, Some(&told)), None, "{told}");
        let text = |name: &str| told.split(&format!("<{name}>")).nth(1).and_then(|t| t.split('<').next());
        assert_eq!(text("Ack"), Some(wanted.ack), "{told}");
        assert_eq!(text("ErrorCode").unwrap_or_default(), wanted.code, "{told}");
        told
    }
}

fn item(id: &str) -> String {
    format!("<ItemID>{id}</ItemID>")
}

fn status(id: &str, quantity: u32) -> String {
    format!("<InventoryStatus>{}<Quantity>{quantity}</Quantity></InventoryStatus>", item(id))
}

fn end(id: &str) -> String {
    format!("{}<EndingReason>NotAvailable</EndingReason>", item(id))
}

#[tokio::test]
async fn trading_is_as_its_definition_says() {
    let Some(set) = tradewind_material::found(SpecSet::for_channel("ebay")) else { return };
    let w = World::start(23, Demand { orders_per_day: 6, days: 1, ..quiet() }).await;
    let add = "<Item><Quantity>4</Quantity><StartPrice currencyID=\"EUR\">9.99</StartPrice><Title>Tee &amp; mehr</Title>\
               <SKU>OLD-1</SKU></Item>";
    let told = w.says(&set, says("AddFixedPriceItem", add, "Success", "")).await;
    let old = told.split("<ItemID>").nth(1).unwrap().split('<').next().unwrap();
    let listing = w.put("p1", "MUG-1", 5, "19.99").await.result.unwrap().listing.unwrap();
    let new = listing.as_str();
    let two = status(old, 2) + &status("1", 2);
    // Codes from the fact sheet and the comments of the simulator's module.
    for wanted in [
        says("GeteBayOfficialTime", "", "Success", ""),
        says("AddFixedPriceItem", add, "Failure", "21919067"),
        says("AddFixedPriceItem", "<Item><Title>Tee</Title></Item>", "Failure", "73"),
        says("GetItem", item(old), "Success", ""),
        says("GetItem", item(new), "Success", ""),
        says("GetItem", item("1"), "Failure", "17"),
        says("GetSellerList", "", "Success", ""),
        says("ReviseInventoryStatus", status(old, 3), "Success", ""),
        says("ReviseInventoryStatus", status(new, 3), "Failure", "21919474"),
        says("ReviseInventoryStatus", "", "Failure", "21916635"),
        says("ReviseInventoryStatus", two, "Warning", "21916750"),
        says("EndItem", end("1"), "Failure", "17"),
        says("EndFixedPriceItem", end(new), "Failure", "21919474"),
        says("EndFixedPriceItem", end(old), "Success", ""),
        says("EndFixedPriceItem", end(old), "Failure", "1047"),
        says("GetItem", item(old), "Success", ""),
    ] {
        w.says(&set, wanted).await;
    }
    w.sleep(86_400);
    let told = w.says(&set, says("GetOrders", "", "Success", "")).await;
    let orders: Vec<&str> = told.split("<OrderID>").skip(1).filter_map(|t| t.split('<').next()).collect();
    assert!(!orders.is_empty(), "{told}");
    let window =
        "<ModTimeFrom>2026-01-01T00:00:00.000Z</ModTimeFrom><ModTimeTo>2026-04-01T00:00:00.000Z</ModTimeTo>";
    w.says(&set, says("GetOrders", window, "Failure", "15")).await;
    let paid = w.orders().await.into_iter().find(|o| o.state == tradewind_domain::OrderState::ReadyToShip);
    let shipped = |order: &str| {
        format!(
            "<Shipped>true</Shipped><Shipment><ShipmentTrackingDetails><ShippingCarrierUsed>DHL</ShippingCarrierUsed>\
             <ShipmentTrackingNumber>1234567890</ShipmentTrackingNumber></ShipmentTrackingDetails></Shipment>\
             <OrderID>{order}</OrderID>"
        )
    };
    w.says(&set, says("CompleteSale", shipped(paid.unwrap().id.as_str()), "Success", "")).await;
    w.says(&set, says("CompleteSale", "<Shipped>false</Shipped>", "Failure", "37")).await;
    w.says(&set, says("CompleteSale", shipped("1"), "Failure", "32100")).await;
    // Trouble before a call is handled comes in the frame of its own answer.
    for (fault, code) in [
        (Fault::Throttle, "518"),
        (Fault::ServerError, "10007"),
        (Fault::Lie, "10007"),
        (Fault::ExpireToken, "21917053"),
    ] {
        w.sim.set_fault("ebay", Some("Trading.GetItem"), fault, 1);
        w.says(&set, says("GetItem", item(old), "Failure", code)).await;
    }
    w.assert_specified();
}
