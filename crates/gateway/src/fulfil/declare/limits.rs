//! Is the customs scheme open to this order? The rules are landed cost's; what a buyer has used of a yearly limit is
//! counted over our own declarations, as a prediction: customs count over all platforms.

use std::sync::OnceLock;

use jiff::tz::{Offset, TimeZone};
use tradewind_domain::{Declaration, DeclarationState, TaxIdKind};
use tradewind_landed_cost::counter::{BuyerKey, YearCounter};
use tradewind_landed_cost::pack::PackSet;
use tradewind_landed_cost::quote::{Engine, Status};
use tradewind_landed_cost::request::Request;

use crate::records::DeclarationRecord;

fn packs() -> Result<&'static PackSet, String> {
    static PACKS: OnceLock<Result<PackSet, String>> = OnceLock::new();
    PACKS.get_or_init(|| PackSet::embedded().map_err(|e| e.to_string())).as_ref().map_err(Clone::clone)
}

/// The buyer, as the yearly counter knows them.
fn key(declaration: &Declaration) -> Option<BuyerKey> {
    let card = declaration.buyer.tax_ids.iter().find(|t| t.kind == TaxIdKind::ChineseId)?;
    // The counter lives as long as this call: no salt is needed.
    Some(BuyerKey::new(b"", &card.value))
}

/// Calendar year in China.
fn year(declaration: &Declaration) -> i16 {
    declaration.ordered_at.to_zoned(TimeZone::fixed(Offset::constant(8))).year()
}

/// Why a declaration must not be filed under the scheme; `None`: nothing speaks against it.
pub(super) fn refuse(declaration: &Declaration, scheme: &str, filed: &[DeclarationRecord]) -> Option<String> {
    match check(declaration, scheme, filed) {
        Ok(reason) => reason,
        Err(e) => Some(format!("the rules of scheme {scheme} could not be asked: {e}")),
    }
}

fn check(
    declaration: &Declaration,
    scheme: &str,
    filed: &[DeclarationRecord],
) -> Result<Option<String>, String> {
    let mut counter = YearCounter::default();
    for other in filed {
        let counts = !matches!(other.state, DeclarationState::Rejected | DeclarationState::Cancelled);
        let d = &other.declaration;
        let counts = counts && d.id != declaration.id && d.paid.currency() == declaration.paid.currency();
        if let Some(key) = key(d).filter(|_| counts) {
            counter.add(key, year(d), d.goods.decimal() + d.freight.decimal());
        }
    }
    let before = key(declaration).map(|k| counter.total(&k, year(declaration)));
    let lines: Vec<_> = declaration
        .lines
        .iter()
        .enumerate()
        .map(|(i, line)| {
            serde_json::json!({"id": (i + 1).to_string(), "unit_price": line.unit_value.amount(), "quantity": line.quantity.to_string(),
                "hs": line.hs.as_str(), "origin": line.origin.code()})
        })
        .collect();
    let request = serde_json::json!({
        "destination": {"country": declaration.to.country.code()}, "ship_from": declaration.from.country.code(),
        "legal_event_at": declaration.ordered_at.to_string(), "scheme": scheme, "currency": declaration.paid.currency().code(),
        "freight": declaration.freight.amount(), "buyer": {"year_total_before": before.map(|b| b.to_string())}, "lines": lines,
    });
    let request = Request::parse(&request.to_string()).map_err(|e| e.to_string())?;
    let quote = Engine::new(packs()?).quote(&request).map_err(|e| e.to_string())?;
    Ok(match quote.status {
        Status::NotEligible | Status::Blocked => {
            let reason = quote.reason.unwrap_or_else(|| "the scheme is not open to this order".to_owned());
            let instead = quote.fallback.map(|f| format!("; instead: {f}")).unwrap_or_default();
            Some(format!("{scheme}: {reason}{instead}"))
        }
        // A rate that is missing changes what is owed, not whether it may be filed.
        Status::Complete | Status::Partial | Status::Indeterminate => None,
    })
}

#[cfg(test)]
mod tests {
    use tradewind_domain::{Currency, Money};

    use super::*;

    fn declaration(id: &str, unit: &str, quantity: u32, card: &str) -> Declaration {
        let cny = Currency::new("CNY").unwrap();
        let unit = Money::parse(unit, cny).unwrap();
        let goods = unit.try_mul(i64::from(quantity)).unwrap();
        let zero = Money::zero(cny);
        serde_json::from_value(serde_json::json!({
            "id": id, "flow": "import", "order": id, "platform": "p", "ordered_at": "2026-03-15T02:25:00Z",
            "buyer": {"tax_ids": [{"kind": "chinese_id", "value": card}]}, "from": {"country": "CN"}, "to": {"country": "CN"},
            "lines": [{"sku": "S", "name": "shirt", "hs": "6109100021", "origin": "CN", "quantity": quantity, "net": 100, "unit_value": unit, "value": goods}],
            "goods": goods, "freight": zero, "discount": zero, "taxes": zero, "paid": goods, "gross": 200
        }))
        .unwrap()
    }

    fn filed(declaration: Declaration, state: DeclarationState) -> DeclarationRecord {
        DeclarationRecord {
            account: "customs".parse().unwrap(),
            order: declaration.id.to_string(),
            declaration,
            state,
            authority_ref: None,
            note: None,
            filed_at: None,
            withdrawn: false,
        }
    }

    const SCHEME: &str = "cbec_1210";

    /// 财关税〔2018〕49号: 5,000 yuan in one purchase. The limit itself is still open.
    #[test]
    fn one_purchase() {
        assert_eq!(refuse(&declaration("A", "2500.00", 2, "1"), SCHEME, &[]), None);
        let why = refuse(&declaration("A", "2500.01", 2, "1"), SCHEME, &[]).unwrap();
        assert!(why.contains("5,000 CNY"), "{why}");
    }

    /// The same, 26,000 yuan a person and calendar year: five purchases of 5,000 and one of 1,000.
    #[test]
    fn one_year() {
        let mut before: Vec<DeclarationRecord> = (0..5)
            .map(|n| filed(declaration(&format!("B{n}"), "2500.00", 2, "1"), DeclarationState::Released))
            .collect();
        assert_eq!(refuse(&declaration("C", "500.00", 2, "1"), SCHEME, &before), None);
        let next = declaration("C", "500.01", 2, "1");
        let why = refuse(&next, SCHEME, &before).unwrap();
        assert!(why.contains("26,000 CNY"), "{why}");
        // Another buyer; a refused purchase; the declaration itself: none of them counts.
        assert_eq!(refuse(&declaration("C", "500.01", 2, "2"), SCHEME, &before), None);
        before[0].state = DeclarationState::Rejected;
        assert_eq!(refuse(&next, SCHEME, &before), None);
        before[0] = filed(next.clone(), DeclarationState::Sent);
        assert_eq!(refuse(&next, SCHEME, &before), None);
    }
}
