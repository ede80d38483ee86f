//! One GraphQL call as an operation: a fixed text, variables from the input, a decoder for `data`.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tradewind_connector::{
    Cursor, Error, Kind, OpCx, OpSpec, Operation, Page, Records, WireRequest, WireResponse, all_pages,
};

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

/// Asked for by its id, and not there.
pub(crate) fn gone(what: &str, id: &str) -> Error {
    Error::new(Kind::NotFound, format!("there is no {what} {id}")).after_send()
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

/// Where a list goes on. One that has more and does not tell where cannot be read: it would pass for a whole one.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "WirePageInfo")]
pub(crate) struct PageInfo {
    next: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

impl TryFrom<WirePageInfo> for PageInfo {
    type Error = &'static str;

    fn try_from(page: WirePageInfo) -> Result<PageInfo, &'static str> {
        match (page.has_next_page, page.end_cursor) {
            (true, None) => Err("hasNextPage without an endCursor"),
            (more, end) => Ok(PageInfo { next: end.filter(|_| more) }),
        }
    }
}

impl<T> Connection<T> {
    /// Where to go on.
    pub(crate) fn next(&self) -> Option<String> {
        self.page.as_ref().and_then(|p| p.next.clone())
    }
}

impl<T> From<Connection<T>> for Page<T> {
    fn from(list: Connection<T>) -> Page<T> {
        Page { next: list.next().map(Cursor), items: list.nodes }
    }
}

/// What a list has behind its first page, which told `next`.
pub(crate) async fn rest<T, F, Fut>(next: Option<String>, mut fetch: F) -> Result<Vec<T>, Error>
where
    F: FnMut(String) -> Fut,
    Fut: Future<Output = Result<Page<T>, Error>>,
{
    let Some(first) = next else { return Ok(Vec::new()) };
    all_pages(|at| fetch(at.map_or_else(|| first.clone(), |Cursor(at)| at))).await
}

impl Each {
    /// Where to go on.
    pub(crate) fn next(&self) -> Option<String> {
        self.page.as_ref().and_then(|p| p.next.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It would end a list that goes on, and let `productSet` delete variants that were not read.
    #[test]
    fn a_list_that_goes_on_nowhere_is_not_a_whole_one() {
        let list = |page: &str| {
            let text = format!(r#"{{"nodes":[1],"pageInfo":{page}}}"#);
            let next = serde_json::from_str::<Connection<u32>>(&text).map(|l| l.next());
            let each = serde_json::from_str::<Each>(&text).map(|l| l.next());
            let (next, each) = (next.map_err(|e| e.to_string()), each.map_err(|e| e.to_string()));
            assert_eq!(next, each);
            next
        };
        assert_eq!(list(r#"{"hasNextPage":true,"endCursor":"c"}"#), Ok(Some("c".to_owned())));
        assert_eq!(list(r#"{"hasNextPage":false,"endCursor":"c"}"#), Ok(None));
        assert_eq!(list(r#"{"hasNextPage":false,"endCursor":null}"#), Ok(None));
        let error = list(r#"{"hasNextPage":true,"endCursor":null}"#).unwrap_err();
        assert!(error.contains("hasNextPage without an endCursor"), "{error}");
    }

    #[tokio::test]
    async fn a_list_is_read_from_where_its_first_page_ended_and_not_for_ever() {
        let asked = std::cell::RefCell::new(Vec::new());
        // B, then C, then the end; or A and B for ever.
        let of = |turns: bool| {
            let asked = &asked;
            rest(Some("a".to_owned()), move |at| async move {
                asked.borrow_mut().push(at.clone());
                let next = match at.as_str() {
                    "a" => Some("b"),
                    "b" if turns => Some("a"),
                    "b" => Some("c"),
                    _ => None,
                };
                Ok(Page { items: vec![at], next: next.map(|n| Cursor(n.to_owned())) })
            })
        };
        assert_eq!(of(false).await.unwrap(), ["a", "b", "c"]);
        assert_eq!(asked.take(), ["a", "b", "c"]);
        assert_eq!(of(true).await.unwrap_err().kind(), Kind::Decode);
        assert!(rest(None, |_| async { Ok(Page::last(vec![0])) }).await.unwrap().is_empty());
    }

    #[test]
    fn terms_are_quoted() {
        assert_eq!(term("sku", "O'Hara\\1"), r"sku:'O\'Hara\\1'");
    }
}
