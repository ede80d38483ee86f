//! One row per call that replays a pair: how the connector is driven, what the answer means, and where our request is not the
//! pair's. What an answer means is stated from the pair by hand.

use serde_json::{Value, json};
use tradewind_connector::role::{Draft, ItemOutcome, PriceChange, StockChange};
use tradewind_connector::{CallCx, Facet, Handle, Safety, Submitted};
use tradewind_testkit::{Call, calls};

use super::compare::Apart::{Ours, Unsent};
use super::compare::Exception;

/// Of all rows: parameters that are the same, have a value of ours, are not sent; rows whose pair names none. A comparison that
/// goes blind shows here.
pub(crate) const PARAMETERS: (usize, usize, usize, usize) = (63, 28, 34, 8);

const LISTINGS: &str = "listingsItems_2021-08-01";
const ORDERS: &str = "orders_2026-01-01";
const ORDERS_V0: &str = "ordersV0";
const FEEDS: &str = "feeds_2021-06-30";
const REPORTS: &str = "reports_2021-06-30";
const FINANCES: &str = "finances_2024-06-19";
const FINANCES_V0: &str = "financesV0";
const FEES: &str = "productFeesV0";
const DEFINITIONS: &str = "definitionsProductTypes_2020-09-01";

/// What is expected of an outcome.
pub(crate) enum Expect {
    /// It holds this.
    Shows(Value),
    /// It, or that of its first item, is an error that holds this.
    Fails(Value),
}

/// A call that replays a pair.
pub(crate) struct Row {
    pub(crate) model: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) status: u16,
    /// Number of the pair among those of the status.
    pub(crate) nth: usize,
    pub(crate) store: &'static str,
    pub(crate) seller: &'static str,
    pub(crate) call: Call,
    pub(crate) input: Value,
    /// Answers to the other steps of the call: model and operation, status, body.
    pub(crate) around: Vec<(&'static str, &'static str, u16, Value)>,
    pub(crate) document: &'static str,
    pub(crate) expect: Expect,
    pub(crate) apart: Vec<Exception>,
}

impl Row {
    fn of(model: &'static str, operation: &'static str, call: Call, input: Value) -> Row {
        Row {
            model,
            operation,
            status: 200,
            nth: 0,
            // Whose marketplace id most pairs have.
            store: "US",
            seller: "A1EXAMPLESELLER",
            call,
            input,
            around: Vec::new(),
            document: "",
            expect: Expect::Shows(Value::Null),
            apart: Vec::new(),
        }
    }
    fn pair(self, status: u16, nth: usize) -> Row {
        Row { status, nth, ..self }
    }
    fn store(self, store: &'static str) -> Row {
        Row { store, ..self }
    }
    fn around(self, operation: &'static str, status: u16, body: Value) -> Row {
        let model = self.model;
        self.around_in(model, operation, status, body)
    }
    fn around_in(mut self, model: &'static str, operation: &'static str, status: u16, body: Value) -> Row {
        self.around.push((model, operation, status, body));
        self
    }
    fn document(self, document: &'static str) -> Row {
        Row { document, ..self }
    }
    fn shows(self, value: Value) -> Row {
        Row { expect: Expect::Shows(value), ..self }
    }
    fn fails(self, value: Value) -> Row {
        Row { expect: Expect::Fails(value), ..self }
    }
    /// The pair of status 400: our mistake, in the pair's words, not tried again.
    fn refused(self, code: &str, message: &str) -> Row {
        let upstream = json!({"http": 400, "code": code, "message": message});
        self.pair(400, 0).fails(json!({"kind": "invalid_request", "upstream": upstream}))
    }
    fn ours(mut self, name: &'static str, why: &'static str) -> Row {
        self.apart.push((name, Ours, why));
        self
    }
    fn unsent(mut self, name: &'static str, why: &'static str) -> Row {
        self.apart.push((name, Unsent, why));
        self
    }
}

