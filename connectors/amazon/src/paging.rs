//! Page cursors that keep the upper bound of the first page.
//!
//! A next token wants the other arguments unchanged. Bounds must lie two minutes back, so they hang on the clock, and
//! would move from page to page.

use jiff::Timestamp;
use tradewind_connector::Cursor;

/// A cursor for the page after this one. No bound is kept as no bound.
pub(crate) fn freeze(bound: Option<Timestamp>, token: String) -> Cursor {
    let bound = bound.map_or_else(|| "-".to_owned(), |b| b.to_string());
    Cursor(format!("{bound}|{token}"))
}

/// The bound and Amazon's token in a cursor; on the first page, the bound that the clock gives.
pub(crate) fn thaw(cursor: Option<&Cursor>, first: Option<Timestamp>) -> (Option<Timestamp>, Option<String>) {
    let Some(Cursor(text)) = cursor else { return (first, None) };
    let kept = text.split_once('|').and_then(|(bound, token)| {
        let bound = if bound == "-" { None } else { Some(bound.parse().ok()?) };
        Some((bound, Some(token.to_owned())))
    });
    // A bare token, of a version before.
    kept.unwrap_or_else(|| (first, Some(text.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bound_is_kept_over_pages_whatever_the_clock_says() {
        let at = |text: &str| text.parse::<Timestamp>().ok();
        let (early, late) = (at("2026-07-10T10:00:00Z"), at("2026-07-10T10:05:00Z"));
        let second = freeze(thaw(None, early).0, "a|b=".to_owned());
        assert_eq!(thaw(Some(&second), late), (early, Some("a|b=".to_owned())));
        // No bound stays none, although one could be named by now.
        let second = freeze(None, "t".to_owned());
        assert_eq!(thaw(Some(&second), late), (None, Some("t".to_owned())));
        assert_eq!(thaw(Some(&Cursor("bare=".to_owned())), late), (late, Some("bare=".to_owned())));
    }
}
