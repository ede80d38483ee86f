//! Fixtures: `tests/fixtures/<op>/<case>/`, plain text that a person can read and correct.
//!
//! | file | content |
//! |---|---|
//! | `meta.toml` | `kind` (below) and `provenance`: where the answer comes from, in words |
//! | `input.json` | optional: what the call is given; `null` otherwise |
//! | `response` (`response.2`, ...) | status line, headers, blank line, body |
//! | `request` (`request.2`, ...) | golden: method and path with query, host, headers, blank line, body |
//! | `expected` | golden: the outcome as JSON; `{"error":…}` for a refusal |
//! | `later` (`later.2`, ...) | of a submission of items that is worked on later: what the questions about it are answered |
//! | `asked` (`asked.2`, ...), `ended` | golden: these questions, and the outcomes of the items |
//!
//! Kinds: `happy`, `business_error`, `rate_limit`, `unknown_enum`, `other`.
//! With `TRADEWIND_BLESS=1` the goldens are written from what the connector does. Read them before you commit them:
//! a golden is right because it agrees with the vendor's documentation, not because the code made it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use tradewind_connector::WireRequest;

use super::script::Answer;

/// What a case shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseKind {
    /// All is well.
    Happy,
    /// The channel says no, in its own way.
    BusinessError,
    /// Too many calls, in the channel's own words.
    RateLimit,
    /// A code that nobody knows stands in the answer: it must be kept, not refused.
    UnknownEnum,
    /// Something else worth keeping.
    Other,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    kind: CaseKind,
    provenance: String,
}

/// One case.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) op: String,
    pub(crate) name: String,
    pub(crate) kind: CaseKind,
    pub(crate) folder: PathBuf,
    pub(crate) input: Value,
    pub(crate) answers: Vec<Answer>,
    /// To the questions about it, where it is worked on later.
    pub(crate) later: Vec<Answer>,
}

impl Case {
    pub(crate) fn label(&self) -> String {
        format!("{}/{}", self.op, self.name)
    }
}

/// All cases of a folder, by operation.
pub(crate) fn load(folder: &Path) -> Result<BTreeMap<String, Vec<Case>>, String> {
    let mut all = BTreeMap::new();
    for op in folders(folder) {
        let mut cases = Vec::new();
        for case in folders(&op) {
            cases.push(read(&name(&op), &case).map_err(|e| format!("{}: {e}", case.display()))?);
        }
        all.insert(name(&op), cases);
    }
    Ok(all)
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(of).into_iter().flatten().filter_map(|e| e.ok().map(|e| e.path()));
    let mut found: Vec<PathBuf> = entries.filter(|p| p.is_dir()).collect();
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

fn read(op: &str, folder: &Path) -> Result<Case, String> {
    let meta = std::fs::read_to_string(folder.join("meta.toml")).map_err(|e| format!("meta.toml: {e}"))?;
    let meta: Meta = toml::from_str(&meta).map_err(|e| format!("meta.toml: {e}"))?;
    if meta.provenance.trim().len() < 8 {
        return Err("meta.toml: say in `provenance` where the answer comes from".to_owned());
    }
    let input = match std::fs::read_to_string(folder.join("input.json")) {
        Ok(text) => serde_json::from_str(&text).map_err(|e| format!("input.json: {e}"))?,
        Err(_) => Value::Null,
    };
    Ok(Case {
        op: op.to_owned(),
        name: name(folder),
        kind: meta.kind,
        folder: folder.to_owned(),
        input,
        answers: answers(folder, "response")?,
        later: answers(folder, "later")?,
    })
}

fn answers(folder: &Path, base: &str) -> Result<Vec<Answer>, String> {
    let mut answers = Vec::new();
    for n in 1.. {
        let Ok(bytes) = std::fs::read(folder.join(numbered(base, n))) else { break };
        answers.push(answer(&bytes).map_err(|e| format!("{}: {e}", numbered(base, n)))?);
    }
    Ok(answers)
}

pub(crate) fn numbered(base: &str, n: usize) -> String {
    if n == 1 { base.to_owned() } else { format!("{base}.{n}") }
}

/// Status line, headers, blank line, body. One line feed at the very end belongs to the file, not to the body.
fn answer(bytes: &[u8]) -> Result<Answer, String> {
    let split = bytes.windows(2).position(|w| w == b"\n\n");
    let (head, body) = match split {
        Some(i) => (&bytes[..i], &bytes[i + 2..]),
        None => (bytes, &[][..]),
    };
    let head = std::str::from_utf8(head).map_err(|e| e.to_string())?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|l| l.split_whitespace().next()).and_then(|s| s.parse().ok());
    let status = status.ok_or("the first line must be the status")?;
    let headers = lines
        .map(|l| l.split_once(':').map(|(k, v)| (k.trim().to_ascii_lowercase(), v.trim().to_owned())))
        .collect::<Option<Vec<_>>>()
        .ok_or("a header line has no colon")?;
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    Ok(Answer { status, headers, body: Bytes::copy_from_slice(body) })
}

