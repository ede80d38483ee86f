//! All documents of one channel, as one validator: the document is picked by path, root element or query.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http::{HeaderMap, Method};
use url::Url;

use super::known::excuse;
use super::{Finding, GraphQl, OpenApi, SpecError, Top, Violation, Xsd, root};

/// Which files of a channel's folder are its specification.
struct Source {
    channel: &'static str,
    /// Folder and end of the file name.
    files: &'static [(&'static str, &'static str)],
}

const SOURCES: &[Source] = &[
    Source { channel: "amazon", files: &[("amazon/models", ".json")] },
    Source {
        channel: "ebay",
        files: &[("ebay", "_oas3.json"), ("ebay", "-openapi.yml"), ("ebay/trading", ".wsdl")],
    },
    Source { channel: "paypal", files: &[("paypal", ".json")] },
    Source { channel: "dhl-express", files: &[("dhl-express/mydhl", "_swagger.yaml")] },
    Source { channel: "shopify", files: &[("shopify", ".introspection.json.gz")] },
    Source {
        channel: "aliexpress",
        files: &[
            ("aliexpress/metadata/assets/json/aesolution", ".json"),
            ("aliexpress/metadata/assets/json/aliexpress", ".json"),
            ("aliexpress/metadata/assets/json/aliexpresssumaitong", ".json"),
            ("aliexpress/metadata/assets/json/logistic", ".json"),
        ],
    },
    Source { channel: "china-ceb", files: &[("china-ceb/xsd202205", ".xsd")] },
];

/// The specification of one channel.
pub struct SpecSet {
    channel: String,
    /// OpenAPI and Swagger documents.
    pub documents: Vec<OpenApi>,
    /// GraphQL schema.
    pub graphql: Option<GraphQl>,
    /// XML schemas, in files of their own or in a service definition.
    pub xsd: Option<Xsd>,
    /// Alibaba's metadata of methods.
    pub top: Option<Top>,
}

/// What a check said.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Deviations.
    pub violations: Vec<Violation>,
    /// Known mistakes of the specification that were excused.
    pub excused: Vec<&'static str>,
}

impl SpecSet {
    /// The specification of a channel, read once per process.
    ///
    /// # Errors
    /// The reason for which there is none: a counted skip.
    pub fn for_channel(channel: &str) -> Result<Arc<SpecSet>, String> {
        static CACHE: OnceLock<Mutex<HashMap<String, Arc<SpecSet>>>> = OnceLock::new();
        let mut cache = CACHE.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = cache.get(channel) {
            return Ok(Arc::clone(set));
        }
        let set = Arc::new(SpecSet::read(channel, &root()?)?);
        cache.insert(channel.to_owned(), Arc::clone(&set));
        Ok(set)
    }

    /// Of one OpenAPI document.
    #[must_use]
    pub fn of(channel: &str, document: OpenApi) -> Arc<SpecSet> {
        Arc::new(SpecSet { documents: vec![document], ..SpecSet::empty(channel) })
    }

    /// Of one GraphQL schema.
    #[must_use]
    pub fn of_graphql(channel: &str, schema: GraphQl) -> Arc<SpecSet> {
        Arc::new(SpecSet { graphql: Some(schema), ..SpecSet::empty(channel) })
    }

    /// Of XML schemas.
    #[must_use]
    pub fn of_xsd(channel: &str, schema: Xsd) -> Arc<SpecSet> {
        Arc::new(SpecSet { xsd: Some(schema), ..SpecSet::empty(channel) })
    }

    /// Of Alibaba's metadata.
    #[must_use]
    pub fn of_top(channel: &str, methods: Top) -> Arc<SpecSet> {
        Arc::new(SpecSet { top: Some(methods), ..SpecSet::empty(channel) })
    }

    fn empty(channel: &str) -> SpecSet {
        SpecSet { channel: channel.to_owned(), documents: Vec::new(), graphql: None, xsd: None, top: None }
    }

    fn read(channel: &str, root: &Path) -> Result<SpecSet, String> {
        let source = SOURCES.iter().find(|s| s.channel == channel);
        let source =
            source.ok_or_else(|| format!("no machine-readable specification of '{channel}' is at hand"))?;
        let mut set = SpecSet::empty(channel);
        let mut schemas = Vec::new();
        for (folder, end) in source.files {
            for path in list(&root.join(folder), end).map_err(|e| e.to_string())? {
                let text = |e: SpecError| e.to_string();
                match path.extension().and_then(|e| e.to_str()) {
                    Some("xsd" | "wsdl") => schemas.push(path),
                    _ if folder.contains("/metadata/") => {
                        // The folder's own list of names; spelt so.
                        if path.file_name().is_none_or(|n| n != "catelog.json") {
                            set.top.get_or_insert_default().add(&path).map_err(text)?;
                        }
                    }
                    Some("gz") => set.graphql = Some(GraphQl::load(&path).map_err(text)?),
                    _ => set.documents.push(OpenApi::load(&path).map_err(text)?),
                }
            }
        }
        if !schemas.is_empty() {
            set.xsd = Some(Xsd::load(&schemas).map_err(|e| e.to_string())?);
        }
        if set.documents.is_empty() && set.graphql.is_none() && set.xsd.is_none() && set.top.is_none() {
            return Err(format!("the folder of '{channel}' holds no specification"));
        }
        Ok(set)
    }

    /// Does any OpenAPI document know this path?
    #[must_use]
    pub fn knows(&self, method: &Method, path: &str) -> bool {
        self.documents.iter().any(|d| d.find(method, path).is_some())
    }

    /// Checks a request against the OpenAPI documents. Where several know the path (two versions of an API),
    /// the one that it fits best decides.
    #[must_use]
    pub fn request(&self, method: &Method, url: &Url, headers: &HeaderMap, body: &[u8]) -> Verdict {
        self.best(method, url.path(), |d| d.request(method, url, headers, body))
    }

    /// Checks a response against the OpenAPI documents.
    #[must_use]
    pub fn response(
        &self,
        method: &Method,
        path: &str,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Verdict {
        self.best(method, path, |d| d.response(method, path, status, headers, body))
    }

    fn best(&self, method: &Method, path: &str, check: impl Fn(&OpenApi) -> Vec<Violation>) -> Verdict {
        let fitting = self.documents.iter().filter(|d| d.find(method, path).is_some());
        let verdicts = fitting.map(|d| {
            let (violations, excused) = excuse(&self.channel, &d.name, check(d));
            Verdict { violations, excused }
        });
        verdicts.min_by_key(|v| v.violations.len()).unwrap_or_else(|| {
            let text = format!("no document of {} has {method} {path}", self.channel);
            Verdict {
                violations: vec![Violation::new(Finding::UnknownOperation, path, text)],
                excused: Vec::new(),
            }
        })
    }
}

fn list(folder: &Path, end: &str) -> Result<Vec<PathBuf>, SpecError> {
    let entries = std::fs::read_dir(folder).map_err(|e| SpecError::new(folder.display(), e))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().ends_with(end)))
        .collect();
    paths.sort();
    Ok(paths)
}
