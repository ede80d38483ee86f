//! Laws of the importers over damaged documents.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use tradewind_domain::Money;
use tradewind_ledger::import::{Provider, Sidecar, read_bytes};

use crate::samples::sums;

const FIXTURES: &[(Provider, &str)] = &[
    (Provider::Amazon, "amazon-eur.txt"),
    (Provider::Amazon, "amazon-groups.json"),
    (Provider::Ebay, "ebay.json"),
    (Provider::Shopify, "shopify-rest.json"),
    (Provider::Shopify, "shopify-graphql.json"),
    (Provider::Stripe, "stripe-api.json"),
    (Provider::Paypal, "paypal-search.json"),
    (Provider::Wechatpay, "wechat-fund.csv"),
    (Provider::Wechatpay, "wechat-trade.csv"),
    (Provider::Alipay, "alipay-business.zip"),
    (Provider::Alipay, "alipay-fund.csv"),
    (Provider::Bank, "bank.camt053.xml"),
    (Provider::Bank, "bank.mt940"),
    (Provider::Bank, "bank-de.csv"),
    (Provider::Carrier, "carrier.csv"),
];

fn fixture(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens to the bytes, and whoever is said to have sent them: no panic, and what is taken foots.
    #[test]
    fn damaged_documents_refuse_or_foot(
        which in 0..FIXTURES.len(),
        sender in 0..Provider::ALL.len(),
        honest in any::<bool>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..6),
        keep in 0.0..1.5_f64,
    ) {
        let (provider, name) = FIXTURES[which];
        let mut bytes = fixture(name);
        for (at, value, how) in damage {
            if bytes.is_empty() {
                break;
            }
            let i = at.index(bytes.len());
            match how {
                0 => bytes[i] = value,
                1 => { bytes.remove(i); }
                2 => bytes.insert(i, value),
                _ => { let tail = bytes[i..].to_vec(); bytes.extend(tail); }
            }
        }
        if keep < 1.0 {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, clippy::float_arithmetic)]
            let n = (bytes.len() as f64 * keep) as usize; // where to cut a file; not money
            bytes.truncate(n);
        }
        let provider = if honest { provider } else { Provider::ALL[sender] };
        if let Ok(d) = read_bytes(provider, &bytes, &Sidecar::default()) {
            let sums = sums(&d);
            for s in &d.statements {
                let sum = sums.get(&s.id).copied().unwrap_or(Money::zero(s.total.currency()));
                prop_assert_eq!(sum, s.total);
            }
        }
    }

    /// A settlement foots if and only if no amount was changed.
    #[test]
    fn any_changed_amount_is_found(row in 2..14_usize, cents in -5000_i64..5000) {
        let text: String = fixture("amazon-eur.txt").iter().map(|b| char::from(*b)).collect();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut cells: Vec<String> = lines[row].split('\t').map(str::to_owned).collect();
        // The amount is column 15; the file has decimal commas and points between thousands.
        let minor: i64 = cells[14].replace(['.', ','], "").parse().unwrap();
        let changed = minor + cents;
        cells[14] = format!("{}{},{:02}", if changed < 0 { "-" } else { "" }, changed.abs() / 100, changed.abs() % 100);
        lines[row] = cells.join("\t");
        let bytes: Vec<u8> = lines.join("\r\n").chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let result = read_bytes(Provider::Amazon, &bytes, &Sidecar::default());
        prop_assert_eq!(result.is_ok(), cents == 0);
    }
}