/// Hosts that stand in the settings, with the names of these settings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hosts(Vec<(String, String)>);

impl Hosts {
    /// Every text of the settings that is an address or a host name.
    pub(crate) fn of(settings: &toml::Table) -> Hosts {
        let mut hosts = Hosts::default();
        hosts.gather("", settings);
        hosts
    }

    fn gather(&mut self, before: &str, table: &toml::Table) {
        for (name, value) in table {
            let name = format!("{before}{name}");
            match value {
                toml::Value::String(text) => {
                    let host = url::Url::parse(text).ok().and_then(|u| authority(&u));
                    self.0.push((host.unwrap_or_else(|| text.clone()), name));
                }
                toml::Value::Table(inner) => self.gather(&format!("{name}."), inner),
                _ => {}
            }
        }
    }

    /// The host of an address: as `{setting}` where a setting names it, as it is otherwise.
    fn show(&self, url: &url::Url) -> String {
        let host = authority(url).unwrap_or_default();
        let setting = self.0.iter().find(|(known, _)| *known == host);
        setting.map_or(host, |(_, name)| format!("{{{name}}}"))
    }
}

fn authority(url: &url::Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// A request as the golden shows it. A host that is a setting stands there by the setting's name.
pub(crate) fn show(request: &WireRequest, hosts: &Hosts) -> String {
    let url = request.full_url();
    let query = url.query().map(|q| format!("?{q}")).unwrap_or_default();
    let host = hosts.show(&url);
    let mut text = format!("{} {}{query}\nhost: {host}\n", request.method, url.path());
    let mut headers: Vec<String> = request
        .headers
        .iter()
        .map(|(n, v)| format!("{n}: {}", String::from_utf8_lossy(v.as_bytes())))
        .collect();
    if let Some((content_type, _)) = request.body_bytes()
        && !request.headers.contains_key(http::header::CONTENT_TYPE)
    {
        headers.push(format!("content-type: {content_type}"));
    }
    headers.sort();
    for line in headers {
        text.push_str(&line);
        text.push('\n');
    }
    text.push('\n');
    match &request.body {
        tradewind_connector::Body::Multipart(parts) => {
            for part in parts {
                let body = String::from_utf8_lossy(&part.bytes);
                text.push_str(&format!(
                    "--- {} {:?} {:?}\n{body}\n",
                    part.name, part.file_name, part.content_type
                ));
            }
        }
        _ => {
            if let Some((_, bytes)) = request.body_bytes() {
                text.push_str(&String::from_utf8_lossy(&bytes));
                text.push('\n');
            }
        }
    }
    text
}

pub(crate) fn blessing() -> bool {
    std::env::var_os("TRADEWIND_BLESS").is_some_and(|v| v == "1")
}

/// Compares with a golden file, or writes it.
pub(crate) fn golden(path: &Path, actual: &str) -> Result<(), String> {
    if blessing() {
        return std::fs::write(path, actual).map_err(|e| format!("{}: {e}", path.display()));
    }
    let expected = std::fs::read_to_string(path)
        .map_err(|e| format!("{}: {e} (TRADEWIND_BLESS=1 writes a draft to read)", path.display()))?;
    if expected.trim_end() == actual.trim_end() {
        return Ok(());
    }
    let first = expected.lines().zip(actual.lines()).find(|(a, b)| a != b);
    let (want, have) = first.unwrap_or(("(another number of lines)", ""));
    Err(format!("{} differs\n      golden: {want}\n      actual: {have}", path.display()))
}
