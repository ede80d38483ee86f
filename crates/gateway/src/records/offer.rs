//! An offer of one SKU in one account: what was last asked for and how far that came, what the listing is made of as far as
//! answers tell, what the channel was last seen to show (ADR 61).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tradewind_domain::{
    AccountId, ChangeState, IllegalStep, ListingId, ListingState, LiveListing, Offer, Sku,
};
use tradewind_store::Collection;
use tradewind_store::typed::Record;

use super::is_zero;

/// An offer of one SKU in one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct OfferRecord {
    /// Account.
    pub account: AccountId,
    /// SKU.
    pub sku: Sku,
    /// The complete offer that was last sent; `None` for a listing that we found.
    pub desired: Option<Box<Offer>>,
    /// Whether the listing is made of that.
    #[serde(default)]
    pub made: Made,
    /// What was last asked of the channel.
    #[serde(default, skip_serializing_if = "Asked::is_offer")]
    pub asked: Asked,
    /// How far that came.
    pub state: ChangeState,
    /// The plan that asked for it.
    pub plan: String,
    /// The channel's id.
    pub listing: Option<ListingId>,
    /// When it was last asked for anything.
    #[serde(default)]
    pub sent_at: Option<Timestamp>,
    /// Fresh units that the last sending took (see [`super::StockRecord::fresh`]); given back when it certainly failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub took: u32,
    /// What was last read back.
    pub live: Option<LiveListing>,
    /// When that was.
    pub read_at: Option<Timestamp>,
    /// Since when nothing is there of a listing that was (ADR 3).
    pub gone: Gone,
    /// What the channel makes of the title that we sent, when it has a way of its own: an edit by a hand is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_title: Option<String>,
    /// Why it is not live, in words.
    pub note: Option<String>,
}
record!(OfferRecord, Offers, |r| offer_key(&r.account, &r.sku), r.account.to_string(), r.state.to_string());

/// Key of an offer.
#[must_use]
pub fn offer_key(account: &AccountId, sku: &Sku) -> String {
    format!("{account}/{sku}")
}

/// What was last asked of a channel for a listing. The state of the record is the state of this.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// That it be as the offer says.
    #[default]
    Offer,
    /// The same, in a submission in bulk, which takes effect late.
    Bulk,
    /// A quantity alone, while the offer stood as it was.
    Quantity(QuantityAlone),
    /// To take it off sale. Done: it was seen to be.
    Withdrawal,
}

impl OfferRecord {
    /// Takes a step in what became of the last thing asked for. Whether it was taken: one that cannot be is a defect, of which
    /// the record keeps the note, and its state stays.
    pub(crate) fn step(&mut self, to: ChangeState) -> bool {
        let step = self.state.step(to);
        self.noted(step)
    }

    fn noted(&mut self, step: Result<(), IllegalStep>) -> bool {
        if let Err(e) = step {
            tracing::error!(account = %self.account, sku = %self.sku, error = %e, "a step was not taken");
            self.note = Some(e.to_string());
        }
        step.is_ok()
    }
}

impl Asked {
    fn is_offer(&self) -> bool {
        *self == Asked::Offer
    }
}

/// A quantity that was sent alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuantityAlone {
    /// Units to show.
    pub to: u32,
    /// How far the offer itself had come.
    pub before: ChangeState,
    /// The channel's no to these units, in its words. The offer itself was not refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// What a listing is made of, as far as the channel does not tell it back: words, images, facts for customs. Compared with by
/// plans, so that nothing that was not taken is taken for there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Made {
    /// Of the offer that was last sent.
    #[default]
    Sent,
    /// Of this one still: what was sent since was certainly not taken, or differs in nothing but what is told back.
    Before(Box<Offer>),
    /// Of the one that was last sent, or of this one: no answer tells.
    SentOr(Box<Offer>),
    /// It is new: of the one that was last sent, once it is seen.
    SentOrNone,
    /// Nobody knows.
    Unknown,
}

