//! From catalogue, rules and stock to what should be on sale where — or why it should not.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tradewind_connector::Capabilities;
use tradewind_domain::{Money, Offer, Product, Variant};

use crate::config::{GuardConfig, OfferRules};

/// A guard that can stop a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// No margin floor is configured: a blank floor is an error, not zero.
    BlankFloor,
    /// The price leaves less than the floor.
    MarginFloor,
    /// Purchase cost is not known, so the margin is not either.
    MissingCost,
    /// The price is zero.
    ZeroPrice,
    /// The price moves too far at once.
    PriceJump,
    /// Too many listings would go at once.
    MassDelete,
    /// No HS code.
    MissingHs,
    /// No country of origin.
    MissingOrigin,
    /// The GTIN is wrong, or missing where the channel wants one.
    InvalidGtin,
    /// No category of the channel for it.
    UnmappedCategory,
    /// No rate from the catalogue's currency to the market's.
    MissingRate,
    /// What the border takes is not known.
    LandedCost,
    /// The channel's limits do not allow it.
    Limits,
    /// The channel refused it, and nothing of it has changed since.
    Refused,
}

/// Why a change is stopped, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Which guard.
    pub guard: Guard,
    /// Words with numbers and a remedy.
    pub why: String,
}

impl Stop {
    pub(crate) fn new(guard: Guard, why: impl Into<String>) -> Stop {
        Stop { guard, why: why.into() }
    }
}

/// Where a variant stands: `catalogue.csv:12`.
pub(crate) fn source(variant: &Variant) -> String {
    variant.source.as_ref().map(ToString::to_string).unwrap_or_default()
}

/// Before any ending lifts it and whatever makes the price: a zero in the catalogue is a mistake, 0.99 is not its remedy.
pub(crate) fn above_zero(variant: &Variant) -> Result<(), Stop> {
    if variant.price.is_positive() {
        return Ok(());
    }
    let why =
        format!("the catalogue price is {} ({}): a price must be above zero", variant.price, source(variant));
    Err(Stop::new(Guard::ZeroPrice, why))
}

/// How a price was made; `why price` prints it. Every line names where its input came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceTrail {
    /// Lines: what, amount as text, source.
    pub lines: Vec<(String, String, String)>,
}

/// The price of a variant in a market, with its trail.
///
/// # Errors
/// A guard stops it.
pub fn price(
    variant: &Variant,
    rules: &OfferRules,
    guard: &GuardConfig,
) -> Result<(Money, PriceTrail), Stop> {
    above_zero(variant)?;
    let source = source(variant);
    let mut lines = vec![("catalogue price".to_owned(), variant.price.to_string(), source.clone())];
    let rate_of = |from: tradewind_domain::Currency| -> Result<(Decimal, String), Stop> {
        if from == rules.currency {
            return Ok((Decimal::ONE, String::new()));
        }
        rules.rates.get(from.code()).map(|r| (r.rate, r.source.clone())).ok_or_else(|| {
            let text = format!("no rate from {from} to {}: add rates.{from} = {{ rate = \"…\", source = \"…\" }} to the account's offers", rules.currency);
            Stop::new(Guard::MissingRate, text)
        })
    };
    let too_large = || Stop::new(Guard::Limits, "the price does not fit");
    let (rate, rate_source) = rate_of(variant.price.currency())?;
    let exact = variant
        .price
        .decimal()
        .checked_mul(rate)
        .and_then(|p| p.checked_mul(rules.markup))
        .ok_or_else(too_large)?;
    if !rate_source.is_empty() {
        lines.push((
            format!("× rate {} → {}", variant.price.currency(), rules.currency),
            rate.to_string(),
            rate_source,
        ));
    }
    if rules.markup != Decimal::ONE {
        lines.push(("× markup".to_owned(), rules.markup.to_string(), "account offers.markup".to_owned()));
    }
    // Before the ending: it would lift nothing to 0.99.
    if exact.round_dp(rules.currency.exponent()) <= Decimal::ZERO {
        return Err(Stop::new(
            Guard::ZeroPrice,
            format!(
                "the catalogue price {} ({source}) becomes {} {}: a price must be above zero; look at the account's rate and markup",
                variant.price,
                exact.normalize(),
                rules.currency
            ),
        ));
    }
    let price = Money::from_decimal(rules.round_price(exact), rules.currency)
        .map_err(|e| Stop::new(Guard::Limits, e.to_string()))?;
    lines.push(("= price".to_owned(), price.to_string(), "rounded to the market".to_owned()));
    if !price.is_positive() {
        return Err(Stop::new(
            Guard::ZeroPrice,
            format!(
                "the price is {price} (catalogue {}, {source}): a price must be above zero",
                variant.price
            ),
        ));
    }
    let Some(floor) = rules.margin_floor.or(guard.margin_floor) else {
        return Err(Stop::new(
            Guard::BlankFloor,
            "no margin floor: set guard.margin_floor or offers.margin_floor, \"0\" if you mean it",
        ));
    };
    let Some(cost) = variant.cost else {
        return Err(Stop::new(
            Guard::MissingCost,
            format!("purchase cost is not known ({source}): add the column cost, the margin floor needs it"),
        ));
    };
    let (cost_rate, cost_source) = rate_of(cost.currency())?;
    let cost_here = cost.value().checked_mul(cost_rate).ok_or_else(too_large)?;
    let net = price.decimal().checked_div(Decimal::ONE + rules.tax_included).ok_or_else(too_large)?;
    let fees = price.decimal().checked_mul(rules.fees).ok_or_else(too_large)?;
    let left = net - fees - cost_here;
    let margin = left.checked_div(net).unwrap_or_default();
    let shown = |d: Decimal| d.round_dp(rules.currency.exponent()).to_string();
    lines.push(("net of contained tax".to_owned(), shown(net), "account offers.tax_included".to_owned()));
    lines.push(("− channel and payment fees".to_owned(), shown(fees), "account offers.fees".to_owned()));
    lines.push((
        "− purchase".to_owned(),
        shown(cost_here),
        if cost_source.is_empty() { source } else { format!("{source}, {cost_source}") },
    ));
    lines.push((
        "= margin before freight and duty".to_owned(),
        shown(left),
        format!("{} % of net", (margin * Decimal::ONE_HUNDRED).round_dp(1)),
    ));
    if margin < floor {
        let percent = |d: Decimal| (d * Decimal::ONE_HUNDRED).round_dp(1);
        let text = format!(
            "{price} leaves {} {} ({} %), the floor is {} %",
            shown(left),
            rules.currency,
            percent(margin),
            percent(floor)
        );
        return Err(Stop::new(Guard::MarginFloor, text));
    }
    Ok((price, PriceTrail { lines }))
}

