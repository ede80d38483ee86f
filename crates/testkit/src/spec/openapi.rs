//! OpenAPI 3 and Swagger 2 documents as validators of requests and responses.

use std::path::Path;

use http::{HeaderMap, Method};
use jsonschema::Draft;
use serde_json::Value;
use url::Url;

use super::schema::{self, resolve};
use super::{Finding, SpecError, Violation};

/// One document.
pub struct OpenApi {
    /// File name, for reports.
    pub name: String,
    document: Value,
    draft: Draft,
    swagger2: bool,
    /// Paths that servers put before the templates.
    bases: Vec<String>,
    routes: Vec<Route>,
}

struct Route {
    template: String,
    segments: Vec<Segment>,
}

enum Segment {
    Literal(String),
    /// A segment with one or more `{name}`.
    Template(regex::Regex, Vec<String>),
}

/// An operation that a request hit.
pub struct Hit<'a> {
    /// Path template.
    pub template: &'a str,
    item: &'a Value,
    operation: &'a Value,
    params: Vec<(String, String)>,
}

impl OpenApi {
    /// Reads a JSON or YAML file.
    ///
    /// # Errors
    /// The file cannot be read, or is not such a document.
    pub fn load(path: &Path) -> Result<OpenApi, SpecError> {
        let text = std::fs::read_to_string(path).map_err(|e| SpecError::new(path.display(), e))?;
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        OpenApi::parse(&name, &text)
    }

