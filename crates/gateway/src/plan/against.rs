//! One listing: what is to be done about the difference between what is intended and what is known of it.

use std::cmp::Ordering;

use rust_decimal::Decimal;
use tradewind_domain::{ChangeState, ListingRef, ListingState, LiveListing, Money, Offer};

use super::{Action, Change, FieldChange};
use crate::desired::{Guard, Stop};
use crate::records::{Asked, Made, OfferRecord};

/// What a plan makes of a known offer.
pub(super) enum Against {
    /// Nothing.
    Same,
    /// A change.
    Go(Action),
    /// A change that may not go, or none that could be made.
    Stopped(Option<Action>, Stop),
}

/// The difference between an intended offer and what is known to be live. `may_show`: the most that a listing may show which shows so
/// many units now; `price_jump`: the largest change of a price, as a share of it, that goes unasked.
pub(super) fn against(
    known: Option<&OfferRecord>,
    mut offer: Offer,
    price_jump: Option<Decimal>,
    may_show: impl Fn(u32) -> u32,
) -> Against {
    // Several channels refuse a listing without a unit to sell, and no buyer misses it.
    let create = |offer: Offer| match offer.quantity {
        0 => Against::Same,
        _ => Against::Go(Action::Create { offer: Box::new(offer) }),
    };
    let Some(known) = known else { return create(offer) };
    if known.is_under_way() {
        return Against::Same;
    }
    // The channel said no to exactly this: sending it again gives the same.
    if known.was_refused(&offer) {
        let why = known.note.as_deref().unwrap_or("it gave no reason");
        let why =
            format!("the channel refused this offer: {why}; change what it names, and it is sent again");
        return Against::Stopped(None, Stop::new(Guard::Refused, why));
    }
    let live = known.live.as_ref().filter(|l| !matches!(l.state, ListingState::Absent));
    let Some(live) = live else { return create(offer) };
    let most = live.quantity.map_or(offer.quantity, |shown| may_show(shown).min(offer.quantity));
    if live.state == ListingState::Inactive && most == 0 {
        return Against::Same;
    }
    let fields = fields(known, live, &offer);
    if fields.is_empty() {
        return quantity_alone(known, live, offer.quantity, most);
    }
    let stop = live.price.zip(price_jump).and_then(|(old, limit)| jump(old, offer.price, limit));
    // An update carries a quantity too.
    offer.quantity = live.quantity.map_or(offer.quantity, |q| {
        // More units that the channel did not take would have the whole update refused.
        if most > q && known.refuses(most).is_some() { q } else { most }
    });
    let update = Action::Update { offer: Box::new(offer), key: live.key.clone(), fields };
    match stop {
        Some(stop) => Against::Stopped(Some(update), stop),
        None => Against::Go(update),
    }
}

/// What differs, but for the quantity. Texts are made of what differs alone: of a large shop nearly nothing does.
fn fields(known: &OfferRecord, live: &LiveListing, offer: &Offer) -> Vec<FieldChange> {
    let mut fields = Vec::new();
    let mut differs = |field: &str, from: String, to: String| {
        if from != to {
            fields.push(FieldChange { field: field.to_owned(), from, to });
        }
    };
    if live.state == ListingState::Inactive {
        differs("state", "off sale".to_owned(), "on sale".to_owned());
    }
    if let Some(price) = live.price.filter(|p| *p != offer.price) {
        differs("price", price.to_string(), offer.price.to_string());
    }
    if let Some(title) = live.title.as_ref().filter(|_| known.title_differs(live, Some(offer))) {
        differs("title", title.clone(), offer.content.title.clone());
    }
    match (&known.made, &known.desired) {
        (Made::Sent, None) => {}
        (Made::Sent, Some(last)) => differences(last, offer, live, &mut differs),
        (Made::Before(was), _) => differences(was, offer, live, &mut differs),
        (Made::SentOr(_) | Made::SentOrNone | Made::Unknown, _) => {
            differs("content", "no answer tells".to_owned(), "sent again".to_owned());
        }
    }
    fields
}

/// Of a listing that differs in nothing else: `wanted` units are allotted to it, and `most` may be shown. Raised by what it was never
/// given alone: a listing that shows less than is allotted has sold what is missing, and an order that was not imported yet may have
/// taken it.
fn quantity_alone(known: &OfferRecord, live: &LiveListing, wanted: u32, most: u32) -> Against {
    let Some(shown) = live.quantity else { return Against::Same };
    let key = live.key.clone();
    match shown.cmp(&wanted) {
        Ordering::Greater => Against::Go(Action::Lower { key, from: shown, to: wanted }),
        Ordering::Less if most > shown => {
            let raise = Action::Raise { key, from: shown, to: most };
            match known.refuses(most) {
                None => Against::Go(raise),
                Some(why) => {
                    let why = format!(
                        "the channel refused a quantity of {most}: {why}; another one is sent again, and so is any other change of the offer"
                    );
                    Against::Stopped(Some(raise), Stop::new(Guard::Refused, why))
                }
            }
        }
        Ordering::Less | Ordering::Equal => Against::Same,
    }
}

