//! The known name that an unknown one may have meant.

/// The nearest of the known names, where it is near enough to have been meant: two edits, or one in three characters. Of equally near
/// ones the first by name.
#[must_use]
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let (d, k) = known.iter().map(|k| (edits(name, k), *k)).min()?;
    (d <= 2.max(name.chars().count() / 3)).then_some(k)
}

/// Single-character edits between two names (Levenshtein), whatever their case.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let best = (diagonal + usize::from(x != *y)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = best;
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        assert_eq!(edits("incoterms", "incoterm"), 1);
        assert_eq!(edits("dutty", "duty"), 1);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("HS", "hs"), 0);
    }

    #[test]
    fn only_what_is_near_was_meant() {
        assert_eq!(nearest("referst_to", &["id", "refers_to"]), Some("refers_to"));
        // Two edits each: the first by name.
        assert_eq!(nearest("tax", &["vat", "fee", "max"]), Some("max"));
        assert_eq!(nearest("zzzzzzzzz", &["id", "refers_to"]), None);
        assert_eq!(nearest("x", &[]), None);
    }
}
