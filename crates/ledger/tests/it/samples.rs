//! Walks the shared sample data: what belongs to an importer imports and foots, the rest refuses with a reason.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use tradewind_domain::{Currency, Money};
use tradewind_ledger::import::{Document, Provider, RefusalKind, Sidecar, read_bytes};
use tradewind_material::{data, found};

const FOLDERS: &[(&str, Provider)] = &[
    ("amazon-settlement", Provider::Amazon),
    ("paypal", Provider::Paypal),
    ("stripe", Provider::Stripe),
    ("adyen", Provider::Adyen),
    ("wechat", Provider::Wechatpay),
    ("alipay", Provider::Alipay),
    // Providers without an importer of their own: their files must not pass for somebody else's.
    ("trustly", Provider::Adyen),
    ("dlocal", Provider::Stripe),
    ("braintree", Provider::Stripe),
    ("checkoutcom", Provider::Adyen),
    ("recon-misc", Provider::Stripe),
];

/// The samples that are complete, with what their provider's facts say must hold. Everything else refuses.
const FOOTING: &[&str] = &[
    "amazon-settlement/settlement-sample.txt",
    "paypal/STL-20260106.01.009.csv",
    "paypal/STL-BRL-convert.csv",
    "stripe/crm_settlement_report.csv",
    "stripe/settlement_report.csv",
    "adyen/settlement_detail_report_batch_1128.csv",
    "adyen/settlement_detail_report_batch_1129.csv",
    "adyen/settlement_detail_report_batch_1129-duplicate.csv",
    "adyen/settlement_detail_report_donation.csv",
    "adyen/settlement_detail_report_donation-ach.csv",
    "adyen/settlement_detail_report_donation_reordered.csv",
    "adyen/settlement_detail_report_ignore.csv",
    "adyen/crm_refund_credit_fee.csv",
    "wechat/bill.ALL.csv",
];

/// Reports without totals of their own: they import, and there is nothing to foot.
fn without_totals(name: &str) -> bool {
    name.starts_with("paypal/TRR-")
        || (name.starts_with("paypal/trr_") && !name.contains("non_data_rows"))
        || [
            "paypal/stl_chargeback_reversal.csv",
            "paypal/stl_chargeback_with_fee.csv",
            "stripe/payments_activity.csv",
            "stripe/crm_payments_activity.csv",
            "stripe/settlement_report_giving_basket.csv",
            "stripe/settlement_report_with_customer_data.csv",
        ]
        .contains(&name)
}

/// Why the others refuse, by the beginning of their names: excerpts and edited copies do not foot or are cut off, other reports and
/// other providers' files are not read. Every file that is not in one of the lists fails the test.
const REFUSING: &[(&str, RefusalKind)] = &[
    ("amazon-settlement/fee-codes.json", RefusalKind::Malformed),
    ("paypal/crm_stl_chargeback_variants.csv", RefusalKind::Truncated),
    ("paypal/crm_stl_", RefusalKind::NotFooting),
    ("paypal/sar_", RefusalKind::Unsupported),
    ("paypal/stl.csv", RefusalKind::NotFooting),
    ("paypal/stl_brl_refund.csv", RefusalKind::Truncated),
    ("paypal/stl_currency_convert.csv", RefusalKind::Truncated),
    ("paypal/stl_dr_payment.csv", RefusalKind::NotFooting),
    ("paypal/stl_payout_currency_convert.csv", RefusalKind::NotFooting),
    ("paypal/trr_express_with_non_data_rows.csv", RefusalKind::Truncated),
    ("adyen/payments_accounting_", RefusalKind::Unsupported),
    ("adyen/", RefusalKind::NotFooting),
    ("wechat/example-wechat-records.csv", RefusalKind::Unsupported),
    ("alipay/example-alipay-records.csv", RefusalKind::Unsupported),
    ("trustly/", RefusalKind::Unsupported),
    ("dlocal/", RefusalKind::Unsupported),
    ("braintree/", RefusalKind::Malformed),
    ("checkoutcom/", RefusalKind::Unsupported),
    ("recon-misc/", RefusalKind::Unsupported),
];

/// Σ net per statement, per currency.
pub(crate) fn sums(d: &Document) -> BTreeMap<String, Money> {
    let mut out: BTreeMap<String, Money> = BTreeMap::new();
    for tx in &d.transactions {
        let net = tx.net.unwrap_or(tx.amount);
        if let Some(s) = &tx.statement {
            let slot = out.entry(s.clone()).or_insert(Money::zero(net.currency()));
            *slot = slot.try_add(net).unwrap();
        }
    }
    out
}