    /// Reads a JSON or YAML text. Tabs in YAML, which vendors' files hold in places, are read as blanks.
    ///
    /// # Errors
    /// Not such a document.
    pub fn parse(name: &str, text: &str) -> Result<OpenApi, SpecError> {
        let is_json = text.trim_start().starts_with('{');
        let mut document: Value = if is_json {
            serde_json::from_str(text).map_err(|e| SpecError::new(name, e))?
        } else {
            serde_yaml_ng::from_str(&text.replace('\t', " ")).map_err(|e| SpecError::new(name, e))?
        };
        let version = document.get("openapi").and_then(Value::as_str).unwrap_or_default().to_owned();
        let swagger2 = document.get("swagger").is_some();
        if version.is_empty() && !swagger2 {
            return Err(SpecError::new(name, "neither OpenAPI 3 nor Swagger 2"));
        }
        let draft = if version.starts_with("3.1") { Draft::Draft202012 } else { Draft::Draft4 };
        schema::tidy(&mut document);
        let bases = bases(&document);
        let routes = document
            .get("paths")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|m| m.keys())
            .map(|template| Route { template: template.clone(), segments: segments(template) })
            .collect();
        Ok(OpenApi { name: name.to_owned(), document, draft, swagger2, bases, routes })
    }

    /// Number of path templates.
    #[must_use]
    pub fn paths(&self) -> usize {
        self.routes.len()
    }

    /// The document, tidied, for tests that walk it.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The operation that a path and method hit: the template with the most literal segments wins.
    #[must_use]
    pub fn find(&self, method: &Method, path: &str) -> Option<Hit<'_>> {
        let mut best: Option<(usize, Hit<'_>)> = None;
        for base in &self.bases {
            let Some(rest) = path.strip_prefix(base.as_str()) else { continue };
            if !base.is_empty() && !rest.is_empty() && !rest.starts_with('/') {
                continue;
            }
            let given: Vec<&str> = rest.trim_matches('/').split('/').collect();
            for route in &self.routes {
                let Some((literals, params)) = fit(&route.segments, &given) else { continue };
                let Some(item) = self.document.get("paths").and_then(|p| p.get(&route.template)) else {
                    continue;
                };
                let Some(operation) = item.get(method.as_str().to_ascii_lowercase()) else { continue };
                if best.as_ref().is_none_or(|(n, _)| literals > *n) {
                    best = Some((literals, Hit { template: &route.template, item, operation, params }));
                }
            }
        }
        best.map(|(_, hit)| hit)
    }

    /// Checks a request.
    #[must_use]
    pub fn request(&self, method: &Method, url: &Url, headers: &HeaderMap, body: &[u8]) -> Vec<Violation> {
        let Some(hit) = self.find(method, url.path()) else { return vec![no_operation(method, url.path())] };
        let mut found = Vec::new();
        self.check_path(&hit, &mut found);
        self.check_query(&hit, url, &mut found);
        self.check_headers(&hit, headers, &mut found);
        self.check_body(&hit, headers, body, &mut found);
        found
    }

    /// Checks a response to a request of this method and path.
    #[must_use]
    pub fn response(
        &self,
        method: &Method,
        path: &str,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Vec<Violation> {
        let Some(hit) = self.find(method, path) else { return vec![no_operation(method, path)] };
        let responses = hit.operation.get("responses");
        let exact = status.to_string();
        let class = format!("{}XX", status / 100);
        let declared = [exact.as_str(), class.as_str(), "default"]
            .iter()
            .find_map(|key| responses.and_then(|r| r.get(*key)))
            .map(|r| resolve(&self.document, r));
        let Some(declared) = declared else {
            let text = format!("{} {} documents no status {status}", method, hit.template);
            return vec![Violation::new(Finding::UnknownStatus, "status", text)];
        };
        let schema = if self.swagger2 {
            declared.get("schema")
        } else {
            let media = media_type(headers);
            declared.get("content").and_then(|c| content_for(c, &media)).and_then(|c| c.get("schema"))
        };
        let Some(schema) = schema else { return Vec::new() };
        if body.is_empty() {
            return vec![Violation::new(Finding::BadBody, "body", "a body is documented, none came")];
        }
        if !self.swagger2 && !is_json(&media_type(headers)) {
            return Vec::new(); // a label, a report file: text that no schema describes
        }
        self.check_json(schema, body)
    }

    fn check_json(&self, schema: &Value, body: &[u8]) -> Vec<Violation> {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => self.check_value(schema, &value, ""),
            Err(e) => vec![Violation::new(Finding::Syntax, "body", format!("not JSON: {e}"))],
        }
    }

    /// Checks a value against a schema node of this document.
    #[must_use]
    pub fn check_value(&self, schema: &Value, value: &Value, at: &str) -> Vec<Violation> {
        schema::check(&self.document, schema, value, self.draft, at)
    }

    /// Parameters of an operation in one place; those of the operation override those of the path.
    fn params<'a>(&'a self, hit: &Hit<'a>, place: &str) -> Vec<&'a Value> {
        let list = |node: &'a Value| node.get("parameters").and_then(Value::as_array).into_iter().flatten();
        let mut out: Vec<&'a Value> = Vec::new();
        for raw in list(hit.operation).chain(list(hit.item)) {
            let param = resolve(&self.document, raw);
            let known = out.iter().any(|p| p.get("name") == param.get("name"));
            if param.get("in").and_then(Value::as_str) == Some(place) && !known {
                out.push(param);
            }
        }
        out
    }

    fn param_schema<'a>(&'a self, param: &'a Value) -> &'a Value {
        // In Swagger 2 the parameter is its own schema.
        resolve(&self.document, param.get("schema").unwrap_or(param))
    }

    fn check_text(&self, param: &Value, texts: &[&str], finding: Finding, found: &mut Vec<Violation>) {
        let name = name_of(param);
        let schema = self.param_schema(param);
        let is_array = type_is(schema, "array");
        let schema =
            if is_array { resolve(&self.document, schema.get("items").unwrap_or(schema)) } else { schema };
        if !is_array && texts.len() > 1 {
            found.push(Violation::new(finding, name, "given more than once, but it is not a list"));
        }
        for text in texts {
            for piece in pieces(param, is_array, text) {
                let value = typed(schema, piece);
                // Only what stands in the schema itself: a parameter's own words are not JSON Schema.
                let mut own = serde_json::Map::new();
                for key in
                    ["type", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "format"]
                {
                    if let Some(v) = schema.get(key) {
                        own.insert(key.to_owned(), v.clone());
                    }
                }
                for v in schema::check(&Value::Null, &Value::Object(own), &value, self.draft, name) {
                    found.push(Violation { finding, ..v });
                }
            }
        }
    }

    fn check_path(&self, hit: &Hit<'_>, found: &mut Vec<Violation>) {
        for param in self.params(hit, "path") {
            for (_, text) in hit.params.iter().filter(|(name, _)| name == name_of(param)) {
                self.check_text(param, &[text], Finding::BadPath, found);
            }
        }
    }

    fn check_query(&self, hit: &Hit<'_>, url: &Url, found: &mut Vec<Violation>) {
        let params = self.params(hit, "query");
        let given: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        for (name, _) in &given {
            let known = params.iter().any(|p| {
                let n = name_of(p);
                n == name
                    || (p.get("style").is_some() && name.starts_with(&format!("{n}[")))
                    || n == format!("{name}[]")
            });
            if !known {
                let text = format!("{} has no query parameter '{name}'", hit.template);
                found.push(Violation::new(Finding::UnknownQuery, name.clone(), text));
            }
        }
        for param in params {
            let name = name_of(param);
            let texts: Vec<&str> = given.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
            if texts.is_empty()
                && required(param)
                && !given.iter().any(|(n, _)| n.starts_with(&format!("{name}[")))
            {
                found.push(Violation::new(Finding::MissingQuery, name, "required"));
            }
            self.check_text(param, &texts, Finding::BadQuery, found);
        }
    }

    fn check_headers(&self, hit: &Hit<'_>, headers: &HeaderMap, found: &mut Vec<Violation>) {
        for param in self.params(hit, "header") {
            let name = name_of(param);
            // OpenAPI 3.0.3 §4.7.12.1: these three are never described as parameters.
            if ["accept", "content-type", "authorization"].iter().any(|n| name.eq_ignore_ascii_case(n)) {
                continue;
            }
            match headers.get(name).and_then(|v| v.to_str().ok()) {
                Some(text) => self.check_text(param, &[text], Finding::BadHeader, found),
                None if required(param) => {
                    found.push(Violation::new(Finding::BadHeader, name, "required, not sent"))
                }
                None => {}
            }
        }
    }

    fn check_body(&self, hit: &Hit<'_>, headers: &HeaderMap, body: &[u8], found: &mut Vec<Violation>) {
        let media = media_type(headers);
        let (declared, schema, needed) = if self.swagger2 {
            let params = self.params(hit, "body");
            let param = params.first().copied();
            let forms = !self.params(hit, "formData").is_empty();
            (param.is_some() || forms, param.and_then(|p| p.get("schema")), param.is_some_and(required))
        } else {
            let content = hit.operation.get("requestBody").map(|b| resolve(&self.document, b));
            let needed = content.is_some_and(required);
            let content = content.and_then(|b| b.get("content"));
            let chosen = content.and_then(|c| content_for(c, &media));
            if content.is_some() && chosen.is_none() && !body.is_empty() {
                let text =
                    format!("the media type '{media}' is not one of those that {} takes", hit.template);
                found.push(Violation::new(Finding::BadBody, "content-type", text));
                return;
            }
            (content.is_some(), chosen.and_then(|c| c.get("schema")), needed)
        };
        match (body.is_empty(), declared) {
            (true, _) if needed => {
                found.push(Violation::new(Finding::BadBody, "body", "required, none sent"))
            }
            (false, false) => {
                let text = format!("{} takes no body, one was sent", hit.template);
                found.push(Violation::new(Finding::BadBody, "body", text));
            }
            (false, true) => {
                let Some(schema) = schema else { return };
                if media.starts_with("application/x-www-form-urlencoded") {
                    let fields = url::form_urlencoded::parse(body).into_owned();
                    let object: serde_json::Map<String, Value> =
                        fields.map(|(k, v)| (k, Value::String(v))).collect();
                    found.extend(self.check_value(schema, &Value::Object(object), ""));
                } else if self.swagger2 || is_json(&media) {
                    found.extend(self.check_json(schema, body));
                }
            }
            (true, _) => {}
        }
    }
}

