//! Bad input: each kind is refused with a message that names file, row and remedy, and nothing is half-written.

use std::path::Path;

use crate::{json, text, tradewind};

const HEADER: &str = "sku,title,price,currency,quantity,hs,origin\n";

/// A folder whose catalogue is one file with this content.
fn shop(file: &str, content: &[u8], more: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(file), content).unwrap();
    std::fs::write(folder.path().join("tradewind.toml"), format!("[[catalogue]]\npath = \"{file}\"\n{more}"))
        .unwrap();
    folder
}

/// Importing fails, says all of these, and leaves no variant behind.
fn refused(folder: &Path, says: &[&str]) {
    let output = tradewind(folder, &["import"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    for words in says {
        assert!(text(&output).contains(words), "'{words}' is not in: {}", text(&output));
    }
    std::fs::write(folder.join("good.csv"), format!("{HEADER}A,A,1.00,EUR,1,,\n")).unwrap();
    std::fs::write(folder.join("tradewind.toml"), "[[catalogue]]\npath = \"good.csv\"\n").unwrap();
    let next = json(&tradewind(folder, &["import", "--json"]));
    assert_eq!(
        next,
        serde_json::json!({"products": 1, "variants": 1, "new": 1}),
        "something was half-written"
    );
}

fn refused_csv(rows: &str, says: &[&str]) {
    let folder = shop("c.csv", format!("{HEADER}{rows}").as_bytes(), "");
    refused(folder.path(), says);
}

#[test]
fn rows_are_refused_with_row_and_remedy() {
    refused_csv(
        "A,A,1.00,EUR,1,,\nA,B,2.00,EUR,1,,\n",
        &["c.csv:3 sku", "stands twice, first at c.csv:2", "remove one row"],
    );
    refused_csv("A,A,1.00,EURO,1,,\n", &["c.csv:2 currency", "unknown currency 'EURO'", "ISO 4217"]);
    refused_csv("A,A,-1.00,EUR,1,,\n", &["c.csv:2 price", "negative"]);
    refused_csv("A,A,\"1,00\",EUR,1,,\n", &["c.csv:2 price", "'1,00' is not an amount"]);
    refused_csv("A,A,1.005,EUR,1,,\n", &["c.csv:2 price", "more decimals than EUR allows"]);
    refused_csv("A,A,1.00,EUR,-3,,\n", &["c.csv:2 quantity", "whole number of units"]);
    refused_csv("A,A,1.00,EUR,1,61,\n", &["c.csv:2 hs", "6, 8 or 10 digits"]);
    refused_csv("A,A,1.00,EUR,1,,UK\n", &["c.csv:2 origin", "unknown country 'UK'"]);
    refused_csv(",A,1.00,EUR,1,,\n", &["c.csv:2 sku", "is missing"]);
    refused_csv("A,A,1.00,EUR\n", &["c.csv:2", "has 4 fields where the header has 7"]);
}

#[test]
fn programs_are_told_file_and_line_in_fields() {
    let folder = shop("c.csv", format!("{HEADER}A,A,x,EUR,1,,\nB,B,1.00,EUR,-3,,\n").as_bytes(), "");
    let error = &json(&tradewind(folder.path(), &["import", "--json"]))["error"];
    assert_eq!(
        (&error["file"], &error["line"], &error["field"]),
        (&"c.csv".into(), &2.into(), &"price".into())
    );
    let second = &error["problems"][1];
    assert_eq!((&second["line"], &second["field"]), (&3.into(), &"quantity".into()));
    assert!(second["message"].as_str().unwrap().contains("whole number of units"), "{error}");
    // `nope` begins on the third line, in its first column.
    std::fs::write(folder.path().join("tradewind.toml"), "[[catalogue]]\npath = \"c.csv\"\nnope = 1\n")
        .unwrap();
    let error = &json(&tradewind(folder.path(), &["import", "--json"]))["error"];
    let place = (&error["file"], &error["line"], &error["column"]);
    assert_eq!(place, (&"tradewind.toml".into(), &3.into(), &1.into()));
    // A file that the configuration names.
    std::fs::write(folder.path().join("rates.csv"), "date,base,quote,rate\n\n2026-03-02,GBP,CNY,0\n")
        .unwrap();
    std::fs::write(folder.path().join("tradewind.toml"), "[fx]\nfiles = [\"rates.csv\"]\n").unwrap();
    let error = &json(&tradewind(folder.path(), &["import", "--json"]))["error"];
    assert_eq!((&error["file"], &error["line"]), (&"rates.csv".into(), &3.into()));
}

#[test]
fn every_missing_secret_is_told_at_once() {
    let account = "[[account]]\nid = \"store\"\nconnector = \"amazon\"\n\
        settings = { marketplace = \"DE\", seller_id = \"S\", client_id = \"C\" }\n";
    let folder = shop("c.csv", HEADER.as_bytes(), account);
    let told = text(&tradewind(folder.path(), &["check"]));
    for name in ["client_secret", "refresh_token"] {
        assert_eq!(told.matches(&format!("secret '{name}' is missing")).count(), 1, "{told}");
    }
}

#[test]
fn rows_are_counted_as_an_editor_counts_them() {
    // The header is line 1; two blank lines; line 4 is right and two lines long; line 6 is wrong.
    let rows = "\n\nA,\"A\nB\",1.00,EUR,1,,\nB,B,x,EUR,1,,\n";
    refused_csv(rows, &["c.csv:6 price"]);
    let folder = shop("c.csv", format!("{HEADER}{rows}").replace('\n', "\r\n").as_bytes(), "");
    refused(folder.path(), &["c.csv:6 price"]);
    // A quote on line 4 that is never closed, after a blank line; more than a row may hold.
    let open = format!("A,A,1.00,EUR,1,,\n\nB,\"{}\n", "x".repeat(1 << 21));
    refused_csv(&open, &["c.csv:4", "not closed"]);
}

#[test]
fn all_problems_of_a_file_are_told_at_once() {
    refused_csv("A,A,x,EUR,1,,\nB,B,1.00,XXX,1,,\n", &["c.csv:2 price", "c.csv:3 currency"]);
}

#[test]
fn an_unknown_column_is_named_with_the_known_ones() {
    let folder = shop("c.csv", b"sku,title,prize\nA,A,1.00\n", "");
    refused(folder.path(), &["c.csv:1 prize", "is no known column", "price"]);
}

#[test]
fn a_wrong_encoding_is_told() {
    // "Größe" in Latin-1.
    let folder = shop("c.csv", b"sku,title,price,currency\nA,Gr\xf6\xdfe,1.00,EUR\n", "");
    refused(folder.path(), &["c.csv:2 title", "is not UTF-8", "CSV UTF-8"]);
}

#[test]
fn a_file_of_another_kind_is_told() {
    let folder = shop("c.csv", b"a;b;c\n1;2;3\n", "");
    refused(folder.path(), &["c.csv", "no column 'sku'", "save it with commas", "the header has ';'"]);
    let folder = shop("c.pdf", b"%PDF", "");
    refused(folder.path(), &["c.pdf", "the format of '.pdf' is not known"]);
    let folder = shop("c.xlsx", b"not a workbook", "");
    refused(folder.path(), &["c.xlsx", "is no workbook"]);
    let folder =
        shop("f.xml", b"<?xml version=\"1.0\"?><!DOCTYPE r [<!ENTITY x \"y\">]><rss><channel/></rss>", "");
    refused(folder.path(), &["f.xml", "document type declaration"]);
    let folder = shop("c.jsonl", b"{\"sku\":\"A\",\n", "");
    refused(folder.path(), &["c.jsonl:1", "is no JSON object", "one whole object per line"]);
}

#[test]
fn a_shopify_export_needs_a_currency() {
    let csv = b"Handle,Title,Variant SKU,Variant Price\nmug,Mug,A,1.00\n";
    let folder = shop("c.csv", csv, "");
    refused(folder.path(), &["names no currency", "set currency"]);
}

#[test]
fn a_workbook_beyond_the_limit_is_refused_before_it_is_unpacked() {
    let folder = shop("c.xlsx", b"", "");
    let file = std::fs::OpenOptions::new().write(true).open(folder.path().join("c.xlsx")).unwrap();
    file.set_len(200 * 1024 * 1024).unwrap();
    refused(folder.path(), &["is 200 MiB", "the limit for this format is 64 MiB", "export it as CSV"]);
}

#[test]
fn malformed_csv_is_refused_at_its_row() {
    // A quote that is never closed would swallow the rest of the file.
    refused_csv(
        "A,\"Mug,1.00,EUR,1,,\nB,Bowl,1.00,EUR,1,,\n",
        &["c.csv:2", "a quote opens here", "close it"],
    );
    refused_csv("A,A,1.00,EUR,1,,\nB;B;1.00;EUR;1;;\n", &["c.csv:3", "has 1 fields where the header has 7"]);
}

#[test]
fn two_hundred_megabytes_of_one_field_are_refused_at_their_row() {
    let folder = shop("c.csv", format!("{HEADER}A,\"").as_bytes(), "");
    let file = std::fs::OpenOptions::new().write(true).open(folder.path().join("c.csv")).unwrap();
    file.set_len(200 * 1024 * 1024).unwrap();
    refused(folder.path(), &["c.csv:2", "longer than 1 MiB", "a quote that is not closed"]);
}

/// Runs `import`, and tells its answer with the most memory it ever had, in KiB: what the kernel counts, told at its end.
fn import_with_peak(folder: &Path) -> (std::process::Output, u64) {
    let output = tradewind(folder, &["import", "-v"]);
    let told = text(&output);
    let peak =
        told.split("peak_kib=").nth(1).and_then(|t| t.split_whitespace().next()).and_then(|n| n.parse().ok());
    let peak = peak.unwrap_or_else(|| panic!("no peak in: {told}"));
    (output, peak)
}

/// Writes ordinary rows up to a size; the last one is cut.
fn rows_of(folder: &Path, megabytes: usize, sku: impl Fn(usize) -> String) {
    use std::io::Write;
    let mut file = std::io::BufWriter::new(std::fs::File::create(folder.join("c.csv")).unwrap());
    file.write_all(b"sku,title,description,price,currency,quantity,hs,origin\n").unwrap();
    let (mut size, mut n) = (0, 0);
    while size < megabytes * 1_000_000 {
        let row = format!(
            "{},Mug {n},\"{}\",12.50,EUR,3,691110,CN\n",
            sku(n),
            "A mug for tea, hand made. ".repeat(4)
        );
        file.write_all(row.as_bytes()).unwrap();
        (size, n) = (size + row.len(), n + 1);
    }
    file.write_all(b"LAST,\"A mug").unwrap();
}

/// The most that reading may take: the file held twice would be more.
#[cfg(target_os = "linux")]
const PEAK_KIB: u64 = 400_000;

#[test]
#[cfg(target_os = "linux")]
fn two_hundred_megabytes_of_the_same_sku_stop_at_fifty_problems() {
    let folder = shop("c.csv", b"", "");
    rows_of(folder.path(), 200, |_| "A".to_owned());
    let (output, peak) = import_with_peak(folder.path());
    let told = text(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("c.csv:3 sku") && told.contains("first at c.csv:2"), "{told}");
    // Row 3 is the first duplicate, row 52 the fiftieth.
    assert!(told.contains("c.csv:52 sku") && !told.contains("c.csv:53"), "{told}");
    assert!(told.contains("stopped at 50 problems, and more may follow"), "{told}");
    assert!(peak > 0 && peak < PEAK_KIB, "{peak} KiB");
}

#[test]
#[cfg(target_os = "linux")]
fn two_hundred_megabytes_of_good_rows_are_refused_at_the_limit() {
    let folder = shop("c.csv", b"", "");
    rows_of(folder.path(), 200, |n| format!("SKU-{n}"));
    let (output, peak) = import_with_peak(folder.path());
    let told = text(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    // The header is line 1, so row 250,001 is on line 250,002.
    assert!(told.contains("c.csv:250002: is row 250001, and the limit of one file is 250000 rows"), "{told}");
    assert!(told.contains("split the file here"), "{told}");
    assert!(peak > 0 && peak < 2 * PEAK_KIB, "{peak} KiB");
}

#[test]
fn a_file_beyond_the_size_is_refused_at_the_row_where_it_is_full() {
    let folder = shop("c.csv", b"", "");
    let rows: String = (0..1_400).map(|n| format!("S{n},{},1.00,EUR,1,,\n", "x".repeat(80_000))).collect();
    std::fs::write(folder.path().join("c.csv"), format!("{HEADER}{rows}")).unwrap();
    // 104,857,600 / 80,0xx bytes a row: row 1311 is the one that does not fit, on line 1312, give or take a buffer.
    refused(folder.path(), &["c.csv:131", "the limit of 100 MiB for one file", "split the file"]);
}

#[test]
fn control_characters_are_refused_with_row_and_column() {
    refused_csv("A,T\0\u{1b}[31m,1.00,EUR,1,,\n", &["c.csv:2 title", "U+0000 as character 2", "delete it"]);
    refused_csv("A,T\u{1b}[31m,1.00,EUR,1,,\n", &["c.csv:2 title", "U+001B as character 2"]);
    let folder = shop("c.jsonl", br#"{"sku":"A","title":"T\u0007","price":"1.00","currency":"EUR"}"#, "");
    refused(folder.path(), &["c.jsonl:1 title", "U+0007 as character 2"]);
}

#[test]
fn an_invalid_gtin_is_a_warning_that_names_the_digit() {
    let folder = shop("c.csv", b"sku,title,price,currency,gtin\nA,A,1.00,EUR,5012345678901\n", "");
    let output = tradewind(folder.path(), &["import"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(
        text(&output).contains("c.csv:2 gtin") && text(&output).contains("check digit should be 0"),
        "{}",
        text(&output)
    );
}

#[test]
fn configuration_mistakes_are_told_with_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let check = |config: &str| {
        std::fs::write(folder.path().join("tradewind.toml"), config).unwrap();
        text(&tradewind(folder.path(), &["check"]))
    };
    let told = check("[guard]\nmargin_flor = \"0.1\"\n");
    assert!(told.contains("tradewind.toml:2:1") && told.contains("margin_flor"), "{told}");
    for floor in ["0.1", "\"ten\""] {
        let told = check(&format!("[guard]\nmargin_floor = {floor}\n"));
        assert!(told.contains("tradewind.toml:2") && told.contains("in quotes, such as \"0.15\""), "{told}");
    }
    let told = check("[stock]\nbuffer = -1\n");
    assert!(told.contains("tradewind.toml:2:10") && told.contains("a whole number, zero or more"), "{told}");
    let told = check(
        "[[account]]\nid = \"a\"\nconnector = \"amazon\"\n[[account]]\nid = \"a\"\nconnector = \"amazon\"\n",
    );
    assert!(told.contains("account 'a' stands twice"), "{told}");
    let account = "[[account]]\nid = \"a\"\nconnector = \"amazon\"\nsettings = { marketplace = \"DE\", seller_id = \"s\", client_id = \"c\" }\n";
    let told = check(account);
    assert!(
        told.contains("secret 'client_secret' is missing") && told.contains("tradewind connectors amazon"),
        "{told}"
    );
    let told =
        check(&format!("{account}secrets = {{ client_secret = {{ env = \"TRADEWIND_TEST_UNSET\" }} }}\n"));
    assert!(
        told.contains("$TRADEWIND_TEST_UNSET") && told.contains("secret 'client_secret' of account 'a'"),
        "{told}"
    );
    // Every fault of an account at once, each at its place: 12 characters of `secrets = { `, 16 of `client_secret = `.
    let told = check(&format!(
        "{}secrets = {{ client_secret = {{ env = \"TRADEWIND_TEST_UNSET\" }}, refresh_token = {{ file = \"nope\" }} }}\n",
        account.replace("marketplace", "marketplac")
    ));
    assert!(told.contains("tradewind.toml:5:29: $TRADEWIND_TEST_UNSET"), "{told}");
    assert!(
        told.contains("secret 'refresh_token'") && told.contains("nope") && told.contains("marketplac"),
        "{told}"
    );
    let told = check("[[account]]\nid = \"a\"\nconnector = \"amazn\"\n");
    assert!(told.contains("no connector is called 'amazn'"), "{told}");
    assert!(!told.contains("notifications"), "what it cannot know it does not tell: {told}");
    let told = text(&tradewind(folder.path(), &["check", "-c", "nowhere.toml"]));
    assert!(told.contains("nowhere.toml") && told.contains("tradewind init"), "{told}");
}

#[test]
fn accounts_named_for_what_they_cannot_do_and_categories_that_no_product_has_are_told() {
    let more = "[shipping]\ncarrier = \"pay\"\nparcel_mm = [1, 1, 1]\n[shipping.from]\nname = \"N\"\n\
        lines = [\"1\"]\ncity = \"C\"\npostcode = \"1\"\ncountry = \"CN\"\n\
        [[account]]\nid = \"pay\"\nconnector = \"paypal\"\nsettings = { currency = \"EUR\", client_id = \"c\" }\n\
        secrets = { client_secret = { file = \"c.csv\" } }\n\
        [account.offers]\ncurrency = \"EUR\"\nonly = [\"Kitchn\"]\ncategories = { Toys = \"1\", \"*\" = \"2\" }\n";
    let rows = "sku,title,category,price,currency\nA,A,Kitchen,1.00,EUR\n";
    let folder = shop("c.csv", rows.as_bytes(), more);
    let output = tradewind(folder.path(), &["check", "--json"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let told = json(&output);
    // Two lines of [[catalogue]] before them: [shipping] is line 3, [account.offers] line 17.
    let carrier = &told["problems"][0];
    assert_eq!((&carrier["line"], &carrier["column"]), (&4.into(), &11.into()), "{told}");
    assert!(carrier["message"].as_str().unwrap().contains("account 'pay' is no carrier"), "{told}");
    assert!(carrier["message"].as_str().unwrap().contains("there are dhl-express"), "{told}");
    assert!(told["problems"][1]["message"].as_str().unwrap().contains("account 'pay' is no marketplace"));
    for (n, line, field, name) in [(0, 19, "only", "Kitchn"), (1, 20, "categories", "Toys")] {
        let w = &told["warnings"][n];
        assert_eq!((&w["line"], &w["field"]), (&line.into(), &field.into()), "{told}");
        let message = w["message"].as_str().unwrap();
        assert!(
            message.contains(&format!("in category '{name}'")) && message.contains("are Kitchen"),
            "{told}"
        );
    }
    // A mistake in the configuration itself ends as one in any other file.
    let folder = shop("c.csv", rows.as_bytes(), "[guard]\nmass_delete = \"20\"\n");
    let output = tradewind(folder.path(), &["check", "--json"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert_eq!(json(&output)["problems"][0]["line"], 4);
    let output = tradewind(folder.path(), &["check", "-c", "nowhere.toml"]);
    assert_eq!(output.status.code(), Some(1), "there is nothing to check: {}", text(&output));
}

#[test]
fn an_input_that_is_not_there_is_told_with_what_to_give() {
    let folder = tempfile::tempdir().unwrap();
    for (args, says) in [
        (&["money", "allocate"][..], "standard input is empty: give a JSON object, or one per line"),
        (&["init"], "wrote"),
        (&["apply", "nosuch"], "nosuch cannot be read: write a plan with tradewind plan --out FILE"),
    ] {
        let output = tradewind(folder.path(), args);
        assert!(text(&output).contains(says), "{args:?}: {}", text(&output));
        assert_eq!(output.status.code(), Some(i32::from(args[0] != "init")), "{args:?}");
    }
}

/// Zeros alone would look like success to who has configured nothing yet, or misspelt a name.
#[test]
fn nothing_to_do_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(tradewind(folder.path(), &["init"]).status.code(), Some(0));
    let run = |args: &[&str], code: i32, says: &[&str]| {
        let output = tradewind(folder.path(), args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output));
        for words in says {
            assert!(text(&output).contains(words), "{args:?}: '{words}' is not in: {}", text(&output));
        }
    };
    run(&["plan"], 0, &["no account sells anything", "[account.offers]", "nothing to change"]);
    for command in ["orders", "fulfil", "settle"] {
        run(&[command], 0, &["no account is configured", "tradewind connectors"]);
    }
    run(&["reconcile"], 1, &["nothing to reconcile", "tradewind orders"]);
    run(&["reconcile", "--input", "."], 1, &["nothing to reconcile in .", "orders.jsonl"]);
    run(&["export", "csv", "--input", ".", "--out", "books"], 1, &["nothing to reconcile in ."]);
    assert!(!folder.path().join("books").exists());
    run(&["orders", "--stage", "nonsense"], 1, &["nonsense", "to_book", "stuck"]);
    run(
        &["why", "price", "MUG-BLUE", "--channel", "shpo"],
        1,
        &["there is no account 'shpo'", "[[account]]"],
    );
    // `o.csv` is there, the report is not.
    std::fs::write(folder.path().join("o.csv"), "id,currency,total\n1,EUR,1.00\n").unwrap();
    run(
        &["bulk", "--orders", "nowhere.csv", "s.txt"],
        1,
        &["nowhere.csv cannot be read: give --orders the CSV", "id, currency, total"],
    );
    run(
        &["bulk", "--orders", "o.csv", "s.txt"],
        1,
        &["s.txt cannot be read: give the settlement report as it was downloaded"],
    );
    run(&["why", "order", "1"], 1, &["was never imported from any account", "tradewind orders"]);
    run(&["why", "order", "1", "--channel", "shpo"], 1, &["there is no account 'shpo'"]);
    run(&["apply", "catalogue.csv"], 1, &["catalogue.csv is no plan", "tradewind plan --out"]);
}

#[test]
fn an_error_is_json_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let output = tradewind(folder.path(), &["plan", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(json(&output)["error"]["message"].as_str().unwrap().contains("tradewind.toml"));
}