pub(crate) fn all() -> Vec<Row> {
    [listings(), search(), orders(), confirm(), feeds(), reports(), money(), definitions()]
        .into_iter()
        .flatten()
        .collect()
}

/// Outcomes of items with the fields that a refusal names.
fn told(outcome: Submitted<Vec<ItemOutcome>>) -> Value {
    let Submitted::Done(items) = outcome else { return Value::Null };
    let field = |f: &tradewind_connector::FieldError| json!([f.code, f.field, f.message]);
    let item = |i: &ItemOutcome| match &i.result {
        Ok(accepted) => json!({"sku": i.sku, "accepted": accepted}),
        Err(e) => {
            let mut error = tradewind_testkit::json::error(e);
            error["fields"] = e.fields().iter().map(field).collect();
            json!({"sku": i.sku, "error": error})
        }
    };
    items.iter().map(item).collect()
}

/// A listing is put whole.
fn put() -> Call {
    Call::new("", Facet::Offers, Safety::Natural, |c, sku| async move {
        let offer = json!({
            "sku": sku, "product": "P", "price": {"amount": "100.00", "currency": "USD"}, "quantity": 100, "locale": "en-US",
            "content": {"title": "Hardside Carry-On Spinner Suitcase Luggage", "description": ""}, "category": "LUGGAGE",
        });
        let drafts = Draft::of([serde_json::from_value(offer).unwrap()]);
        Ok(told(c.marketplace().unwrap().offers().unwrap().put(&CallCx::keyed("p"), &drafts).await?))
    })
}

fn patch_stock() -> Call {
    Call::new("", Facet::Stock, Safety::Natural, |c, sku| async move {
        let change: StockChange =
            serde_json::from_value(json!({"key": {"sku": sku}, "quantity": 100})).unwrap();
        Ok(told(c.marketplace().unwrap().stock().unwrap().set(&CallCx::keyed("s"), &[change]).await?))
    })
}

fn patch_price() -> Call {
    Call::new("", Facet::Prices, Safety::Natural, |c, sku| async move {
        let price = json!({"key": {"sku": sku}, "price": {"amount": "100.00", "currency": "USD"}});
        let change: PriceChange = serde_json::from_value(price).unwrap();
        Ok(told(c.marketplace().unwrap().prices().unwrap().set(&CallCx::keyed("c"), &[change]).await?))
    })
}

fn listings() -> Vec<Row> {
    let keys = |sku: &str| json!([{"sku": sku}]);
    let row = |operation, call, input| Row::of(LISTINGS, operation, call, input);
    let sku = "GM-ZDPI-9B4E";
    let bad = |row: Row| row.refused("BAD_REQUEST", "Invalid input");
    let mut rows = vec![
        row("deleteListingsItem", calls::withdraw("", Safety::Natural), keys(sku))
            .shows(json!([{"sku": sku, "accepted": {}}])),
        bad(row("deleteListingsItem", calls::withdraw("", Safety::Natural), keys("BadSKU"))),
        // Buyable: live, whatever Amazon has to say of it. The store's own price, of two.
        row("getListingsItem", calls::read("", Safety::Read), keys(sku)).shows(suitcases()),
        bad(row("getListingsItem", calls::read("", Safety::Read), keys("BadSKU"))),
    ];
    for (operation, call) in [
        ("putListingsItem", put as fn() -> Call),
        ("patchListingsItem", patch_stock),
        ("patchListingsItem", patch_price),
    ] {
        let preview = |row: Row| {
            row.unsent(
                "includedData",
                "a submission tells its issues unasked, and identifiers of a preview alone",
            )
            .unsent("mode", "the connector submits, it has no preview")
        };
        // A preview stores nothing, so its word is none of a submission's: what became of it is read.
        let invalid = |fields: Value| json!({"kind": "rejected", "message": "INVALID: the listing was refused", "fields": fields});
        let fields = match operation {
            "putListingsItem" => json!([
                ["90220", "condition_type", "'condition_type' is required but not supplied."],
                ["90000900", "fake_attribute", "The attributes are invalid."],
            ]),
            _ => json!([["90000900", "fake_attribute", "The attributes are invalid."]]),
        };
        rows.extend([
            row(operation, call(), json!(sku)).shows(json!([{"sku": sku, "accepted": {}}])),
            preview(row(operation, call(), json!("VALIDATION_VALID")))
                .pair(200, 1)
                .fails(json!({"kind": "indeterminate", "message": "submission status 'VALID'"})),
            preview(row(operation, call(), json!("VALIDATION_INVALID"))).pair(200, 2).fails(invalid(fields)),
            bad(row(operation, call(), json!("BadSKU"))),
        ]);
    }
    rows
}

