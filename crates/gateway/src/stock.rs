//! Strict stock: every unit on the shelf is allotted to at most one account, so no order of channels' views, lags
//! and lost messages can sell it twice.
//!
//! A channel counts its own sales down. Ours is to count them down too, when an order is imported, and never to
//! raise a channel above its allotment, nor by more than the units that it was never given. Unsold units move between accounts only after the lower quantity was
//! read back from the account that gives.
//!
//! Units of a cancelled order go back to the account that sold them. Some channels put them on the listing by themselves, some do
//! not, and none says so: they are fresh only as far as a listing that is read later does not show them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tradewind_domain::{AccountId, Sku};

use crate::records::{Returned, StockRecord};

/// Splits free units over accounts by their parts: the integer shares that add up to no more than `free`, the
/// units left over going to the accounts with the largest remainder, earlier ids first on a tie.
#[must_use]
pub fn split(free: u32, parts: &BTreeMap<AccountId, u32>) -> BTreeMap<AccountId, u32> {
    let total: u64 = parts.values().map(|p| u64::from(*p)).sum();
    if total == 0 {
        return parts.keys().map(|a| (a.clone(), 0)).collect();
    }
    let mut shares = BTreeMap::new();
    let mut rest = Vec::new();
    let mut left = u64::from(free);
    for (account, part) in parts {
        let product = u64::from(free) * u64::from(*part);
        let share = product / total;
        left -= share;
        rest.push((std::cmp::Reverse(product % total), account.clone()));
        shares.insert(account.clone(), share);
    }
    rest.sort();
    for (_, account) in rest.into_iter().take(usize::try_from(left).unwrap_or(0)) {
        if parts.get(&account).is_some_and(|p| *p > 0)
            && let Some(share) = shares.get_mut(&account)
        {
            *share += 1;
        }
    }
    shares.into_iter().map(|(a, s)| (a, u32::try_from(s).unwrap_or(u32::MAX))).collect()
}

impl StockRecord {
    /// Units that are neither reserved nor allotted.
    #[must_use]
    pub fn free(&self, buffer: u32) -> u32 {
        let allotted: u32 = self.allotted.values().sum();
        self.on_hand.saturating_sub(self.reserved).saturating_sub(allotted).saturating_sub(buffer)
    }