/// Since when nothing is there of a listing that was: what it sold before may not be heard of yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gone {
    /// It is there; or it was never seen there, nor said to be.
    #[default]
    No,
    /// It was first seen to be gone at this instant.
    Since(Timestamp),
}

/// Nothing of a listing is there: nothing, or what is off sale and tells no quantity.
pub(crate) fn is_gone(live: &LiveListing) -> bool {
    match live.state {
        ListingState::Absent => true,
        ListingState::Inactive => live.quantity.is_none(),
        _ => false,
    }
}

impl Made {
    /// No answer tells, and to see the listing does not either.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Made::SentOr(_) | Made::Unknown)
    }
}

impl OfferRecord {
    /// Nothing of it is known.
    #[must_use]
    pub fn new(account: AccountId, sku: Sku) -> OfferRecord {
        OfferRecord {
            account,
            sku,
            desired: None,
            made: Made::default(),
            asked: Asked::default(),
            state: ChangeState::Intended,
            plan: String::new(),
            listing: None,
            sent_at: None,
            took: 0,
            live: None,
            read_at: None,
            gone: Gone::No,
            own_title: None,
            note: None,
        }
    }

    /// Why the channel does not take this quantity.
    #[must_use]
    pub fn refuses(&self, quantity: u32) -> Option<&str> {
        match &self.asked {
            Asked::Quantity(alone) if alone.to == quantity => alone.refused.as_deref(),
            _ => None,
        }
    }

    /// The channel takes it for on sale, or soon.
    #[must_use]
    pub fn is_on_sale(&self) -> bool {
        self.live.as_ref().is_some_and(|l| matches!(l.state, ListingState::Live | ListingState::Pending))
    }

    /// Buyers buy of it, or may at any moment: it is on sale; or it was put, was not seen on sale since, and its channel may show it
    /// when it is done with it, or a person there may. One that was seen on sale and is not any more was taken off by somebody.
    pub(crate) fn may_sell(&self) -> bool {
        let put =
            self.desired.is_some() && self.asked != Asked::Withdrawal && self.state != ChangeState::Live;
        self.is_on_sale() || put && self.live.as_ref().is_some_and(|l| l.state == ListingState::Inactive)
    }

    /// It was seen to be off sale, and does not come back by itself: nothing is there, or it was taken down as we asked. One that is
    /// sold out may be put on again by its channel when an order is cancelled.
    pub(crate) fn is_down(&self) -> bool {
        !self.is_under_way()
            && self.live.as_ref().is_some_and(|l| match l.state {
                ListingState::Absent => true,
                ListingState::Inactive => self.asked == Asked::Withdrawal,
                _ => false,
            })
    }

    /// It was sent or seen before, and may have sold: it is read before it is sent as new.
    #[must_use]
    pub fn may_be_there(&self) -> bool {
        self.sent_at.is_some() || self.live.is_some()
    }

