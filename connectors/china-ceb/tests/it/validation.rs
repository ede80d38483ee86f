//! What would be refused, found offline and named with both values; and the schemas of customs over every message.

use std::sync::Arc;

use tradewind_connector::role::Connector;
use tradewind_connector::{AccountConfig, ReplayTransport, Runtime, Secrets, VirtualClock};
use tradewind_domain::{Country, Currency, Declaration, HsCode, Money, Transport};

use crate::sample;

fn open(settings: &str) -> Result<Arc<dyn Connector>, tradewind_connector::Error> {
    let clock = Arc::new(VirtualClock::starting(jiff_start()));
    let runtime = Runtime::in_memory(clock.clone(), Arc::new(ReplayTransport::new(Vec::new(), clock)));
    let secrets = Secrets::of(&[("bridge_password", "p"), ("signer_token", "t")]);
    (tradewind_china_ceb::FACTORY.open)(AccountConfig::of("customs", settings, secrets)?, runtime)
}

fn jiff_start() -> jiff::Timestamp {
    "2026-03-15T02:30:00Z".parse().unwrap()
}

fn example() -> String {
    tradewind_china_ceb::FACTORY.example.to_owned()
}

fn faults(settings: &str, declaration: &Declaration) -> Vec<(String, String, String)> {
    let connector = open(settings).unwrap();
    let found = connector.customs().unwrap().declare().unwrap().validate(declaration);
    found.into_iter().map(|m| (m.field, m.left, m.right)).collect()
}

#[test]
fn the_worked_example_is_fine() {
    assert_eq!(faults(&example(), &sample::declaration()), []);
}

#[test]
fn each_rule_is_named_with_both_values() {
    type Break = fn(&mut Declaration);
    let cases: &[(Break, &str, &str)] = &[
        // 三单 first: a fen of difference.
        (
            |d| {
                d.payment.as_mut().unwrap().amount =
                    Money::parse("447.30", Currency::new("CNY").unwrap()).unwrap()
            },
            "amount of the order and of the payment",
            "447.31 CNY",
        ),
        (|d| d.id = "D".repeat(21).parse().unwrap(), "copNo", "21 characters"),
        (|d| d.to.phone = None, "buyerTelephone", "nothing"),
        (|d| d.buyer.tax_ids.clear(), "buyerIdNumber", "nothing"),
        (|d| d.waybill = None, "waybill", "none"),
        (|d| d.payment = None, "payment", "none"),
        (|d| d.lines[0].origin = Country::new("AQ").unwrap(), "country", "AQ"),
        (|d| d.lines[0].hs = HsCode::new("610910").unwrap(), "gcode", "610910"),
        (|d| d.payment.as_mut().unwrap().provider = "other".to_owned(), "payCode", "other"),
        (|d| d.waybill.as_mut().unwrap().carrier = "other".to_owned(), "logisticsCode", "other"),
        (|d| d.waybill.as_mut().unwrap().pieces = 2, "packNo", "2"),
        (|d| d.flow = tradewind_domain::Flow::Export, "flow", "export"),
        (|d| d.to.lines = vec!["路".repeat(201)], "consigneeAddress", "209 characters"),
    ];
    for (broken, field, left) in cases {
        let mut d = sample::declaration();
        broken(&mut d);
        let found = faults(&example(), &d);
        assert!(found.iter().any(|(f, l, r)| f == field && l == left && !r.is_empty()), "{field}: {found:?}");
        // No message shows a number that identifies a person.
        assert!(found.iter().all(|(_, l, r)| !format!("{l}{r}").contains("99999919000101")), "{found:?}");
    }
}

#[test]
fn a_hundred_lines_are_too_many() {
    let mut d = sample::declaration();
    let line = d.lines[0].clone();
    d.lines = vec![line; 100];
    let found = faults(&example(), &d);
    assert!(found.contains(&(
        "lines".to_owned(),
        "100".to_owned(),
        "at most 99: split the order".to_owned()
    )));
}

#[test]
fn direct_purchase_needs_its_transport_and_no_zone() {
    let bonded = example().lines().find(|l| l.starts_with("bonded")).unwrap().to_owned();
    let direct = example().replace("\"1210\" ", "\"9610\" ").replace(&bonded, "");
    let mut d = sample::declaration();
    assert!(faults(&direct, &d).iter().any(|(f, ..)| f == "trafNo, voyageNo, billNo"));
    d.transport = Some(Transport { means: "CA986".into(), voyage: "20260315".into(), bill: "999-1".into() });
    assert_eq!(faults(&direct, &d), []);
    let refused = |settings: &str| open(settings).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(refused(&example().replace(&bonded, "")).contains("1210 needs bonded"));
    assert!(refused(&example().replace("\"1210\" ", "\"9610\" ")).contains("leave `bonded` out"));
    assert!(refused(&example().replace("\"1210\" ", "\"9710\" ")).contains("9710"));
    assert!(refused(&example().replace("3304990039", "330499")).contains("10 digits"));
    assert!(
        refused(&example().replace(
            "# digest = \"http://www.chinaport.gov.cn/2022/04/xmldsig#sm3\"",
            "digest = \"urn:sha256\""
        ))
        .contains("#sm3 or #sha1")
    );
}
