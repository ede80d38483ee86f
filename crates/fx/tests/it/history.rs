//! The published history: values read from the files by eye, days that have no rate, every month of HMRC.

use jiff::civil::date;
use tradewind_domain::Currency;
use tradewind_fx::calendar::{Regime, penultimate_wednesday};
use tradewind_fx::{FxError, Path, Policy, RateBook, import};
use tradewind_material::sample;

use super::d;

fn ecb() -> Option<RateBook> {
    let mut book = RateBook::new();
    import::any(&sample("fx/ecb/eurofxref-hist.csv")?, "hist.csv").unwrap().into_book(&mut book);
    import::any(&sample("fx/ecb/eurofxref.csv")?, "daily.csv").unwrap().into_book(&mut book);
    Some(book)
}

#[test]
fn weekends_and_holidays_use_the_day_before_and_say_so() {
    let Some(book) = ecb() else { return };
    // asked, used, dollars per euro of the day used
    for (asked, used, usd, note) in [
        (
            date(2026, 2, 28),
            date(2026, 2, 27),
            "1.1805",
            "no ECB rate on Saturday 2026-02-28; Friday 2026-02-27 used",
        ),
        (
            date(2026, 3, 1),
            date(2026, 2, 27),
            "1.1805",
            "no ECB rate on Sunday 2026-03-01; Friday 2026-02-27 used",
        ),
        // Good Friday 18 April to Easter Monday 21 April 2025
        (
            date(2025, 4, 18),
            date(2025, 4, 17),
            "1.136",
            "no ECB rate on Friday 2025-04-18; Thursday 2025-04-17 used",
        ),
        (
            date(2025, 4, 21),
            date(2025, 4, 17),
            "1.136",
            "no ECB rate on Monday 2025-04-21; Thursday 2025-04-17 used",
        ),
        // Christmas 2025, Thursday and Friday, then a weekend
        (
            date(2025, 12, 28),
            date(2025, 12, 24),
            "1.1787",
            "no ECB rate on Sunday 2025-12-28; Wednesday 2025-12-24 used",
        ),
    ] {
        let r = book.rate("ECB", Currency::EUR, Currency::USD, asked, Policy::default()).unwrap();
        assert_eq!((r.published, r.rate, r.note().as_deref()), (used, d(usd), Some(note)));
    }
    let strict = Policy { max_age_days: 3 };
    let e = book.rate("ECB", Currency::EUR, Currency::USD, date(2025, 4, 21), strict).unwrap_err();
    assert!(matches!(e, FxError::Stale { age: 4, max: 3, .. }), "{e}");
    assert!(e.to_string().contains("4 days old; the policy allows 3"), "{e}");
}

#[test]
fn crosses_go_through_the_euro_of_one_day() {
    let Some(book) = ecb() else { return };
    // 2026-02-27: USD 1.1805, JPY 184.13: 184.13 / 1.1805 = 155.976281…
    let r = book.rate("ECB", Currency::USD, Currency::JPY, date(2026, 2, 28), Policy::default()).unwrap();
    assert!(r.rate.to_string().starts_with("155.976281"), "{}", r.rate);
    assert_eq!((r.path, r.published), (Path::Cross { base: Currency::EUR }, date(2026, 2, 27)));
    assert!(r.to_string().contains("cross through EUR"));
}

#[test]
fn eu_customs_uses_the_second_last_wednesday_for_the_whole_next_month() {
    // 2025 by the calendar on the wall.
    let days = [22, 19, 19, 23, 21, 18, 23, 20, 17, 22, 19, 24];
    for (month, day) in (1..=12).zip(days) {
        assert_eq!(penultimate_wednesday(date(2025, month, 1)), date(2025, month, day));
    }
    let Some(book) = ecb() else { return };
    let ask = |day| book.customs_rate(Regime::Eu, Currency::EUR, Currency::USD, day, Policy::default());
    // December 2025 by 19 November, March 2026 by 18 February; the month's own rates do not matter.
    for (declared, rate, used) in [
        (date(2025, 12, 1), "1.1583", date(2025, 11, 19)),
        (date(2025, 12, 31), "1.1583", date(2025, 11, 19)),
        (date(2026, 1, 1), "1.1787", date(2025, 12, 24)),
        (date(2026, 3, 1), "1.1845", date(2026, 2, 18)),
        (date(2026, 3, 31), "1.1845", date(2026, 2, 18)),
    ] {
        let r = ask(declared).unwrap();
        assert_eq!((r.rate, r.published), (d(rate), used), "declared {declared}");
    }
    // No publication of the day before the file begins.
    assert!(matches!(ask(date(1999, 1, 15)), Err(FxError::Missing { .. })));
}

#[test]
fn suspended_and_ended_currencies_are_errors() {
    let Some(book) = ecb() else { return };
    for (code, day) in [("BGN", date(2026, 2, 27)), ("RUB", date(2026, 2, 27)), ("RUB", date(2022, 3, 10))] {
        let e = book.rate("ECB", Currency::new(code).unwrap(), Currency::EUR, day, Policy::default());
        assert!(matches!(e, Err(FxError::Stale { .. } | FxError::Missing { .. })), "{code} {day}: {e:?}");
    }
    assert!(matches!(
        book.rate("ECB", Currency::EUR, Currency::USD, date(2026, 4, 30), Policy::default()),
        Err(FxError::Stale { age: 17, .. }) // the newest is of 13 April
    ));
}

#[test]
fn every_month_of_hmrc_is_valid_for_its_month_alone() {
    let folder = tradewind_material::data().and_then(|data| {
        std::fs::read_dir(data.join("fx/hmrc/monthly")).map_err(|e| format!("fx/hmrc/monthly: {e}"))
    });
    let Some(folder) = tradewind_material::found(folder) else { return };
    let mut months = 0;
    for entry in folder {
        let path = entry.unwrap().path();
        let Some(month) = path.file_stem().and_then(|s| s.to_str()).map(str::to_owned) else { continue };
        let text = std::fs::read_to_string(&path).unwrap();
        let mut book = RateBook::new();
        import::any(&text, "month.xml").unwrap_or_else(|e| panic!("{month}: {e}")).into_book(&mut book);
        let first: jiff::civil::Date = format!("{month}-01").parse().unwrap();
        let ask = |day| book.customs_rate(Regime::Uk, Currency::GBP, Currency::USD, day, Policy::default());
        assert!(ask(first).is_ok() && ask(first.last_of_month()).is_ok(), "{month}");
        assert!(matches!(ask(first.yesterday().unwrap()), Err(FxError::Missing { .. })), "{month}");
        assert!(
            matches!(ask(first.last_of_month().tomorrow().unwrap()), Err(FxError::Stale { age: 1, .. })),
            "{month}"
        );
        months += 1;
    }
    assert_eq!(months, 48);
}

#[test]
fn months_of_hmrc_by_eye() {
    for (month, usd, cny) in
        [("2023-01", "1.2406", "8.6103"), ("2025-06", "1.3412", "9.6621"), ("2026-08", "1.3367", "9.0479")]
    {
        let Some(text) = sample(&format!("fx/hmrc/monthly/{month}.xml")) else { return };
        let mut book = RateBook::new();
        import::any(&text, "month.xml").unwrap().into_book(&mut book);
        let day = format!("{month}-15").parse().unwrap();
        for (to, rate) in [("USD", usd), ("CNY", cny)] {
            let to = Currency::new(to).unwrap();
            let r = book.customs_rate(Regime::Uk, Currency::GBP, to, day, Policy::default()).unwrap();
            assert_eq!(r.rate, d(rate), "{month} {to}");
        }
    }
}
