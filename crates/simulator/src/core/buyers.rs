//! Demand: who buys what, when, and what they do afterwards.
//!
//! The plan of a day is drawn from (seed, channel, virtual day, buyer index) alone. At the planned
//! instant a buyer looks at what the channel shows at that moment ([`Offer`]s, with the channel's own
//! lag) and takes what he likes best of it. How much he likes a thing is a draw of its own, whatever
//! else is there: an offer that is late or gone changes what those do who would have taken it, and
//! nobody else. Requests in between change what is on offer, never who comes.

use super::clock::DAY_MS;
use super::rng::{Stream, number};

/// How much demand there is. Per-mille values are of placed orders.
#[derive(Debug, Clone)]
pub struct Demand {
    /// Buyers per marketplace and virtual day.
    pub orders_per_day: u32,
    /// Buyers come for this many virtual days, then demand stops.
    pub days: u32,
    /// The first virtual day on which they come: 0 is the day on which the world begins.
    pub first_day: u32,
    /// Most different SKUs in one order.
    pub max_lines: u32,
    /// Most units per line.
    pub max_quantity: u32,
    /// Orders the buyer cancels before shipment.
    pub cancel_per_mille: u32,
    /// Orders the buyer sends back after delivery.
    pub refund_per_mille: u32,
    /// When nobody buys or has second thoughts: for a seller whose work at fixed hours may take shorter or longer, and whose
    /// world is to be the same.
    pub quiet: Option<Quiet>,
}

/// The first hours of each stretch of hours, counted from the beginning of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    /// Hours of a stretch.
    pub every: u32,
    /// Hours in which nobody does anything.
    pub hours: u32,
}

impl Demand {
    /// When somebody acts who would so many milliseconds after the world began: those of a stretch share its hours that are
    /// not quiet, each in its turn and none earlier than it would.
    #[must_use]
    pub fn awake(&self, ms: i64) -> i64 {
        let hours = |n: u32| i64::from(n) * 3_600_000;
        match self.quiet {
            Some(Quiet { every, hours: quiet }) if quiet < every => {
                let into = ms.rem_euclid(hours(every));
                ms - into + hours(quiet) + into * (hours(every) - hours(quiet)) / hours(every)
            }
            _ => ms,
        }
    }

    /// When a buyer of `ms` after the world began thinks twice, who would so many milliseconds later. Where hours are quiet, an
    /// order is called off before the next of them or not at all: later, it would race the parcel.
    #[must_use]
    pub fn thinks_twice(&self, ms: i64, what: Afterthought, after: i64) -> i64 {
        match (self.quiet, what) {
            (Some(quiet), Afterthought::Cancel) => {
                let stretch = i64::from(quiet.every.max(1)) * 3_600_000;
                let left = stretch - ms.rem_euclid(stretch);
                ms + (left - 1) * after.min(CANCEL_WITHIN_MS) / CANCEL_WITHIN_MS
            }
            _ => self.awake(ms + after),
        }
    }
}

/// Who calls an order off does so within six hours of placing it.
const CANCEL_WITHIN_MS: i64 = 6 * 3_600_000;

impl Default for Demand {
    fn default() -> Self {
        Self {
            orders_per_day: 6,
            days: 3,
            first_day: 0,
            max_lines: 3,
            max_quantity: 3,
            cancel_per_mille: 60,
            refund_per_mille: 80,
            quiet: None,
        }
    }
}

/// Something a buyer can see and buy right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The seller's SKU.
    pub sku: String,
    /// The channel's own listing id.
    pub listing: String,
    /// The channel's site (marketplace id, shop). One order never spans two sites.
    pub site: String,
    /// ISO 4217.
    pub currency: String,
    /// Price of one unit, minor units.
    pub price: i64,
    /// Units the channel believes it may sell.
    pub available: u64,
    /// Where buyers of this site live (ISO 3166 alpha-2), most usual first: two of three live there. A list that names the
    /// first more than once is the mix itself, a buyer each. Empty: `US`.
    pub countries: Vec<String>,
}

