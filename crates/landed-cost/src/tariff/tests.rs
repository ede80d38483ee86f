//! Rates by hand, the published files where they are present.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // helpers of this test module

use super::*;
use tradewind_domain::{Currency, Decimal};
use tradewind_material::sample;

fn d(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn usd(amount: &str, unit: &str) -> Rate {
    Rate::Specific { amount: d(amount), currency: Currency::USD, unit: unit.to_owned() }
}

fn at() -> Timestamp {
    "2026-08-01T12:00:00Z".parse().unwrap()
}

fn rate(store: &TariffStore, jurisdiction: &str, code: &str, origin: &str) -> Rate {
    match store.lookup(jurisdiction, &HsCode::new(code).unwrap(), Country::new(origin).ok(), at()) {
        Lookup::Found { rate, .. } => rate,
        other => panic!("{code}: {other:?}"),
    }
}

#[test]
fn grammar_reads_what_it_covers() {
    assert_eq!(grammar::parse("Free"), Rate::Free);
    assert_eq!(grammar::parse("16.50%"), Rate::AdValorem(d("0.165")));
    assert_eq!(grammar::parse("13.3¢/kg"), usd("0.133", "kg"));
    assert_eq!(grammar::parse("$1.055/kg"), usd("1.055", "kg"));
    assert_eq!(grammar::parse("$1.44 each"), usd("1.44", "each"));
    assert_eq!(
        grammar::parse("90¢/pr. + 20%"),
        Rate::Compound(vec![usd("0.9", "pr"), Rate::AdValorem(d("0.2"))])
    );
    let per_100_kg = Rate::Specific { amount: d("0.931"), currency: Currency::EUR, unit: "kg".to_owned() };
    assert_eq!(
        grammar::parse("10.20 % + 93.10 EUR / 100 kg"),
        Rate::Compound(vec![Rate::AdValorem(d("0.102")), per_100_kg])
    );
}

#[test]
fn grammar_never_reads_a_condition_as_a_rate() {
    for text in [
        "",
        "8.6¢/kg on drained weight",
        "36¢ each + 5.6% + 2¢/jewel",
        "40¢ each + 6% on the case",
        "No change",
        "50 percent of the cost of such goods or repairs",
        "Free, under bond, as prescribed in U.S. note 1 to this subchapter",
        "The duty provided in the applicable subheading + 25%",
        "5% +",
        "-5%",
        "1e2%",
    ] {
        assert_eq!(grammar::parse(text), Rate::Unparsed(text.to_owned()));
    }
}

#[test]
fn surcharges_of_chapter_99() {
    let base = "The duty provided in the applicable subheading";
    assert_eq!(grammar::surcharge(&format!("{base} + 25%")), Some(d("0.25")));
    assert_eq!(grammar::surcharge(&format!("{base} +10%")), Some(d("0.1")));
    assert_eq!(grammar::surcharge(&format!("{base} plus 25%")), Some(d("0.25")));
    assert_eq!(grammar::surcharge(base), Some(d("0")));
    assert_eq!(grammar::surcharge("25%"), None);
    assert_eq!(grammar::surcharge(&format!("{base} plus something")), None);
}

const HEAD: &str = "HTS Number,Indent,Description,Unit of Quantity,General Rate of Duty,Special Rate of Duty,Column 2 Rate of Duty,Quota Quantity,Additional Duties\n";

fn us(rows: &str) -> TariffStore {
    let mut store = TariffStore::default();
    store.add("US", Timestamp::MIN, hts::read(&format!("{HEAD}{rows}"), "hts.csv", "test").unwrap());
    store
}

#[test]
fn rows_inherit_by_indent_and_parents_do_not_answer() {
    let store = us("4202,0,Bags,,,,,,\n,1,Handbags:,,,,,,\n4202.22.45,2,Of cotton,,6.3%,,45%,,\n\
        4202.22.45.00,3,A,,,,,,\n4202.22.60,2,Other,,5.7%,,40%,,\n4202.22.60.10,3,B,,,,,,\n4202.22.60.20,3,C,,Free,,,,\n\
        4202.29.00.00,1,Blank,,,,,,\n");
    assert_eq!(rate(&store, "US", "4202224500", "CN"), Rate::AdValorem(d("0.063")));
    assert_eq!(rate(&store, "US", "42022245", "CN"), Rate::AdValorem(d("0.063")));
    assert_eq!(rate(&store, "US", "4202226010", "CN"), Rate::AdValorem(d("0.057")));
    assert_eq!(rate(&store, "US", "4202226020", "CN"), Rate::Free);
    assert_eq!(rate(&store, "US", "4202226020", "RU"), Rate::AdValorem(d("0.4"))); // column 2, inherited
    // no rate anywhere above: not free
    assert!(matches!(rate(&store, "US", "4202290000", "CN"), Rate::Unparsed(_)));
    let ask = |code| store.lookup("US", &HsCode::new(code).unwrap(), None, at());
    assert_eq!(
        ask("42022260"),
        Lookup::Ambiguous {
            codes: vec!["4202226010".into(), "4202226020".into()],
            ad_valorem: Some((d("0"), d("0.057"))),
        }
    );
    assert_eq!(ask("4202310000"), Lookup::Missing);
    assert_eq!(store.lookup("EU", &HsCode::new("420222").unwrap(), None, at()), Lookup::Missing);
}

#[test]
fn versions_answer_for_their_time() {
    let mut store = us("6101.00.00.00,0,A,,5%,,,,\n");
    let later: Timestamp = "2027-01-01T05:00:00Z".parse().unwrap();
    let table = hts::read(&format!("{HEAD}6101.00.00.00,0,A,,7%,,,,\n"), "new.csv", "2027").unwrap();
    store.add("US", later, table.clone());
    store.add("US", later, table);
    assert_eq!(store.versions().count(), 2);
    assert_eq!(rate(&store, "US", "6101000000", "CN"), Rate::AdValorem(d("0.05")));
    let then = store.lookup("US", &HsCode::new("6101000000").unwrap(), None, later);
    assert!(matches!(then, Lookup::Found { rate: Rate::AdValorem(r), .. } if r == d("0.07")));
}

#[test]
fn bad_files_are_refused_with_their_line() {
    let e = hts::read("a,b\n", "f.csv", "x").unwrap_err().to_string();
    assert!(e.starts_with("f.csv:1: no column \"HTS Number\""), "{e}");
    let e = hts::read(&format!("{HEAD}0101,x,A,,,,,,\n"), "f.csv", "x").unwrap_err().to_string();
    assert!(e.starts_with("f.csv:2: indent"), "{e}");
    assert!(uk::read("{}", "c.json", "UK").is_err());
}

#[test]
fn the_published_hts() {
    let Some(text) = sample("tariff/us-hts/htsdata-2025-04.csv") else { return };
    let table = hts::read(&text, "htsdata.csv", "2025-04").unwrap();
    assert!(table.len() > 15_000, "{}", table.len());
    let mut store = TariffStore::default();
    store.add("US", Timestamp::MIN, table);
    assert_eq!(rate(&store, "US", "0101300000", "CN"), Rate::AdValorem(d("0.068")));
    assert_eq!(rate(&store, "US", "0101210010", "CN"), Rate::Free);
    assert_eq!(rate(&store, "US", "0101300000", "CU"), Rate::AdValorem(d("0.15")));
    assert_eq!(rate(&store, "US", "0101290010", "RU"), Rate::AdValorem(d("0.2"))); // inherited from 0101.29.00
}

#[test]
fn the_recorded_uk_commodities() {
    let mut store = TariffStore::default();
    for code in ["1516209821", "7202118000", "0809400500", "0102291010", "0702000007"] {
        let Some(text) = sample(&format!("tariff/uk-trade-tariff/fixtures/uk/commodities/{code}.json"))
        else {
            return;
        };
        store.add("GB", Timestamp::MIN, uk::read(&text, "c.json", "UK").unwrap());
    }
    assert_eq!(rate(&store, "GB", "1516209821", "CN"), Rate::AdValorem(d("0.109")));
    assert_eq!(rate(&store, "GB", "7202118000", "CN"), Rate::AdValorem(d("0.027")));
    assert!(matches!(rate(&store, "GB", "0102291010", "CN"), Rate::Compound(_)));
    // entry price: it depends on conditions
    assert!(matches!(rate(&store, "GB", "0809400500", "CN"), Rate::Unparsed(_)));
    // its third country duty was recorded with an end, 2021-05-14
    assert_eq!(store.lookup("GB", &HsCode::new("0702000007").unwrap(), None, at()), Lookup::Missing);
}