/// The listing that the pairs have, in the store of the United States.
fn suitcases() -> Value {
    let issue =
        |code: &str, attribute: Value| json!({"code": code, "blocking": true, "attribute": attribute});
    json!([{
        "sku": "GM-ZDPI-9B4E", "listing": "B071VG5N9D", "state": "live", "quantity": 100,
        "price": {"amount": "100.00", "currency": "USD"}, "title": "Hardside Carry-On Spinner Suitcase Luggage",
        "issues": [
            issue("90220", json!("size")), issue("18027", Value::Null), issue("99300", Value::Null),
            issue("18155", Value::Null), issue("18742", Value::Null),
        ],
    }])
}

const ONE_STORE: &str = "an account is one store";

fn search() -> Vec<Row> {
    let row = |input| Row::of(LISTINGS, "searchListingsItems", calls::sweep("", Safety::Read), input);
    let next = "xsdflkj324lkjsdlkj3423klkjsdfkljlk2j34klj2l3k4jlksdjl234";
    vec![
        row(json!({}))
            .shows(json!({"items": suitcases(), "next": next}))
            .unsent("identifiers", "a sweep names no listing")
            .unsent("identifiersType", "a sweep names no listing")
            .ours("marketplaceIds", ONE_STORE)
            .ours("pageSize", "always the most that there may be"),
        Row { seller: "SellerId", ..row(json!({})) }
            .refused("BAD_REQUEST", "Invalid input")
            .ours("marketplaceIds", "a store that is none is refused by the settings"),
    ]
}

const CHANGED: &str = "orders are found by when they changed, not by when they were placed";
const PARTS: &str = "the parts that the connector reads are always the same";

