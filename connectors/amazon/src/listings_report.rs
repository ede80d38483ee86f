//! All listings, however many: the report `GET_MERCHANT_LISTINGS_ALL_DATA`, where the search stops at 1,000 SKUs.
//!
//! The report may be a copy that is up to six hours old, and says less than the search: no issues, and one word for the
//! state. So it serves to see what there is, not to judge a change: `sweep_from` stays unset, and what is known is read
//! by name.
//!
//! Sources: "Inventory Reports" (columns; `preferredReportDocumentLocale`; the cache of one to six hours; one store per
//! report). Not documented, from sellers' reports: columns come under names in the seller's language where no locale was
//! asked for (or a copy is served), `fulfilment-channel` with one l, unused columns as "Deprecated column", `status` left
//! out at times. UNVERIFIED: the words of `status` beyond Active, Inactive and Incomplete, and how prices are written.

use tradewind_connector::{CallCx, Cursor, Error, Facet, Kind, Page, Priority};
use tradewind_domain::{Currency, ListingId, ListingRef, ListingState, LiveListing, Money, Sku};

use crate::Amazon;
use crate::listings::MERCHANT;
use crate::wanted::{Progress, Wanted};

/// The most SKUs that the search can be paged through.
pub(crate) const SEARCHABLE: u64 = 1_000;

static ALL: Wanted = Wanted::of(
    "GET_MERCHANT_LISTINGS_ALL_DATA",
    &[("preferredReportDocumentLocale", "en_US")],
    Facet::Listings,
    Priority::Content,
    false,
);

/// Where the columns are that matter.
struct Columns {
    count: usize,
    sku: usize,
    title: Option<usize>,
    price: Option<usize>,
    quantity: Option<usize>,
    asin: Option<usize>,
    channel: Option<usize>,
    status: Option<usize>,
}

impl Columns {
    fn of(header: &str) -> Result<Columns, Error> {
        let names: Vec<&str> = header.split('\t').map(str::trim).collect();
        let at = |name: &str| names.iter().position(|n| n.eq_ignore_ascii_case(name));
        let sku = at("seller-sku").ok_or_else(|| {
            let first: Vec<&str> = names.iter().take(4).copied().collect();
            Error::decode(format!(
                "a column 'seller-sku' in the report of all listings, got '{}' …: Amazon serves copies of up to six hours in the language that was asked for first; sweep again later",
                first.join(", ")
            ))
        })?;
        Ok(Columns {
            count: names.len(),
            sku,
            title: at("item-name"),
            price: at("price"),
            quantity: at("quantity"),
            asin: at("asin1"),
            channel: at("fulfillment-channel").or_else(|| at("fulfilment-channel")),
            status: at("status"),
        })
    }
}

/// A price as text. A comma is a decimal one where it cannot group: two digits follow, and thousands have three.
fn price(text: &str, currency: Currency) -> Result<Money, Error> {
    let plain = match text.split_once(',') {
        Some((whole, cents)) if cents.len() == 2 && currency.exponent() == 2 && !whole.contains('.') => {
            format!("{whole}.{cents}")
        }
        _ => text.to_owned(),
    };
    Money::parse(&plain, currency).map_err(|e| Error::decode(format!("price '{text}': {e}")))
}

/// A row as a listing; one that cannot be read is named by its SKU, where it has one.
fn row(columns: &Columns, line: &str, currency: Currency) -> Result<LiveListing, Error> {
    let cells: Vec<&str> = line.split('\t').map(str::trim).collect();
    // A row that is cut, or a line feed in a text: which cell is which is not known.
    if cells.len() != columns.count {
        return Err(Error::decode(format!("{} columns, got {}", columns.count, cells.len())));
    }
    let cell = |at: Option<usize>| at.and_then(|i| cells.get(i)).copied().filter(|c| !c.is_empty());
    let sku = cell(Some(columns.sku)).ok_or_else(|| Error::decode("a row without seller-sku"))?;
    listing(columns, &cell, sku, currency).map_err(|e| e.of_named("listing", sku))
}