fn no_operation(method: &Method, path: &str) -> Violation {
    Violation::new(Finding::UnknownOperation, path, format!("no operation {method} {path}"))
}

fn name_of(param: &Value) -> &str {
    param.get("name").and_then(Value::as_str).unwrap_or_default()
}

fn required(node: &Value) -> bool {
    node.get("required") == Some(&Value::Bool(true))
}

fn type_is(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(s)) => s == kind,
        Some(Value::Array(list)) => list.iter().any(|t| t == kind),
        _ => false,
    }
}

/// The parts of a list parameter's text: by comma, or as it stands where each element is a pair of its own.
fn pieces<'a>(param: &Value, is_array: bool, text: &'a str) -> Vec<&'a str> {
    let separator = match param.get("collectionFormat").and_then(Value::as_str) {
        Some("multi") => None,
        Some("pipes") => Some('|'),
        Some("ssv") => Some(' '),
        // OpenAPI 3: `explode` is the default of query parameters, yet comma lists are what vendors take as well.
        _ => Some(','),
    };
    match separator.filter(|_| is_array) {
        Some(c) => text.split(c).collect(),
        None => vec![text],
    }
}

/// A parameter's text as the JSON type that its schema asks for; text where it does not fit, which then fails.
fn typed(schema: &Value, text: &str) -> Value {
    let number = || serde_json::from_str::<Value>(text).ok().filter(Value::is_number);
    let boolean = || text.parse::<bool>().ok().map(Value::Bool);
    let found = if type_is(schema, "integer") || type_is(schema, "number") {
        number()
    } else if type_is(schema, "boolean") {
        boolean()
    } else {
        None
    };
    found.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn media_type(headers: &HeaderMap) -> String {
    let text = headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_json(media: &str) -> bool {
    media.is_empty() || media == "application/json" || media.ends_with("+json")
}

/// The entry of a `content` map for a media type. Without one, the JSON entry or the only one.
fn content_for<'a>(content: &'a Value, media: &str) -> Option<&'a Value> {
    let map = content.as_object()?;
    let bare = |key: &str| key.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    map.iter()
        .find(|(key, _)| bare(key) == media)
        .or_else(|| map.iter().find(|(key, _)| bare(key) == "*/*"))
        .or_else(|| map.iter().find(|(key, _)| is_json(media) && is_json(&bare(key))))
        .or_else(|| map.iter().next().filter(|_| media.is_empty()))
        .map(|(_, v)| v)
}

