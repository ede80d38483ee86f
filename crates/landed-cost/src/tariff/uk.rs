//! One commodity of the UK Trade Tariff: the API's answer (JSON:API, `data` and `included`) or the flat form that the
//! official duty calculator records. Third country duty is the measure of type 103 for all origins (area 1011);
//! preferences (142, 145) need a proof of origin; a trade remedy or additional duty (551 to 554, 695, 696)
//! for the origin must be answered.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{Leaf, Measure, Origins, Table, TariffError, What, checksum, grammar};
use crate::rates::{Preference, Rate};

#[derive(Deserialize)]
struct Flat {
    goods_nomenclature_item_id: String,
    import_measures: Vec<FlatMeasure>,
}

#[derive(Deserialize)]
struct FlatMeasure {
    measure_type: Id,
    geographical_area: Area,
    #[serde(default)]
    excluded_countries: Vec<Id>,
    effective_start_date: Timestamp,
    effective_end_date: Option<Timestamp>,
    duty_expression: Option<Expression>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

#[derive(Deserialize)]
struct Area {
    id: String,
    #[serde(default)]
    children_geographical_areas: Vec<Id>,
}

#[derive(Deserialize)]
struct Expression {
    #[serde(default)]
    base: String,
}

/// Reads one commodity. `service` is `UK` or `XI`, as in the address it came from.
///
/// # Errors
/// Not that JSON, or a commodity code that is not ten digits.
pub fn read(text: &str, file: &str, service: &str) -> Result<Table, TariffError> {
    let refuse = |line: usize, what: String| TariffError { file: file.to_owned(), line: line as u64, what };
    let parsed: Value =
        serde_json::from_str(text).map_err(|e| refuse(e.line(), format!("this is no JSON: {e}")))?;
    let flat = if parsed.get("included").is_some() {
        flatten(&parsed).ok_or_else(|| {
            refuse(
                0,
                "not a commodity of the UK Trade Tariff API: no data.attributes.goods_nomenclature_item_id, \
                       or a measure without type, area or start"
                    .to_owned(),
            )
        })?
    } else {
        serde_json::from_value(parsed)
            .map_err(|e| refuse(0, format!("not a commodity of the UK Trade Tariff: {e}")))?
    };
    let code = flat.goods_nomenclature_item_id;
    if code.len() != 10 || !code.bytes().all(|b| b.is_ascii_digit()) {
        return Err(refuse(0, format!("commodity code {code:?} is not ten digits")));
    }
    let (mut rates, mut leaves, mut measures) = (Vec::new(), Vec::new(), Vec::new());
    for m in flat.import_measures {
        let base = m.duty_expression.map(|e| e.base).unwrap_or_default();
        let rate = if base.is_empty() {
            Rate::Unparsed("depends on conditions (entry price, certificate or end use)".to_owned())
        } else {
            grammar::parse(&base)
        };
        let from = m.effective_start_date;
        // the end is the last day, printed at its midnight: half-open, it ends a day later
        let until = m.effective_end_date.map_or(Timestamp::MAX, |end| {
            end.checked_add(jiff::SignedDuration::from_hours(24)).unwrap_or(Timestamp::MAX)
        });
        let everywhere = m.geographical_area.id == "1011";
        let kind = m.measure_type.id.as_str();
        match kind {
            "103" if everywhere => {
                leaves.push(Leaf {
                    code: code.as_str().into(),
                    general: u32::try_from(rates.len()).ok(),
                    column2: None,
                    special: None,
                    list: None,
                    from,
                    until,
                    line: 1,
                });
                rates.push(rate);
            }
            "142" | "145" | "551" | "552" | "553" | "554" | "695" | "696" => {
                let area = &m.geographical_area;
                let preference = matches!(kind, "142" | "145");
                // A group whose members are not in the answer may hold any origin: a remedy is asked about.
                let opaque = area.id.len() != 2 && area.children_geographical_areas.is_empty();
                let origins = if everywhere || (opaque && !preference) {
                    Origins::AllBut(m.excluded_countries.iter().map(|c| c.id.as_str().into()).collect())
                } else {
                    let excluded = |o: &str| m.excluded_countries.iter().any(|x| x.id == o);
                    let all = std::iter::once(area.id.as_str())
                        .chain(area.children_geographical_areas.iter().map(|c| c.id.as_str()));
                    Origins::Of(all.filter(|o| !excluded(o)).map(Into::into).collect())
                };
                let what = if preference {
                    What::Preference(Preference { rate, programme: format!("{service} {kind} {}", area.id) })
                } else {
                    What::Remedy
                };
                measures.push(Measure { code: code.as_str().into(), origins, from, until, what });
            }
            _ => {}
        }
    }
    Ok(Table {
        name: format!("{service} Trade Tariff"),
        sha256: checksum(text),
        whole: false,
        rates,
        specials: Vec::new(),
        leaves,
        measures,
    })
}

/// JSON:API to the flat form: references are followed into `included`.
fn flatten(doc: &Value) -> Option<Flat> {
    let included: BTreeMap<(&str, &str), &Value> = doc
        .get("included")?
        .as_array()?
        .iter()
        .filter_map(|v| Some(((v.get("type")?.as_str()?, v.get("id")?.as_str()?), v)))
        .collect();
    let data = doc.get("data")?;
    let attribute = |v: &Value, name: &str| v.get("attributes").and_then(|a| a.get(name)).cloned();
    let related = |v: &Value, name: &str| v.get("relationships")?.get(name)?.get("data").cloned();
    let id = |v: &Value| v.get("id").and_then(Value::as_str).map(str::to_owned);
    let ids = |v: Option<Value>| -> Vec<Id> {
        let list = v.and_then(|v| v.as_array().cloned()).unwrap_or_default();
        list.iter().filter_map(id).map(|id| Id { id }).collect()
    };
    let time = |v: &Value, name: &str| attribute(v, name)?.as_str()?.parse::<Timestamp>().ok();
    let mut import_measures = Vec::new();
    for reference in related(data, "import_measures")?.as_array()? {
        let measure = included.get(&("measure", reference.get("id")?.as_str()?))?;
        let area = id(&related(measure, "geographical_area")?)?;
        let children = included
            .get(&("geographical_area", area.as_str()))
            .map(|a| ids(related(a, "children_geographical_areas")))
            .unwrap_or_default();
        let expression = related(measure, "duty_expression")
            .and_then(|d| id(&d))
            .and_then(|d| included.get(&("duty_expression", d.as_str())).copied())
            .and_then(|e| attribute(e, "base"))
            .and_then(|b| b.as_str().map(str::to_owned));
        import_measures.push(FlatMeasure {
            measure_type: Id { id: id(&related(measure, "measure_type")?)? },
            geographical_area: Area { id: area, children_geographical_areas: children },
            excluded_countries: ids(related(measure, "excluded_countries")),
            effective_start_date: time(measure, "effective_start_date")?,
            effective_end_date: time(measure, "effective_end_date"),
            duty_expression: expression.map(|base| Expression { base }),
        });
    }
    let code = attribute(data, "goods_nomenclature_item_id")?.as_str()?.to_owned();
    Some(Flat { goods_nomenclature_item_id: code, import_measures })
}
