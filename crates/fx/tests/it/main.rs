//! The rate book against the published files and hand arithmetic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // test helpers outside #[test] functions

mod history;

use jiff::civil::{Date, date};
use proptest::prelude::*;
use tradewind_domain::{Currency, Decimal, Money, Rounding};
use tradewind_fx::calendar::{Regime, penultimate_wednesday, third_wednesday};
use tradewind_fx::{FxError, Path, Policy, RateBook, convert, import};
use tradewind_material::sample;

const DAILY_XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
<gesmes:subject>Reference rates</gesmes:subject><gesmes:Sender><gesmes:name>European Central Bank</gesmes:name></gesmes:Sender>
<Cube><Cube time='2026-03-06'><Cube currency='USD' rate='1.25'/><Cube currency='JPY' rate='200'/></Cube></Cube></gesmes:Envelope>"#;

fn d(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn book(text: &str) -> RateBook {
    let mut book = RateBook::new();
    import::any(text, "rates.csv").unwrap().into_book(&mut book);
    book
}

#[test]
fn weekend_uses_friday_and_says_so() {
    let b = book(DAILY_XML);
    let saturday = date(2026, 3, 7);
    let r = b.rate("ECB", Currency::USD, Currency::EUR, saturday, Policy::default()).unwrap();
    assert_eq!((r.rate, r.path), (d("0.8"), Path::Inverse)); // 1 / 1.25
    assert_eq!(r.note().unwrap(), "no ECB rate on Saturday 2026-03-07; Friday 2026-03-06 used");
    let friday = b.rate("ECB", Currency::USD, Currency::EUR, date(2026, 3, 6), Policy::default()).unwrap();
    assert_eq!(friday.note(), None);
    assert_eq!(friday.id, r.id);
}

#[test]
fn cross_goes_through_the_base_and_says_so() {
    let r = book(DAILY_XML)
        .rate("ECB", Currency::USD, Currency::JPY, date(2026, 3, 6), Policy::default())
        .unwrap();
    assert_eq!((r.rate, r.path), (d("160"), Path::Cross { base: Currency::EUR })); // 200 / 1.25
    assert!(r.to_string().contains("cross through EUR"));
}

#[test]
fn missing_and_stale_are_errors() {
    let b = book(DAILY_XML);
    let ask = |c, day: Date| b.rate("ECB", c, Currency::EUR, day, Policy::default());
    assert!(matches!(ask(Currency::GBP, date(2026, 3, 6)), Err(FxError::Missing { .. })));
    assert!(matches!(ask(Currency::USD, date(2026, 3, 5)), Err(FxError::Missing { .. })));
    assert!(ask(Currency::USD, date(2026, 3, 11)).is_ok()); // five days
    assert!(matches!(ask(Currency::USD, date(2026, 3, 12)), Err(FxError::Stale { age: 6, max: 5, .. })));
    assert!(matches!(
        b.rate("BOE", Currency::USD, Currency::EUR, date(2026, 3, 6), Policy::default()),
        Err(FxError::Missing { .. })
    ));
}

#[test]
fn stale_counts_days_across_months() {
    let b = book(DAILY_XML);
    assert!(matches!(
        b.rate("ECB", Currency::USD, Currency::EUR, date(2026, 5, 6), Policy::default()),
        Err(FxError::Stale { age: 61, .. }) // 25 days of March, 30 of April, 6 of May
    ));
}

#[test]
fn pinned_survives_a_correction() {
    let day = date(2026, 3, 2);
    let mut b = book("date,base,quote,rate,source\n2026-03-02,GBP,CNY,9.0,desk\n");
    let first = b.rate("DESK", Currency::GBP, Currency::CNY, day, Policy::default()).unwrap();
    assert_eq!(first.origin, "rates.csv:2");
    import::any("date,base,quote,rate,source\n2026-03-02,GBP,CNY,9.5,desk\n", "fix.csv")
        .unwrap()
        .into_book(&mut b);
    assert_eq!(b.rate("DESK", Currency::GBP, Currency::CNY, day, Policy::default()).unwrap().rate, d("9.5"));
    assert_eq!(b.pinned(&first.id).unwrap(), first);
    assert!(matches!(b.pinned("DESK 2026-03-02 GBP/CNY 000000000000"), Err(FxError::UnknownId(_))));
    assert!(matches!(b.pinned("nonsense"), Err(FxError::UnknownId(_))));
}

#[test]
fn customs_calendars() {
    // Wednesdays of February 2026: 4, 11, 18, 25.
    assert_eq!(penultimate_wednesday(date(2026, 2, 10)), date(2026, 2, 18));
    assert_eq!(third_wednesday(date(2026, 2, 28)), date(2026, 2, 18));
    // April 2026 ends on Thursday 30: Wednesdays 1, 8, 15, 22, 29.
    assert_eq!(penultimate_wednesday(date(2026, 4, 1)), date(2026, 4, 22));
    // September 2026 ends on Wednesday 30 itself.
    assert_eq!(penultimate_wednesday(date(2026, 9, 1)), date(2026, 9, 23));
    assert_eq!(Regime::Eu.rate_date(date(2026, 3, 1)), date(2026, 2, 18));
    assert_eq!(Regime::Eu.rate_date(date(2026, 3, 31)), date(2026, 2, 18));
    assert_eq!(Regime::Uk.rate_date(date(2026, 3, 31)), date(2026, 3, 31));
}

#[test]
fn hmrc_month_ends() {
    let text = r#"<exchangeRateMonthList Period="01/Nov/2026 to 30/Nov/2026">
      <exchangeRate><countryName>C</countryName><countryCode>CN</countryCode><currencyName>Yuan</currencyName><currencyCode>CNY</currencyCode><rateNew>8.9444</rateNew></exchangeRate>
      <exchangeRate><countryName>A</countryName><countryCode>AA</countryCode><currencyName>X</currencyName><currencyCode>ECS</currencyCode><rateNew>3.5</rateNew></exchangeRate>
    </exchangeRateMonthList>"#;
    let read = import::any(text, "2026-11.xml").unwrap();
    assert_eq!(read.skipped.iter().collect::<Vec<_>>(), ["ECS"]);
    let mut b = RateBook::new();
    read.into_book(&mut b);
    let ask = |day| b.customs_rate(Regime::Uk, Currency::GBP, Currency::CNY, day, Policy::default());
    assert_eq!(ask(date(2026, 11, 30)).unwrap().rate, d("8.9444"));
    assert!(matches!(ask(date(2026, 12, 1)), Err(FxError::Stale { age: 1, max: 0, .. })));
    // The month is the publication's own: its last day needs no note, and after it the month is over.
    assert_eq!(ask(date(2026, 11, 30)).unwrap().note(), None);
    let told = ask(date(2026, 12, 1)).unwrap_err().to_string();
    assert!(told.contains("is of 2026-11-01, which ended on 2026-11-30: import a newer file"), "{told}");
    assert!(matches!(ask(date(2026, 10, 31)), Err(FxError::Missing { .. })));
}

#[test]
fn conversion_keeps_product_and_rounding() {
    let r = book(DAILY_XML)
        .rate("ECB", Currency::USD, Currency::JPY, date(2026, 3, 6), Policy::default())
        .unwrap();
    let c = convert(Money::parse("10.01", Currency::USD).unwrap(), &r, Rounding::HalfUp).unwrap();
    assert_eq!(c.unrounded.value(), d("1601.6")); // 10.01 × 160
    assert_eq!(c.to, Money::parse("1602", Currency::JPY).unwrap());
    let down = convert(c.from, &r, Rounding::Down).unwrap();
    assert_eq!(down.to, Money::parse("1601", Currency::JPY).unwrap());
    assert!(matches!(
        convert(Money::parse("1", Currency::JPY).unwrap(), &r, Rounding::HalfUp),
        Err(FxError::WrongCurrency { .. })
    ));
}

#[test]
fn bad_files_are_refused_with_their_line() {
    for (text, says) in [
        ("date,base,quote,rate,source\n2026-03-02,GBP,CNY,0,x\n", "f:2: rate \"0\""),
        ("date,base,quote,rate,source\n2026-03-02,GBP,CNY,1e3,x\n", "f:2: rate \"1e3\""),
        ("date,base,quote,rate,source\n2026-03-02,GBP,QQQ,1,x\n", "f:2:"),
        ("date,base,quote,rate,source\n02/03/26,GBP,CNY,1,x\n", "f:2: date"),
        ("date,base,quote,rate,source\n2026-03-02,GBP,GBP,1,x\n", "f:2: GBP is quoted in itself"),
        ("date,base,quote,rate,source\n2026-03-02,GBP,CNY,1,x\n2026-03-02,GBP,CNY,2,x\n", "f:3: GBP/CNY"),
        ("date,base,quote,rate,source\n", "no rate at all"),
        ("Date,USD,\n2026-03-05,abc,\n", "f:2: rate \"abc\""),
        ("Date,USD,\nyesterday,1.1,\n", "f:2: \"yesterday\""),
        // Lines as an editor shows them: after blank ones, and with carriage returns.
        ("date,base,quote,rate,source\n\n\n2026-03-02,GBP,CNY,0,x\n", "f:4: rate \"0\""),
        (
            "date,base,quote,rate,source\r\n2026-03-02,GBP,CNY,1,x\r\n\r\n2026-03-03,GBP,CNY,0,x\r\n",
            "f:4: rate \"0\"",
        ),
        ("date,base,quote,rate\r\n\r\n2026-03-02,GBP,CNY\r\n", "f:3: has 3 fields where the header has 4"),
        ("Date,USD,\r\n\r\n2026-03-05,1.1,\r\n2026-03-06,abc,\r\n", "f:4: rate \"abc\""),
        ("<a/>", "not ECB"),
        ("hello", "not a rate file"),
    ] {
        let e = import::any(text, "f").unwrap_err().to_string();
        assert!(e.contains(says), "{e} should contain {says}");
    }
}

#[test]
fn the_published_ecb_files() {
    let (Some(hist), Some(daily)) = (sample("fx/ecb/eurofxref-hist.csv"), sample("fx/ecb/eurofxref.csv"))
    else {
        return;
    };
    let mut b = RateBook::new();
    let read = import::any(&hist, "eurofxref-hist.csv").unwrap();
    assert!(read.skipped.contains("CYP"));
    read.into_book(&mut b);
    import::any(&daily, "eurofxref.csv").unwrap().into_book(&mut b);
    let ask = |to, day| b.rate("ECB", Currency::EUR, to, day, Policy::default());
    assert_eq!(ask(Currency::USD, date(2026, 4, 13)).unwrap().rate, d("1.1684"));
    assert_eq!(ask(Currency::CNY, date(2026, 4, 13)).unwrap().rate, d("7.9827"));
    let cross = b.rate("ECB", Currency::USD, Currency::JPY, date(2026, 4, 13), Policy::default()).unwrap();
    assert!(cross.rate.to_string().starts_with("159.8339609")); // 186.75 / 1.1684
    let newest = ask(Currency::USD, date(2026, 3, 5)).unwrap();
    assert_eq!((newest.rate, newest.origin.as_str()), (d("1.1618"), "eurofxref-hist.csv:2"));
    // RUB is suspended since 2022-03-01: refused, not carried on.
    let rub = Currency::new("RUB").unwrap();
    assert!(matches!(ask(rub, date(2026, 3, 5)), Err(FxError::Stale { .. })));
    // EU customs in March 2026 uses Wednesday 18 February.
    let customs =
        b.customs_rate(Regime::Eu, Currency::EUR, Currency::USD, date(2026, 3, 20), Policy::default());
    assert_eq!(customs.unwrap().published, date(2026, 2, 18));
}

#[test]
fn the_published_hmrc_months() {
    for (month, cny) in [("2026-11", Some("8.9444")), ("2014-02", None), ("2023-01", None), ("2025-06", None)]
    {
        let Some(text) = sample(&format!("fx/hmrc/monthly/{month}.xml")) else { return };
        let mut b = RateBook::new();
        import::any(&text, "month.xml").unwrap().into_book(&mut b);
        let day: Date = format!("{month}-15").parse().unwrap();
        let r = b.customs_rate(Regime::Uk, Currency::GBP, Currency::CNY, day, Policy::default()).unwrap();
        if let Some(cny) = cny {
            assert_eq!(r.rate, d(cny));
        }
    }
}

proptest! {
    /// There and back differs from one by no more than the precision kept, whatever the two rates.
    #[test]
    fn there_and_back_is_one(a in 1_u32..1_000_000_000, b in 1_u32..1_000_000_000) {
        let text = format!("date,base,quote,rate,source\n2026-03-02,EUR,USD,{},s\n2026-03-02,EUR,JPY,{},s\n",
            Decimal::new(a.into(), 4), Decimal::new(b.into(), 4));
        let book = book(&text);
        let day = date(2026, 3, 2);
        let there = book.rate("S", Currency::USD, Currency::JPY, day, Policy::default()).unwrap();
        let back = book.rate("S", Currency::JPY, Currency::USD, day, Policy::default()).unwrap();
        prop_assert!((there.rate * back.rate - Decimal::ONE).abs() < Decimal::new(1, 10));
    }

    /// Nothing that arrives makes an importer panic.
    #[test]
    fn importers_survive_anything(text in "\\PC{0,200}") {
        let _ = import::any(&text, "f");
        let _ = import::any(&format!("date,base,quote,rate,source\n{text}"), "f");
        let _ = import::any(&format!("<{text}"), "f");
    }
}