/// A person with an address. Invented; no real person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buyer {
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Mail address in a reserved domain.
    pub email: String,
    /// Telephone number.
    pub phone: String,
    /// Street and number.
    pub street: String,
    /// City.
    pub city: String,
    /// State or province code where the country uses one.
    pub region: String,
    /// Postal code.
    pub postal_code: String,
    /// ISO 3166 alpha-2.
    pub country: String,
    /// Number of the identity card, where the destination's customs ask for it (China). Invented and impossible: it
    /// begins with 999999, a district that does not exist, and names a birthday in 1900.
    pub identity: Option<String>,
}

impl Buyer {
    /// `Given Family`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }
}

/// What one buyer takes of one offer.
#[derive(Debug, Clone)]
pub struct PurchaseLine {
    /// The offer as seen.
    pub offer: Offer,
    /// Units, never more than `offer.available`.
    pub quantity: u32,
}

/// A purchase about to be placed.
#[derive(Debug, Clone)]
pub struct Purchase {
    /// Virtual day, from 0.
    pub day: u32,
    /// Index of the buyer within channel and day.
    pub index: u32,
    /// Lines; all of one site and currency; SKUs differ.
    pub lines: Vec<PurchaseLine>,
    /// Who.
    pub buyer: Buyer,
    /// A stream of its own for ids and further choices of this order.
    pub stream: Stream,
}

/// What a buyer does after ordering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afterthought {
    /// Asks to cancel. Has effect only while the channel still allows it.
    Cancel,
    /// Sends the goods back / asks for the money. Has effect only on shipped orders.
    Return,
}

/// A planned visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    /// Milliseconds after the start of its day.
    pub offset_ms: i64,
    /// Index within the day.
    pub index: u32,
    /// What follows, and how many milliseconds after the order.
    pub afterthought: Option<(Afterthought, i64)>,
}

/// The visits of `day` to `channel`, in order of time.
#[must_use]
pub fn plan_day(seed: u64, channel: &str, day: u32, demand: &Demand) -> Vec<Visit> {
    if day < demand.first_day || day - demand.first_day >= demand.days {
        return Vec::new();
    }
    let mut visits: Vec<Visit> = (0..demand.orders_per_day)
        .map(|index| {
            let mut s = stream(seed, channel, day, index, "visit");
            let day_ms = i64::from(day) * DAY_MS;
            let offset_ms = demand.awake(day_ms + s.between(0, DAY_MS - 1)) - day_ms;
            let afterthought = if s.chance(demand.cancel_per_mille) {
                Some((Afterthought::Cancel, s.between(60_000, CANCEL_WITHIN_MS)))
            } else if s.chance(demand.refund_per_mille) {
                // 6 to 10 days after ordering, when the parcel has usually arrived.
                Some((Afterthought::Return, s.between(6 * DAY_MS, 10 * DAY_MS)))
            } else {
                None
            };
            Visit { offset_ms, index, afterthought }
        })
        .collect();
    visits.sort_by_key(|v| (v.offset_ms, v.index));
    visits
}

