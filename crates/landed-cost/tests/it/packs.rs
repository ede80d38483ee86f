//! Loading: what is shipped loads; what is wrong is refused with both names and the interval.

use tradewind_landed_cost::pack::{Pack, PackSet};

#[test]
fn the_shipped_packs_load() {
    let set = PackSet::embedded().unwrap_or_else(|e| panic!("{e}"));
    let mut names: Vec<&str> = set.current().iter().map(|p| p.jurisdiction.as_ref()).collect();
    names.sort_unstable();
    assert_eq!(names.join(" "), "AE AU BR CA CH CN EU GB ID IN JP KR MX MY NO NZ PH SA SG TH TR TW US VN XI");
}

const HEAD: &str = r#"jurisdiction = "GB"
name = "Test"
version = "1"
destinations = ["GB"]
zone = "Europe/London"
currency = "GBP"
covers = { from = "2021-01-01", flows = ["import_b2c"] }
"#;

fn rule(id: &str, more: &str) -> String {
    format!("\n[[rule]]\nid = \"{id}\"\ntitle = \"t\"\nflow = [\"import_b2c\"]\nconfidence = \"A\"\n{more}\n")
}

fn refused(text: &str) -> String {
    let errors = Pack::parse("gb.toml", text).expect_err("refused");
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn two_rules_for_one_case_are_refused_with_both_names_lines_and_the_interval() {
    let text = format!(
        "{HEAD}{}{}",
        rule("ONE", "source = \"s\"\nto = \"2023-01-01\""),
        rule("TWO", "source = \"s\"\nfrom = \"2022-01-01\"")
    );
    // Lines: the head has 7, each rule starts after a blank line, so ids stand on 10 and 18.
    let message = refused(&text);
    assert!(message.starts_with("gb.toml:"), "{message}");
    assert!(
        message.contains(
            "rules 'ONE' (line 10) and 'TWO' (line 18) overlap in [2022-01-01T00:00, 2023-01-01T00:00)"
        ),
        "{message}"
    );
    assert!(
        Pack::parse("gb.toml", &text.replace("from = \"2022-01-01\"", "from = \"2022-01-01\"\npriority = 1"))
            .is_ok()
    );
}

#[test]
fn a_gap_in_time_or_value_is_refused() {
    let time = format!("{HEAD}{}", rule("ONE", "source = \"s\"\nto = \"2023-01-01\""));
    assert!(
        refused(&time).contains("gap: flow 'import_b2c' has no rule in [2023-01-01T00:00, open)"),
        "{}",
        refused(&time)
    );
    let value = format!(
        "{HEAD}{}{}",
        rule(
            "LOW",
            "source = \"s\"\nwhen = { value = [{ metric = \"fob\", currency = \"GBP\", below = \"135\" }] }"
        ),
        rule(
            "HIGH",
            "source = \"s\"\nwhen = { value = [{ metric = \"fob\", currency = \"GBP\", over = \"135\" }] }"
        )
    );
    assert!(refused(&value).contains("fob 135"), "{}", refused(&value));
}

#[test]
fn a_missing_source_an_unknown_reference_and_a_typo_are_refused() {
    assert!(refused(&format!("{HEAD}{}", rule("ONE", ""))).contains("'ONE' has no source"));
    let text =
        format!("{HEAD}{}", rule("ONE", "source = \"s\"\ntax = { kind = \"vat\", rate_ref = \"GB.VAT\" }"));
    assert!(refused(&text).contains("refers to the rate 'GB.VAT'"), "{}", refused(&text));
    let text = format!("{HEAD}{}", rule("ONE", "source = \"s\"\nwhen = { any_goods = \"wine\" }"));
    assert!(refused(&text).contains("the set 'wine'"));
    let typo = refused(&format!("{HEAD}{}", rule("ONE", "sorce = \"s\"")));
    assert!(typo.starts_with("gb.toml:14: ") && typo.contains("sorce"), "{typo}");
    assert!(
        refused(&format!(
            "{HEAD}{}",
            rule("ONE", "source = \"s\"\nenabled = true").replace("\"A\"", "\"K\"")
        ))
        .contains("graded K")
    );
}