fn orders() -> Vec<Row> {
    let search = |cursor: Value| {
        let window = json!({"from": "2024-12-20T00:00:00Z", "to": "2024-12-26T00:00:00Z"});
        let input = json!({"window": window, "cursor": cursor});
        Row::of(ORDERS, "searchOrders", calls::orders("", Safety::Read), input)
            .unsent("createdAfter", CHANGED)
    };
    let get = |id: &str| Row::of(ORDERS, "getOrder", calls::order("", Safety::Read), json!(id));
    let brl = |amount: &str| json!({"amount": amount, "currency": "BRL"});
    let gbp = json!({"amount": "34.99", "currency": "GBP"});
    let jpy = |amount: &str| json!({"amount": amount, "currency": "JPY"});
    let lira = |amount: &str| json!({"amount": amount, "currency": "TRY"});
    let usd = |amount: &str| json!({"amount": amount, "currency": "USD"});
    vec![
        // Sent from Amazon's warehouse: nothing for us to ship.
        search(Value::Null).store("JP").ours("includedData", PARTS).shows(json!({
            "items": [{
                "id": "250-1234567-8901234", "state": "shipped", "raw_status": "SHIPPED", "channel_fulfilled": true,
                "placed_at": {"utc": "2024-12-25T02:30:00Z"}, "updated_at": {"utc": "2024-12-25T06:45:00Z"},
                "total": jpy("19940"), "ship_by": "2024-12-25T23:59:59Z", "buyer": {"name": "John Smith"},
                "ship_to": {"country": "JP", "postcode": "150-0002", "lines": ["123 Business Park", "Suite 456"]},
                "lines": [
                    {"id": "25012345678901", "sku": "ECHO-DOT-4-JP-CHARCOAL", "quantity": 1, "shipped": 1, "total": jpy("5980")},
                    {"id": "25012345678902", "sku": "FIRE-TV-4K-MAX-JP", "quantity": 2, "shipped": 2, "unit_price": jpy("6980"), "total": jpy("13960")},
                ],
            }],
            // Pages after the first keep the first one's upper bound.
            "next": "2024-12-26T00:00:00Z|2YgYW55IGNhcm5hbCBwbGVhc3VyZS4",
        })),
        // Its parcel is on the way.
        search(json!("9ZhB4RmVyc2lvbiAxLjAgb2YgdGhl")).pair(200, 1).store("GB").ours("includedData", PARTS).shows(json!({
            "items": [{
                "id": "202-7654321-1098765", "state": "shipped", "channel_fulfilled": false, "total": gbp,
                "ship_to": {"name": "Sarah Thompson", "country": "GB", "region": "England", "city": "London", "postcode": "SW1A 1AA",
                    "phone": "+44 20 7946 0958", "lines": ["45 Oak Avenue", "Flat 2A"]},
                "lines": [{"id": "20276543210987", "sku": "ECHO-DOT-4-UK-CHARCOAL-SINGLE", "quantity": 1, "shipped": 1}],
            }],
            "next": null,
        })),
        search(Value::Null).pair(200, 2).store("BR").ours("includedData", PARTS).shows(json!({
            "items": [{
                "id": "171-2345678-9012345", "state": "ready_to_ship", "raw_status": "UNSHIPPED", "total": brl("1599.90"),
                "ship_to": {"company": "Oliveira Tecnologia Ltda", "region": "SP", "country": "BR"},
                "payments": [{"provider": "amazon", "amount": brl("1599.90")}],
                "lines": [{"id": "17123456789012", "sku": "DELL-I15-BR-001", "shipped": 0, "total": brl("1599.90")}],
            }],
            "next": null,
        })),
        search(Value::Null).refused("InvalidInput", "Invalid Input"),
        get("171-9876543-2109876").store("BR").ours("includedData", PARTS).shows(json!({
            "id": "171-9876543-2109876", "state": "ready_to_ship", "total": brl("299.90"), "ship_by": "2024-12-27T23:59:59Z",
            "ship_to": {"name": "Maria Silva Santos", "city": "São Paulo", "lines": ["Rua das Flores, 123", "Apartamento 45"]},
            "lines": [{"id": "17198765432109", "sku": "ECHO-DOT-4-BR-PRETO", "quantity": 1, "total": brl("299.90")}],
        })),
        get("028-1234567-8901234").pair(200, 1).store("TR").ours("includedData", PARTS).shows(json!({
            "id": "028-1234567-8901234", "state": "shipped", "total": lira("125.00"),
            "lines": [{"id": "02812345678901", "quantity": 2, "shipped": 2, "unit_price": lira("62.50"), "total": lira("125.00")}],
        })),
        // 39.99 for the goods, and 10.00 of tax on them.
        get("114-9876543-1234567").pair(200, 2).ours("includedData", PARTS).shows(json!({
            "id": "114-9876543-1234567", "state": "ready_to_ship", "total": usd("49.99"), "ship_by": null,
            "ship_to": {"name": "Test Store #1234", "company": "Test Store", "region": "WA"},
            "lines": [{"id": "11498765431234", "total": usd("39.99"), "taxes": [{"amount": usd("10.00"), "included": false}]}],
        })),
        get("TEST_CASE_400").refused("InvalidInput", "Invalid Input"),
    ]
}

