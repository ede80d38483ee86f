//! What the suite asks beside goldens and single faults: each with a connector that does it wrong.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tradewind_connector::{Cancels, Error, Facet, Safety};
use tradewind_domain::Money;
use tradewind_testkit::spec::{OpenApi, SpecSet, Xsd};
use tradewind_testkit::{Answer, Call, Report, Suite, calls, cx, json};

use crate::corner::{
    Defect, ONE, Safe, Send, Takes, cancelling, deferring, loading, looking_first, safe, selling, taking,
    with,
};
use crate::suite_bites::{Runs, stock, suite};

const OK: &str = r#"{"ok":true}"#;
const CHANGE: &str = r#"[{"key":{"sku":"A-1"},"quantity":7}]"#;

/// Fixtures of this test alone: (`op/case`, kind, input, answers).
fn fixtures(name: &str, cases: &[(&str, &str, &str, &[&str])]) -> PathBuf {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    for (case, kind, input, answers) in cases {
        let case = scratch.join(case);
        std::fs::create_dir_all(&case).unwrap();
        let meta = format!("kind = \"{kind}\"\nprovenance = \"made by this test\"");
        std::fs::write(case.join("meta.toml"), meta).unwrap();
        std::fs::write(case.join("input.json"), input).unwrap();
        for (n, answer) in answers.iter().enumerate() {
            let file = if n == 0 { "response".to_owned() } else { format!("response.{}", n + 1) };
            std::fs::write(case.join(file), format!("200\ncontent-type: application/json\n\n{answer}\n"))
                .unwrap();
        }
    }
    scratch
}