/// What the buyer of (`day`, `index`) takes of `offers` (in any order; sorted here). `None` when
/// nothing is for sale.
#[must_use]
pub fn choose(
    seed: u64,
    channel: &str,
    day: u32,
    index: u32,
    demand: &Demand,
    mut offers: Vec<Offer>,
) -> Option<Purchase> {
    offers.retain(|o| o.available > 0 && o.price > 0);
    offers.sort_by(|a, b| (&a.site, &a.sku, &a.listing).cmp(&(&b.site, &b.sku, &b.listing)));
    let (day_text, index_text) = (day.to_string(), index.to_string());
    let liking =
        |of: &[&str]| number(seed, &[&["buyer", channel, &day_text, &index_text, "likes"], of].concat());
    // The site is chosen first, so that a site with many listings does not swallow the others.
    let mut sites: Vec<(String, String)> =
        offers.iter().map(|o| (o.site.clone(), o.currency.clone())).collect();
    sites.dedup();
    let (site, currency) = sites.into_iter().max_by_key(|(site, currency)| liking(&[site, currency]))?;
    offers.retain(|o| o.site == site && o.currency == currency);
    offers.sort_by_cached_key(|o| std::cmp::Reverse(liking(&[&o.sku, &o.listing])));
    let mut s = stream(seed, channel, day, index, "choice");
    let wanted = usize::try_from(s.between(1, i64::from(demand.max_lines.max(1)))).unwrap_or(1);
    let mut lines: Vec<PurchaseLine> = Vec::new();
    for offer in offers {
        if lines.len() == wanted {
            break;
        }
        if lines.iter().all(|line| line.offer.sku != offer.sku) {
            let most = stream(seed, channel, day, index, &format!("units of {}", offer.sku))
                .between(1, demand.max_quantity.max(1).into());
            let quantity =
                u32::try_from(most).unwrap_or(1).min(u32::try_from(offer.available).unwrap_or(u32::MAX));
            lines.push(PurchaseLine { offer, quantity });
        }
    }
    let countries = &lines.first()?.offer.countries;
    let country = match countries.first() {
        Some(first) if countries.iter().filter(|c| *c == first).count() > 1 => {
            s.pick(countries).cloned().unwrap_or_default()
        }
        // Two of three buyers live in the site's usual country.
        Some(first) if countries.len() == 1 || s.chance(667) => first.clone(),
        Some(_) => s.pick(countries).cloned().unwrap_or_default(),
        None => "US".to_owned(),
    };
    let buyer = buyer(&mut s, &country);
    Some(Purchase { day, index, lines, buyer, stream: stream(seed, channel, day, index, "order") })
}

fn stream(seed: u64, channel: &str, day: u32, index: u32, purpose: &str) -> Stream {
    Stream::open(seed, &["buyer", channel, &day.to_string(), &index.to_string(), purpose])
}

/// (country, city, region, postal code) of invented addresses; the postal code fits the city.
const PLACES: &[(&str, &str, &str, &str)] = &[
    ("US", "Seattle", "WA", "98101"),
    ("US", "Austin", "TX", "78701"),
    ("US", "Chicago", "IL", "60601"),
    ("CA", "Toronto", "ON", "M5H 2N2"),
    ("MX", "Guadalajara", "JAL", "44100"),
    ("GB", "Manchester", "", "M1 1AE"),
    ("GB", "London", "", "EC1A 1BB"),
    ("DE", "Hamburg", "", "20095"),
    ("DE", "München", "", "80331"),
    ("AT", "Wien", "", "1010"),
    ("FR", "Lyon", "", "69001"),
    ("FR", "Paris", "", "75011"),
    ("IT", "Torino", "TO", "10121"),
    ("ES", "Valencia", "V", "46001"),
    ("NL", "Utrecht", "", "3511 AA"),
    ("BE", "Gent", "", "9000"),
    ("PL", "Kraków", "", "31-001"),
    ("SE", "Göteborg", "", "411 03"),
    ("IE", "Cork", "", "T12 X0A1"),
    ("JP", "Osaka", "大阪府", "530-0001"),
    ("AU", "Melbourne", "VIC", "3000"),
    ("BR", "Curitiba", "PR", "80010-000"),
    ("CN", "上海市", "上海市", "200040"),
    ("CN", "杭州市", "浙江省", "310000"),
    ("KR", "Busan", "", "48058"),
    ("SG", "Singapore", "", "048616"),
];