fn confirm() -> Vec<Row> {
    let row = || {
        let notice = json!({
            "order": "902-1106328-1059050", "shipment": "S-1", "lines": [{"line": "79039765272157", "quantity": 1}],
            "carrier": "fedex", "waybill": "112345678", "shipped_at": "2022-02-11T01:00:00Z",
        });
        Row::of(ORDERS_V0, "confirmShipment", calls::ship("", Safety::Natural), notice)
            .ours(
                "body/packageDetail/packageReferenceId",
                "made of our shipment, so that a repetition is the same",
            )
            .unsent("body/packageDetail/carrierName", "names the carriers that Amazon has no code for")
            .unsent("body/packageDetail/shippingMethod", "no notice has it")
            .unsent("body/packageDetail/shipFromSupplySourceId", "one stock: no notice has it")
            .unsent("body/packageDetail/orderItems/0/transparencyCodes", "no notice has them")
    };
    vec![
        row().pair(204, 0).shows(json!({"done": null})),
        row()
            .refused("Invalid Input", "Invalid Input")
            .ours("body/packageDetail/shipDate", "an instant is always written as one"),
    ]
}

fn cancel() -> (Call, Value) {
    let line = json!({
        "id": "20312345678901", "sku": "CUP", "channel_sku": "CUP", "title": "Cup", "quantity": 1, "cancelled": 0, "shipped": 0,
        "unit_price": {"amount": "10.00", "currency": "USD"}, "total": {"amount": "10.00", "currency": "USD"},
        "discount": {"amount": "0.00", "currency": "USD"}, "taxes": [],
    });
    let zero = json!({"amount": "0.00", "currency": "USD"});
    let at = json!({"utc": "2026-07-10T08:00:00Z"});
    let order = json!({
        "account": "sandbox", "id": "303-1234567-8901234", "placed_at": at, "updated_at": at, "state": "ready_to_ship",
        "raw_status": "UNSHIPPED", "currency": "USD", "lines": [line], "shipping": zero, "refunded": zero,
        "total": {"amount": "10.00", "currency": "USD"},
    });
    (calls::cancel("", Safety::Natural), json!({"order": order, "reason": "out_of_stock"}))
}

/// How far the feed of a cancellation is.
fn cancelled() -> Call {
    Call::new("", Facet::Cancel, Safety::Read, |c, feed| async move {
        let handle: Handle =
            serde_json::from_value(json!({"flow": "cancel", "id": feed, "step": "poll"})).unwrap();
        let actions = c.marketplace().unwrap().order_actions().unwrap();
        tradewind_testkit::json::write(actions.poll(&CallCx::new(), &handle).await?)
    })
}

const FEED_TYPE: &str = "Amazon took this feed away; the connector sends others";

fn feeds() -> Vec<Row> {
    let document = |id: &str| json!({"feedDocumentId": id, "url": "https://feeds.example/1"});
    let sends = |operation| {
        let (call, input) = cancel();
        Row::of(FEEDS, operation, call, input)
    };
    let asks = |operation, feed: &str| Row::of(FEEDS, operation, cancelled(), json!(feed));
    let done = |document: &str| {
        json!({
            "feedId": "1", "feedType": "POST_ORDER_ACKNOWLEDGEMENT_DATA", "createdTime": "2026-07-31T00:00:00Z",
            "processingStatus": "DONE", "resultFeedDocumentId": document,
        })
    };
    let id = "3d4e42b5-1d6e-44e8-a89c-2abfca0625bb";
    let report = "0356cf79-b8b0-4226-b4b9-0ee058ea5760";
    vec![
        sends("createFeedDocument")
            .pair(201, 0)
            .around("createFeed", 202, json!({"feedId": "1"}))
            .shows(json!({"deferred": {"flow": "cancel", "id": "1"}}))
            .ours("body/contentType", "an acknowledgement is XML"),
        sends("createFeedDocument").refused("400", "Invalid input"),
        sends("createFeed")
            .pair(202, 0)
            .around("createFeedDocument", 201, document(id))
            .shows(json!({"deferred": {"flow": "cancel", "id": "3485934"}}))
            .ours("body/feedType", FEED_TYPE)
            .ours("body/marketplaceIds", ONE_STORE),
        sends("createFeed")
            .around("createFeedDocument", 201, document("badDocumentId"))
            .refused("400", "Invalid input")
            .ours("body/marketplaceIds", ONE_STORE),
        // Called off before it was worked on: the order is as it was.
        asks("getFeed", "feedId1").fails(
            json!({"kind": "rejected", "message": "feed feedId1 was called off: the order is as it was"}),
        ),
        asks("getFeed", "badFeedId1").refused("400", "Invalid input"),
        asks("getFeedDocument", "1")
            .around("getFeed", 200, done(report))
            .document("<AmazonEnvelope><MessagesWithError>0</MessagesWithError></AmazonEnvelope>")
            .shows(json!({"done": null})),
        asks("getFeedDocument", "1")
            .around("getFeed", 200, done("badDocumentId1"))
            .refused("400", "Invalid input"),
    ]
}

