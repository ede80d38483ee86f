//! One GraphQL call as an operation: a fixed text, variables from the input, a decoder for `data`.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tradewind_connector::{Error, OpCx, OpSpec, Operation, Records, WireRequest, WireResponse};

use crate::config::Shop;

/// A query or mutation. The text never changes: only variables do, so nothing can be injected.
pub(crate) struct Call<I: ?Sized, O> {
    pub(crate) shop: Arc<Shop>,
    pub(crate) spec: &'static OpSpec,
    pub(crate) text: &'static str,
    /// Points that the query is estimated to cost; the answer corrects the bucket.
    pub(crate) cost: u32,
    pub(crate) variables: fn(&Shop, &OpCx<'_>, &I) -> Result<Value, Error>,
    pub(crate) read: fn(&Shop, &OpCx<'_>, &I, &WireResponse) -> Result<O, Error>,
}

impl<I: ?Sized, O> Call<I, O> {
    /// A call of a shop.
    pub(crate) fn new(
        shop: &Arc<Shop>,
        spec: &'static OpSpec,
        text: &'static str,
        cost: u32,
        variables: fn(&Shop, &OpCx<'_>, &I) -> Result<Value, Error>,
        read: fn(&Shop, &OpCx<'_>, &I, &WireResponse) -> Result<O, Error>,
    ) -> Call<I, O> {
        Call { shop: Arc::clone(shop), spec, text, cost, variables, read }
    }
}

impl<I: ?Sized + Sync, O: Send> Operation for Call<I, O> {
    type In = I;
    type Out = O;

    fn spec(&self) -> &OpSpec {
        self.spec
    }
    fn encode(&self, cx: &OpCx<'_>, input: &I) -> Result<WireRequest, Error> {
        let variables = (self.variables)(&self.shop, cx, input)?;
        let path = format!("/admin/api/{}/graphql.json", self.shop.version);
        WireRequest::new(http::Method::POST, &self.shop.base, &path)?
            .header("accept", "application/json")?
            .json(&json!({"query": self.text, "variables": variables}))
    }
    fn decode(&self, cx: &OpCx<'_>, input: &I, response: &WireResponse) -> Result<O, Error> {
        (self.read)(&self.shop, cx, input, response)
    }
    fn weight(&self, _: &I) -> u32 {
        self.cost
    }
}

#[derive(Deserialize)]
struct Answer<T> {
    data: Option<T>,
}

/// `data` of an answer.
pub(crate) fn data<T: DeserializeOwned>(response: &WireResponse) -> Result<T, Error> {
    let answer: Answer<T> = response.json()?;
    answer.data.ok_or_else(|| Error::decode("the answer has no data"))
}

/// A value in the search syntax: quoted, with quotes and backslashes escaped.
pub(crate) fn term(field: &str, value: &str) -> String {
    format!("{field}:'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// `{nodes, pageInfo}`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Connection<T> {
    pub(crate) nodes: Vec<T>,
    #[serde(rename = "pageInfo")]
    pub(crate) page: Option<PageInfo>,
}

/// The same, read node by node: one that is odd keeps back no other.
#[derive(Debug, Deserialize)]
pub(crate) struct Each {
    pub(crate) nodes: Records,
    #[serde(rename = "pageInfo")]
    pub(crate) page: Option<PageInfo>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct PageInfo {
    #[serde(rename = "hasNextPage")]
    pub(crate) more: bool,
    #[serde(rename = "endCursor")]
    pub(crate) end: Option<String>,
}

impl PageInfo {
    fn next(&self) -> Option<String> {
        if self.more { self.end.clone() } else { None }
    }
}

impl<T> Connection<T> {
    /// Where to go on.
    pub(crate) fn next(&self) -> Option<String> {
        self.page.as_ref().and_then(PageInfo::next)
    }
}

impl Each {
    /// Where to go on.
    pub(crate) fn next(&self) -> Option<String> {
        self.page.as_ref().and_then(PageInfo::next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_quoted() {
        assert_eq!(term("sku", "O'Hara\\1"), r"sku:'O\'Hara\\1'");
    }
}