fn plain(fixtures: &Path) -> Suite {
    suite(
        fixtures,
        SpecSet::of(
            "corner",
            OpenApi::parse("corner.json", r#"{"openapi":"3.0.0","info":{},"paths":{}}"#).unwrap(),
        ),
    )
}

/// Failures but for goldens, specifications and missing cases, which are other tests' business.
fn failures(report: &Report) -> Vec<String> {
    let known = ["Codec", "Specification", "Manifest"];
    report.failures().into_iter().filter(|f| !known.iter().any(|k| f.starts_with(k))).collect()
}

/// Without a defect nothing fails; with each, this.
async fn bites(run: impl AsyncFn() -> Report, defects: &[(Defect, &str)]) {
    with(Defect::None);
    assert_eq!(failures(&run().await), Vec::<String>::new());
    let mut runs = Runs::default();
    for (defect, words) in defects {
        let one = async || {
            with(*defect);
            run().await
        };
        let found = runs.failures(*defect, one).await;
        assert!(found.iter().any(|f| f.contains(words)), "{defect:?} '{words}': {found:#?}");
    }
    with(Defect::None);
}

#[tokio::test]
async fn a_keyed_write_carries_its_key() {
    let _alone = ONE.lock().await;
    let folder = fixtures("corner-keyed", &[("stock.set/ok", "happy", CHANGE, &[OK])]);
    safe(Safe::Keyed);
    let day = Safety::Keyed { ttl: std::time::Duration::from_secs(86_400) };
    let run = async || plain(&folder).call(stock(day)).run().await;
    let defects = [
        (Defect::SendsNoKey, "a keyed write does not carry its key"),
        (Defect::KeyPerAttempt, "one key gives two requests"),
    ];
    bites(run, &defects).await;
    // A key that stands in a volatile header alone shows nothing.
    let hidden = plain(&folder).volatile(&["idempotency-key"]).call(stock(day)).run().await;
    assert!(hidden.failures().iter().any(|f| f.contains("does not carry its key")), "{hidden}");
    safe(Safe::Natural);
}

#[tokio::test]
async fn a_write_that_is_read_back_carries_a_reference_that_is_looked_up() {
    let _alone = ONE.lock().await;
    let known = r#"{"sku":"A-1","ok":true}"#;
    let cases = [
        ("stock.set/ok", "happy", CHANGE, &[OK, OK][..]),
        ("stock.set/known", "other", CHANGE, &[known, OK][..]),
    ];
    let folder = fixtures("corner-read-back", &cases);
    safe(Safe::ReadBack);
    looking_first(true);
    let call = || stock(Safety::ReadBack).read_back("A-1", "stock.set/known");
    let run = async || plain(&folder).call(call()).run().await;
    let defects = [
        (Defect::NamesNothing, "#2: a write to be read back carries no reference"),
        (Defect::LooksForNothing, "stock.set/known: writes again"),
        (Defect::LooksBlindly, "stock.set/known: the reference decides nothing"),
    ];
    bites(run, &defects).await;
    let unnamed = plain(&folder).call(stock(Safety::ReadBack)).run().await;
    assert!(unnamed.failures().iter().any(|f| f.contains("carries no reference []")), "{unnamed}");
    looking_first(false);
    safe(Safe::Natural);
}

fn paged() -> Call {
    let call = Call::new("stock.page", Facet::Stock, Safety::Read, |c, input| async move {
        let cursor = input.get("cursor").and_then(Value::as_str);
        c.pipeline().call(&Send::page(cursor), &(), &cx()).await
    });
    call.paged()
}

#[tokio::test]
async fn the_second_page_is_not_the_first() {
    let _alone = ONE.lock().await;
    let page = |next: &'static str| {
        fixtures(&format!("corner-page-{}", next.len()), &[("stock.page/ok", "happy", "null", &[next])])
    };
    let folder = page(r#"{"items":[1],"next":"p2"}"#);
    let run = async || plain(&folder).call(paged()).run().await;
    bites(run, &[(Defect::ForgetsTheCursor, "the cursor \"p2\" is in no request")]).await;
    let last = page(r#"{"items":[1],"next":null}"#);
    let report = plain(&last).call(paged()).run().await;
    assert!(report.failures().iter().any(|f| f.contains("no case has a next page")), "{report}");
}

/// What a connector makes of the records of a page.
type Reads = fn(Vec<Value>) -> Result<Value, Error>;

fn records(reads: Reads) -> Call {
    let call = Call::new("stock.page", Facet::Stock, Safety::Read, move |c, input| async move {
        let cursor = input.get("cursor").and_then(Value::as_str);
        let page = c.pipeline().call(&Send::page(cursor), &(), &cx()).await?;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        Ok(serde_json::json!({ "items": reads(items)?, "next": page["next"] }))
    });
    call.paged().records("/items")
}

#[tokio::test]
async fn one_odd_record_keeps_back_no_other() {
    let _alone = ONE.lock().await;
    let page = r#"{"items":["A","B"],"next":"p2"}"#;
    let folder = fixtures("corner-records", &[("stock.page/ok", "happy", "null", &[page])]);
    fn named(v: Value) -> Result<Value, Error> {
        if v.is_string() { Ok(v) } else { Err(Error::decode("a name")) }
    }
    let right: Reads = |all| json::records(all.into_iter().map(named).collect());
    let refuses: Reads = |all| all.into_iter().map(named).collect::<Result<Vec<_>, _>>().map(Value::Array);
    let drops: Reads = |all| Ok(all.into_iter().filter(Value::is_string).collect());
    for (reads, fine) in [(right, true), (refuses, false), (drops, false)] {
        let report = plain(&folder).call(records(reads)).run().await;
        let found = report.failures().iter().any(|f| f.contains("one odd record keeps back others"));
        assert_eq!(found, !fine, "{report}");
    }
}

#[tokio::test]
async fn money_is_neither_rounded_nor_shifted() {
    let _alone = ONE.lock().await;
    let cases = [("stock.price/ok", "happy", "null", &[r#"{"amount":"12.50","currency":"EUR"}"#][..])];
    let folder = fixtures("corner-price", &cases);
    let read = || {
        Call::new("stock.price", Facet::Stock, Safety::Read, |c, _| async move {
            c.pipeline().call(&Send::price(), &(), &cx()).await
        })
    };
    let run = async || plain(&folder).call(read()).run().await;
    bites(run, &[(Defect::RoundsMoney, "in JPY amounts changed: 12.50 EUR is 12 JPY")]).await;
    let cases = [("stock.reprice/ok", "happy", r#"{"amount":"12.50","currency":"EUR"}"#, &[OK][..])];
    let folder = fixtures("corner-reprice", &cases);
    let write = || {
        // One amount is no list of changes: the call is of no facet that has batches.
        let call = Call::new("stock.reprice", Facet::Acknowledge, Safety::Natural, |c, input| async move {
            let price: Money = json::read(input)?;
            c.pipeline().call(&Send::reprice(price), &(), &cx()).await
        });
        call.serves(&[Facet::Stock])
    };
    let run = async || plain(&folder).call(write()).run().await;
    // 1250 yen as 12.50; 12.500 dinar, 12500 fils, as 125.00.
    let defects = [
        (Defect::ShiftsMoney, "1250 JPY is in no request"),
        (Defect::ShiftsMoney, "12.5 KWD is in no request"),
    ];
    bites(run, &defects).await;
}

const CUP: &str = r#"{"sku":"A-1","product":"A","price":{"amount":"1.00","currency":"EUR"},"quantity":1,"locale":"de",
    "content":{"title":"Cup","description":"A cup."}}"#;

#[tokio::test]
async fn a_title_too_long_is_refused_unsent() {
    let _alone = ONE.lock().await;
    let offers = format!("[{CUP}]");
    let folder = fixtures("corner-title", &[("offers.put/ok", "happy", &offers, &[OK])]);
    selling(true);
    let put = || calls::put("offers.put", Safety::Natural);
    let run = async || plain(&folder).call(put()).run().await;
    let defects = [
        (Defect::TakesAnyTitle, "a title of 11 characters is not refused unsent"),
        // Eight letters of two bytes each: more than 14 bytes, fewer than 10 characters.
        (Defect::CountsNoBytes, "a title of 16 bytes is not refused unsent"),
        (Defect::IgnoresTheBatch, "offers.put/ok: a batch is 2, and 3 items are in one request"),
    ];
    bites(run, &defects).await;
    selling(false);
}

/// As the gateway puts them: drafts, of which the limits are those of the offers in them, and siblings, which stay.
#[tokio::test]
async fn a_product_that_goes_as_a_whole_keeps_the_variants_that_stay() {
    let _alone = ONE.lock().await;
    let sibling = CUP.replace("A-1", "A-2");
    let drafts = format!(
        r#"[{{"product":"A","offers":[{{"offer":{CUP},"listing":"77/1","shown":1}}],"siblings":[{{"offer":{sibling},"listing":"77/2","shown":1}}]}}]"#
    );
    let put = || calls::put("offers.put", Safety::Natural);
    let alone = format!("[{CUP}]");
    selling(true);
    taking(Takes::Whole);
    let folder = fixtures("corner-whole", &[("offers.put/ok", "happy", &drafts, &[OK])]);
    let run = async || plain(&folder).call(put()).run().await;
    let defects = [
        (Defect::TakesAnyTitle, "offers.put/ok: a title of 11 characters is not refused unsent"),
        (Defect::IgnoresTheBatch, "offers.put/ok: a batch is 2, and 3 items are in one request"),
        (Defect::DropsSiblings, "a variant that stays is in no write, by none of [\"77/2\", \"A-2\"]"),
        (Defect::PutsSiblingsAsShown, "a variant that stays goes without its 4711 units (it showed 4712)"),
    ];
    bites(run, &defects).await;
    let folder = fixtures("corner-no-sibling", &[("offers.put/ok", "happy", &alone, &[OK])]);
    let none = plain(&folder).call(put()).run().await;
    assert!(
        none.failures().iter().any(|f| f.contains("no case of Offers puts a draft with a sibling")),
        "{none}"
    );
    // One that reads the product itself names them by id, and must say that the rest stays.
    taking(Takes::WholeAsRead);
    let there = r#"{"variants":["77/1","77/2"]}"#;
    let folder = fixtures("corner-whole-read", &[("offers.put/ok", "happy", &drafts, &[there, OK])]);
    let run = async || {
        let put = put().leaves_siblings("by its id alone it stays as it is");
        plain(&folder).call(put).run().await
    };
    bites(run, &[(Defect::DropsSiblings, "a variant that stays is in no write")]).await;
    let unsaid = plain(&folder).call(put()).run().await;
    assert!(unsaid.failures().iter().any(|f| f.contains("goes without its 4711 units")), "{unsaid}");
    taking(Takes::Offers);
    selling(false);
}

/// Each level of `Bounds::cancels`, by what a channel would cancel beyond what was asked for, or not be told.
#[tokio::test]
async fn no_more_is_cancelled_than_was_asked_for() {
    let _alone = ONE.lock().await;
    let order = |lines: &str| {
        let none = r#"{"amount":"0.00","currency":"EUR"}"#;
        let at = r#"{"utc":"2026-07-30T10:00:00Z"}"#;
        format!(
            r#"{{"reason":"out_of_stock","order":{{"account":"conformance","id":"O-1","placed_at":{at},"updated_at":{at},"state":"ready_to_ship",
            "raw_status":"","currency":"EUR","lines":[{lines}],"shipping":{none},"total":{none},"refunded":{none}}}}}"#
        )
    };
    let line = r#"{"id":"L-17","quantity":1,"unit_price":{"amount":"0.00","currency":"EUR"},"total":{"amount":"0.00","currency":"EUR"},
        "discount":{"amount":"0.00","currency":"EUR"}}"#;
    let (with_line, without) = (order(line), order(""));
    let cancel = || calls::cancel("orders.cancel", Safety::Natural);
    let of = |name: &str, input: &str| fixtures(name, &[("orders.cancel/ok", "happy", input, &[OK])]);
    let folder = of("corner-cancel", &with_line);
    let run = async || plain(&folder).call(cancel()).run().await;
    for (least, defects) in [
        (
            Cancels::Orders,
            &[
                (Defect::CancelsAnything, "to cancel one unit of a thousand is not refused unsent"),
                (Defect::CancelsAnything, "to cancel a unit more than is open is not refused unsent"),
                // What it takes for right refuses one unit, too, and lets one line of two cancel both.
                (Defect::TakesWholeLines, "to cancel one line of two is not refused unsent"),
            ][..],
        ),
        (
            Cancels::Lines,
            &[
                (Defect::CancelsAnything, "to cancel one unit of a thousand is not refused unsent"),
                (Defect::CancelsAnything, "to cancel a line of another order is not refused unsent"),
                (Defect::NamesNoLines, "this line or that: the channel is told the same (1 writes)"),
            ][..],
        ),
        (
            Cancels::Units,
            &[
                (Defect::CancelsMoreThanIsOpen, "to cancel a unit more than is open is not refused unsent"),
                (Defect::NamesNoUnits, "seven units or eight: the channel is told the same (1 writes)"),
                (Defect::CancelsAnything, "this line or that: the channel is told the same (1 writes)"),
            ][..],
        ),
    ] {
        cancelling(Some(least));
        bites(&run, defects).await;
    }
    let bare = of("corner-cancel-bare", &without);
    let bare = plain(&bare).call(cancel()).run().await;
    assert!(bare.failures().iter().any(|f| f.contains("orders.cancel/ok: its order has no line")), "{bare}");
    cancelling(None);
}

/// Quantities as a feed: asked about by the facet that deferred them, and over when the channel says so.
#[tokio::test]
async fn what_is_done_later_is_asked_about() {
    let _alone = ONE.lock().await;
    let folder = fixtures("corner-later", &[("stock.set/ok", "happy", CHANGE, &[OK])]);
    deferring(true);
    let run = async || plain(&folder).call(stock(Safety::Natural)).run().await;
    let defects = [
        (Defect::ForgetsItsJobs, "flow 'stock' is deferred, and poll does not go on with it: "),
        (Defect::EndsJobsUnasked, "poll does not go on with it: it is done, without an answer that says so"),
        (Defect::AsksNobody, "poll does not go on with it: nothing was asked"),
        (Defect::EndsJobsOnErrors, "poll does not go on with it: it is done, without an answer that says so"),
    ];
    bites(run, &defects).await;
    deferring(false);
}

#[tokio::test]
async fn each_item_has_one_outcome_in_the_order_of_the_items() {
    let _alone = ONE.lock().await;
    let offers = format!("[{CUP}]");
    // Three are put one by one, each with an answer of its own.
    let folder = fixtures("corner-outcomes", &[("offers.put/ok", "happy", &offers, &[OK])]);
    selling(true);
    let run = async || plain(&folder).call(calls::put("offers.put", Safety::Natural)).run().await;
    let defects = [
        (
            Defect::ReversesOutcomes,
            "offers.put/ok, three of it: one outcome per item in their order: 3 items have 3 outcomes; number 1 is 'ITEM-0002-END', and 'ITEM-0003-END' is told",
        ),
        (
            Defect::LeavesOutcomesOut,
            "offers.put/ok: one outcome per item in their order: 1 items have 0 outcomes; number 1 is 'A-1', and 'none' is told",
        ),
    ];
    bites(run, &defects).await;
    selling(false);
}

/// `Offers::list`: one submission of at most three, which is asked about when it is over.
#[tokio::test]
async fn a_bulk_submission_takes_as_many_as_is_said_and_tells_of_each() {
    let _alone = ONE.lock().await;
    let offers = format!("[{CUP},{}]", CUP.replace("A-1", "A-0"));
    let folder = fixtures("corner-load", &[("offers.load/ok", "happy", &offers, &[OK])]);
    let later = folder.join("offers.load/ok/later");
    let _ = std::fs::remove_file(&later);
    selling(true);
    loading(true);
    let list = || calls::list("offers.load", Safety::Natural);
    let run = async || plain(&folder).call(list()).run().await;
    with(Defect::None);
    let untold = run().await;
    assert!(
        untold.failures().iter().any(|f| f.contains("nothing shows what becomes of each item")),
        "{untold}"
    );
    std::fs::write(&later, "200\ncontent-type: application/json\n\n{\"done\":true}\n").unwrap();
    let defects = [
        (
            Defect::ReversesOutcomes,
            "asked later: one outcome per item in their order: 2 items have 2 outcomes",
        ),
        (Defect::LeavesOutcomesOut, "and of 4: one outcome per item in their order: 4 items have 3 outcomes"),
        (Defect::OverfillsTheBulk, "a bulk submission takes 3, and of 4 4 are in one request"),
        (Defect::LosesTheRest, "and of 4: one outcome per item in their order: 4 items have 3 outcomes"),
        (Defect::FillsHalfTheBulk, "a bulk submission takes 3, and of 3 2 are in one request"),
    ];
    bites(&run, &defects).await;
    // Declared and not made, made and not declared.
    let words = "Bounds::bulk_from is set, and no call of the suite makes a bulk submission";
    let put = plain(&folder).call(calls::put("offers.load", Safety::Natural)).run().await;
    assert!(put.failures().iter().any(|f| f.contains(words)), "{put}");
    loading(false);
    let words = "a call makes a bulk submission, and Bounds::bulk_from says that there is none";
    let list = run().await;
    assert!(list.failures().iter().any(|f| f.contains(words)), "{list}");
    selling(false);
}

/// What is not said, not there, or not true any more.
#[tokio::test]
async fn what_a_suite_leaves_out_fails_it() {
    let _alone = ONE.lock().await;
    with(Defect::None);
    let folder = fixtures("corner-left-out", &[("stock.set/ok", "happy", CHANGE, &[OK])]);
    let all = plain(&folder)
        .fresh(&["x-never"])
        .known_deviation("no such failure", "none")
        .call(stock(Safety::Natural))
        .run()
        .await;
    for words in [
        "stock.set has no business-error case",
        "stock.set has no rate-limit case",
        "'x-never' is said to be fresh in every attempt, and no request has it",
        "no check fails with 'no such failure' any more",
    ] {
        assert!(all.failures().iter().any(|f| f.contains(words)), "'{words}': {all}");
    }
    let bare = Suite::new(&crate::corner::FACTORY, env!("CARGO_MANIFEST_DIR"))
        .fixtures(&folder)
        .secret("client_secret", "corner-secret-0001")
        .token(
            "/token",
            Answer::json(200, r#"{"access_token":"tok-12345","token_type":"bearer","expires_in":3600}"#),
        )
        .volatile(&["x-sign"])
        .known_deviation("has no rate-limit case", "shown with every run")
        .call(stock(Safety::Natural))
        .run()
        .await;
    for words in [
        "none is said to be fresh in every attempt",
        "say how it is refused with status 200",
        "unsigned answers are not believed: say how they are signed with Suite::signs_answers",
    ] {
        assert!(bare.failures().iter().any(|f| f.contains(words)), "'{words}': {bare}");
    }
    assert!(!bare.failures().iter().any(|f| f.contains("has no rate-limit case")), "{bare}");
    assert!(
        bare.to_string().contains("KNOWN DEVIATION, shown with every run: stock.set has no rate-limit case")
    );
}

/// A byte order mark and a blank before the first tag do not hide a document from its schema.
#[tokio::test]
async fn an_xml_body_behind_a_mark_is_checked() {
    let _alone = ONE.lock().await;
    with(Defect::None);
    crate::corner::speaking(crate::corner::Dialect::Xml);
    const XSD: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
      <xs:element name="stock"><xs:complexType><xs:sequence><xs:element name="sku" type="xs:string"/>
        <xs:element name="quantity" type="xs:integer"/></xs:sequence></xs:complexType></xs:element>
      <xs:element name="answer"><xs:complexType><xs:sequence><xs:element name="ok" type="xs:boolean"/></xs:sequence></xs:complexType></xs:element>
    </xs:schema>"#;
    for (n, before) in ["\u{feff}", "\r\n "].iter().enumerate() {
        let wrong = format!("{before}<answer><ok>true</ok><extra/></answer>");
        let folder = fixtures(&format!("corner-mark-{n}"), &[("stock.set/ok", "happy", CHANGE, &[&wrong])]);
        let set = SpecSet::of_xsd("corner", Xsd::parse(&[("corner.xsd".into(), XSD.into())]).unwrap());
        let report = suite(&folder, set).call(stock(Safety::Natural)).run().await;
        let found =
            report.failures().iter().any(|f| f.starts_with("Specification") && f.contains("of the answer"));
        assert!(found, "{before:?}: {report}");
    }
    crate::corner::speaking(crate::corner::Dialect::Json);
}
