//! Categories: Shopify's own product taxonomy, which is the same in every shop, and what it proposes to say of a product.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use tradewind_connector::role::{Categories, Category, CategoryAttribute};
use tradewind_connector::{
    CallCx, Cursor, Error, Facet, Kind, OpCx, OpSpec, Page, Priority, Safety, WireResponse, all_pages,
};

use crate::Shopify;
use crate::config::Shop;
use crate::gql::{Call, Connection, data, rest};

static FIND: OpSpec = OpSpec {
    name: "categories.find",
    facet: Facet::Categories,
    safety: Safety::Read,
    priority: Priority::Content,
    buckets: &["cost"],
    keep: false,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/queries/taxonomy",
};
static ATTRIBUTES: OpSpec = OpSpec { name: "categories.attributes", ..FIND };
static VALUES: OpSpec = OpSpec { name: "categories.values", ..FIND };

/// What the ids of categories begin with.
pub(crate) const PREFIX: &str = "gid://shopify/TaxonomyCategory/";

/// The best hundred: whoever sees more must say more.
const FIND_TEXT: &str = "query Categories($s: String!) { taxonomy { categories(first: 100, search: $s) { nodes { id fullName isLeaf isArchived } } } }";
/// Ten lists of eighty values stay below the 1,000 points that one query may cost; of a longer list the rest is asked for.
const ATTRIBUTES_TEXT: &str = "query CategoryAttributes($id: ID!, $c: String) { node(id: $id) { ... on TaxonomyCategory { \
attributes(first: 10, after: $c) { pageInfo { hasNextPage endCursor } nodes { __typename \
... on TaxonomyChoiceListAttribute { id name values(first: 80) { pageInfo { hasNextPage endCursor } nodes { name } } } \
... on TaxonomyMeasurementAttribute { id name } } } } } }";
const VALUES_TEXT: &str = "query AttributeValues($id: ID!, $c: String) { node(id: $id) { ... on TaxonomyChoiceListAttribute { \
values(first: 250, after: $c) { pageInfo { hasNextPage endCursor } nodes { name } } } } }";

/// An object of the taxonomy, and where to go on in it.
#[derive(Debug)]
struct At {
    id: String,
    after: Option<String>,
}

fn at_variables(_: &Shop, _: &OpCx<'_>, at: &At) -> Result<Value, Error> {
    Ok(json!({"id": at.id, "c": at.after}))
}

fn find_variables(_: &Shop, _: &OpCx<'_>, words: &str) -> Result<Value, Error> {
    Ok(json!({"s": words}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCategory {
    id: String,
    full_name: String,
    is_leaf: bool,
    is_archived: bool,
}

fn read_found(_: &Shop, _: &OpCx<'_>, _: &str, response: &WireResponse) -> Result<Vec<Category>, Error> {
    #[derive(Deserialize)]
    struct Data {
        taxonomy: Option<Taxonomy>,
    }
    #[derive(Deserialize)]
    struct Taxonomy {
        categories: Connection<WireCategory>,
    }
    let taxonomy =
        data::<Data>(response)?.taxonomy.ok_or_else(|| Error::decode("the answer has no taxonomy"))?;
    let found = taxonomy.categories.nodes.into_iter().filter(|c| !c.is_archived);
    Ok(found
        .map(|c| Category {
            path: c.full_name.split(" > ").map(str::to_owned).collect(),
            id: c.id,
            // The narrowest. Shopify takes a product in a wider one, too.
            leaf: c.is_leaf,
        })
        .collect())
}

/// `TaxonomyCategoryAttribute`, a union: a list of choices, a measurement, or a bare id.
#[derive(Deserialize)]
struct WireAttribute {
    id: Option<String>,
    name: Option<String>,
    values: Option<Connection<Named>>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

fn read_attributes(
    _: &Shop,
    _: &OpCx<'_>,
    at: &At,
    response: &WireResponse,
) -> Result<Connection<WireAttribute>, Error> {
    #[derive(Deserialize)]
    struct Node {
        attributes: Connection<WireAttribute>,
    }
    Ok(node::<Node>(response, &at.id)?.attributes)
}

fn read_values(_: &Shop, _: &OpCx<'_>, at: &At, response: &WireResponse) -> Result<Connection<Named>, Error> {
    #[derive(Deserialize)]
    struct Node {
        values: Connection<Named>,
    }
    Ok(node::<Node>(response, &at.id)?.values)
}

fn node<T: serde::de::DeserializeOwned>(response: &WireResponse, id: &str) -> Result<T, Error> {
    #[derive(Deserialize)]
    struct Data<T> {
        node: Option<T>,
    }
    let missing = || Error::new(Kind::NotFound, format!("Shopify's taxonomy has no {id}")).after_send();
    data::<Data<T>>(response)?.node.ok_or_else(missing)
}

impl Shopify {
    /// All values of a list of choices, whose first page is there.
    async fn all_values(
        &self,
        cx: &CallCx,
        id: &str,
        first: Connection<Named>,
    ) -> Result<Vec<String>, Error> {
        let call = &Call::new(&self.shop, &VALUES, VALUES_TEXT, 252, at_variables, read_values);
        let more = rest(first.next(), |after| {
            let at = At { id: id.to_owned(), after: Some(after) };
            async move { self.pipeline.call(call, &at, cx).await.map(Page::from) }
        });
        let more = more.await?;
        Ok(first.nodes.into_iter().chain(more).map(|v| v.name).collect())
    }
}

#[async_trait]
impl Categories for Shopify {
    async fn find(&self, cx: &CallCx, words: &str) -> Result<Vec<Category>, Error> {
        let call = Call::new(&self.shop, &FIND, FIND_TEXT, 102, find_variables, read_found);
        self.pipeline.call(&call, words, cx).await
    }

    async fn attributes(&self, cx: &CallCx, category: &str) -> Result<Vec<CategoryAttribute>, Error> {
        if !category.starts_with(PREFIX) {
            return Err(Error::invalid(format!(
                "'{category}' is no category of Shopify's taxonomy: its ids begin with {PREFIX} (anything else is a product type, \
                 a text of the shop's own)"
            )));
        }
        let call = &Call::new(&self.shop, &ATTRIBUTES, ATTRIBUTES_TEXT, 832, at_variables, read_attributes);
        let all = all_pages(|at| async move {
            let at = At { id: category.to_owned(), after: at.map(|Cursor(after)| after) };
            let page = self.pipeline.call(call, &at, cx).await?;
            let next = page.next().map(Cursor);
            let mut items = Vec::with_capacity(page.nodes.len());
            for attribute in page.nodes {
                // A bare id has no name to be told by.
                let (Some(id), Some(name)) = (attribute.id, attribute.name) else { continue };
                let values = match attribute.values {
                    Some(first) => self.all_values(cx, &id, first).await?,
                    None => Vec::new(),
                };
                // The taxonomy proposes; no product is refused for an attribute that it does not have.
                items.push(CategoryAttribute { name, required: false, values });
            }
            Ok(Page { items, next })
        });
        all.await
    }
}