    /// Σ allotted + reserved ≤ on hand: nothing can be sold twice.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.beyond() == 0
    }

    /// Units that are promised or on offer and not there.
    fn beyond(&self) -> u64 {
        let allotted: u64 = self.allotted.values().map(|a| u64::from(*a)).sum();
        (allotted + u64::from(self.reserved)).saturating_sub(u64::from(self.on_hand))
    }

    /// An empty shelf.
    #[must_use]
    pub fn new(sku: Sku) -> StockRecord {
        let (allotted, fresh, returned) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        StockRecord { sku, on_hand: 0, reserved: 0, allotted, fresh, returned, oversold: 0, counted: None }
    }

    /// What an account may still sell.
    #[must_use]
    pub fn allotted_to(&self, account: &AccountId) -> u32 {
        self.allotted.get(account).copied().unwrap_or(0)
    }

    /// Of what an account may still sell, what its listing was never given.
    #[must_use]
    pub fn fresh_of(&self, account: &AccountId) -> u32 {
        self.fresh.get(account).copied().unwrap_or(0).min(self.allotted_to(account))
    }

    /// The most that a listing which shows `shown` units at this moment may show. Not simply the allotment: of that, orders that
    /// were not imported yet may have taken some, and the listing has counted them down. What the listing was never given
    /// no order took.
    #[must_use]
    pub fn may_show(&self, account: &AccountId, shown: u32) -> u32 {
        self.allotted_to(account).min(shown.saturating_add(self.fresh_of(account)))
    }

    /// A listing is about to be set to `quantity`: a new one, or one that shows `shown` units. How many fresh units that takes.
    pub fn show(&mut self, account: &AccountId, shown: Option<u32>, quantity: u32) -> u32 {
        let fresh = self.fresh_of(account);
        if shown.is_none() {
            // A new listing shows what it is given, and nothing that came back before.
            self.returned.remove(account);
        }
        let left = match shown {
            Some(shown) => fresh.saturating_sub(quantity.saturating_sub(shown)),
            None => self.allotted_to(account).saturating_sub(quantity),
        };
        self.set_fresh(account, left);
        fresh.saturating_sub(left)
    }

    /// Units that a listing was to get and certainly did not.
    pub fn unshow(&mut self, account: &AccountId, units: u32) {
        let fresh = self.fresh_of(account).saturating_add(units);
        self.set_fresh(account, fresh.min(self.allotted_to(account)));
    }

    fn set_fresh(&mut self, account: &AccountId, units: u32) {
        if units == 0 {
            self.fresh.remove(account);
        } else {
            self.fresh.insert(account.clone(), units);
        }
    }

    /// Allots what is free. No listing has these units yet.
    pub fn allot(&mut self, parts: &BTreeMap<AccountId, u32>, buffer: u32) {
        for (account, share) in split(self.free(buffer), parts) {
            let fresh = self.fresh_of(&account) + share;
            *self.allotted.entry(account.clone()).or_insert(0) += share;
            self.set_fresh(&account, fresh);
        }
    }

    /// An account shows and sells nothing of it any more: its units are nobody's.
    pub fn take_back(&mut self, account: &AccountId) {
        self.allotted.remove(account);
        self.fresh.remove(account);
        self.returned.remove(account);
    }

    /// The count on the shelf changed (import, stock-take). A lower count takes back from the largest allotments, of units
    /// that no listing shows first.
    pub fn recount(&mut self, on_hand: u32) {
        self.on_hand = on_hand;
        while !self.is_safe() {
            let largest = |of: &BTreeMap<AccountId, u32>| {
                of.iter().filter(|(_, n)| **n > 0).max_by_key(|(_, n)| **n).map(|(a, _)| a.clone())
            };
            let Some(account) = largest(&self.fresh).or_else(|| largest(&self.allotted)) else { return };
            let fresh = self.fresh_of(&account).saturating_sub(1);
            if let Some(allotted) = self.allotted.get_mut(&account) {
                *allotted = allotted.saturating_sub(1);
            }
            self.set_fresh(&account, fresh);
        }
    }

    /// Takes the count of a catalogue's file. That is of the shelf on the day it was written: only another one than was taken last
    /// is news, however long the SKU was in no file meanwhile. Whether it was taken; no count was before of a shelf that is new.
    ///
    /// `was` is the last one where an earlier version took it, which kept it with the product. Where that is gone too, nobody knows
    /// what was sold of this count: it only takes away then.
    pub fn count(&mut self, counted: u32, was: Option<u32>, new: bool) -> bool {
        let last = self.counted.replace(counted).or(was);
        let news = match last {
            Some(last) => last != counted,
            None => new || counted < self.on_hand,
        };
        if news {
            self.recount(counted);
        }
        news
    }

    /// An account sold units.
    pub fn reserve(&mut self, account: &AccountId, quantity: u32) {
        let allotted = self.allotted.entry(account.clone()).or_insert(0);
        let covered = quantity.min(*allotted);
        *allotted -= covered;
        let mut missing = quantity - covered;
        let fresh = self.fresh_of(account);
        self.set_fresh(account, fresh);
        // What the account sold beyond its allotment comes from units nobody was allotted, else it is an oversell.
        self.reserved += covered;
        let spare = self.free(0).min(missing);
        self.reserved += spare;
        missing -= spare;
        self.reserved += missing;
        self.oversold += missing;
    }

    /// Units of an order go back on the shelf's free part: it was cancelled before they left. A channel puts the units of
    /// a cancelled order back on sale by itself; when the next sale is heard of before the cancellation, it looked like
    /// an oversell until now.
    pub fn release(&mut self, quantity: u32) {
        self.reserved = self.reserved.saturating_sub(quantity);
        self.oversold = self.oversold.min(u32::try_from(self.beyond()).unwrap_or(u32::MAX));
    }

    /// Units of an order of an account go back: released, and allotted again to that account. Not fresh: where its channel put
    /// them back on sale by itself its listing shows them already, and a raise by them would sell them twice.
    pub fn give_back(&mut self, account: &AccountId, quantity: u32, buffer: u32, now: Timestamp) {
        self.release(quantity);
        let units = self.free(buffer).min(quantity);
        if units > 0 {
            *self.allotted.entry(account.clone()).or_insert(0) += units;
            let returned =
                self.returned.entry(account.clone()).or_insert(Returned { units: 0, heard_at: now });
            returned.units = returned.units.saturating_add(units);
            returned.heard_at = now;
        }
    }

    /// An order of an account is cancelled, and its units left all the same: none comes back. Its channel may show them again by
    /// itself, so its listing is to be read: what it shows beyond the allotment is lowered.
    pub fn gone_with_cancelled(&mut self, account: &AccountId, now: Timestamp) {
        let returned = self.returned.entry(account.clone()).or_insert(Returned { units: 0, heard_at: now });
        returned.heard_at = now;
    }

    /// A sale or a cancellation of an account was heard of: what its listing showed before tells nothing of what came back.
    pub fn heard(&mut self, account: &AccountId, now: Timestamp) {
        if let Some(returned) = self.returned.get_mut(account) {
            returned.heard_at = now;
        }
    }

    /// The listing of an account was read since the last of its sales and cancellations was heard of, and by now every sale
    /// before that reading is heard of: what came back and is not shown is fresh. Shown + unheard sales + fresh ≤ allotted
    /// stays: what was sold since the reading is in `shown`.
    pub fn found(&mut self, account: &AccountId, shown: u32) {
        let Some(returned) = self.returned.remove(account) else { return };
        let fresh = self.fresh_of(account);
        let hidden = self.allotted_to(account).saturating_sub(shown).saturating_sub(fresh);
        self.set_fresh(account, fresh + hidden.min(returned.units));
    }

    /// Units left with a parcel.
    pub fn ship(&mut self, quantity: u32) {
        self.reserved = self.reserved.saturating_sub(quantity);
        self.on_hand = self.on_hand.saturating_sub(quantity);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(s: &str) -> AccountId {
        s.parse().unwrap()
    }

    fn parts(list: &[(&str, u32)]) -> BTreeMap<AccountId, u32> {
        list.iter().map(|(a, p)| (id(a), *p)).collect()
    }

    fn record(on_hand: u32) -> StockRecord {
        StockRecord { on_hand, ..StockRecord::new("S".parse().unwrap()) }
    }

    #[test]
    fn shares_by_largest_remainder() {
        // 10 by 1:1:1 → 3.33 each, one unit left: the first id gets it.
        assert_eq!(
            split(10, &parts(&[("a", 1), ("b", 1), ("c", 1)])),
            parts(&[("a", 4), ("b", 3), ("c", 3)])
        );
        // 7 by 3:1 → 5.25 and 1.75: b has the larger remainder.
        assert_eq!(split(7, &parts(&[("a", 3), ("b", 1)])), parts(&[("a", 5), ("b", 2)]));
        assert_eq!(split(5, &parts(&[("a", 0), ("b", 0)])), parts(&[("a", 0), ("b", 0)]));
    }

    #[test]
    fn a_sale_beyond_everything_is_counted_as_oversold() {
        let mut s = record(3);
        s.allot(&parts(&[("a", 1), ("b", 1)]), 0);
        assert_eq!(s.allotted, parts(&[("a", 2), ("b", 1)]));
        s.reserve(&id("a"), 3);
        assert_eq!((s.reserved, s.oversold), (3, 1));
    }

    #[test]
    fn a_cancellation_that_is_heard_of_late_was_no_oversell() {
        // Three there, two allotted to a: both are sold, one order of one is cancelled at the channel, which sells the unit
        // again. We hear of the sale first.
        let mut s = record(3);
        s.allot(&parts(&[("a", 2), ("b", 1)]), 0);
        for _ in 0..3 {
            s.reserve(&id("a"), 1);
        }
        assert_eq!((s.reserved, s.oversold, s.is_safe()), (3, 1, false));
        s.release(1);
        assert_eq!((s.reserved, s.oversold, s.is_safe()), (2, 0, true));
        // One more, with nothing that takes it back, is one.
        s.reserve(&id("a"), 1);
        s.release(0);
        assert_eq!(s.oversold, 1);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Sell(usize, u32),
        Cancel,
        Ship,
        Allot,
        Recount(u32),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_usize..3, 1_u32..4).prop_map(|(a, q)| Step::Sell(a, q)),
            Just(Step::Cancel),
            Just(Step::Ship),
            Just(Step::Allot),
            (0_u32..40).prop_map(Step::Recount),
        ]
    }

    /// A listing and what its channel sold that we have not heard of.
    #[derive(Debug, Clone, Copy, Default)]
    struct Shown {
        units: u32,
        unheard: u32,
        /// It was taken down.
        gone: bool,
    }

    /// A channel that also cancels.
    #[derive(Debug, Clone, Default)]
    struct Side {
        shown: u32,
        /// Sales that we have not heard of, orders that we know, and such of these as are cancelled there.
        unheard: Vec<u32>,
        open: Vec<u32>,
        cancelled: Vec<u32>,
        /// What was read since we last heard of anything, and whether all that was sold before is heard of.
        read: Option<(u32, bool)>,
    }

    proptest! {
        /// Listings are put up, sold from, raised, lowered, taken down for a while or for good in any order, and sales are heard of late: what
        /// all of them show, with what they sold and what is still to be shown, is never more than is on the shelf; and once every
        /// sale is heard of, everything allotted is shown.
        #[test]
        fn a_raise_sells_nothing_twice_and_forgets_nothing(
            start in 0_u32..40,
            steps in prop::collection::vec((0_u8..7, 0_usize..3, 0_u32..30), 0..80),
        ) {
            let accounts = ["a", "b", "c"].map(id);
            let parts = parts(&[("a", 3), ("b", 2), ("c", 1)]);
            let mut shelf = record(start);
            shelf.allot(&parts, 0);
            let mut shown = [Shown::default(); 3];
            for (n, account) in accounts.iter().enumerate() {
                shown[n].units = shelf.allotted_to(account);
                shelf.show(account, None, shown[n].units);
            }
            let raise = |shelf: &mut StockRecord, shown: &mut Shown, account: &AccountId| {
                if shown.gone {
                    return;
                }
                let most = shelf.may_show(account, shown.units);
                if most > shown.units {
                    shelf.show(account, Some(shown.units), most);
                    shown.units = most;
                }
            };
            // Only once all that it sold before it was gone is heard of (`Gateway::all_heard_before`).
            let relist = |shelf: &mut StockRecord, shown: &mut Shown, account: &AccountId| {
                if shown.gone && shown.unheard == 0 {
                    shown.units = shelf.allotted_to(account);
                    shelf.show(account, None, shown.units);
                    shown.gone = false;
                }
            };
            for (what, n, units) in steps {
                let (account, listing) = (&accounts[n], &mut shown[n]);
                match what {
                    0 => {
                        let sold = units.min(listing.units);
                        listing.units -= sold;
                        listing.unheard += sold;
                    }
                    1 => {
                        let heard = units.min(listing.unheard);
                        listing.unheard -= heard;
                        shelf.reserve(account, heard);
                    }
                    2 => raise(&mut shelf, listing, account),
                    3 => (listing.units, listing.gone) = (0, true),
                    4 => relist(&mut shelf, listing, account),
                    // It does not sell any more, by the same condition: what it had is for the others (`Gateway::take_back`).
                    5 => if listing.gone && listing.unheard == 0 {
                        shelf.take_back(account);
                        let others = parts.iter().filter(|(id, _)| *id != account);
                        shelf.allot(&others.map(|(id, n)| (id.clone(), *n)).collect(), 0);
                    },
                    // A delivery.
                    _ => {
                        shelf.recount(shelf.on_hand + units);
                        shelf.allot(&parts, 0);
                    }
                }
                let promised: u32 = shown.iter().map(|s| s.units + s.unheard).sum();
                prop_assert!(promised + shelf.reserved <= shelf.on_hand, "{shown:?} {shelf:?}");
                prop_assert_eq!(shelf.oversold, 0);
                for (s, account) in shown.iter().zip(&accounts).filter(|(s, _)| !s.gone) {
                    prop_assert!(s.units + s.unheard + shelf.fresh_of(account) <= shelf.allotted_to(account), "{shown:?} {shelf:?}");
                }
            }
            for (n, account) in accounts.iter().enumerate() {
                shelf.reserve(account, std::mem::take(&mut shown[n].unheard));
                relist(&mut shelf, &mut shown[n], account);
                raise(&mut shelf, &mut shown[n], account);
                prop_assert_eq!(shown[n].units, shelf.allotted_to(account));
            }
        }

        /// Accounts that sell only what they are allotted never oversell, and Σ exposed ≤ stock holds throughout.
        #[test]
        fn strict_stock_never_oversells(start in 0_u32..40, steps in prop::collection::vec(step(), 0..60)) {
            let accounts = ["a", "b", "c"];
            let parts = parts(&[("a", 3), ("b", 2), ("c", 1)]);
            let mut s = record(start);
            s.allot(&parts, 0);
            let mut open: Vec<u32> = Vec::new();
            for step in steps {
                match step {
                    Step::Sell(n, wish) => {
                        let account = id(accounts[n]);
                        let sold = wish.min(s.allotted.get(&account).copied().unwrap_or(0));
                        if sold > 0 {
                            s.reserve(&account, sold);
                            open.push(sold);
                        }
                    }
                    Step::Cancel => if let Some(q) = open.pop() { s.release(q) },
                    Step::Ship => if let Some(q) = open.pop() { s.ship(q) },
                    Step::Allot => s.allot(&parts, 0),
                    // A stock-take may find less than was promised already; that is not the gateway's oversell.
                    Step::Recount(n) => s.recount(n.max(s.reserved)),
                }
                prop_assert!(s.is_safe(), "{s:?}");
                prop_assert_eq!(s.oversold, 0);
                prop_assert_eq!(s.reserved, open.iter().sum::<u32>());
            }
        }

        /// A file that says the same is no news, however often the SKU left it and came back: what is for sale and promised is there.
        #[test]
        fn an_old_count_brings_back_nothing(
            start in 0_u32..30,
            steps in prop::collection::vec((0_u8..5, 0_u32..10), 0..60),
        ) {
            let shop = id("a");
            let parts = parts(&[("a", 1)]);
            let mut shelf = StockRecord::new("S".parse().unwrap());
            // What is there, what the file says of it, whether the SKU is in it, what is promised.
            let (mut there, mut file, mut listed, mut open) = (start, start, true, 0);
            shelf.count(file, None, true);
            shelf.allot(&parts, 0);
            for (what, units) in steps {
                match what {
                    0 => {
                        let sold = units.min(shelf.allotted_to(&shop));
                        shelf.reserve(&shop, sold);
                        open += sold;
                    }
                    1 => {
                        shelf.ship(open);
                        there -= std::mem::take(&mut open);
                    }
                    2 => listed = false,
                    3 => listed = true,
                    // A delivery; everything is counted.
                    _ => {
                        there += units;
                        (file, listed) = (there, true);
                    }
                }
                if listed && shelf.count(file, None, false) {
                    shelf.allot(&parts, 0);
                }
                prop_assert!(shelf.on_hand <= there && shelf.is_safe(), "{there} {shelf:?}");
                prop_assert_eq!((shelf.reserved, shelf.oversold), (open, 0));
            }
        }

        /// The same with cancellations, at channels that put the units back on sale by themselves (a) and such that do not (b):
        /// nothing is shown or sold twice, and what came back is shown again in the end.
        #[test]
        fn what_came_back_is_sold_once(steps in prop::collection::vec((0_u8..7, 0_usize..2, 1_u32..6), 0..120)) {
            let accounts = ["a", "b"].map(id);
            let parts = parts(&[("a", 1), ("b", 1)]);
            let now = Timestamp::UNIX_EPOCH;
            let mut shelf = record(20);
            shelf.allot(&parts, 0);
            let mut sides = [Side::default(), Side::default()];
            for (side, account) in sides.iter_mut().zip(&accounts) {
                side.shown = shelf.allotted_to(account);
                shelf.show(account, None, side.shown);
            }
            // At the end everything is heard of, in whatever order, read and raised.
            let end = (0..240).flat_map(|_| [1, 3]).chain([4, 5, 6]);
            let all = steps.into_iter().chain(end.flat_map(|what| [(what, 0, 1), (what, 1, 1)]));
            for (what, n, units) in all {
                let (account, side) = (&accounts[n], &mut sides[n]);
                match what {
                    0 => {
                        let sold = units.min(side.shown);
                        side.shown -= sold;
                        side.unheard.extend((sold > 0).then_some(sold));
                    }
                    1 => if let Some(sold) = side.unheard.pop() {
                        shelf.reserve(account, sold);
                        shelf.heard(account, now);
                        side.open.push(sold);
                        side.read = None;
                    },
                    // The buyer of an order that we know of is let go there.
                    2 => if let Some(gone) = side.open.pop() {
                        side.cancelled.push(gone);
                        side.shown += if n == 0 { gone } else { 0 };
                    },
                    3 => if let Some(gone) = side.cancelled.pop() {
                        shelf.give_back(account, gone, 0, now);
                        side.read = None;
                    },
                    // Whoever reads does not know whether sales are unheard of; they come in later and make it void.
                    4 => side.read = Some((side.shown, side.unheard.is_empty())),
                    5 => if let Some((shown, true)) = side.read {
                        shelf.found(account, shown);
                    },
                    _ => {
                        let most = shelf.may_show(account, side.shown);
                        if most > side.shown {
                            shelf.show(account, Some(side.shown), most);
                            side.shown = most;
                            side.read = None;
                        }
                    }
                }
                let promised: u32 = sides
                    .iter()
                    .map(|s| s.shown + s.unheard.iter().chain(&s.open).sum::<u32>())
                    .sum();
                // What is cancelled there and unheard of is on the shelf, whether the channel shows it or not.
                prop_assert!(promised <= shelf.on_hand, "{sides:?} {shelf:?}");
            }
            prop_assert_eq!(shelf.oversold, 0);
            for (side, account) in sides.iter().zip(&accounts) {
                prop_assert_eq!(side.shown, shelf.allotted_to(account));
            }
            let open: u32 = sides.iter().flat_map(|s| &s.open).sum();
            prop_assert_eq!(sides.iter().map(|s| s.shown).sum::<u32>() + open, 20);
        }
    }
}
