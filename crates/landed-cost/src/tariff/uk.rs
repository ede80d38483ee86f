//! One commodity of the UK Trade Tariff: the API's answer (JSON:API, `data` and `included`) or the flat form that the
//! official duty calculator records. Third country duty is the measure of type 103 for all origins (area 1011);
//! preferences (142, 145) need a proof of origin; a trade remedy or additional duty (551 to 555, 695, 696)
//! for the origin must be answered, whatever its rate: none of these is read into a figure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
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
        flatten(&parsed)
            .map_err(|what| refuse(0, format!("not a commodity of the UK Trade Tariff API: {what}")))?
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
        let days =
            |e: jiff::Error| refuse(0, format!("a measure of type {} has no days: {e}", m.measure_type.id));
        let from = begins(m.effective_start_date, 0).map_err(days)?;
        // The end is the last day: half-open, the measure ends when the next one begins.
        let until = match m.effective_end_date {
            Some(end) => begins(end, 1).map_err(days)?,
            None => Timestamp::MAX,
        };
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
            "142" | "145" | "551" | "552" | "553" | "554" | "555" | "695" | "696" => {
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
        column2: false,
        rates,
        specials: Vec::new(),
        leaves,
        measures,
    })
}

/// The beginning, in legal time, of a printed day or of one some days later. The tariff prints days as their midnight (or,
/// for an end, their last second) in UTC, whatever the season.
fn begins(printed: Timestamp, later: i64) -> Result<Timestamp, jiff::Error> {
    let day = printed.to_zoned(TimeZone::UTC).date().checked_add(jiff::Span::new().days(later))?;
    Ok(day.in_tz("Europe/London")?.timestamp())
}

/// JSON:API to the flat form: references are followed into `included`. What a measure does not say is an error here, not an
/// empty value: an end that cannot be read would make it last for ever.
fn flatten(doc: &Value) -> Result<Flat, String> {
    let included = doc.get("included").and_then(Value::as_array).ok_or("'included' is no list")?;
    let included: BTreeMap<(&str, &str), &Value> = included
        .iter()
        .filter_map(|v| Some(((v.get("type")?.as_str()?, v.get("id")?.as_str()?), v)))
        .collect();
    let data = doc.get("data").ok_or("no data")?;
    let attribute = |v: &Value, name: &str| v.get("attributes").and_then(|a| a.get(name)).cloned();
    let related = |v: &Value, name: &str| v.get("relationships")?.get(name)?.get("data").cloned();
    let id = |v: &Value| v.get("id").and_then(Value::as_str).map(str::to_owned);
    let ids = |v: Value, of: &str| -> Result<Vec<Id>, String> {
        let list = v.as_array().ok_or_else(|| format!("{of}: no list"))?;
        list.iter()
            .map(|v| Ok(Id { id: id(v).ok_or_else(|| format!("{of}: an entry without id"))? }))
            .collect()
    };
    let measures = related(data, "import_measures").ok_or("no import_measures")?;
    let mut import_measures = Vec::new();
    for reference in measures.as_array().ok_or("import_measures is no list")? {
        let number = id(reference).ok_or("import_measures: an entry without id")?;
        let lacks = |what: &str| format!("measure {number}: no {what} that can be read");
        let measure =
            included.get(&("measure", number.as_str())).ok_or_else(|| lacks("entry in 'included'"))?;
        let kind =
            related(measure, "measure_type").as_ref().and_then(id).ok_or_else(|| lacks("measure_type"))?;
        let area = related(measure, "geographical_area");
        let area = area.as_ref().and_then(id).ok_or_else(|| lacks("geographical_area"))?;
        let children = match included.get(&("geographical_area", area.as_str())) {
            Some(a) => match related(a, "children_geographical_areas") {
                Some(list) => ids(list, "children_geographical_areas")?,
                None => Vec::new(),
            },
            None => Vec::new(),
        };
        let excluded = related(measure, "excluded_countries");
        let excluded = ids(excluded.ok_or_else(|| lacks("excluded_countries"))?, "excluded_countries")?;
        let time = |name: &str| match attribute(measure, name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(t)) => t.parse::<Timestamp>().map(Some).map_err(|_| lacks(name)),
            Some(_) => Err(lacks(name)),
        };
        // Without an expression the rate depends on conditions, and is then not read.
        let expression = related(measure, "duty_expression")
            .and_then(|d| id(&d))
            .and_then(|d| included.get(&("duty_expression", d.as_str())).copied())
            .and_then(|e| attribute(e, "base"))
            .and_then(|b| b.as_str().map(str::to_owned));
        import_measures.push(FlatMeasure {
            measure_type: Id { id: kind },
            geographical_area: Area { id: area, children_geographical_areas: children },
            excluded_countries: excluded,
            effective_start_date: time("effective_start_date")?
                .ok_or_else(|| lacks("effective_start_date"))?,
            effective_end_date: time("effective_end_date")?,
            duty_expression: expression.map(|base| Expression { base }),
        });
    }
    let code = attribute(data, "goods_nomenclature_item_id");
    let code =
        code.as_ref().and_then(Value::as_str).ok_or("no data.attributes.goods_nomenclature_item_id")?;
    Ok(Flat { goods_nomenclature_item_id: code.to_owned(), import_measures })
}