    /// What was asked last is on its way or in doubt: to be settled before more is asked.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        matches!(self.state, ChangeState::Sent | ChangeState::Accepted | ChangeState::Indeterminate)
    }

    /// The channel refused this offer; but for its quantity, which it may show less of.
    #[must_use]
    pub fn was_refused(&self, offer: &Offer) -> bool {
        self.state == ChangeState::Rejected
            && self.asked != Asked::Withdrawal
            && self.desired.as_ref().is_some_and(|d| same_but_quantity(d, offer))
    }

    /// A complete offer is about to be sent.
    pub(crate) fn sends(&mut self, offer: &Offer, how: Asked) {
        let last = self.desired.replace(Box::new(offer.clone()));
        let same = last.as_ref().is_some_and(|d| same_but_quantity(d, offer));
        let nothing = self.live.as_ref().is_none_or(|l| l.state == ListingState::Absent);
        if last.as_ref().is_none_or(|d| d.content.title != offer.content.title) {
            self.own_title = None;
        }
        let was = match std::mem::take(&mut self.made) {
            in_doubt @ (Made::SentOr(_) | Made::SentOrNone) if same => return self.asks(how, in_doubt),
            Made::SentOr(_) | Made::SentOrNone => return self.asks(how, Made::Unknown),
            _ if nothing => return self.asks(how, Made::SentOrNone),
            Made::Unknown => None,
            Made::Sent => last,
            Made::Before(was) => Some(was),
        };
        let made = match was {
            None => Made::Unknown,
            // What differs is told back: to see it is answer enough, and the rest is as it was.
            Some(was) if told_back(&was, offer, self.live.as_ref()) => Made::Before(was),
            Some(was) => Made::SentOr(was),
        };
        self.asks(how, made);
    }

    fn asks(&mut self, what: Asked, made: Made) {
        self.asked = what;
        self.made = made;
    }

    /// The channel took what was sent.
    pub(crate) fn was_taken(&mut self) {
        if matches!(self.asked, Asked::Offer | Asked::Bulk) {
            self.made = Made::Sent;
        }
    }

    /// Of what was sent, the channel took some: to see the listing does not tell which.
    pub(crate) fn was_taken_in_part(&mut self) {
        if matches!(self.asked, Asked::Offer | Asked::Bulk) {
            self.made = Made::Unknown;
        }
    }

    /// The channel certainly did not take what was sent.
    pub(crate) fn was_not_taken(&mut self) {
        if matches!(self.asked, Asked::Offer | Asked::Bulk) {
            self.made = match std::mem::take(&mut self.made) {
                Made::SentOr(was) => Made::Before(was),
                Made::SentOrNone => Made::Unknown,
                other => other,
            };
        }
    }

    /// The listing shows what was sent, as far as it is told back, but perhaps for its title. A lower quantity is as it was sent
    /// too: buyers were faster.
    pub(crate) fn shows_but_title(&self, live: &LiveListing) -> bool {
        let Some(sent) = &self.desired else { return true };
        live.quantity.is_none_or(|q| q <= sent.quantity) && live.price.is_none_or(|p| p == sent.price)
    }

    /// The listing shows what was sent, as far as it is told back.
    pub(crate) fn shows(&self, live: &LiveListing) -> bool {
        self.shows_but_title(live) && !self.title_differs(live, self.desired.as_deref())
    }

    /// It is on sale, made of the offer that was refused: the channel took that and objected later, or what differs from the
    /// listing's own is all told back and is as it was to be.
    pub(crate) fn is_listed_after_all(&mut self, live: &LiveListing) -> bool {
        let made = match (&self.made, &self.desired) {
            (Made::Sent, _) => true,
            (Made::Before(was), Some(sent)) => told_back(was, sent, Some(live)) && self.shows(live),
            _ => false,
        };
        let listed = made && live.state == ListingState::Live;
        if listed {
            self.made = Made::Sent;
        }
        listed
    }

    /// The listing shows another title than this offer's, and than the channel's own for it.
    pub(crate) fn title_differs(&self, live: &LiveListing, offer: Option<&Offer>) -> bool {
        let Some((shown, wanted)) = live.title.as_ref().zip(offer.map(|o| &o.content.title)) else {
            return false;
        };
        let sent = self.desired.as_ref().map(|d| &d.content.title);
        shown != wanted && !(sent == Some(wanted) && self.own_title.as_ref() == Some(shown))
    }

    /// What was read of it at the channel.
    pub(crate) fn reads(&mut self, live: &LiveListing, at: Timestamp) {
        // Seen there, or the channel said that it is.
        let was = self.live.as_ref().is_some_and(|l| !is_gone(l)) || self.state == ChangeState::Accepted;
        if !is_gone(live) {
            self.gone = Gone::No;
        } else if was {
            self.gone = Gone::Since(at);
        }
        self.listing = live.key.listing.clone().or_else(|| self.listing.take());
        self.live = Some(live.clone());
        self.read_at = Some(at);
    }
}