#[test]
fn every_sample_imports_and_foots_or_refuses_with_a_reason() {
    let Some(root) = found(data()) else { return };
    let (mut imported, mut refused) = (0, 0);
    let mut faults = Vec::new();
    for (folder, provider) in FOLDERS {
        let mut files: Vec<PathBuf> =
            fs::read_dir(root.join(folder)).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        for path in files {
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            if file == "SOURCE.md" || file == "LICENSE" {
                continue;
            }
            let name = format!("{folder}/{file}");
            let expected = FOOTING.contains(&name.as_str()) || without_totals(&name);
            match read_bytes(*provider, &fs::read(&path).unwrap(), &Sidecar::default()) {
                Ok(d) => {
                    imported += 1;
                    if !expected {
                        faults.push(format!("{name} imported, but is incomplete or foreign"));
                    }
                    let sums = sums(&d);
                    for s in &d.statements {
                        if sums.get(&s.id).copied().unwrap_or(Money::zero(s.total.currency())) != s.total {
                            faults.push(format!("{name}: statement {} does not foot", s.id));
                        }
                    }
                }
                Err(r) => {
                    refused += 1;
                    if expected {
                        faults.push(format!("{name} refused: {r}"));
                    }
                    assert!(r.message.len() > 20, "{name}: a refusal says why");
                    let why =
                        REFUSING.iter().find(|(start, _)| name.starts_with(start)).map(|(_, kind)| *kind);
                    if why != Some(r.kind) {
                        faults.push(format!("{name} refused as {:?}, expected {why:?}: {r}", r.kind));
                    }
                    if r.kind == RefusalKind::NotFooting {
                        assert!(r.footing.is_some(), "{name}");
                    }
                    eprintln!("{name}: {r}");
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    eprintln!("{imported} imported, {refused} refused");
    assert_eq!(imported, 14 + 18, "14 that foot, 12 transaction reports, 2 like them, 4 activity reports");
    assert_eq!(imported + refused, 78, "every file of the eleven folders is looked at");
}

#[test]
fn other_providers_files_pass_for_nobodys() {
    let Some(root) = found(data()) else { return };
    let mut tried = 0;
    for folder in ["trustly", "dlocal", "braintree", "checkoutcom"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().is_some_and(|n| n == "SOURCE.md") {
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            for provider in Provider::ALL {
                tried += 1;
                let result = read_bytes(provider, &bytes, &Sidecar::default());
                assert!(result.is_err(), "{} imported as {provider}", path.display());
            }
        }
    }
    assert_eq!(tried, 19 * Provider::ALL.len(), "6 trustly, 6 dlocal, 5 braintree, 2 checkoutcom");
}

/// Each sample that foots stops footing when any line of it is taken out, unless that line moved nothing.
#[test]
fn a_line_taken_out_of_a_sample_is_missed() {
    let Some(root) = found(data()) else { return };
    let mut refused = 0;
    for name in FOOTING {
        let folder = name.split('/').next().unwrap();
        let provider = FOLDERS.iter().find(|(f, _)| *f == folder).unwrap().1;
        let bytes = fs::read(root.join(name)).unwrap();
        let whole = sums(&read_bytes(provider, &bytes, &Sidecar::default()).unwrap());
        let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
        for out in 0..lines.len() {
            let rest: Vec<u8> =
                lines.iter().enumerate().filter(|(i, _)| *i != out).flat_map(|(_, l)| *l).copied().collect();
            match read_bytes(provider, &rest, &Sidecar::default()) {
                Err(_) => refused += 1,
                // What remains may be whole statements, each with its own sum: none may have changed. (A lost title row may
                // change what a statement is called.)
                Ok(d) => {
                    for sum in sums(&d).values() {
                        assert!(whole.values().any(|w| w == sum), "{name} without line {}: {sum}", out + 1);
                    }
                }
            }
        }
    }
    eprintln!("{refused} cuts refused");
    assert!(refused > 100, "{refused}");
}

#[test]
fn complete_adyen_batches_net_to_zero_per_currency() {
    let Some(root) = found(data()) else { return };
    // The two samples give one transfer reference to four payouts: they are four all the same.
    let mut ids = std::collections::BTreeSet::new();
    // Payouts of the two batches: adyen §4 invariant 2.
    for (file, payouts) in [
        ("settlement_detail_report_batch_1128.csv", [("CAD", 954), ("USD", 5975)]),
        ("settlement_detail_report_batch_1129.csv", [("EUR", 2851), ("USD", 3782)]),
    ] {
        let bytes = fs::read(root.join("adyen").join(file)).unwrap();
        let d = read_bytes(Provider::Adyen, &bytes, &Sidecar::default()).unwrap();
        assert!(sums(&d).values().all(|m| m.is_zero()));
        let mut got: Vec<(Currency, i64)> =
            d.payouts.iter().map(|p| (p.amount.currency(), p.amount.minor())).collect();
        got.sort();
        let want: Vec<(Currency, i64)> =
            payouts.iter().map(|(c, m)| (Currency::new(c).unwrap(), *m)).collect();
        assert_eq!(got, want, "{file}");
        ids.extend(d.payouts.into_iter().map(|p| p.id));
    }
    assert_eq!(ids.len(), 4, "{ids:?}");
}
