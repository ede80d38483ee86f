//! Paging and change windows: one helper for all.

use std::collections::HashSet;
use std::future::Future;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};

/// Where a listing goes on. Opaque, and can be persisted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// One page. A list of records gives `Page<Result<T, Error>>`: a record that cannot be read is an error in its place and
/// keeps back no other (see [`Records`](crate::Records)); whoever reads the list asks for it again later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// Items.
    pub items: Vec<T>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// The last page.
    #[must_use]
    pub fn last(items: Vec<T>) -> Page<T> {
        Page { items, next: None }
    }

    /// The same page of other items.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next: self.next }
    }
}

impl<T> Page<Result<T, Error>> {
    /// The same page, what could be read being something else.
    pub fn map_read<U>(self, mut f: impl FnMut(T) -> U) -> Page<Result<U, Error>> {
        self.map(|item| item.map(&mut f))
    }

    /// The same page, each record completed by calls of its own. One that cannot be is an error in its place.
    ///
    /// # Errors
    /// One that the next call would meet as well: a quota, a login.
    pub async fn complete<U, F, Fut>(self, complete: F) -> Result<Page<Result<U, Error>>, Error>
    where
        F: Fn(T) -> Fut,
        Fut: Future<Output = Result<U, Error>>,
    {
        let mut items = Vec::with_capacity(self.items.len());
        for item in self.items {
            items.push(match item {
                Ok(record) => match complete(record).await {
                    Err(e) if !e.of_this_call() => return Err(e),
                    completed => completed,
                },
                Err(e) => Err(e),
            });
        }
        Ok(Page { items, next: self.next })
    }
}

/// Changes since `from`, before `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// From, inclusive.
    pub from: Timestamp,
    /// To, exclusive.
    pub to: Timestamp,
}

impl Window {
    /// Cut into windows of at most `hours`, oldest first, for channels that limit a query's width. An empty
    /// or reversed window gives none.
    #[must_use]
    pub fn split(self, hours: u32) -> Vec<Window> {
        let step = SignedDuration::from_hours(i64::from(hours.max(1)));
        let mut parts = Vec::new();
        let mut from = self.from;
        while from < self.to {
            let to = from.checked_add(step).map_or(self.to, |t| t.min(self.to));
            parts.push(Window { from, to });
            from = to;
        }
        parts
    }
}

/// All records of a listing; the first that cannot be read is the end.
///
/// # Errors
/// As of [`all_pages`], and that of a record.
pub async fn all_records<T, F, Fut>(fetch: F) -> Result<Vec<T>, Error>
where
    F: FnMut(Option<Cursor>) -> Fut,
    Fut: Future<Output = Result<Page<Result<T, Error>>, Error>>,
{
    all_pages(fetch).await?.into_iter().collect()
}

/// The number of the page to be read after `asked`, from 1, of a list by pages; `last` is that of the last one, and `None` is the
/// beginning.
///
/// A record that is modified while a window of changes is read leaves the window, and all behind it move up: read forwards, the
/// first of each later page would slip onto one that was read. So the first page only tells how many there are, and they are read
/// from the last to the first: what moves up is read twice, never missed.
#[must_use]
pub fn backwards(asked: Option<u32>, last: u32) -> Option<u32> {
    match asked {
        None => (last > 1).then_some(last),
        Some(page) => (page > 1).then(|| page - 1),
    }
}

/// All pages of a listing. A cursor that comes twice is an error: a channel that repeats itself would
/// otherwise keep us for ever.
///
/// # Errors
/// What `fetch` returns, or [`Kind::Decode`] for a repeated cursor.
pub async fn all_pages<T, F, Fut>(mut fetch: F) -> Result<Vec<T>, Error>
where
    F: FnMut(Option<Cursor>) -> Fut,
    Fut: Future<Output = Result<Page<T>, Error>>,
{
    let mut seen = HashSet::new();
    let mut items = Vec::new();
    let mut cursor = None;
    loop {
        let page = fetch(cursor).await?;
        items.extend(page.items);
        match page.next {
            None => return Ok(items),
            Some(next) => {
                if !seen.insert(next.clone()) {
                    return Err(
                        Error::new(Kind::Decode, "the channel gave the same page cursor twice").after_send()
                    );
                }
                cursor = Some(next);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three pages of two; while they are read, an order that was read already is modified and leaves the window.
    #[test]
    fn an_order_that_leaves_the_window_hides_no_other() {
        for leaves_after in 0..4 {
            let mut window: Vec<u32> = (1..=6).collect();
            let mut seen = std::collections::BTreeSet::new();
            let mut asked = None;
            for call in 0.. {
                let page = asked.unwrap_or(1) as usize;
                seen.extend(window.iter().skip((page - 1) * 2).take(2).copied());
                if call == leaves_after {
                    let gone = *seen.first().unwrap();
                    window.retain(|id| *id != gone);
                }
                let last = u32::try_from(window.len().div_ceil(2)).unwrap();
                match backwards(asked, last) {
                    None => break,
                    next => asked = next,
                }
            }
            assert_eq!(seen.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6], "after {leaves_after}");
        }
    }

    #[test]
    fn windows_split_without_gap_or_overlap() {
        let at = |s: &str| s.parse::<Timestamp>().unwrap();
        let w = Window { from: at("2026-01-01T00:00:00Z"), to: at("2026-01-03T12:00:00Z") };
        let parts = w.split(24);
        assert_eq!(parts.len(), 3);
        assert!(parts.windows(2).all(|p| p[0].to == p[1].from));
        assert_eq!((parts[0].from, parts[2].to), (w.from, w.to));
        assert!(Window { from: w.to, to: w.from }.split(24).is_empty());
    }

    #[tokio::test]
    async fn a_record_that_cannot_be_completed_keeps_back_no_other() {
        let page = || Page {
            items: vec![Ok(1), Err(Error::decode("odd")), Ok(2), Ok(3)],
            next: Some(Cursor("b".into())),
        };
        let of = |broken: Kind| {
            page().complete(move |n| async move {
                if n == 2 { Err(Error::new(broken, "no")) } else { Ok(n * 10) }
            })
        };
        let read = of(Kind::Transport).await.unwrap();
        let kinds: Vec<_> = read.items.into_iter().map(|i| i.map_err(|e| e.kind())).collect();
        assert_eq!(kinds, [Ok(10), Err(Kind::Decode), Err(Kind::Transport), Ok(30)]);
        assert_eq!(read.next, Some(Cursor("b".into())));
        // A quota would end the next call as well.
        assert_eq!(of(Kind::QuotaExhausted).await.unwrap_err().kind(), Kind::QuotaExhausted);
    }

    #[tokio::test]
    async fn a_repeated_cursor_is_an_error() {
        let result =
            all_pages(|_| async { Ok(Page { items: vec![1], next: Some(Cursor("a".into())) }) }).await;
        assert_eq!(result.unwrap_err().kind(), Kind::Decode);
    }
}
