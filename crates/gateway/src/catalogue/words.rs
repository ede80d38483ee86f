//! Which words are the product's, and which a variant's own.
//!
//! Each row says its words. Where all rows of a product say the same they are the product's; where they differ ("…, black",
//! "…, white") each variant keeps its own, and those of the first row also stand for the product, for channels that show all
//! variants under one title.

use std::collections::BTreeMap;

use tradewind_domain::{Content, Locale, Product};

/// What the rows of a product say in one language, while they say the same.
enum Said<'a> {
    Nothing,
    Once(&'a str),
    Differently,
}

impl<'a> Said<'a> {
    /// Blank says nothing.
    fn add(&mut self, text: &'a str) {
        match self {
            _ if text.is_empty() => {}
            Said::Nothing => *self = Said::Once(text),
            Said::Once(known) if *known == text => {}
            Said::Once(_) | Said::Differently => *self = Said::Differently,
        }
    }

    fn common(&self) -> Option<String> {
        match self {
            Said::Once(text) => Some((*text).to_owned()),
            Said::Nothing | Said::Differently => None,
        }
    }
}

/// Settles the words of a product whose rows are all read. Until then `content` holds the first row's, and each later
/// variant its own row's. A row that leaves words out has the common ones; where the others differ it has none, since theirs
/// may be wrong of it.
pub(super) fn settle(product: &mut Product) {
    let Product { content, variants, .. } = product;
    let Some((first, others)) = variants.split_first_mut() else { return };
    if others.is_empty() {
        return;
    }
    let mut said: BTreeMap<Locale, (Said<'_>, Said<'_>)> = BTreeMap::new();
    for (locale, words) in std::iter::once(&*content).chain(others.iter().map(|v| &v.content)).flatten() {
        let (title, description) = said.entry(locale.clone()).or_insert((Said::Nothing, Said::Nothing));
        title.add(&words.title);
        description.add(&words.description);
    }
    let common: Vec<(Locale, Option<String>, Option<String>)> =
        said.into_iter().map(|(l, (title, text))| (l, title.common(), text.common())).collect();
    let fill = |own: &mut BTreeMap<Locale, Content>| {
        for (locale, title, description) in &common {
            match (own.get_mut(locale), title) {
                (Some(words), _) => {
                    if words.description.is_empty() {
                        words.description = description.clone().unwrap_or_default();
                    }
                }
                (None, Some(title)) => {
                    let description = description.clone().unwrap_or_default();
                    let words = Content { title: title.clone(), description, bullets: Vec::new() };
                    own.insert(locale.clone(), words);
                }
                (None, None) => {}
            }
        }
    };
    fill(content);
    first.content = BTreeMap::new();
    for variant in others {
        fill(&mut variant.content);
        if variant.content == *content {
            variant.content = BTreeMap::new();
        }
    }
}
