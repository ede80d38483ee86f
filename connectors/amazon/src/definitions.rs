//! Product types and what they ask for (Product Type Definitions 2020-09-01): the categories of Amazon.

use async_trait::async_trait;
use http::Method;
use serde::Deserialize;
use serde_json::Value;
use tradewind_connector::role::{Categories, Category, CategoryAttribute};
use tradewind_connector::{
    CallCx, Error, Facet, OpCx, OpSpec, Operation, Priority, Safety, WireRequest, WireResponse, segment,
};

use crate::config::Site;
use crate::wire::reports::Document;
use crate::{Amazon, reports};

const LIKE: OpSpec = OpSpec {
    name: "",
    facet: Facet::Categories,
    safety: Safety::Read,
    priority: Priority::Content,
    buckets: &["definitions"],
    keep: false,
    doc: "https://developer-docs.amazon.com/sp-api/docs/product-type-definitions-api-v2020-09-01-reference",
};
static SEARCH: OpSpec = OpSpec { name: "definitions.search", ..LIKE };
static GET: OpSpec = OpSpec { name: "definitions.get", ..LIKE };
static SCHEMA: OpSpec = reports::download(Facet::Categories, Priority::Content);

struct Search<'a>(&'a Site);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    product_types: Vec<ProductType>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProductType {
    name: String,
    display_name: String,
}

impl Operation for Search<'_> {
    type In = str;
    type Out = Vec<Category>;
    fn spec(&self) -> &OpSpec {
        &SEARCH
    }
    fn encode(&self, _: &OpCx<'_>, words: &str) -> Result<WireRequest, Error> {
        // `keywords` is a list: one word an element.
        let keywords = words.split_whitespace().collect::<Vec<_>>().join(",");
        if keywords.is_empty() {
            return Err(Error::invalid("give at least one word to find product types by"));
        }
        Ok(WireRequest::new(Method::GET, &self.0.endpoint, "/definitions/2020-09-01/productTypes")?
            .query("marketplaceIds", self.0.marketplace_id)
            .query("keywords", keywords))
    }
    fn decode(&self, _: &OpCx<'_>, _: &str, response: &WireResponse) -> Result<Vec<Category>, Error> {
        let found: Found = response.json()?;
        // Product types form no tree: each carries listings.
        let category = |t: ProductType| Category { id: t.name, path: vec![t.display_name], leaf: true };
        Ok(found.product_types.into_iter().map(category).collect())
    }
}

struct Get<'a>(&'a Site);

#[derive(Deserialize)]
struct Definition {
    schema: SchemaLink,
}

#[derive(Deserialize)]
struct SchemaLink {
    link: Link,
}

#[derive(Deserialize)]
struct Link {
    resource: String,
}

impl Operation for Get<'_> {
    type In = str;
    type Out = Document;
    fn spec(&self) -> &OpSpec {
        &GET
    }
    fn encode(&self, _: &OpCx<'_>, product_type: &str) -> Result<WireRequest, Error> {
        let path = format!("/definitions/2020-09-01/productTypes/{}", segment(product_type));
        Ok(WireRequest::new(Method::GET, &self.0.endpoint, &path)?
            .query("sellerId", self.0.seller_id.clone())
            .query("marketplaceIds", self.0.marketplace_id)
            .query("requirements", "LISTING"))
    }
    fn decode(&self, _: &OpCx<'_>, _: &str, response: &WireResponse) -> Result<Document, Error> {
        let definition: Definition = response.json()?;
        Ok(Document { url: definition.schema.link.resource, compression_algorithm: None })
    }
}

/// The attributes of a product type's JSON Schema. Values are those that `value` of an element may take; conditions
/// between attributes (`allOf`, `if`) are not unfolded: Amazon reports them as issues of the listing.
fn attributes(schema: &Value) -> Result<Vec<CategoryAttribute>, Error> {
    let properties = schema
        .get("properties")
        .and_then(Value::as_object)
        .ok_or_else(|| Error::decode("the product type's schema has no properties"))?;
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let attribute = |(name, property): (&String, &Value)| {
        let value = property.pointer("/items/properties/value");
        // An open vocabulary is an `anyOf` of free text and the known words: any text is allowed, so none is listed.
        let choices = value.and_then(|v| v.get("enum")).and_then(Value::as_array);
        let word = |w: &Value| w.as_str().map_or_else(|| w.to_string(), str::to_owned);
        CategoryAttribute {
            name: name.clone(),
            required: required.contains(&name.as_str()),
            values: choices.into_iter().flatten().map(word).collect(),
        }
    };
    Ok(properties.iter().map(attribute).collect())
}

#[async_trait]
impl Categories for Amazon {
    async fn find(&self, cx: &CallCx, words: &str) -> Result<Vec<Category>, Error> {
        self.pipeline.call(&Search(&self.site), words, cx).await
    }

    async fn attributes(&self, cx: &CallCx, category: &str) -> Result<Vec<CategoryAttribute>, Error> {
        let place = self.pipeline.call(&Get(&self.site), category, cx).await?;
        let bytes = self.pipeline.call(&reports::Download(&SCHEMA), &place, cx).await?;
        let schema =
            serde_json::from_slice(&bytes).map_err(|e| Error::decode(format!("product type schema: {e}")))?;
        attributes(&schema)
    }
}
