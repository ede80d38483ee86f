//! Variants read back, by their SKUs or all of them: what is live.

use serde::Deserialize;
use serde_json::{Value, json};
use tradewind_connector::{Cursor, Error, Facet, OpCx, OpSpec, Page, Priority, Safety, WireResponse};
use tradewind_domain::{ListingId, ListingIssue, ListingRef, ListingState, LiveListing, Money, Sku};

use crate::config::Shop;
use crate::gql::{Each, data, term};

pub(crate) static READ: OpSpec = OpSpec {
    name: "variants.read",
    facet: Facet::Listings,
    safety: Safety::Read,
    priority: Priority::Content,
    buckets: &["cost"],
    keep: false,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/queries/productVariants",
};
/// What is read of each variant; `$published` is the field that tells whether the product is published, or nothing.
macro_rules! variant_fields {
    ($published:literal) => {
        concat!(
            "pageInfo { hasNextPage endCursor } nodes { id sku price product { id title status",
            $published,
            " } inventoryItem { id inventoryLevel(locationId: $l) { quantities(names: [\"available\"]) { name quantity } } } }"
        )
    };
}
pub(crate) use variant_fields;

const VARIANTS_TEXT: &str = concat!(
    "query Variants($q: String, $c: String, $l: ID!) { productVariants(first: 50, after: $c, query: $q) { ",
    variant_fields!(""),
    " } }"
);
const PUBLISHED_TEXT: &str = concat!(
    "query Variants($q: String, $c: String, $l: ID!, $p: ID!) { productVariants(first: 50, after: $c, query: $q) { ",
    variant_fields!(" publishedOnPublication(publicationId: $p)"),
    " } }"
);

/// Where products are published on a sales channel of ours, whether they are is asked as well.
pub(crate) fn text(shop: &Shop) -> &'static str {
    if shop.publication.is_some() { PUBLISHED_TEXT } else { VARIANTS_TEXT }
}

/// One page of variants: of these SKUs, or of all.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pub(crate) skus: Vec<Sku>,
    pub(crate) after: Option<String>,
}

/// A variant as it is live.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Variant {
    pub(crate) id: String,
    pub(crate) sku: Option<String>,
    pub(crate) price: String,
    pub(crate) product: ProductOf,
    pub(crate) inventory_item: Item,
}
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ProductOf {
    pub(crate) id: String,
    pub(crate) title: Option<String>,
    pub(crate) status: String,
    /// On our sales channel; asked for where one is configured.
    #[serde(rename = "publishedOnPublication")]
    pub(crate) published: Option<bool>,
}
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) inventory_level: Option<Level>,
}
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Level {
    quantities: Vec<Quantity>,
}
#[derive(Debug, Clone, Deserialize)]
struct Quantity {
    name: String,
    quantity: i64,
}

impl Variant {
    /// Units available at our location; a negative count (oversold) shows as none.
    pub(crate) fn available(&self) -> Option<i64> {
        self.inventory_item
            .inventory_level
            .as_ref()?
            .quantities
            .iter()
            .find(|q| q.name == "available")
            .map(|q| q.quantity)
    }

    /// As a listing; none where it has no SKU. An error names the SKU.
    pub(crate) fn live(&self, shop: &Shop) -> Result<Option<LiveListing>, Error> {
        let Some(Ok(sku)) = self.sku.as_deref().map(Sku::new) else { return Ok(None) };
        self.listing(&sku, shop).map(Some).map_err(|e| e.of_named("listing", sku.as_str()))
    }

