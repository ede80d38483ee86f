//! The tariff store inside quotes: made-up rows by hand arithmetic, the published files where they are present.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::Value;
use tradewind_domain::HsCode;
use tradewind_landed_cost::pack::Kind;
use tradewind_landed_cost::quote::Engine;
use tradewind_landed_cost::rates::tariff::hs::Nomenclature;
use tradewind_landed_cost::rates::tariff::{TariffStore, folder, grammar, hts, uk};
use tradewind_landed_cost::rates::{Lookup, Rate, TariffSource};
use tradewind_landed_cost::request::Request;
use tradewind_material::sample;

use super::packs;

fn quote(store: &TariffStore, text: &str) -> Value {
    let request = Request::parse(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let quote = Engine::new(packs()).with_tariff(store).quote(&request).unwrap();
    serde_json::to_value(quote).unwrap()
}

fn us(line: &str) -> String {
    format!(
        r#"{{"destination": {{"country": "US"}}, "legal_event_at": "2026-08-10T12:00:00-04:00", "currency": "USD", "entry_type": "11",
            "lines": [{{"id": "1", "unit_price": "100", {line}}}]}}"#
    )
}

fn hts_json(rows: &str) -> TariffStore {
    let mut store = TariffStore::default();
    store.add("US", Timestamp::MIN, hts::read_json(rows, "hts.json", "test").unwrap());
    store
}

const JSON: &str = r#"[
 {"htsno": "8518", "indent": "0", "description": "Microphones", "general": "", "special": "", "other": "", "footnotes": null},
 {"htsno": "8518.30.20.00", "indent": 1, "description": "Headphones", "general": "Free", "special": null, "other": "35%",
  "footnotes": [{"columns": ["general"], "marker": "1", "value": "See 9903.88.15. ", "type": "endnote"}]},
 {"htsno": "8518.40.20.00", "indent": 1, "description": "Amplifiers", "general": "4.9%", "special": "Free (AU,S) 2% (JP)", "other": "35%", "footnotes": []},
 {"htsno": "8518.90", "indent": 1, "description": "Parts", "general": "", "special": "", "other": ""},
 {"htsno": "8518.90.20", "indent": 2, "description": "Of list 3", "general": "8.5%", "special": "", "other": "35%",
  "footnotes": [{"columns": ["general"], "value": "See 9903.88.03."}]},
 {"htsno": "8518.90.20.10", "indent": 3, "description": "A", "general": "", "special": "", "other": ""},
 {"htsno": "8518.90.80.00", "indent": 2, "description": "Increased", "general": "3%", "special": "", "other": "35%",
  "footnotes": [{"columns": ["general"], "value": "See 9903.88.03 and 9903.91.01."}]},
 {"htsno": "0409.00.00.00", "indent": 0, "description": "Honey", "general": "1.9¢/kg", "special": "", "other": "6.6¢/kg", "footnotes": []},
 {"htsno": "9102.11.10.00", "indent": 0, "description": "Watches", "general": "44¢ each + 6%", "special": "", "other": "", "footnotes": []},
 {"htsno": "9102.11.25.00", "indent": 0, "description": "Watches", "general": "40¢ each + 8.5% on the case", "special": "", "other": "", "footnotes": []}
]"#;