fn listing<'a>(
    columns: &Columns,
    cell: &impl Fn(Option<usize>) -> Option<&'a str>,
    sku: &str,
    currency: Currency,
) -> Result<LiveListing, Error> {
    let asin = cell(columns.asin).map(|a| ListingId::new(a.to_owned())).transpose()?;
    // Of goods in Amazon's warehouses, the stock is not ours to tell.
    let ours = cell(columns.channel).is_none_or(|c| c == MERCHANT);
    let quantity = cell(columns.quantity)
        .filter(|_| ours)
        .map(|q| q.parse::<u32>().map_err(|_| Error::decode(format!("quantity '{q}'"))))
        .transpose()?;
    let state = match cell(columns.status) {
        Some("Active") => ListingState::Live,
        // Sold out, closed, or suppressed: one word for all.
        Some("Inactive") => ListingState::Inactive,
        Some("Incomplete") => ListingState::Invalid,
        other => ListingState::Other(other.unwrap_or("not told").to_owned()),
    };
    Ok(LiveListing {
        key: ListingRef { sku: Sku::new(sku.to_owned())?, listing: asin },
        state,
        price: cell(columns.price).map(|p| price(p, currency)).transpose()?,
        quantity,
        title: cell(columns.title).map(str::to_owned),
        issues: Vec::new(),
    })
}

/// The listings of a report: tab-separated, without quoting. A row that cannot be read is an error in its place.
fn listings(text: &str, currency: Currency) -> Result<Vec<Result<LiveListing, Error>>, Error> {
    let mut lines = text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty());
    let Some((_, header)) = lines.next() else {
        return Err(Error::decode("a report of all listings with a header, got nothing"));
    };
    let columns = Columns::of(header)?;
    let rows = lines.map(|(n, line)| {
        row(&columns, line, currency)
            .map_err(|e| e.about(&format!("line {} of the report of all listings", n + 1)))
    });
    Ok(rows.collect())
}

impl Amazon {
    pub(crate) async fn sweep_by_report(
        &self,
        cx: &CallCx,
    ) -> Result<Page<Result<LiveListing, Error>>, Error> {
        Ok(Page { items: Vec::new(), next: Some(self.want(cx, &ALL, None).await?) })
    }