/// The offer that should be live, or why there is none. `priced` makes its price: the price book or [`price`].
///
/// # Errors
/// A guard stops it.
pub fn offer(
    product: &Product,
    variant: &Variant,
    rules: &OfferRules,
    guard: &GuardConfig,
    capabilities: &Capabilities,
    quantity: u32,
    priced: impl FnOnce() -> Result<Money, Stop>,
) -> Result<Offer, Stop> {
    let source = source(variant);
    if let Some(problem) = variant.problems.first() {
        return Err(Stop::new(Guard::InvalidGtin, format!("{problem} ({source})")));
    }
    if rules.gtin_required && variant.gtin.is_none() {
        return Err(Stop::new(
            Guard::InvalidGtin,
            format!("the channel wants a GTIN and there is none ({source})"),
        ));
    }
    if guard.customs_facts && variant.hs.is_none() {
        return Err(Stop::new(
            Guard::MissingHs,
            format!("no HS code ({source}): a parcel abroad cannot be declared without"),
        ));
    }
    if guard.customs_facts && variant.origin.is_none() {
        return Err(Stop::new(
            Guard::MissingOrigin,
            format!("no country of origin ({source}): a parcel abroad cannot be declared without"),
        ));
    }
    let category = product.category.as_deref().unwrap_or_default();
    let mapped = rules.categories.get(category).or_else(|| rules.categories.get("*"));
    if !rules.categories.is_empty() && mapped.is_none() {
        let text = format!(
            "category '{category}' ({source}) has no line under offers.categories; add one, or \"*\" for the rest"
        );
        return Err(Stop::new(Guard::UnmappedCategory, text));
    }
    let price = priced()?;
    let locale = rules.locale();
    let bounds = &capabilities.bounds;
    let words = match bounds.variants_share_words {
        true => product.words(&locale),
        false => product.words_of(variant, &locale),
    };
    let content = words.cloned().unwrap_or_default();
    if bounds.title_chars.is_some_and(|max| content.title.chars().count() > max as usize)
        || bounds.title_bytes.is_some_and(|max| content.title.len() > max as usize)
    {
        let max = bounds.title_chars.or(bounds.title_bytes).unwrap_or_default();
        return Err(Stop::new(
            Guard::Limits,
            format!("the title is longer than the channel's {max} ({source}): shorten it"),
        ));
    }
    if !bounds.currencies.is_empty() && !bounds.currencies.contains(&price.currency()) {
        return Err(Stop::new(Guard::Limits, format!("the channel does not sell in {}", price.currency())));
    }
    let images = bounds.images.map_or(variant.images.len(), |n| n as usize);
    Ok(Offer {
        sku: variant.sku.clone(),
        product: product.id.clone(),
        price,
        quantity: bounds.max_quantity.map_or(quantity, |max| quantity.min(max)),
        locale,
        content,
        brand: product.brand.clone(),
        category: mapped.cloned(),
        gtin: variant.gtin,
        hs: variant.hs,
        origin: variant.origin,
        weight: variant.weight,
        dimensions: variant.dimensions,
        images: variant.images.iter().take(images).cloned().collect(),
        attributes: variant.attributes.clone(),
    })
}