#[test]
fn the_json_export_brings_rates_and_section_301_lists_into_quotes() {
    let store = hts_json(JSON);
    // list 4A by its footnote: 7.5 % + 12.5 %
    let q = quote(&store, &us(r#""hs": "8518302000", "origin": "CN", "facts": {"ad_cvd": false}"#));
    assert_eq!((&q["status"], &q["totals"]["duty"]), (&"complete".into(), &"20.00".into()));
    let source = q["lines"][0]["charges"][0]["rate_source"].as_str().unwrap();
    assert!(source.starts_with("HTS test 8518302000 line 2 sha256:"), "{source}");
    // no footnote: on no list, 4.9 % + 12.5 %
    let q = quote(&store, &us(r#""hs": "8518402000", "origin": "CN", "facts": {"ad_cvd": false}"#));
    assert_eq!(q["totals"]["duty"], "17.40");
    // a child inherits rate and list from its ancestor by indent: 8.5 + 25 + 12.5
    let q = quote(&store, &us(r#""hs": "8518902010", "origin": "CN", "facts": {"ad_cvd": false}"#));
    assert_eq!(q["totals"]["duty"], "46.00");
    // the increases of 2024-2026 are not in the packs: the list is unknown, not 25 %
    let q = quote(&store, &us(r#""hs": "8518908000", "origin": "CN", "facts": {"ad_cvd": false}"#));
    assert_eq!(q["status"], "indeterminate");
    assert!(q["missing"].to_string().contains("section_301_list"));
}

#[test]
fn a_short_code_is_bounded_by_the_rates_below_it() {
    // 8.5 % to 3 % plus 12.5 % of Vietnam: 15.50 to 21.00
    let q = quote(&hts_json(JSON), &us(r#""hs": "851890", "origin": "VN", "facts": {"ad_cvd": false}"#));
    assert_eq!(q["status"], "indeterminate");
    assert_eq!(q["bounds"]["taxes"]["low"], "15.50");
    assert_eq!(q["bounds"]["taxes"]["high"], "21.00");
    assert!(q["flags"].to_string().contains("HS_TOO_SHORT:1"));
}

#[test]
fn specific_and_compound_rates_need_a_quantity() {
    let store = hts_json(JSON);
    // 1.9 cents × 12 kg = 0.228 → 0.23; flat 12.5 % on 100
    let q = quote(
        &store,
        &us(r#""hs": "0409000000", "origin": "VN", "facts": {"ad_cvd": false, "quantity_kg": "12"}"#),
    );
    assert_eq!((&q["status"], &q["totals"]["duty"]), (&"complete".into(), &"12.73".into()));
    let q = quote(&store, &us(r#""hs": "0409000000", "origin": "VN", "facts": {"ad_cvd": false}"#));
    assert_eq!(q["status"], "indeterminate");
    assert!(q["missing"].to_string().contains("lines.1.facts.quantity_kg"));
    assert_eq!(q["totals"]["duty"], Value::Null);
    // pieces are known: 3 × 0.44 + 300 × 6 % = 19.32; + 300 × 12.5 % = 37.50
    let q = quote(
        &store,
        &us(r#""hs": "9102111000", "quantity": 3, "origin": "VN", "facts": {"ad_cvd": false}"#),
    );
    assert_eq!(q["totals"]["duty"], "56.82");
    // a rate with a condition in words is not read, so not zero
    let q = quote(&store, &us(r#""hs": "9102112500", "origin": "VN", "facts": {"ad_cvd": false}"#));
    assert_eq!(q["status"], "indeterminate");
    assert!(q["flags"].to_string().contains("RATE_NOT_PARSED:1:40¢ each + 8.5% on the case"));
    // a cap needs a share of the value to be compared with
    let q = quote(&store, &us(r#""hs": "9102111000", "origin": "JP", "facts": {"ad_cvd": false}"#));
    assert!(q["missing"].to_string().contains("lines.1.general_rate_ad_valorem"), "{}", q["missing"]);
}

#[test]
fn a_preference_needs_its_proof() {
    let store = hts_json(JSON);
    let line = |origin: &str, facts: &str| {
        us(&format!(r#""hs": "8518402000", "origin": "{origin}", "facts": {{"ad_cvd": false{facts}}}"#))
    };
    let q = quote(&store, &line("AU", ""));
    assert_eq!(q["totals"]["duty"], "17.40"); // 4.9 + 12.5
    assert!(q["flags"].to_string().contains("PREFERENCE_UNUSED:1"));
    let q = quote(&store, &line("AU", r#", "preference_proof": "certificate""#));
    assert_eq!(q["totals"]["duty"], "12.50"); // free + 12.5
    assert!(q["lines"][0]["charges"][0]["why"].as_str().unwrap().contains("preference AU"));
    let q = quote(&store, &line("JP", r#", "preference_proof": true"#));
    assert_eq!(q["totals"]["duty"], "12.50"); // 2 + (12.5 − 2)
    // Russia: column 2, and no preference
    let q = quote(&store, &line("RU", ""));
    assert_eq!(q["totals"]["duty"], "47.50"); // 35 + 12.5
}

#[test]
fn a_rate_in_the_request_overrides_the_tariff_and_is_marked() {
    let q = quote(
        &hts_json(JSON),
        &us(r#""hs": "8518402000", "origin": "VN", "rates": {"duty": "0.01"}, "facts": {"ad_cvd": false}"#),
    );
    assert_eq!(q["totals"]["duty"], "13.50"); // 1 + 12.5
    assert_eq!(q["lines"][0]["charges"][0]["rate_source"], "request");
    assert!(q["lines"][0]["charges"][0]["why"].as_str().unwrap().contains("given in the request"));
}

const API: &str = r#"{"data": {"id": "1", "type": "commodity", "attributes": {"goods_nomenclature_item_id": "6109100010"},
  "relationships": {"import_measures": {"data": [{"id": "10", "type": "measure"}, {"id": "11", "type": "measure"}, {"id": "12", "type": "measure"}]}}},
 "included": [
  {"id": "10", "type": "measure", "attributes": {"effective_start_date": "2021-01-01T00:00:00.000Z", "effective_end_date": null},
   "relationships": {"duty_expression": {"data": {"id": "10-d", "type": "duty_expression"}}, "measure_type": {"data": {"id": "103", "type": "measure_type"}},
    "geographical_area": {"data": {"id": "1011", "type": "geographical_area"}}, "excluded_countries": {"data": []}}},
  {"id": "11", "type": "measure", "attributes": {"effective_start_date": "2021-01-01T00:00:00.000Z", "effective_end_date": null},
   "relationships": {"duty_expression": {"data": {"id": "11-d", "type": "duty_expression"}}, "measure_type": {"data": {"id": "142", "type": "measure_type"}},
    "geographical_area": {"data": {"id": "2005", "type": "geographical_area"}}, "excluded_countries": {"data": []}}},
  {"id": "12", "type": "measure", "attributes": {"effective_start_date": "2021-01-01T00:00:00.000Z", "effective_end_date": null},
   "relationships": {"duty_expression": {"data": {"id": "12-d", "type": "duty_expression"}}, "measure_type": {"data": {"id": "552", "type": "measure_type"}},
    "geographical_area": {"data": {"id": "CN", "type": "geographical_area"}}, "excluded_countries": {"data": []}}},
  {"id": "10-d", "type": "duty_expression", "attributes": {"base": "12.00 %"}}, {"id": "11-d", "type": "duty_expression", "attributes": {"base": "9.60 %"}},
  {"id": "12-d", "type": "duty_expression", "attributes": {"base": "40.00 %"}},
  {"id": "2005", "type": "geographical_area", "attributes": {}, "relationships": {"children_geographical_areas": {"data": [{"id": "BD", "type": "geographical_area"}]}}}]}"#;

fn gb(origin: &str, facts: &str) -> String {
    format!(
        r#"{{"destination": {{"country": "GB"}}, "legal_event_at": "2026-08-10T12:00:00+01:00", "currency": "GBP", "freight": "20",
            "lines": [{{"id": "1", "unit_price": "250", "hs": "6109100010", "origin": "{origin}", "facts": {facts}}}]}}"#
    )
}

#[test]
fn the_uk_api_answers_with_its_references() {
    let mut store = TariffStore::default();
    store.add("GB", Timestamp::MIN, uk::read(API, "c.json", "UK").unwrap());
    // W7: CIF 270 × 12 % = 32.40; VAT 302.40 × 20 % = 60.48
    let q = quote(&store, &gb("VN", "{}"));
    assert_eq!(
        (&q["totals"]["duty"], &q["totals"]["vat"], &q["status"]),
        (&"32.40".into(), &"60.48".into(), &"complete".into())
    );
    // Bangladesh in area 2005, with proof: 270 × 9.6 % = 25.92
    assert_eq!(quote(&store, &gb("BD", r#"{"preference_proof": "REX"}"#))["totals"]["duty"], "25.92");
    assert_eq!(quote(&store, &gb("BD", "{}"))["totals"]["duty"], "32.40");
    // anti-dumping stands for China: to be answered
    let q = quote(&store, &gb("CN", "{}"));
    assert_eq!(q["status"], "partial");
    assert!(q["missing"].to_string().contains("facts.ad_cvd"));
    assert_eq!(quote(&store, &gb("CN", r#"{"ad_cvd": false}"#))["status"], "complete");
}

#[test]
fn the_recorded_uk_commodities_in_quotes() {
    let Some(text) = sample("tariff/uk-trade-tariff/fixtures/uk/commodities/7202118000.json") else { return };
    let mut store = TariffStore::default();
    store.add("GB", Timestamp::MIN, uk::read(&text, "7202118000.json", "UK").unwrap());
    // W17, the HMRC sample: 10,000 × 2.70 % = 270; VAT 10,270 × 20 % = 2,054; anti-dumping must be answered
    let ask = |facts: &str| {
        quote(
            &store,
            &format!(
                r#"{{"destination": {{"country": "GB"}}, "legal_event_at": "2026-08-10T12:00:00+01:00", "currency": "GBP",
                "lines": [{{"id": "1", "unit_price": "10000", "hs": "7202118000", "origin": "CN", "facts": {facts}}}]}}"#
            ),
        )
    };
    let q = ask(r#"{"ad_cvd": false}"#);
    assert_eq!(
        (&q["totals"]["duty"], &q["totals"]["vat"], &q["status"]),
        (&"270.00".into(), &"2054.00".into(), &"complete".into())
    );
    assert_eq!(ask("{}")["status"], "partial");
}

/// A cell of the row whose first cell is `key`.
fn cell(text: &str, key: &str, column: usize) -> String {
    let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let row = reader.records().map(Result::unwrap).find(|r| &r[0] == key).unwrap();
    row[column].to_owned()
}

#[test]
fn the_published_hts_in_quotes() {
    let Some(text) = sample("tariff/us-hts/htsdata-2025-04.csv") else { return };
    let mut store = TariffStore::default();
    store.add("US", Timestamp::MIN, hts::read(&text, "htsdata.csv", "2025-04").unwrap());
    let duty = |hs: &str, origin: &str, facts: &str| {
        let line = format!(r#""hs": "{hs}", "origin": "{origin}", "facts": {{"ad_cvd": false{facts}}}"#);
        quote(&store, &us(&line))["totals"]["duty"].as_str().map(str::to_owned)
    };
    // W8: 8518.30.20 Free, list 4A 7.5 %, forced labour 12.5 %
    assert_eq!(duty("8518302000", "CN", r#", "section_301_list": "4A""#).as_deref(), Some("20.00"));
    // W9: 6110.20.20 16.5 % against a cap of 10 %
    assert_eq!(duty("6110202079", "DE", "").as_deref(), Some("16.50"));
    // the CSV has no footnotes: the list of a Chinese commodity stays unknown
    assert_eq!(duty("8518302000", "CN", ""), None);
    // chapter 99 prints the rates of the packs' layers
    let pack = packs().current().iter().find(|p| p.jurisdiction.as_ref() == "US").unwrap();
    for (heading, id) in [
        ("9903.88.01", "US-301-CN-1"),
        ("9903.88.02", "US-301-CN-2"),
        ("9903.88.03", "US-301-CN-3"),
        ("9903.88.15", "US-301-CN-4A"),
    ] {
        let printed = cell(&text, heading, 4); // general rate
        let layer = pack.layers.iter().find(|l| l.meta.id.as_ref() == id).unwrap();
        let Kind::AdValorem(rate) = layer.formula.kind else { panic!("{id}") };
        assert_eq!(grammar::surcharge(&printed), Some(rate), "{heading}");
    }
}

#[test]
fn the_annex_of_section_122_prints_the_rate_of_its_layer() {
    let Some(text) = sample("tariff/us-hts/sec122-annex-2026-02.csv") else { return };
    let printed = cell(&text, "9903.03.01", 2);
    assert_eq!(grammar::surcharge(&printed), Some(Decimal::new(10, 2)));
}

#[test]
fn a_bad_nomenclature_is_refused_at_its_line() {
    const HEAD: &str = "section,hscode,description,parent,level\r\n";
    for (rows, says) in [
        ("II,12,Seeds,TOTAL,2\r\n\r\nII,12x,?,12,4\r\n", "hs.csv:4: hscode \"12x\""),
        ("\n\nII,1201,Soya,12,4\n", "hs.csv:4: 1201 stands without its heading 12"),
        ("II,12,Seeds,TOTAL,2\r\n\r\nII,1201\r\n", "hs.csv:4: has 2 fields where the header has 5"),
    ] {
        let told = Nomenclature::read(&format!("{HEAD}{rows}"), "hs.csv").unwrap_err().to_string();
        assert!(told.starts_with(says), "{told}");
    }
}

#[test]
fn the_nomenclature_tells_a_code_from_a_mistake() {
    let Some(text) = sample("tariff/hs/harmonized-system.csv") else { return };
    let n = Nomenclature::read(&text, "hs.csv").unwrap();
    assert_eq!(n.len(), 97 + 1229 + 5613); // chapters, headings, subheadings of the file; its row TOTAL is no code
    let path = n.path("610910");
    assert_eq!(path.iter().map(|(c, _)| *c).collect::<Vec<_>>(), ["61", "6109", "610910"]);
    let mut store = TariffStore::default();
    store.set_nomenclature(n);
    assert_eq!(store.knows(&HsCode::new("610910").unwrap()), Some(true));
    assert_eq!(store.knows(&HsCode::new("610999").unwrap()), Some(false));
    let q = quote(
        &store,
        r#"{"destination": {"country": "FR"}, "legal_event_at": "2026-08-10T12:00:00Z", "currency": "EUR",
            "lines": [{"id": "1", "unit_price": "20", "hs": "610999"}]}"#,
    );
    assert!(q["flags"].to_string().contains("HS_NOT_IN_NOMENCLATURE:1"));
}

/// A commodity of Great Britain: third country duty 2.7 %, anti-dumping against Russia and, by a group whose members are
/// not told, against others; nothing readable in either.
const REMEDIES: &str = r#"{"goods_nomenclature_item_id": "7202118000", "import_measures": [
    {"measure_type": {"id": "103"}, "geographical_area": {"id": "1011"}, "effective_start_date": "1999-01-01T00:00:00.000Z",
     "duty_expression": {"base": "2.70 %"}},
    {"measure_type": {"id": "552"}, "geographical_area": {"id": "RU"}, "effective_start_date": "2021-01-01T00:00:00.000Z",
     "duty_expression": {"base": "144.10 GBP / 1000 kg/biodiesel"}},
    {"measure_type": {"id": "554"}, "geographical_area": {"id": "FR", "children_geographical_areas": []},
     "effective_start_date": "2021-01-01T00:00:00.000Z", "duty_expression": null}]}"#;

fn to_gb(hs: &str, origin: &str, more: &str) -> String {
    format!(
        r#"{{"destination": {{"country": "GB"}}, "legal_event_at": "2026-08-10T12:00:00+01:00", "currency": "GBP",
            "lines": [{{"id": "1", "unit_price": "200", "hs": "{hs}", "origin": "{origin}"{more}}}]}}"#
    )
}

/// An anti-dumping answer that is missing or cannot be read is never a zero, whatever the origin: Belarus, Cuba, North
/// Korea and Russia are outside normal trade relations with the United States only.
#[test]
fn a_trade_remedy_of_great_britain_is_asked_about_for_every_origin() {
    let mut store = TariffStore::default();
    store.add("GB", Timestamp::MIN, uk::read(REMEDIES, "c.json", "UK").unwrap());
    let asked = |text: &str| {
        let q = quote(&store, text);
        assert_eq!(q["missing"], serde_json::json!(["lines.1.facts.ad_cvd"]), "{text}: {q}");
        assert_eq!(q["status"], "partial", "{text}");
        assert_eq!(q["bounds"]["taxes"]["high"], Value::Null, "{text}");
    };
    asked(&to_gb("7202118000", "RU", ""));
    // One of the European Union's states is meant: it may be France.
    asked(&to_gb("7202118000", "EU", ""));
    asked(&to_gb("7202118000", "RU", r#", "facts": {"ad_cvd": "who knows"}"#));
    // A duty rate in the request is no answer about the remedy.
    asked(&to_gb("7202118000", "RU", r#", "rates": {"duty": "0.027"}"#));
    // 200 × 2.7 % = 5.40; (200 + 5.40) × 20 % = 41.08. With a remedy of 25 %: 50.00 more, and 255.40 × 20 % = 51.08.
    for (origin, answer, duty, vat) in [
        ("BY", "", "5.40", "41.08"),
        ("RU", r#", "facts": {"ad_cvd": false}"#, "5.40", "41.08"),
        ("RU", r#", "facts": {"ad_cvd": "0.25"}"#, "55.40", "51.08"),
    ] {
        let q = quote(&store, &to_gb("7202118000", origin, answer));
        assert_eq!((&q["status"], &q["totals"]["duty"]), (&"complete".into(), &duty.into()), "{origin}: {q}");
        assert_eq!(q["totals"]["vat"], vat, "{origin}: {q}");
    }
}

#[test]
fn the_recorded_trade_remedies_are_asked_about() {
    let mut store = TariffStore::default();
    for code in ["7202118000", "1516209821"] {
        let Some(text) = sample(&format!("tariff/uk-trade-tariff/fixtures/uk/commodities/{code}.json"))
        else {
            return;
        };
        store.add("GB", Timestamp::MIN, uk::read(&text, "c.json", "UK").unwrap());
    }
    let missing = |code: &str, origin: &str| {
        quote(&store, &to_gb(code, origin, ""))["missing"].to_string().contains("lines.1.facts.ad_cvd")
    };
    // Type 552 for all origins but Canada and the United States; these by 695, Canada by a group without members.
    for origin in ["CN", "RU", "BY", "CU", "KP", "US", "CA"] {
        assert!(missing("7202118000", origin), "{origin}");
    }
    // Types 552 and 554 for Canada alone.
    assert!(missing("1516209821", "CA"));
    assert!(!missing("1516209821", "RU") && !missing("1516209821", "CN"));
}

/// Of Great Britain only some commodities are imported: a short code may mean one that was not.
#[test]
fn a_short_code_is_not_taken_for_the_one_commodity_that_is_known() {
    let mut store = TariffStore::default();
    store.add("GB", Timestamp::MIN, uk::read(REMEDIES, "c.json", "UK").unwrap());
    let q = quote(&store, &to_gb("720211", "CN", ""));
    assert_eq!(q["status"], "indeterminate");
    assert!(q["flags"].to_string().contains("HS_TOO_SHORT:1"), "{q}");
}

#[test]
fn a_measure_whose_end_cannot_be_read_is_refused() {
    let api = |end: &str, excluded: &str| {
        format!(
            r#"{{"data": {{"attributes": {{"goods_nomenclature_item_id": "7202118000"}}, "relationships": {{"import_measures": {{"data": [
                {{"type": "measure", "id": "9"}}]}}}}}},
              "included": [{{"type": "measure", "id": "9", "attributes": {{"effective_start_date": "2021-06-01T00:00:00.000Z", "effective_end_date": {end}}},
                "relationships": {{"measure_type": {{"data": {{"type": "measure_type", "id": "103"}}}}, {excluded}
                  "geographical_area": {{"data": {{"type": "geographical_area", "id": "1011"}}}},
                  "duty_expression": {{"data": {{"type": "duty_expression", "id": "9-x"}}}}}}}},
              {{"type": "duty_expression", "id": "9-x", "attributes": {{"base": "5.00 %"}}}}]}}"#
        )
    };
    let none = r#""excluded_countries": {"data": []},"#;
    let told = |text: &str| uk::read(text, "c.json", "UK").unwrap_err().to_string();
    assert!(told(&api("\"31.12.2026\"", none)).contains("measure 9: no effective_end_date that can be read"));
    assert!(told(&api("null", "")).contains("measure 9: no excluded_countries"));
    // Days are days of London: the first begins at 23:00 UTC of the day before in summer, the last is whole.
    let mut store = TariffStore::default();
    let text = api("\"2026-08-31T00:00:00.000Z\"", none);
    store.add("GB", Timestamp::MIN, uk::read(&text, "c.json", "UK").unwrap());
    let found = |at: &str| {
        let at: Timestamp = at.parse().unwrap();
        store.lookup("GB", &HsCode::new("7202118000").unwrap(), None, at) != Lookup::Missing
    };
    assert_eq!(
        ["2021-05-31T22:59:59Z", "2021-05-31T23:00:00Z", "2026-08-31T22:59:59Z", "2026-08-31T23:00:00Z"]
            .map(found),
        [false, true, true, false]
    );
}

/// The quote names the whole checksum of each file that gave a rate, beside the row in the charge.
#[test]
fn a_quote_pins_the_tariff_file() {
    let mut store = TariffStore::default();
    store.add("GB", Timestamp::MIN, uk::read(REMEDIES, "c.json", "UK").unwrap());
    let q = quote(&store, &to_gb("7202118000", "BY", ""));
    let version = store.versions().next().unwrap().sha256;
    assert_eq!(q["tariffs"], serde_json::json!({"GB": [format!("sha256:{version}")]}));
    let row = q["lines"][0]["charges"][0]["rate_source"].as_str().unwrap();
    assert!(row.contains("7202118000") && row.ends_with(&version[..12]), "{row}");
}

/// A charge names the exchange rate of its own amounts, not the first one that was looked at.
#[test]
fn a_charge_names_its_own_exchange_rate() {
    let ask = |cur: &str, to: &str, fx: &str| {
        let store = TariffStore::default();
        quote(
            &store,
            &format!(
                r#"{{"destination": {{"country": "{to}"}}, "legal_event_at": "2026-07-10T12:00:00+02:00", "currency": "{cur}", "fx": [{fx}],
                "lines": [{{"id": "1", "unit_price": "30", "hs": "420222"}}]}}"#
            ),
        )
    };
    let of = |q: &Value, n: usize| q["lines"][0]["charges"][n]["fx"].clone();
    // Krona order to Sweden: only the 3 EUR are converted, not the VAT (nor the 30 SEK that 150 EUR are compared with).
    let krona = r#"{"from": "EUR", "to": "SEK", "rate": "11"}"#;
    let q = ask("SEK", "SE", krona);
    assert_eq!((q["totals"]["duty"].clone(), of(&q, 0)), ("33.00".into(), "request:EUR/SEK:11".into()));
    assert_eq!(of(&q, 1), Value::Null);
    // Dollar order to France: everything was converted once, the 3 EUR were not.
    let q = ask("USD", "FR", r#"{"from": "USD", "to": "EUR", "rate": "0.9"}"#);
    assert_eq!((of(&q, 0), of(&q, 1)), ("request:USD/EUR:0.9".into(), "request:USD/EUR:0.9".into()));
    // Dollar order to Sweden: both.
    let q = ask("USD", "SE", &format!(r#"{krona}, {{"from": "USD", "to": "SEK", "rate": "10"}}"#));
    assert_eq!(of(&q, 0), "request:USD/SEK:10; request:EUR/SEK:11");
    assert_eq!(of(&q, 1), "request:USD/SEK:10");
}

#[test]
fn a_folder_keeps_versions_by_checksum_and_refuses_an_edited_file() {
    let dir = std::env::temp_dir().join(format!("tradewind-tariffs-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let file = |name: &str, rate: &str| {
        let path = dir.join(name);
        let head = "HTS Number,Indent,Description,Unit of Quantity,General Rate of Duty,Special Rate of Duty,Column 2 Rate of Duty,Quota Quantity,Additional Duties";
        std::fs::write(&path, format!("{head}\n4202.22.45.00,0,Bags,,{rate},,45%,,\n")).unwrap();
        path
    };
    let store = dir.join("store");
    let at = |t: &str| t.parse::<Timestamp>().unwrap();
    assert!(folder::load(&store).unwrap_err().to_string().contains("duty tariff import"));
    let (entry, _, new) =
        folder::import(&store, &file("a.csv", "6.3%"), None, "2026-01", at("2026-01-01T05:00:00Z")).unwrap();
    assert!(new && entry.jurisdiction == "US");
    let (_, _, new) =
        folder::import(&store, &file("a.csv", "6.3%"), None, "2026-01", at("2026-01-01T05:00:00Z")).unwrap();
    assert!(!new, "the same file again changes nothing");
    folder::import(&store, &file("b.csv", "7%"), None, "2026-09", at("2026-09-01T04:00:00Z")).unwrap();
    let loaded = folder::load(&store).unwrap();
    let rate = |t: &str| match loaded.lookup("US", &HsCode::new("4202224500").unwrap(), None, at(t)) {
        Lookup::Found { rate: Rate::AdValorem(r), .. } => Some(r),
        _ => None,
    };
    assert_eq!(rate("2025-12-31T00:00:00Z"), None);
    assert_eq!(rate("2026-09-01T03:59:59Z"), Some(Decimal::new(63, 3)));
    assert_eq!(rate("2026-09-01T04:00:00Z"), Some(Decimal::new(7, 2)));
    std::fs::write(store.join(&entry.file), "HTS Number,Indent\n").unwrap();
    let e = folder::load(&store).unwrap_err().to_string();
    assert!(e.contains(&entry.file) && e.contains("checksum"), "{e}");
    let unknown = dir.join("c.txt");
    std::fs::write(&unknown, "hello").unwrap();
    let e = folder::import(&store, &unknown, None, "x", Timestamp::MIN).unwrap_err().to_string();
    assert!(e.contains("no tariff file"), "{e}");
    std::fs::remove_dir_all(&dir).unwrap();
}
