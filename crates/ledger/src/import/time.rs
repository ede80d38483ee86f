//! Dates and times as providers print them.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};

/// Order of day and month in dates that do not start with the year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayOrder {
    /// `31/12/2026`, `31.12.2026`
    DayFirst,
    /// `12/31/2026`
    MonthFirst,
    /// Only dates that begin with the year: what a provider prints so and does not begin so any more was rewritten, and its day and month
    /// are anybody's guess.
    YearFirst,
}

/// An instant with the zone in which the source spoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// The instant.
    pub at: Timestamp,
    /// The source's zone: an IANA name, an offset (`-08:00`) or `UTC`; empty where nobody said one, and `at` is then as if in UTC.
    pub zone: String,
    /// The source gave a day and no time; `at` is the day's start in `zone`.
    pub day_only: bool,
}

impl Moment {
    /// The calendar day in the source's own zone.
    #[must_use]
    pub fn day(&self) -> Date {
        self.at.to_zoned(zone(&self.zone).unwrap_or(TimeZone::UTC)).date()
    }

    /// The calendar day in another zone. A day without a time has no instant: where its own zone is known it is the day there that
    /// holds its noon, and so most of it; else it is that day everywhere.
    #[must_use]
    pub fn day_in(&self, tz: &TimeZone) -> Date {
        if !self.day_only {
            return self.at.to_zoned(tz.clone()).date();
        }
        let day = self.day();
        let noon = zone(&self.zone).and_then(|own| day.at(12, 0, 0, 0).to_zoned(own).ok());
        noon.map_or(day, |noon| noon.with_time_zone(tz.clone()).date())
    }
}

/// A zone from its IANA name, `UTC`, `Z` or an offset such as `-0800`.
#[must_use]
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    match name {
        "" => None,
        "UTC" | "GMT" | "Z" | "z" => Some(TimeZone::UTC),
        _ if name.starts_with(['+', '-']) => offset(name).map(TimeZone::fixed),
        _ => TimeZone::get(name).ok(),
    }
}

/// Zone abbreviations that reports print, with the offset that they mean.
///
/// Adyen's settlement details print the abbreviation that was in force (adyen.md §4, §8.5). `PST` in winter
/// and `PDT` in summer differ; `CST` and `IST` are ambiguous and left out.
const ABBREVIATIONS: &[(&str, i8)] = &[
    ("UTC", 0),
    ("GMT", 0),
    ("WET", 0),
    ("WEST", 1),
    ("BST", 1),
    ("CET", 1),
    ("CEST", 2),
    ("EET", 2),
    ("EEST", 3),
    ("EST", -5),
    ("EDT", -4),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
    ("AKST", -9),
    ("AKDT", -8),
    ("HST", -10),
    ("JST", 9),
    ("KST", 9),
    ("HKT", 8),
    ("SGT", 8),
    ("AEST", 10),
    ("AEDT", 11),
    ("NZST", 12),
    ("NZDT", 13),
    ("BRT", -3),
];

/// The fixed offset of an abbreviation; `None` when it is unknown or ambiguous.
#[must_use]
pub(super) fn abbreviation(name: &str) -> Option<TimeZone> {
    ABBREVIATIONS.iter().find(|(n, _)| *n == name).map(|(_, hours)| TimeZone::fixed(Offset::constant(*hours)))
}

fn offset(text: &str) -> Option<Offset> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let digits: String = rest.chars().filter(|c| *c != ':').collect();
    if !(digits.len() == 2 || digits.len() == 4) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let hours: i32 = digits.get(..2)?.parse().ok()?;
    let minutes: i32 = digits.get(2..4).map_or(Ok(0), str::parse).ok()?;
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

/// A calendar date: `2026-06-17`, `2026/06/17`, `20260617`, `17.06.2026`, `06/17/26`, with `order` for the last two.
#[must_use]
pub(super) fn date(text: &str, order: DayOrder) -> Option<Date> {
    let text = text.trim();
    if text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()) {
        return build(text.get(..4)?, text.get(4..6)?, text.get(6..8)?);
    }
    let mut parts = text.split(['-', '/', '.', '年', '月', '日']).filter(|p| !p.is_empty());
    let (a, b, c) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    if a.len() == 4 {
        build(a, b, c)
    } else if order == DayOrder::YearFirst {
        None
    } else if order == DayOrder::DayFirst || text.contains('.') {
        build(c, b, a)
    } else {
        build(c, a, b)
    }
}

fn build(year: &str, month: &str, day: &str) -> Option<Date> {
    let number =
        |s: &str| (s.len() <= 4 && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse::<i16>().ok())?;
    let mut y = number(year)?;
    if year.len() == 2 {
        y += 2000;
    } else if year.len() != 4 {
        return None;
    }
    Date::new(y, i8::try_from(number(month)?).ok()?, i8::try_from(number(day)?).ok()?).ok()
}

