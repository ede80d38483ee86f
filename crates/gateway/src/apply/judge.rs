//! What a read-back makes of what was asked for.

use jiff::{SignedDuration, Timestamp};
use tradewind_domain::{ChangeState, ListingState, LiveListing};

use super::Settled;
use crate::records::{Asked, Made, OfferRecord};

/// What became of it.
enum Verdict {
    /// It is there.
    Done,
    /// The channel does not show it to buyers, and says why.
    Refused(String),
    /// It was not carried out, or nobody knows: to be asked for again.
    Again(Option<&'static str>),
    /// The channel works on it.
    Wait(Option<String>),
}

/// What a read-back means for an offer of which something was asked.
pub(super) fn judge(
    record: &mut OfferRecord,
    live: Option<&LiveListing>,
    now: Timestamp,
    settled: &mut Settled,
) {
    // Not read this time: asked again in the next round.
    let Some(live) = live else {
        settled.waiting += 1;
        return;
    };
    let before = record.live.clone();
    record.reads(live, now);
    let verdict = match &record.asked {
        Asked::Withdrawal => withdrawn(record, live, now),
        _ => offered(record, before.as_ref(), live, now),
    };
    // The quantity of an offer that stays refused.
    let refused = matches!(&record.asked, Asked::Quantity(a) if a.before == ChangeState::Rejected);
    match verdict {
        Verdict::Done => {
            let taken = record.step(if refused { ChangeState::Rejected } else { ChangeState::Live });
            if !taken {
                settled.waiting += 1;
                return;
            }
            if !refused {
                record.note = None;
            }
            settled.live += 1;
        }
        Verdict::Refused(why) => {
            if !record.step(ChangeState::Rejected) {
                settled.waiting += 1;
                return;
            }
            record.note = Some(why);
            settled.rejected += 1;
        }
        Verdict::Again(why) => {
            if !record.step(if refused { ChangeState::Rejected } else { ChangeState::Intended }) {
                settled.waiting += 1;
                return;
            }
            if let Some(why) = why.filter(|_| !refused) {
                record.note = Some(why.to_owned());
            }
            settled.again += 1;
        }
        Verdict::Wait(why) => {
            if let Some(why) = why {
                record.note = Some(why);
            }
            settled.waiting += 1;
        }
    }
}

/// A listing that was to be taken off sale. While it is still shown, buyers buy.
fn withdrawn(record: &OfferRecord, live: &LiveListing, now: Timestamp) -> Verdict {
    match &live.state {
        ListingState::Absent | ListingState::Inactive => Verdict::Done,
        _ if in_doubt(record) => Verdict::Again(None),
        _ if is_old(record, now) => {
            Verdict::Again(Some("its withdrawal was accepted, but it is still there"))
        }
        ListingState::Other(raw) => Verdict::Wait(Some(unknown(raw))),
        ListingState::Live | ListingState::Pending | ListingState::Invalid => Verdict::Wait(None),
    }
}

/// A listing that was to be put, or to show another quantity.
fn offered(
    record: &mut OfferRecord,
    before: Option<&LiveListing>,
    live: &LiveListing,
    now: Timestamp,
) -> Verdict {
    let (doubt, old) = (in_doubt(record), is_old(record, now));
    match &live.state {
        // What the channel objected to before it took the offer: it has not looked at it yet.
        ListingState::Invalid
            if !old && before.is_some_and(|b| b.state == live.state && blocking(b) == blocking(live)) =>
        {
            Verdict::Wait(None)
        }
        // These objections are to what was there before: what was sent may never have come.
        ListingState::Invalid if record.made.is_open() => Verdict::Again(None),
        ListingState::Invalid => Verdict::Refused(blocking(live).join("; ")),
        ListingState::Live if record.shows(live) => seen(record),
        // All but its title, and for as long as a channel works on anything: that is the channel's own.
        ListingState::Live if !doubt && old && record.shows_but_title(live) => {
            record.own_title.clone_from(&live.title);
            seen(record)
        }
        // Live, but as it was before: for a write in doubt that means it did not happen.
        ListingState::Live if doubt => Verdict::Again(None),
        // A submission in bulk whose answer was lost may be worked on still. Listed again meanwhile, it would come late and
        // write its old quantity over what was sold since.
        ListingState::Absent if doubt && record.asked == Asked::Bulk && !old => Verdict::Wait(None),
        // It was never carried out: intended again, by a later plan.
        ListingState::Absent if doubt => Verdict::Again(None),
        // Taken, and sold out before it was seen on sale.
        ListingState::Inactive if old && !doubt && live.quantity == Some(0) && record.shows(live) => {
            seen(record)
        }
        // Asked for again it would be the same.
        ListingState::Inactive if old && !doubt && took_offer(record) => {
            let why = "the channel took the offer, and its listing is still not on sale: put it on sale in the channel's own pages";
            Verdict::Refused(why.to_owned())
        }
        // Accepted long ago and nothing to be seen of it: the acceptance was a lie.
        _ if old => Verdict::Again(Some("accepted, but never seen live: intended again")),
        ListingState::Other(raw) => Verdict::Wait(Some(unknown(raw))),
        _ => Verdict::Wait(None),
    }
}

/// What is told back is as it was sent. Of the rest of a listing that was another one before, only an answer tells.
fn seen(record: &mut OfferRecord) -> Verdict {
    // A process that died in a call of several steps: the listing may be there, and not what comes after it.
    let died =
        record.state == ChangeState::Sent && record.asked == Asked::Offer && record.made == Made::SentOrNone;
    if record.made.is_open() || died {
        return Verdict::Again(Some("no answer tells whether the channel took all of it: sent again"));
    }
    let whole = matches!(record.asked, Asked::Offer | Asked::Bulk);
    if record.made == Made::SentOrNone || in_doubt(record) && whole {
        record.made = Made::Sent;
    }
    Verdict::Done
}

/// What the channel works on is the offer itself; its quantity may have been lowered meanwhile.
fn took_offer(record: &OfferRecord) -> bool {
    match &record.asked {
        Asked::Offer | Asked::Bulk => true,
        Asked::Quantity(alone) => alone.before == ChangeState::Accepted,
        Asked::Withdrawal => false,
    }
}

fn unknown(raw: &str) -> String {
    format!("the channel reports the state '{raw}', which this version does not know")
}

fn blocking(live: &LiveListing) -> Vec<String> {
    live.issues.iter().filter(|i| i.blocking).map(|i| format!("{}: {}", i.code, i.message)).collect()
}

/// No answer came.
fn in_doubt(record: &OfferRecord) -> bool {
    matches!(record.state, ChangeState::Indeterminate | ChangeState::Sent)
}

/// How long a channel may work on what was sent to it.
const PROCESSING: SignedDuration = SignedDuration::from_hours(3);

fn is_old(record: &OfferRecord, now: Timestamp) -> bool {
    record.sent_at.is_some_and(|t| now.duration_since(t) > PROCESSING)
}