/// The paths before the templates: from `servers` with their defaults filled in, or `basePath`, and none, because
/// some documents repeat the base in the templates.
fn bases(document: &Value) -> Vec<String> {
    let mut bases = vec![String::new()];
    if let Some(base) = document.get("basePath").and_then(Value::as_str) {
        bases.push(base.trim_end_matches('/').to_owned());
    }
    for server in document.get("servers").and_then(Value::as_array).into_iter().flatten() {
        let mut address = server.get("url").and_then(Value::as_str).unwrap_or_default().to_owned();
        for (name, variable) in server.get("variables").and_then(Value::as_object).into_iter().flatten() {
            let default = variable.get("default").and_then(Value::as_str).unwrap_or_default();
            address = address.replace(&format!("{{{name}}}"), default);
        }
        let path = Url::parse(&address).map(|u| u.path().to_owned()).unwrap_or(address);
        bases.push(path.trim_end_matches('/').to_owned());
    }
    bases.sort();
    bases.dedup();
    bases
}

fn segments(template: &str) -> Vec<Segment> {
    // Some templates carry a query (`/x?action=y`), which is not part of the path.
    let path = template.split(['?', '#']).next().unwrap_or_default();
    path.trim_matches('/').split('/').map(segment).collect()
}

fn segment(text: &str) -> Segment {
    if !text.contains('{') {
        return Segment::Literal(text.to_owned());
    }
    let (mut pattern, mut names, mut rest) = ("^".to_owned(), Vec::new(), text);
    while let Some((before, after)) = rest.split_once('{') {
        let (name, tail) = after.split_once('}').unwrap_or((after, ""));
        pattern.push_str(&regex::escape(before));
        pattern.push_str("(.+?)");
        names.push(name.to_owned());
        rest = tail;
    }
    pattern.push_str(&regex::escape(rest));
    pattern.push('$');
    match regex::Regex::new(&pattern) {
        Ok(regex) => Segment::Template(regex, names),
        Err(_) => Segment::Literal(text.to_owned()),
    }
}

/// Number of literal segments and the parameters' values, if the path fits.
fn fit(template: &[Segment], given: &[&str]) -> Option<(usize, Vec<(String, String)>)> {
    if template.len() != given.len() {
        return None;
    }
    let (mut literals, mut params) = (0, Vec::new());
    for (part, text) in template.iter().zip(given) {
        match part {
            Segment::Literal(l) if l == text => literals += 1,
            Segment::Literal(_) => return None,
            Segment::Template(regex, names) => {
                let plain = percent_decode(text);
                let caught = regex.captures(&plain)?;
                for (i, name) in names.iter().enumerate() {
                    let value = caught.get(i + 1).map(|m| m.as_str().to_owned()).unwrap_or_default();
                    params.push((name.clone(), value));
                }
            }
        }
    }
    Some((literals, params))
}

fn percent_decode(text: &str) -> String {
    // A path segment is a form value but for '+', which stands for itself.
    let form = text.replace('+', "%2B").replace('&', "%26");
    url::form_urlencoded::parse(format!("x={form}").as_bytes())
        .next()
        .map(|(_, v)| v.into_owned())
        .unwrap_or_default()
}
