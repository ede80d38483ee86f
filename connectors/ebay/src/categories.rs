//! Categories and what they ask for (Taxonomy API). Each marketplace has a tree of its own.

use async_trait::async_trait;
use http::Method;
use tradewind_connector::role::{Categories, Category, CategoryAttribute};
use tradewind_connector::{
    CallCx, Error, Facet, OpCx, OpSpec, Operation, Priority, Safety, WireRequest, WireResponse, segment,
};

use crate::Ebay;
use crate::config::Site;
use crate::wire::taxonomy as w;

const LIKE: OpSpec = OpSpec {
    name: "",
    facet: Facet::Categories,
    safety: Safety::Read,
    priority: Priority::Content,
    buckets: &["taxonomy"],
    keep: false,
    doc: "https://developer.ebay.com/api-docs/commerce/taxonomy/overview.html",
};
static TREE: OpSpec = OpSpec { name: "categories.tree", ..LIKE };
static FIND: OpSpec = OpSpec { name: "categories.find", ..LIKE };
static ASPECTS: OpSpec = OpSpec { name: "categories.aspects", ..LIKE };

fn request(site: &Site, path: &str) -> Result<WireRequest, Error> {
    WireRequest::new(Method::GET, &site.endpoint, &format!("/commerce/taxonomy/v1{path}"))
}

struct Tree<'a>(&'a Site);

impl Operation for Tree<'_> {
    type In = ();
    type Out = String;

    fn spec(&self) -> &OpSpec {
        &TREE
    }

    fn encode(&self, _: &OpCx<'_>, (): &()) -> Result<WireRequest, Error> {
        Ok(request(self.0, "/get_default_category_tree_id")?.query("marketplace_id", self.0.marketplace))
    }

    fn decode(&self, _: &OpCx<'_>, (): &(), response: &WireResponse) -> Result<String, Error> {
        Ok(response.json::<w::Tree>()?.category_tree_id)
    }
}

struct Find<'a>(&'a Site);

impl Operation for Find<'_> {
    /// Tree, words.
    type In = (String, String);
    type Out = Vec<Category>;

    fn spec(&self) -> &OpSpec {
        &FIND
    }

    fn encode(&self, _: &OpCx<'_>, (tree, words): &(String, String)) -> Result<WireRequest, Error> {
        Ok(request(self.0, &format!("/category_tree/{}/get_category_suggestions", segment(tree)))?
            .query("q", words.clone()))
    }

    fn decode(
        &self,
        _: &OpCx<'_>,
        _: &(String, String),
        response: &WireResponse,
    ) -> Result<Vec<Category>, Error> {
        // 204: nothing fits.
        if response.status == 204 {
            return Ok(Vec::new());
        }
        let found = response.json::<w::Suggestions>()?.category_suggestions;
        Ok(found
            .into_iter()
            .map(|s| {
                let mut above = s.category_tree_node_ancestors;
                above.sort_by_key(|a| a.category_tree_node_level);
                let mut path: Vec<String> = above.into_iter().map(|a| a.category_name).collect();
                path.push(s.category.category_name);
                // Suggestions are leaves, the only categories that carry listings.
                Category { id: s.category.category_id, path, leaf: true }
            })
            .collect())
    }
}

struct Aspects<'a>(&'a Site);

impl Operation for Aspects<'_> {
    /// Tree, category.
    type In = (String, String);
    type Out = Vec<CategoryAttribute>;

    fn spec(&self) -> &OpSpec {
        &ASPECTS
    }

    fn encode(&self, _: &OpCx<'_>, (tree, category): &(String, String)) -> Result<WireRequest, Error> {
        Ok(request(self.0, &format!("/category_tree/{}/get_item_aspects_for_category", segment(tree)))?
            .query("category_id", category.clone()))
    }

    fn decode(
        &self,
        _: &OpCx<'_>,
        _: &(String, String),
        response: &WireResponse,
    ) -> Result<Vec<CategoryAttribute>, Error> {
        if response.status == 204 {
            return Ok(Vec::new());
        }
        Ok(response
            .json::<w::Aspects>()?
            .aspects
            .into_iter()
            .map(|a| {
                let constraint = a.aspect_constraint;
                // In free text the values are proposals.
                let closed =
                    constraint.as_ref().is_some_and(|c| c.aspect_mode.as_deref() == Some("SELECTION_ONLY"));
                let values = a.aspect_values.into_iter().map(|v| v.localized_value);
                CategoryAttribute {
                    name: a.localized_aspect_name,
                    required: constraint.is_some_and(|c| c.aspect_required),
                    values: if closed { values.collect() } else { Vec::new() },
                }
            })
            .collect())
    }
}

#[async_trait]
impl Categories for Ebay {
    async fn find(&self, cx: &CallCx, words: &str) -> Result<Vec<Category>, Error> {
        let tree = self.pipeline.call(&Tree(&self.site), &(), cx).await?;
        self.pipeline.call(&Find(&self.site), &(tree, words.to_owned()), cx).await
    }

    async fn attributes(&self, cx: &CallCx, category: &str) -> Result<Vec<CategoryAttribute>, Error> {
        let tree = self.pipeline.call(&Tree(&self.site), &(), cx).await?;
        self.pipeline.call(&Aspects(&self.site), &(tree, category.to_owned()), cx).await
    }
}
