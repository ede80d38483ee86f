//! One commodity of the UK Trade Tariff as its duty calculator records it: the measure of type 103 (third country
//! duty) for all origins (area 1011). Preferences need proof of origin and are not applied.

use jiff::Timestamp;
use serde::Deserialize;

use super::{Leaf, Table, TariffError, grammar};
use crate::rates::Rate;

#[derive(Deserialize)]
struct Commodity {
    goods_nomenclature_item_id: String,
    import_measures: Vec<Measure>,
}

#[derive(Deserialize)]
struct Measure {
    measure_type: Id,
    geographical_area: Id,
    effective_start_date: Timestamp,
    effective_end_date: Option<Timestamp>,
    duty_expression: Option<Expression>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

#[derive(Deserialize)]
struct Expression {
    base: String,
}

/// Reads one commodity. `service` is `UK` or `XI`, as in the address it came from.
///
/// # Errors
/// Not that JSON, or a commodity code that is not ten digits.
pub fn read(text: &str, file: &str, service: &str) -> Result<Table, TariffError> {
    let refuse = |line: usize, what: String| TariffError { file: file.to_owned(), line: line as u64, what };
    let commodity: Commodity = serde_json::from_str(text)
        .map_err(|e| refuse(e.line(), format!("not a commodity of the UK Trade Tariff: {e}")))?;
    let code = commodity.goods_nomenclature_item_id;
    if code.len() != 10 || !code.bytes().all(|b| b.is_ascii_digit()) {
        return Err(refuse(1, format!("commodity code {code:?} is not ten digits")));
    }
    let (mut rates, mut leaves) = (Vec::new(), Vec::new());
    let third = commodity.import_measures.into_iter();
    for measure in third.filter(|m| m.measure_type.id == "103" && m.geographical_area.id == "1011") {
        let base = measure.duty_expression.map(|e| e.base).unwrap_or_default();
        leaves.push(Leaf {
            code: code.as_str().into(),
            general: u32::try_from(rates.len()).ok(),
            column2: None,
            from: measure.effective_start_date,
            // the end is the last day, printed at its midnight: half-open, it ends a day later
            until: measure.effective_end_date.map_or(Timestamp::MAX, |end| {
                end.checked_add(jiff::SignedDuration::from_hours(24)).unwrap_or(Timestamp::MAX)
            }),
            line: 1,
        });
        rates.push(if base.is_empty() {
            Rate::Unparsed("depends on conditions (entry price, certificate or end use)".to_owned())
        } else {
            grammar::parse(&base)
        });
    }
    Ok(Table::new(&format!("{service} Trade Tariff"), text, rates, leaves))
}
