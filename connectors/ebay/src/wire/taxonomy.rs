//! Taxonomy API v1.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tree {
    pub(crate) category_tree_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Suggestions {
    #[serde(default)]
    pub(crate) category_suggestions: Vec<Suggestion>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Suggestion {
    pub(crate) category: Category,
    /// From the parent upwards.
    #[serde(default)]
    pub(crate) category_tree_node_ancestors: Vec<Ancestor>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Category {
    pub(crate) category_id: String,
    pub(crate) category_name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ancestor {
    pub(crate) category_name: String,
    #[serde(default)]
    pub(crate) category_tree_node_level: u32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Aspects {
    #[serde(default)]
    pub(crate) aspects: Vec<Aspect>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Aspect {
    pub(crate) localized_aspect_name: String,
    #[serde(default)]
    pub(crate) aspect_constraint: Option<Constraint>,
    #[serde(default)]
    pub(crate) aspect_values: Vec<AspectValue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Constraint {
    #[serde(default)]
    pub(crate) aspect_required: bool,
    #[serde(default)]
    pub(crate) aspect_mode: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AspectValue {
    pub(crate) localized_value: String,
}