/// All that differs of two offers is told back by the channel, or is the quantity.
fn told_back(was: &Offer, offer: &Offer, live: Option<&LiveListing>) -> bool {
    let mut same = was.clone();
    same.quantity = offer.quantity;
    if live.is_some_and(|l| l.price.is_some()) {
        same.price = offer.price;
    }
    if live.is_some_and(|l| l.title.is_some()) {
        same.content.title.clone_from(&offer.content.title);
    }
    same == *offer
}

/// Two offers are alike but for their quantity.
fn same_but_quantity(a: &Offer, b: &Offer) -> bool {
    let mut a = a.clone();
    a.quantity = b.quantity;
    a == *b
}

/// As it is stored, by this version and by earlier ones: those wrote two flags instead of `asked`, nothing instead of `made`.
#[derive(Deserialize)]
struct Stored {
    account: AccountId,
    sku: Sku,
    desired: Option<Box<Offer>>,
    made: Option<Made>,
    asked: Option<Asked>,
    state: ChangeState,
    plan: String,
    listing: Option<ListingId>,
    sent_at: Option<Timestamp>,
    #[serde(default)]
    took: u32,
    live: Option<LiveListing>,
    read_at: Option<Timestamp>,
    gone: Option<Gone>,
    own_title: Option<String>,
    note: Option<String>,
    #[serde(default)]
    in_bulk: bool,
    #[serde(default)]
    withdrawn: bool,
    alone: Option<QuantityAlone>,
}

impl From<Stored> for OfferRecord {
    fn from(s: Stored) -> OfferRecord {
        let asked = s.asked.unwrap_or(match s.alone {
            _ if s.withdrawn => Asked::Withdrawal,
            Some(alone) => Asked::Quantity(alone),
            None if s.in_bulk => Asked::Bulk,
            None => Asked::Offer,
        });
        // Those wrote what they were about to send over what was there: unless it was taken, nobody knows of what the listing is made.
        let taken = match s.state {
            ChangeState::Live | ChangeState::Accepted => true,
            ChangeState::Rejected => s.live.as_ref().is_some_and(|l| l.state == ListingState::Invalid),
            ChangeState::Intended | ChangeState::Sent | ChangeState::Indeterminate => false,
        };
        let made = if taken || s.desired.is_none() { Made::Sent } else { Made::Unknown };
        // Those did not keep either since when a listing is gone: at the latest since it was last read so.
        let gone = match (&s.live, s.read_at) {
            (Some(live), Some(at)) if s.desired.is_some() && is_gone(live) => Gone::Since(at),
            _ => Gone::No,
        };
        OfferRecord {
            account: s.account,
            sku: s.sku,
            desired: s.desired,
            made: s.made.unwrap_or(made),
            asked,
            state: s.state,
            plan: s.plan,
            listing: s.listing,
            sent_at: s.sent_at,
            took: s.took,
            live: s.live,
            read_at: s.read_at,
            gone: s.gone.unwrap_or(gone),
            own_title: s.own_title,
            note: s.note,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What [`OfferRecord::step`] does in a build for a running shop, where the step itself does not panic.
    #[test]
    fn a_step_that_was_not_taken_is_noted_and_the_state_stays() {
        let mut record: OfferRecord = serde_json::from_value(serde_json::json!({
            "account": "shop", "sku": "A", "desired": null, "state": "live", "plan": "", "listing": null, "read_at": null,
            "note": null, "live": null
        }))
        .unwrap();
        let step = record.state.try_step(ChangeState::Rejected);
        assert!(!record.noted(step));
        assert_eq!(record.state, ChangeState::Live);
        assert!(record.note.as_deref().is_some_and(|n| n.contains("cannot go from Live to Rejected")));
        record.state = ChangeState::Sent;
        assert!(record.step(ChangeState::Accepted) && record.state == ChangeState::Accepted);
    }
}