/// An invented buyer living in `country`.
#[must_use]
pub fn buyer(s: &mut Stream, country: &str) -> Buyer {
    const FIRST: &[&str] = &[
        "Ada", "Bruno", "Chloé", "Dmitri", "Elif", "Femi", "Greta", "Hugo", "Ines", "Jürgen", "Kaito", "Léa",
    ];
    const LAST: &[&str] =
        &["Almeida", "Brandt", "Castel", "Dufour", "Eriksen", "Fiore", "Grünwald", "Hale", "Ito", "O'Neill"];
    const STREET: &[&str] =
        &["Harbour Street", "Lindenweg", "Rue des Tilleuls", "Via Roma", "Calle Mayor", "Mill Lane"];
    const CHINESE: &[(&str, &str)] = &[("伟", "王"), ("芳", "李"), ("敏", "张"), ("静", "刘"), ("磊", "陈")];
    let places: Vec<_> = PLACES.iter().filter(|p| p.0 == country).collect();
    let (city, region, postal_code) =
        s.pick(&places).map_or(("Port Example", "", "10000"), |p| (p.1, p.2, p.3));
    let chinese = country == "CN";
    let (first, last) = if chinese {
        s.pick(CHINESE).copied().unwrap_or(("伟", "王"))
    } else {
        (s.pick(FIRST).copied().unwrap_or("Ada"), s.pick(LAST).copied().unwrap_or("Hale"))
    };
    let number = s.between(1, 180);
    let mut card = s.clone();
    let street = if chinese {
        format!("南京西路{number}号")
    } else {
        format!("{} {number}", s.pick(STREET).copied().unwrap_or("Mill Lane"))
    };
    Buyer {
        first_name: first.to_owned(),
        last_name: last.to_owned(),
        email: format!("buyer-{}@example.com", s.hex(10)),
        phone: if chinese { format!("13{}", s.digits(9)) } else { format!("+1555{}", s.digits(7)) },
        street,
        city: city.to_owned(),
        region: region.to_owned(),
        postal_code: postal_code.to_owned(),
        country: country.to_owned(),
        // Of a stream of its own: buyers elsewhere stay who they were.
        identity: chinese.then(|| format!("99999919000101{}X", card.digits(3))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(site: &str, sku: &str, available: u64) -> Offer {
        Offer {
            sku: sku.into(),
            listing: format!("L-{sku}"),
            site: site.into(),
            currency: if site == "de" { "EUR" } else { "USD" }.into(),
            price: 1_000,
            available,
            countries: vec![if site == "de" { "DE" } else { "US" }.into()],
        }
    }

    #[test]
    fn plans_are_stable_sorted_and_end() {
        let demand = Demand::default();
        let a = plan_day(5, "ebay", 1, &demand);
        assert_eq!(a, plan_day(5, "ebay", 1, &demand));
        assert_ne!(a, plan_day(5, "amazon", 1, &demand));
        assert!(a.windows(2).all(|w| w[0].offset_ms <= w[1].offset_ms));
        assert!(plan_day(5, "ebay", demand.days, &demand).is_empty());
        let later = Demand { first_day: 1, ..demand.clone() };
        assert!(plan_day(5, "ebay", 0, &later).is_empty());
        // Who comes on a day does not depend on when demand begins.
        assert_eq!(plan_day(5, "ebay", 1, &later), a);
        assert_eq!(plan_day(5, "ebay", demand.days, &later).len(), a.len());
    }

    #[test]
    fn nobody_comes_in_quiet_hours_and_the_turn_stays() {
        let quiet = Quiet { every: 6, hours: 4 };
        let demand = Demand { quiet: Some(quiet), orders_per_day: 200, ..Demand::default() };
        let hour = 3_600_000;
        // Six hours share two: 0 h is 4 h, 3 h is 5 h, 9 h is 6 + 4 + 3/3 = 11 h.
        assert_eq!([0, 3, 9].map(|h| demand.awake(h * hour)), [4, 5, 11].map(|h| h * hour));
        assert_eq!(Demand::default().awake(3 * hour), 3 * hour);
        // At 4 h 30 the next quiet hours begin in 90 minutes: half of six hours is half of these, all of them the last moment.
        let cancel = |after: i64| demand.thinks_twice(9 * hour / 2, Afterthought::Cancel, after * hour);
        assert_eq!([cancel(3), cancel(6)], [21 * hour / 4 - 1, 6 * hour - 1]);
        assert_eq!(demand.thinks_twice(0, Afterthought::Return, 9 * hour), 11 * hour);
        assert_eq!(Demand::default().thinks_twice(hour, Afterthought::Cancel, hour), 2 * hour);
        let (calm, busy) =
            (plan_day(5, "ebay", 1, &demand), plan_day(5, "ebay", 1, &Demand { quiet: None, ..demand }));
        assert!(calm.iter().all(|v| v.offset_ms % (6 * hour) >= 4 * hour && v.offset_ms < DAY_MS));
        let who = |visits: &[Visit]| -> Vec<u32> { visits.iter().map(|v| v.index).collect() };
        assert_eq!(who(&calm), who(&busy));
        assert!(calm.iter().zip(&busy).all(|(c, b)| c.offset_ms >= b.offset_ms));
    }

    #[test]
    fn choices_respect_stock_site_and_order_of_offers() {
        let demand = Demand::default();
        for index in 0..60 {
            let offers =
                vec![offer("us", "A", 1), offer("de", "B", 2), offer("us", "C", 9), offer("de", "D", 0)];
            let mut turned = offers.clone();
            turned.reverse();
            let (p, q) = (
                choose(1, "x", 0, index, &demand, offers).unwrap(),
                choose(1, "x", 0, index, &demand, turned).unwrap(),
            );
            assert_eq!(p.buyer, q.buyer);
            let key =
                |p: &Purchase| p.lines.iter().map(|l| (l.offer.sku.clone(), l.quantity)).collect::<Vec<_>>();
            assert_eq!(key(&p), key(&q));
            assert!(p.lines.iter().all(|l| u64::from(l.quantity) <= l.offer.available));
            assert!(p.lines.iter().all(|l| l.offer.site == p.lines[0].offer.site && l.offer.sku != "D"));
        }
        assert!(choose(1, "x", 0, 0, &demand, vec![offer("us", "A", 0)]).is_none());
    }

    #[test]
    fn an_offer_that_is_gone_changes_only_who_would_have_taken_it() {
        let demand = Demand::default();
        let all: Vec<Offer> = ["A", "B", "C", "D", "E", "F"].map(|sku| offer("us", sku, 9)).into();
        let taken = |index: u32, offers: Vec<Offer>| -> Vec<(String, u32)> {
            let lines = choose(1, "x", 0, index, &demand, offers).unwrap().lines;
            lines.into_iter().map(|l| (l.offer.sku, l.quantity)).collect()
        };
        let (mut others, mut takers) = (0, 0);
        for index in 0..200 {
            let before = taken(index, all.clone());
            let after = taken(index, all.iter().filter(|o| o.sku != "C").cloned().collect());
            let rest: Vec<_> = before.iter().filter(|(sku, _)| sku != "C").cloned().collect();
            // The next in the buyer's liking takes its place, behind what he likes better and what he takes anyway.
            assert_eq!(after[..rest.len()], rest[..]);
            assert_eq!(after.len(), before.len());
            if rest == before { others += 1 } else { takers += 1 }
        }
        // One to three of six SKUs each: a third of the buyers take C. Of 200, 67, within four standard deviations of 6.7.
        assert!((40..=94).contains(&takers), "{takers} of {}", others + takers);
    }

    #[test]
    fn buyers_live_where_the_site_says() {
        let demand = Demand::default();
        let at_home = |countries: &[&str]| {
            let o = Offer {
                countries: countries.iter().map(|c| (*c).to_owned()).collect(),
                ..offer("us", "A", 9)
            };
            let bought = (0..300).filter_map(|i| choose(1, "x", 0, i, &demand, vec![o.clone()]));
            bought.filter(|p| p.buyer.country == countries[0]).count()
        };
        // Two of three, and one of four of the rest: 225 of 300, within four standard deviations of 7.5. As the list says:
        // half, 150, within four of 8.7.
        assert!((195..=255).contains(&at_home(&["US", "CA", "GB", "DE"])));
        assert!((115..=185).contains(&at_home(&["US", "US", "CN", "CN"])));
    }
}