fn reports() -> Vec<Row> {
    let window =
        json!({"window": {"from": "2024-03-10T20:11:24Z", "to": "2024-03-20T00:00:00Z"}, "cursor": null});
    let list = || Row::of(REPORTS, "getReports", calls::statements("", Safety::Read), window.clone());
    let sweep = |operation, input| Row::of(REPORTS, operation, calls::sweep("", Safety::Read), input);
    let fetch = |id: &str| {
        Row::of(REPORTS, "getReportDocument", calls::statement("", Safety::Read), json!(format!("1:{id}")))
    };
    let settlements = "the connector lists settlement reports alone";
    let any_state = "those that are not done are left out after reading, as they have no document";
    let returns = || Row::of(REPORTS, "createReport", calls::returns("", Safety::Read), window.clone());
    // More listings than the search shows: the report is asked for.
    let many = json!({"numberOfResults": 1001, "items": []});
    let all_listings = || {
        sweep("createReport", json!({})).pair(202, 0).around_in(
            LISTINGS,
            "searchListingsItems",
            200,
            many.clone(),
        )
    };
    vec![
        // It is not done, so there is nothing to fetch; there is another page.
        list()
            .shows(json!({"items": [], "next": "VGhpcyB0b2tlbiBpcyBvcGFxdWUgYW5kIGludGVudGlvbmFsbHkgb2JmdXNjYXRlZA=="}))
            .ours("reportTypes", settlements)
            .unsent("processingStatuses", any_state),
        list()
            .refused("400", "Invalid input")
            .ours("reportTypes", settlements)
            .unsent("processingStatuses", any_state),
        returns()
            .pair(202, 0)
            .shows(json!({"items": [], "next": "report:0:ID323"}))
            .ours("body/reportType", "a window is what the report of returns has; that of listings is the next row")
            .ours("body/marketplaceIds", ONE_STORE),
        all_listings()
            .shows(json!({"items": [], "next": "report:0:ID323"}))
            .unsent("body/dataStartTime", "all listings are those of now")
            .ours("body/marketplaceIds", ONE_STORE),
        returns()
            .refused("400", "Invalid input")
            .ours("body/reportType", "the connector asks for no report that is none")
            .ours("body/marketplaceIds", ONE_STORE),
        sweep("getReport", json!({"cursor": "report:0:ID323"}))
            .shows(json!({"items": [], "next": "report:1:ID323"})),
        sweep("getReport", json!({"cursor": "report:0:badReportId1"})).refused("400", "Invalid input"),
        fetch("0356cf79-b8b0-4226-b4b9-0ee058ea5760")
            .document("settlement-id\n")
            .shows(json!({"document": {"provider": "amazon", "format": "settlement-v2"}, "text": "settlement-id\n"})),
        fetch("badDocumentId1").refused("400", "Invalid input"),
    ]
}

const GOODS: &str = "the price of the goods alone is asked about";
const POINTS: &str = "no offer gives points";

