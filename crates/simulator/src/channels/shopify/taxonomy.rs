//! A branch of Shopify's product taxonomy: ids and names as published, attributes in part invented. One of them has a
//! hundred values and there are twelve, so that a client must turn pages.

use super::graphql::{Field, conn};
use serde_json::{Value, json as j};

/// (id, name), parents before children.
const CATEGORIES: &[(&str, &str)] = &[
    ("aa", "Apparel & Accessories"),
    ("aa-1", "Clothing"),
    ("aa-1-13", "Clothing Tops"),
    ("aa-1-13-7", "Shirts"),
    ("aa-1-13-8", "T-Shirts"),
    ("sg", "Sporting Goods"),
];

fn gid(id: &str) -> String {
    format!("gid://shopify/TaxonomyCategory/{id}")
}

fn above(id: &str) -> Option<&str> {
    id.rsplit_once('-').map(|(parent, _)| parent)
}

fn ancestors(id: &str) -> Vec<&str> {
    let mut all: Vec<&str> = std::iter::successors(above(id), |id| above(id)).collect();
    all.reverse();
    all
}

fn name(id: &str) -> &str {
    CATEGORIES.iter().find(|c| c.0 == id).map_or("", |c| c.1)
}

fn children(id: &str) -> Vec<&'static str> {
    CATEGORIES.iter().map(|c| c.0).filter(|c| above(c) == Some(id)).collect()
}

fn choices(number: usize, name: &str, values: &[String]) -> Value {
    let nodes = values.iter().enumerate().map(|(n, v)| {
        j!({"__typename": "TaxonomyValue", "id": format!("gid://shopify/TaxonomyValue/{}", number * 1_000 + n), "name": v})
    });
    j!({"__typename": "TaxonomyChoiceListAttribute", "id": format!("gid://shopify/TaxonomyChoiceListAttribute/{number}"),
        "name": name, "values": conn(nodes.collect())})
}

fn attributes() -> Vec<Value> {
    let mut all = vec![
        choices(1, "Neckline", &["Crew", "Henley", "V-neck"].map(str::to_owned)),
        j!({"__typename": "TaxonomyMeasurementAttribute", "id": "gid://shopify/TaxonomyMeasurementAttribute/2",
            "name": "Garment length", "options": [{"key": "unit", "value": "cm"}]}),
        choices(3, "Pattern", &(1..=100).map(|n| format!("Pattern {n}")).collect::<Vec<_>>()),
    ];
    all.extend((4..=12).map(|n| choices(n, &format!("Detail {n}"), &["yes", "no"].map(str::to_owned))));
    all
}

fn tree(id: &str) -> Value {
    let path: Vec<&str> = ancestors(id).into_iter().chain([id]).map(name).collect();
    let under = children(id);
    let gids = |ids: &[&str]| ids.iter().map(|i| gid(i)).collect::<Vec<_>>();
    // Only what is narrow has details of its own here.
    let own = if under.is_empty() { attributes() } else { Vec::new() };
    j!({"__typename": "TaxonomyCategory", "id": gid(id), "name": name(id), "fullName": path.join(" > "), "level": path.len(),
        "isArchived": false, "isLeaf": under.is_empty(), "isRoot": above(id).is_none(), "parentId": above(id).map(gid),
        "ancestorIds": gids(&ancestors(id)), "childrenIds": gids(&under), "attributes": conn(own)})
}

/// The root field. Its only field has the arguments.
pub(super) fn root(f: &Field) -> Value {
    let Some(asked) = f.fields.iter().find(|f| f.name == "categories") else { return j!({}) };
    let words: Vec<String> =
        asked.text("search").to_lowercase().split_whitespace().map(str::to_owned).collect();
    let parent = asked.text("childrenOf");
    let hits = CATEGORIES.iter().map(|c| c.0).filter(|id| {
        if !words.is_empty() {
            let name = name(id).to_lowercase();
            words.iter().all(|w| name.contains(w.as_str()))
        } else if parent.is_empty() {
            above(id).is_none()
        } else {
            above(id).is_some_and(|a| gid(a) == parent)
        }
    });
    j!({"categories": conn(hits.map(tree).collect())})
}

/// A category or an attribute by its id.
pub(super) fn node(id: &str) -> Option<Value> {
    if let Some(found) = CATEGORIES.iter().find(|c| gid(c.0) == id) {
        return Some(tree(found.0));
    }
    attributes().into_iter().find(|a| a.get("id").and_then(Value::as_str) == Some(id))
}
