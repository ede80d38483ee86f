//! Categories for a title, and the attributes that a category asks for.

use serde::{Deserialize, Serialize};
use tradewind_connector::role::{Category, CategoryAttribute};
use tradewind_connector::{
    Error, Facet, OpCx, OpSpec, Operation, Priority, Safety, WireRequest, WireResponse,
};
use url::Url;

use crate::products::{business, dto};
use crate::wire::{self, Id, List, Wrapped};

const fn spec(name: &'static str, doc: &'static str) -> OpSpec {
    OpSpec {
        name,
        facet: Facet::Categories,
        safety: Safety::Read,
        priority: Priority::Content,
        buckets: &["seller"],
        keep: false,
        doc,
    }
}
static SUGGEST: OpSpec = spec("categories.suggest", "aliexpress.solution.product.category.suggest");
static ATTRIBUTES: OpSpec = spec("categories.attributes", "aliexpress.solution.sku.attribute.query");

/// Categories that fit a title, most fitting first.
pub(crate) struct Suggest {
    pub(crate) endpoint: Url,
}

#[derive(Deserialize)]
struct Suggestions {
    #[serde(default)]
    suggest_category_list: List<Suggestion>,
}

#[derive(Deserialize)]
struct Suggestion {
    id: Id,
    name: String,
    #[serde(default)]
    name_path: List<String>,
}

impl Operation for Suggest {
    type In = str;
    type Out = Vec<Category>;
    fn spec(&self) -> &OpSpec {
        &SUGGEST
    }
    fn encode(&self, _: &OpCx<'_>, words: &str) -> Result<WireRequest, Error> {
        if words.trim().is_empty() {
            return Err(Error::invalid("give the title of a product to find its category by"));
        }
        business(
            &self.endpoint,
            SUGGEST.doc,
            &[("title", words.trim().to_owned()), ("language", "en".to_owned())],
        )
    }
    fn decode(&self, _: &OpCx<'_>, _: &str, response: &WireResponse) -> Result<Vec<Category>, Error> {
        let found: Suggestions = wire::read(response)?;
        let category = |s: Suggestion| {
            let path = if s.name_path.0.is_empty() { vec![s.name] } else { s.name_path.0 };
            // What is suggested for a product is what it can be posted in.
            Category { id: s.id.0, path, leaf: true }
        };
        Ok(found.suggest_category_list.0.into_iter().map(category).collect())
    }
}

/// Attributes of a category: those of the product, then those that tell SKUs apart.
pub(crate) struct Attributes {
    pub(crate) endpoint: Url,
}

#[derive(Deserialize)]
struct Supported {
    #[serde(default)]
    supporting_common_attribute_list: List<Common>,
    #[serde(default)]
    supporting_sku_attribute_list: List<OfSku>,
}

#[derive(Deserialize)]
struct Common {
    aliexpress_common_attribute_name: String,
    required: bool,
    #[serde(default)]
    aliexpress_common_attribute_value_list: List<CommonValue>,
}

#[derive(Deserialize)]
struct CommonValue {
    aliexpress_common_attribute_value: String,
}

#[derive(Deserialize)]
struct OfSku {
    aliexpress_sku_name: String,
    required: bool,
    #[serde(default)]
    aliexpress_sku_value_list: List<SkuValue>,
    /// Words of one's own are allowed.
    #[serde(default)]
    support_customized_name: bool,
}

#[derive(Deserialize)]
struct SkuValue {
    aliexpress_sku_value_name: String,
}

impl Operation for Attributes {
    type In = u64;
    type Out = Vec<CategoryAttribute>;
    fn spec(&self) -> &OpSpec {
        &ATTRIBUTES
    }
    fn encode(&self, _: &OpCx<'_>, category: &u64) -> Result<WireRequest, Error> {
        #[derive(Serialize)]
        struct Query {
            aliexpress_category_id: u64,
        }
        let query = dto(&Query { aliexpress_category_id: *category })?;
        business(&self.endpoint, ATTRIBUTES.doc, &[("query_sku_attribute_info_request", query)])
    }
    fn decode(&self, _: &OpCx<'_>, _: &u64, response: &WireResponse) -> Result<Self::Out, Error> {
        let supported: Wrapped<Supported> = wire::read(response)?;
        let common = |a: Common| CategoryAttribute {
            name: a.aliexpress_common_attribute_name,
            required: a.required,
            values: a
                .aliexpress_common_attribute_value_list
                .0
                .into_iter()
                .map(|v| v.aliexpress_common_attribute_value)
                .collect(),
        };
        let of_sku = |a: OfSku| CategoryAttribute {
            name: a.aliexpress_sku_name,
            required: a.required,
            // Any word is allowed where one's own are: then none is listed.
            values: if a.support_customized_name {
                Vec::new()
            } else {
                a.aliexpress_sku_value_list.0.into_iter().map(|v| v.aliexpress_sku_value_name).collect()
            },
        };
        let supported = supported.result;
        let product = supported.supporting_common_attribute_list.0.into_iter().map(common);
        Ok(product.chain(supported.supporting_sku_attribute_list.0.into_iter().map(of_sku)).collect())
    }
}