fn money() -> Vec<Row> {
    let window = |from: &str, to: &str, cursor: Value| json!({"window": {"from": format!("{from}T00:00:00Z"), "to": format!("{to}T00:00:00Z")}, "cursor": cursor});
    let transactions =
        |input| Row::of(FINANCES, "listTransactions", calls::transactions("", Safety::Read), input);
    let groups =
        |input| Row::of(FINANCES_V0, "listFinancialEventGroups", calls::payouts("", Safety::Read), input);
    let fees = |price: &str| {
        let sale = json!({"key": {"sku": "UmaS1"}, "price": {"amount": price, "currency": "USD"}});
        Row::of(FEES, "getMyFeesEstimateForSKU", calls::fees("", Safety::Read), sale)
    };
    let life = "a group closes weeks after it starts: the look goes back so far";
    let most = "always the most that there may be";
    vec![
        // The model's transaction has a number, by which it is booked once; the pair's has none, and is named as an odd one.
        transactions(window("2023-03-07", "2023-03-08", json!("jehgri34yo7jr9e8f984tr9i4o"))).shows(json!({
            "items": [{"error": {"kind": "decode"}}], "next": "2023-03-08T00:00:00Z|Next token value",
        })),
        transactions(window("2022-03-01", "2022-03-07", Value::Null))
            .refused("InvalidInput", "Start date cannot be null"),
        // "Open" and "Closed" are the words of the model; what is neither is no payout.
        groups(window("2019-10-13", "2019-10-31", Value::Null))
            .shows(json!({"items": [], "next": "2019-10-31T00:00:00Z|3493805734095308457308475"}))
            .ours("FinancialEventGroupStartedAfter", life)
            .ours("MaxResultsPerPage", most),
        groups(window("2019-10-13", "2019-10-31", Value::Null))
            .refused("InvalidInput", "Date range is invalid.")
            .ours("MaxResultsPerPage", most),
        // No fee is listed, and none is made up.
        fees("10.00")
            .shows(json!([]))
            .unsent("body/FeesEstimateRequest/PriceToEstimateFees/Shipping/CurrencyCode", GOODS)
            .unsent("body/FeesEstimateRequest/PriceToEstimateFees/Shipping/Amount", GOODS)
            .unsent("body/FeesEstimateRequest/PriceToEstimateFees/Points/PointsNumber", POINTS)
            .unsent(
                "body/FeesEstimateRequest/PriceToEstimateFees/Points/PointsMonetaryValue/CurrencyCode",
                POINTS,
            )
            .unsent("body/FeesEstimateRequest/PriceToEstimateFees/Points/PointsMonetaryValue/Amount", POINTS),
        fees("10.00").refused("InvalidInput", "Incorrect Marketplace identifier.").ours(
            "body/FeesEstimateRequest/MarketplaceId",
            "a store that is none is refused by the settings",
        ),
    ]
}

fn definitions() -> Vec<Row> {
    let find = |words: &str| {
        Row::of(
            DEFINITIONS,
            "searchDefinitionsProductTypes",
            calls::categories("", Safety::Read),
            json!(words),
        )
    };
    let get = |category: &str| {
        Row::of(
            DEFINITIONS,
            "getDefinitionsProductType",
            calls::attributes("", Safety::Read),
            json!(category),
        )
    };
    vec![
        find("luggage").shows(json!([{"id": "LUGGAGE", "path": ["Luggage"], "leaf": true}])),
        find("Invalid Request")
            .refused("BAD_REQUEST", "Invalid input")
            .ours("keywords", "what has a blank in it is two words"),
        get("LUGGAGE")
            .document(r#"{"properties": {"item_name": {}, "brand": {}}, "required": ["brand"]}"#)
            .shows(json!([{"name": "brand", "required": true}, {"name": "item_name", "required": false}])),
        get("INVALID").refused("BAD_REQUEST", "Invalid input"),
    ]
}