fn clock(text: &str) -> Option<(i8, i8, i8, i32)> {
    let (main, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let mut parts = main.split(':');
    let mut next =
        || parts.next().map_or(Some(0), |p| p.parse::<i8>().ok().filter(|_| p.len() == 2 || p.len() == 1));
    let (h, m, s) = (next()?, next()?, next()?);
    if parts.next().is_some() || !fraction.bytes().all(|b| b.is_ascii_digit()) || fraction.len() > 9 {
        return None;
    }
    let nanos = if fraction.is_empty() { 0 } else { format!("{fraction:0<9}").parse().ok()? };
    Some((h, m, s, nanos))
}

/// An instant: a date, an optional time, an optional zone behind it; `default` where the text names none.
///
/// Reads `2026-06-17 08:14:22 UTC`, `17.06.2026 08:14:22 UTC`, `2026/01/06 03:12:28 -0800`,
/// `2026-01-30T10:11:12.000Z`, `2019-02-19 05:01:46`, `2026-01-30`. A local time that a clock change skipped or
/// repeated takes the earlier offset, as the IANA rules name it.
#[must_use]
pub(super) fn moment(text: &str, default: &str, order: DayOrder) -> Option<Moment> {
    let text = text.trim();
    let split = text.find(['T', ' ']);
    let (day_text, rest) = match split {
        Some(i) => (&text[..i], text[i + 1..].trim()),
        None => (text, ""),
    };
    let day = date(day_text, order)?;
    let zone_at = rest.find([' ', 'Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (time_text, zone_text) = (&rest[..zone_at], rest[zone_at..].trim());
    let day_only = time_text.is_empty();
    let (h, m, s, n) = if day_only { (0, 0, 0, 0) } else { clock(time_text)? };
    let (name, tz) = if zone_text.is_empty() {
        (default.to_owned(), zone(default)?)
    } else if let Some(tz) = zone(zone_text) {
        (canonical(zone_text), tz)
    } else {
        (zone_text.to_owned(), abbreviation(zone_text)?)
    };
    let local = DateTime::new(day.year(), day.month(), day.day(), h, m, s, n).ok()?;
    let at = tz.to_ambiguous_zoned(local).compatible().ok()?.timestamp();
    Some(Moment { at, zone: name, day_only })
}

fn canonical(zone_text: &str) -> String {
    match zone_text {
        "Z" | "z" | "GMT" | "UTC" => "UTC".to_owned(),
        t if t.starts_with(['+', '-']) && t.len() == 5 => format!("{}:{}", &t[..3], &t[3..]),
        t => t.to_owned(),
    }
}

/// An instant of a local time in a zone given by an abbreviation column.
#[must_use]
pub(super) fn moment_abbreviated(text: &str, abbr: &str) -> Option<Moment> {
    let tz = abbreviation(abbr)?;
    let local = moment(text, "UTC", DayOrder::YearFirst)?;
    let civil = local.at.to_zoned(TimeZone::UTC).datetime();
    let at = tz.to_ambiguous_zoned(civil).compatible().ok()?.timestamp();
    let seconds = tz.to_offset(at).seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let zone = format!("{sign}{:02}:{:02}", seconds.abs() / 3600, seconds.abs() % 3600 / 60);
    Some(Moment { at, zone, day_only: local.day_only })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, default: &str) -> String {
        moment(text, default, DayOrder::DayFirst).map(|m| format!("{} {}", m.at, m.zone)).unwrap_or_default()
    }

    #[test]
    fn forms_of_an_instant() {
        assert_eq!(at("2026-06-17 08:14:22 UTC", "UTC"), "2026-06-17T08:14:22Z UTC");
        assert_eq!(at("17.06.2026 08:14:22 UTC", "UTC"), "2026-06-17T08:14:22Z UTC");
        assert_eq!(at("2026/01/06 03:12:28 -0800", "UTC"), "2026-01-06T11:12:28Z -08:00");
        assert_eq!(at("2026-01-30T10:11:12.000Z", "UTC"), "2026-01-30T10:11:12Z UTC");
        // China is UTC+8 all year: 05:01:46 is 21:01:46 of the day before.
        assert_eq!(at("2019-02-19 05:01:46", "Asia/Shanghai"), "2019-02-18T21:01:46Z Asia/Shanghai");
        assert_eq!(at("2026-02-30 00:00:00", "UTC"), "");
        assert_eq!(at("2026-06-17 25:00:00", "UTC"), "");
        assert_eq!(at("45678", "UTC"), "");
    }

    #[test]
    fn day_and_month_order() {
        assert_eq!(date("03/04/2026", DayOrder::DayFirst), Date::new(2026, 4, 3).ok());
        assert_eq!(date("03/04/26", DayOrder::MonthFirst), Date::new(2026, 3, 4).ok());
        assert_eq!(date("03.04.2026", DayOrder::MonthFirst), Date::new(2026, 4, 3).ok());
        assert_eq!(date("20260403", DayOrder::DayFirst), Date::new(2026, 4, 3).ok());
        assert_eq!(date("2026-13-01", DayOrder::DayFirst), None);
        assert_eq!(date("03/04/2026", DayOrder::YearFirst), None);
        assert_eq!(date("2026/3/4", DayOrder::YearFirst), Date::new(2026, 3, 4).ok());
    }

    #[test]
    fn abbreviations_are_offsets() {
        // PDT is UTC−7: 11:44:20 is 18:44:20 UTC.
        let m = moment_abbreviated("2025-09-11 11:44:20", "PDT").unwrap();
        assert_eq!((m.at.to_string(), m.zone), ("2025-09-11T18:44:20Z".into(), "-07:00".into()));
        assert!(moment_abbreviated("2025-09-11 11:44:20", "CST").is_none());
    }
}