    fn listing(&self, sku: &Sku, shop: &Shop) -> Result<LiveListing, Error> {
        // Buyers see a product that is active *and* published on the sales channel (fact sheet, section 6).
        let shown = match (&shop.publication, self.product.published) {
            (None, _) => true,
            (Some(_), Some(published)) => published,
            (Some(_), None) => return Err(Error::decode("its product has no publishedOnPublication")),
        };
        let mut issues = Vec::new();
        let state = match self.product.status.as_str() {
            "ACTIVE" if shown => ListingState::Live,
            "ACTIVE" => {
                issues.push(ListingIssue {
                    code: "NOT_PUBLISHED".to_owned(),
                    message: "the product is active, and not published on the sales channel".to_owned(),
                    blocking: true,
                    attribute: None,
                });
                ListingState::Inactive
            }
            "DRAFT" | "ARCHIVED" | "UNLISTED" => ListingState::Inactive,
            other => ListingState::Other(other.to_owned()),
        };
        let listing = ListingId::new(self.id.clone()).map_err(Error::decode)?;
        Ok(LiveListing {
            key: ListingRef { sku: sku.clone(), listing: Some(listing) },
            state,
            price: Some(Money::parse(&self.price, shop.currency)?),
            quantity: self.available().map(|q| u32::try_from(q).unwrap_or(0)),
            title: self.product.title.clone(),
            issues,
        })
    }
}

pub(crate) fn variables(shop: &Shop, _: &OpCx<'_>, input: &Query) -> Result<Value, Error> {
    let query = input.skus.iter().map(|s| term("sku", s.as_str())).collect::<Vec<_>>().join(" OR ");
    let query = if query.is_empty() { Value::Null } else { query.into() };
    let mut variables = json!({"q": query, "c": input.after, "l": shop.location});
    if let Some(publication) = &shop.publication {
        variables["p"] = publication.as_str().into();
    }
    Ok(variables)
}

pub(crate) fn read(_: &Shop, _: &OpCx<'_>, _: &Query, response: &WireResponse) -> Result<Variants, Error> {
    #[derive(Deserialize)]
    struct Data {
        #[serde(rename = "productVariants")]
        variants: Each,
    }
    Ok(page(&data::<Data>(response)?.variants))
}

/// A page of variants. One that cannot be read is an error in its place, named by its SKU.
pub(crate) type Variants = Page<Result<Variant, Error>>;

/// The variants of a connection.
pub(crate) fn page(from: &Each) -> Variants {
    Page { items: from.nodes.read("listing", "sku", Ok).collect(), next: from.next().map(Cursor) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Variant;
    use crate::config::Shop;

    /// Fact sheet, section 6: visible in a channel needs ACTIVE and a publication.
    #[test]
    fn an_active_product_is_live_where_it_is_published() {
        let shop = |publication: &str| {
            let settings = format!(
                "shop = \"tea.myshopify.com\"\ncurrency = \"EUR\"\nlocation = \"gid://shopify/Location/1\"\n{publication}"
            );
            let config = tradewind_connector::AccountConfig::of("tea", &settings, Default::default());
            Shop::open(&config.unwrap()).unwrap()
        };
        let ours = shop("publication = \"gid://shopify/Publication/1\"");
        let read = |shop: &Shop, status: &str, published: Option<bool>| {
            let mut product = json!({"id": "gid://p", "title": "Cup", "status": status});
            if let Some(published) = published {
                product["publishedOnPublication"] = published.into();
            }
            let variant: Variant =
                serde_json::from_value(json!({"id": "gid://v", "sku": "CUP", "price": "9.90",
                "product": product, "inventoryItem": {"id": "gid://i", "inventoryLevel": null}}))
                .unwrap();
            let found = variant.live(shop).map_err(|e| (e.kind(), e.record().map(str::to_owned)));
            found.map(|l| l.map(|l| (l.state, l.issues.len())).unwrap())
        };
        use tradewind_domain::ListingState::{Inactive, Live, Other};
        assert_eq!(read(&ours, "ACTIVE", Some(true)), Ok((Live, 0)));
        assert_eq!(read(&ours, "ACTIVE", Some(false)), Ok((Inactive, 1)));
        assert_eq!(read(&ours, "DRAFT", Some(true)), Ok((Inactive, 0)));
        assert_eq!(read(&ours, "NEW", Some(true)), Ok((Other("NEW".to_owned()), 0)));
        // Not told though asked for: neither.
        let odd = (tradewind_connector::Kind::Decode, Some("CUP".to_owned()));
        assert_eq!(read(&ours, "ACTIVE", None), Err(odd));
        // Publishing is left to the shop: not asked for.
        assert_eq!(read(&shop(""), "ACTIVE", None), Ok((Live, 0)));
    }
}
