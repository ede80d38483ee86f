//! What a read-back makes of an offer that was sent.

use jiff::{SignedDuration, Timestamp};
use tradewind_domain::{ChangeState, ListingState, LiveListing};

use super::Settled;
use crate::records::OfferRecord;

/// What a read-back means for an offer that was sent.
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
    record.listing = live.key.listing.clone().or_else(|| record.listing.take());
    record.live = Some(live.clone());
    let blocking: Vec<String> =
        live.issues.iter().filter(|i| i.blocking).map(|i| format!("{}: {}", i.code, i.message)).collect();
    let unknown = matches!(record.state, ChangeState::Indeterminate | ChangeState::Sent);
    match &live.state {
        ListingState::Absent | ListingState::Inactive if record.withdrawn => {
            record.state = ChangeState::Live;
            record.note = None;
            settled.live += 1;
        }
        ListingState::Invalid => {
            record.state = ChangeState::Rejected;
            record.note = Some(blocking.join("; "));
            settled.rejected += 1;
        }
        ListingState::Live if as_intended(record, live) => {
            record.state = ChangeState::Live;
            record.note = None;
            settled.live += 1;
        }
        // Accepted long ago and nothing to be seen of it: the acceptance was a lie.
        ListingState::Absent | ListingState::Live | ListingState::Pending if is_forgotten(record, now) => {
            record.state = ChangeState::Intended;
            record.note = Some("accepted, but never seen live: intended again".to_owned());
            settled.again += 1;
        }
        // A submission in bulk whose answer was lost may be worked on still. Listed again meanwhile, it would come late and
        // write its old quantity over what was sold since.
        ListingState::Absent if unknown && record.in_bulk && !is_old(record, now) => settled.waiting += 1,
        // It was never carried out: intended again, by a later plan.
        ListingState::Absent if unknown => {
            record.state = ChangeState::Intended;
            settled.again += 1;
        }
        // Live, but as it was before: for a write in doubt that means it did not happen.
        ListingState::Live if unknown => {
            record.state = ChangeState::Intended;
            settled.again += 1;
        }
        ListingState::Other(raw) => {
            record.note =
                Some(format!("the channel reports the state '{raw}', which this version does not know"));
            settled.waiting += 1;
        }
        _ => settled.waiting += 1,
    }
}

/// How long a channel may work on what was sent to it.
const PROCESSING: SignedDuration = SignedDuration::from_hours(3);

fn is_forgotten(record: &OfferRecord, now: Timestamp) -> bool {
    record.state == ChangeState::Accepted && is_old(record, now)
}

fn is_old(record: &OfferRecord, now: Timestamp) -> bool {
    record.sent_at.is_some_and(|t| now.duration_since(t) > PROCESSING)
}

/// The listing shows what was intended. A lower quantity is as intended too: buyers were faster.
fn as_intended(record: &OfferRecord, live: &LiveListing) -> bool {
    let Some(desired) = &record.desired else { return true };
    live.price.is_none_or(|p| p == desired.price)
        && live.quantity.is_none_or(|q| q <= desired.quantity)
        && live.title.as_ref().is_none_or(|t| *t == desired.content.title)
}
