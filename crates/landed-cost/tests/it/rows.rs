//! Every row of the rule sheet stands in a pack, with its grade and its state.

use std::collections::BTreeMap;

use tradewind_landed_cost::pack::Provenance;

use super::packs;

/// Row, pack, best grade that some part of it carries in the packs, and state: `on`, `off` (disabled), `void`
/// (struck down).
const ROWS: &[(&str, &str, &str, &str)] = &[
    ("CN-CBEC", "CN", "A/K", "on"),
    ("CN-CBEC-SINGLE", "CN", "A", "on"),
    ("CN-CBEC-OVER", "CN", "A", "on"),
    ("CN-POST", "CN", "A/K", "on"),
    ("EU-LV-RELIEF", "EU", "B", "on"),
    ("EU-LV-3EUR", "EU", "B", "on"),
    ("EU-STD", "EU", "B", "on"),
    ("EU-GIFT", "EU", "C/K", "off"),
    ("EU-HANDLING", "EU", "C", "off"),
    ("GB-LV", "GB", "A/B", "on"),
    ("GB-STD", "GB", "A", "on"),
    ("GB-GIFT", "GB", "B", "on"),
    ("XI", "XI", "K", "off"),
    ("US-321", "US", "A", "on"),
    ("US-MFN", "US", "A", "on"),
    ("US-301-CN", "US", "A", "on"),
    ("US-IEEPA-*", "US", "B", "void"),
    ("US-122", "US", "B", "on"),
    ("US-301-FL", "US", "B-", "on"),
    ("US-301-BR", "US", "C", "off"),
    ("US-338-CA", "US", "C", "off"),
    ("US-232", "US", "C", "off"),
    ("US-AD/CVD", "US", "A", "on"),
    ("US-FEES-INF", "US", "A", "on"),
    ("US-FEES-FORMAL", "US", "A", "on"),
    ("CA-MAIL", "CA", "A", "on"),
    ("CA-COUR-USMX", "CA", "A", "on"),
    ("CA-COUR-OTH", "CA", "A/K", "on"),
    ("MX-COUR", "MX", "B", "on"),
    ("MX-COUR-T", "MX", "B", "on"),
    ("BR-RC20", "BR", "B", "on"),
    ("BR-RC60", "BR", "B", "on"),
    ("AU-LVG", "AU", "A", "on"),
    ("AU-STD", "AU", "A", "on"),
    ("NZ-LVG", "NZ", "A", "on"),
    ("NZ-STD", "NZ", "A", "on"),
    ("JP-EXEMPT", "JP", "A", "on"),
    ("JP-PERSONAL", "JP", "B", "on"),
    ("JP-SIMPLE", "JP", "B/K", "on"),
    ("JP-TAX", "JP", "B", "on"),
    ("KR-SMALL", "KR", "B", "on"),
    ("KR-STD", "KR", "B", "on"),
    ("SG-OVR", "SG", "A", "on"),
    ("SG-IMP", "SG", "A", "on"),
    ("TW", "TW", "B/K", "on"),
    ("TH", "TH", "B", "on"),
    ("MY-LVG", "MY", "A/B", "on"),
    ("MY-STD", "MY", "K", "off"),
    ("ID", "ID", "B", "on"),
    ("VN", "VN", "B", "on"),
    ("PH", "PH", "C/K", "off"),
    ("IN", "IN", "B/K", "on"),
    ("CH-STD", "CH", "B", "on"),
    ("NO-VOEC", "NO", "B", "on"),
    ("NO-STD", "NO", "B", "on"),
    ("TR", "TR", "B", "on"),
    ("TR-OLD", "TR", "B", "on"),
    ("SA", "SA", "B", "on"),
    ("SA-STD", "SA", "B", "on"),
    ("AE", "AE", "K", "off"),
];

fn all() -> BTreeMap<(String, String), Vec<&'static Provenance>> {
    let mut out: BTreeMap<(String, String), Vec<&Provenance>> = BTreeMap::new();
    for pack in packs().current() {
        let metas = (pack.rules.iter().map(|r| &r.meta))
            .chain(pack.layers.iter().map(|l| &l.meta))
            .chain(pack.fees.iter().map(|f| &f.meta));
        for m in metas {
            out.entry((pack.jurisdiction.to_string(), m.row.to_string())).or_default().push(m);
        }
    }
    out
}

#[test]
fn every_row_of_the_sheet_is_in_a_pack_with_grade_source_and_state() {
    let all = all();
    for (row, pack, grade, state) in ROWS {
        let parts = all.get(&((*pack).to_owned(), (*row).to_owned()));
        let parts = parts.unwrap_or_else(|| panic!("{row} is in no rule of {pack}"));
        assert!(parts.iter().any(|m| m.confidence.as_ref() == *grade), "{row}: no part graded {grade}");
        for m in parts {
            assert!(!m.source.trim().is_empty(), "{row}: {} has no source", m.id);
        }
        let is = if parts.iter().any(|m| m.invalidated) {
            "void"
        } else if parts.iter().any(|m| m.enabled) {
            "on"
        } else {
            "off"
        };
        assert_eq!(is, *state, "{row}");
    }
}

/// Nothing graded C or K is used, and nothing better is left out — except by a rule that answers "indeterminate".
#[test]
fn grades_decide_what_ships_enabled() {
    for ((pack, row), parts) in all() {
        for m in parts {
            let low = matches!(m.confidence.as_ref(), "C" | "K" | "C/K");
            assert_eq!(m.enabled, !low, "{pack} {row} {}: {}", m.id, m.confidence);
        }
    }
}

/// What the packs add to the sheet is named here, so that a new row is a decision.
#[test]
fn the_packs_hold_no_row_that_the_sheet_does_not() {
    let extra = ["CN-GENERAL"]; // says that general trade is not covered
    for (pack, row) in all().into_keys() {
        assert!(
            extra.contains(&row.as_str()) || ROWS.iter().any(|(r, p, ..)| *r == row && *p == pack),
            "{pack} {row} is not in the sheet"
        );
    }
}