/// The listing sells, or may at any moment, and should not.
pub(super) fn withdrawal(known: &OfferRecord, cause: &str) -> Option<Change> {
    let waits = match known.state {
        ChangeState::Sent | ChangeState::Indeterminate => true,
        ChangeState::Accepted => known.asked == Asked::Withdrawal,
        _ => false,
    };
    (known.may_sell() && !waits).then(|| Change {
        account: known.account.clone(),
        sku: known.sku.clone(),
        action: Some(Action::Withdraw {
            key: ListingRef { sku: known.sku.clone(), listing: known.listing.clone() },
        }),
        cause: cause.to_owned(),
        stop: None,
    })
}

/// The listing shows more than there is for it. That does not wait for what is on its way, but for an offer that lowers it, too;
/// nor for a listing that was put to go on sale: it does so with what it shows.
pub(super) fn lowered(known: Option<&OfferRecord>, quantity: u32) -> Option<Action> {
    let known = known.filter(|k| k.may_sell() && k.state != ChangeState::Sent)?;
    let whole = matches!(known.asked, Asked::Offer | Asked::Bulk);
    let lowers = whole && known.desired.as_ref().is_some_and(|d| d.quantity <= quantity);
    if known.is_under_way() && lowers {
        return None;
    }
    let live = known.live.as_ref()?;
    let from = live.quantity.filter(|shown| *shown > quantity)?;
    Some(Action::Lower { key: live.key.clone(), from, to: quantity })
}

/// What differs from what the listing is made of, of what is not read back.
fn differences(
    last: &Offer,
    offer: &Offer,
    live: &LiveListing,
    differs: &mut impl FnMut(&str, String, String),
) {
    if live.price.is_none() && last.price != offer.price {
        differs("price", last.price.to_string(), offer.price.to_string());
    }
    if live.title.is_none() && last.content.title != offer.content.title {
        differs("title", last.content.title.clone(), offer.content.title.clone());
    }
    if last.content.bullets != offer.content.bullets {
        differs("bullets", last.content.bullets.join("|"), offer.content.bullets.join("|"));
    }
    let shown = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
    let (was, is) = (&last.content.description, &offer.content.description);
    if was != is {
        differs("description", was.clone(), is.clone());
    }
    if last.images != offer.images {
        differs("images", last.images.join("|"), offer.images.join("|"));
    }
    if last.category != offer.category {
        differs("category", format!("{:?}", last.category), format!("{:?}", offer.category));
    }
    if last.attributes != offer.attributes {
        differs("attributes", format!("{:?}", last.attributes), format!("{:?}", offer.attributes));
    }
    if last.brand != offer.brand {
        differs("brand", shown(last.brand.clone()), shown(offer.brand.clone()));
    }
    if last.gtin != offer.gtin {
        differs("gtin", shown(last.gtin.map(|g| g.to_string())), shown(offer.gtin.map(|g| g.to_string())));
    }
    if last.hs != offer.hs {
        differs("hs", shown(last.hs.map(|h| h.to_string())), shown(offer.hs.map(|h| h.to_string())));
    }
    if last.origin != offer.origin {
        differs(
            "origin",
            shown(last.origin.map(|o| o.to_string())),
            shown(offer.origin.map(|o| o.to_string())),
        );
    }
    if last.weight != offer.weight {
        differs("weight", format!("{:?}", last.weight), format!("{:?}", offer.weight));
    }
    if last.dimensions != offer.dimensions {
        differs("dimensions", format!("{:?}", last.dimensions), format!("{:?}", offer.dimensions));
    }
}

fn jump(old: Money, new: Money, limit: Decimal) -> Option<Stop> {
    if old.currency() != new.currency() || old.is_zero() {
        return None;
    }
    let share = (new.decimal() - old.decimal()).abs().checked_div(old.decimal())?;
    (share > limit).then(|| {
        let percent = |d: Decimal| (d * Decimal::ONE_HUNDRED).round_dp(1);
        let remedy =
            if share > Decimal::ONE { "set guard.price_jump = \"none\"" } else { "raise guard.price_jump" };
        let why = format!(
            "from {old} to {new} is a jump of {} %, the limit is {} %: {remedy} for this run if it is meant",
            percent(share),
            percent(limit)
        );
        Stop::new(Guard::PriceJump, why)
    })
}