    pub(crate) async fn sweep_report(
        &self,
        cx: &CallCx,
        report: (u32, &str),
    ) -> Result<Page<Result<LiveListing, Error>>, Error> {
        match self.wanted(cx, &ALL, report).await? {
            Progress::Running(next) => Ok(Page { items: Vec::new(), next: Some::<Cursor>(next) }),
            Progress::Done(text) => Ok(Page::last(listings(&text, self.site.currency)?)),
            // It was asked for because there are more than a thousand.
            Progress::Nothing => Err(Error::new(
                Kind::Unavailable,
                format!("report {} of all listings was cancelled: sweep from the beginning", report.1),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The 29 columns of "Inventory Reports", in their order there.
    const HEADER: &str = "item-name\titem-description\tlisting-id\tseller-sku\tprice\tquantity\topen-date\timage-url\t\
item-is-marketplace\tproduct-id-type\tzshop-shipping-fee\titem-note\titem-condition\tzshop-category1\tzshop-browse-path\t\
zshop-storefront-feature\tasin1\tasin2\tasin3\twill-ship-internationally\texpedited-shipping\tzshop-boldface\tproduct-id\t\
bid-for-featured-placement\tadd-delete\tpending-quantity\tfulfillment-channel\tmerchant-shipping-group\tstatus";

    fn line(sku: &str, price: &str, quantity: &str, channel: &str, status: &str) -> String {
        format!(
            "A 12\" cup\t\t0816Y30OYFH\t{sku}\t{price}\t{quantity}\t2026-07-01 10:00:00 CEST\t\ty\t1\t\t\t11\t\t\t\tB071VG5N9D\t\t\t\t\t\tB071VG5N9D\t\t\t0\t{channel}\tStandard\t{status}"
        )
    }

    fn eur() -> Currency {
        Currency::new("EUR").unwrap()
    }

    fn rows(header: &str, rows: &[String]) -> Result<Vec<Result<LiveListing, Error>>, String> {
        listings(&format!("{header}\r\n{}\r\n", rows.join("\r\n")), eur()).map_err(|e| e.to_string())
    }

    fn read(header: &str, lines: &[String]) -> Result<Vec<LiveListing>, String> {
        rows(header, lines)?.into_iter().collect::<Result<_, _>>().map_err(|e| e.to_string())
    }

    #[test]
    fn rows_become_listings() {
        let rows = [
            line("CUP", "19.99", "7", "DEFAULT", "Active"),
            line("FBA", "9,50", "3", "AMAZON_EU", "Inactive"),
            line("NEW", "", "", "DEFAULT", "Incomplete"),
            line("ODD", "5", "0", "DEFAULT", "Blocked"),
        ];
        let found = read(HEADER, &rows).unwrap();
        let told: Vec<_> = found.iter().map(|l| (l.price.map(Money::minor), l.quantity, &l.state)).collect();
        let odd = ListingState::Other("Blocked".to_owned());
        assert_eq!(
            told,
            [
                (Some(1_999), Some(7), &ListingState::Live),
                (Some(950), None, &ListingState::Inactive),
                (None, None, &ListingState::Invalid),
                (Some(500), Some(0), &odd)
            ]
        );
        assert_eq!(found[0].title.as_deref(), Some("A 12\" cup"));
        assert_eq!(found[0].key.listing.as_ref().unwrap().as_str(), "B071VG5N9D");
    }

    #[test]
    fn columns_go_by_name_and_a_status_that_is_left_out_is_not_guessed() {
        let header = "Deprecated column\tseller-sku\tfulfilment-channel\tquantity\tDeprecated column";
        let found = read(header, &["\tCUP\tDEFAULT\t4\t".to_owned(), "\tFBA\tAMAZON_EU\t4\t".to_owned()]);
        let found = found.unwrap();
        assert_eq!((found[0].quantity, found[1].quantity), (Some(4), None));
        assert_eq!(found[0].state, ListingState::Other("not told".to_owned()));
    }

    #[test]
    fn a_row_that_cannot_be_read_keeps_back_no_other_and_is_named() {
        let good = |sku: &str| line(sku, "19.99", "7", "DEFAULT", "Active");
        for (row, sku, why) in [
            (
                "cut\tshort".to_owned(),
                None,
                "line 3 of the report of all listings: unexpected answer: 29 columns, got 2",
            ),
            (line("A", "1,234.50", "7", "DEFAULT", "Active"), Some("A"), "price '1,234.50'"),
            (line("A", "1,234", "7", "DEFAULT", "Active"), Some("A"), "price '1,234'"),
            (
                line("A", "1", "-7", "DEFAULT", "Active"),
                Some("A"),
                "listings: listing A: unexpected answer: quantity '-7'",
            ),
            (line("", "1", "7", "DEFAULT", "Active"), None, "a row without seller-sku"),
        ] {
            let found = rows(HEADER, &[good("CUP"), row, good("BAG")]).unwrap();
            let skus: Vec<&str> = found.iter().flatten().map(|l| l.key.sku.as_str()).collect();
            assert_eq!((found.len(), skus), (3, vec!["CUP", "BAG"]));
            let error = found[1].as_ref().unwrap_err();
            assert_eq!(error.record(), sku);
            assert!(error.to_string().contains(why), "{error}");
        }
        let error = read("商品名称\t商品描述\t商品编码\t卖家 SKU", &[]).unwrap_err();
        assert!(error.contains("sweep again later"), "{error}");
    }
}
