//! A folder of documents: `settlements/<provider>/…`, sidecars, duplicates, overlaps.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::{ImportResult, Refusal};
use super::row::Document;
use super::sidecar::Sidecar;
use super::{Provider, read_file};

/// One file that came in.
#[derive(Debug)]
pub struct ImportedFile {
    /// Path relative to the folder that was read.
    pub path: PathBuf,
    /// Whose document it is.
    pub provider: Provider,
    /// The account in our books: the sidecar's, else the document's own, else the provider's name.
    pub account: String,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// What it says.
    pub document: Document,
}

/// What a folder holds.
#[derive(Debug, Default)]
pub struct Import {
    /// Files that came in, by path.
    pub files: Vec<ImportedFile>,
    /// Files that were refused whole, with the reason.
    pub refused: Vec<Refusal>,
    /// Files with the same bytes as another one: (the copy, the first).
    pub duplicates: Vec<(PathBuf, PathBuf)>,
}

/// Reads `dir/settlements/<provider>/…` (or `dir` itself, when it is such a folder), recursively, in the order of the names.
///
/// A file `NAME.toml` is the sidecar of `NAME`; `import.toml` in a folder speaks for the files beside it. Files that are
/// equal byte for byte count once. Where two documents of one provider describe the same money — a PayPal row in two
/// reports, a trade bill and a fund bill, an event group and its settlement — one of them posts and the other informs.
///
/// # Errors
/// The folder cannot be listed. A file that cannot be taken is in [`Import::refused`] and stops nothing.
pub fn read_dir(dir: &Path) -> ImportResult<Import> {
    let root = Some(dir.join("settlements")).filter(|d| d.is_dir()).unwrap_or_else(|| dir.to_owned());
    let mut import = Import::default();
    let mut seen: Seen = BTreeMap::new();
    for entry in list(&root)? {
        let name = entry.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if !entry.is_dir() || name.starts_with('.') {
            continue;
        }
        let provider = match name.parse::<Provider>() {
            Ok(p) => p,
            Err(r) => {
                import.refused.push(r.at(relative(&entry, dir)));
                continue;
            }
        };
        let mut files = Vec::new();
        walk(&entry, 0, &mut files)?;
        for path in files {
            let shown = relative(&path, dir);
            match read_one(provider, &path, &shown, &mut seen, &mut import.duplicates) {
                Ok(Some(file)) => import.files.push(file),
                Ok(None) => {}
                Err(r) => import.refused.push(r.at(shown)),
            }
        }
    }
    misplaced(&mut import);
    overlaps(&mut import.files);
    Ok(import)
}

/// A document that says the same under two accounts of a provider, if not byte for byte, lies in a wrong folder: its money would stand in
/// both. The first of them stays.
fn misplaced(import: &mut Import) {
    let mut accounts: BTreeMap<Provider, BTreeSet<String>> = BTreeMap::new();
    for f in &import.files {
        accounts.entry(f.provider).or_default().insert(f.account.clone());
    }
    let mut seen: BTreeMap<(Provider, String), (PathBuf, String)> = BTreeMap::new();
    let files = std::mem::take(&mut import.files);
    for f in files {
        let several = accounts.get(&f.provider).is_some_and(|a| a.len() > 1);
        if !several || !f.document.is_telling() {
            import.files.push(f);
            continue;
        }
        let key = (f.provider, said(&f.document));
        match seen.get(&key) {
            Some((first, of)) if *of != f.account => {
                import.refused.push(elsewhere(first, of, &f.account, "says the same as").at(f.path));
            }
            _ => {
                seen.entry(key).or_insert_with(|| (f.path.clone(), f.account.clone()));
                import.files.push(f);
            }
        }
    }
}

/// A hash of everything that a document says, whatever the order of its rows, without the account that it is booked to.
fn said(d: &Document) -> String {
    let mut rows: Vec<[u8; 32]> = Vec::with_capacity(d.transactions.len() + d.bank.len());
    let mut add = |text: String| rows.push(Sha256::digest(text.as_bytes()).into());
    d.transactions.iter().for_each(|t| add(format!("{t:?}")));
    d.payouts.iter().for_each(|p| add(format!("{p:?}")));
    d.carrier.iter().for_each(|c| add(format!("{c:?}")));
    // A bank line's own id is made of its account where the bank gives none.
    d.bank.iter().for_each(|b| add(format!("{}{:?}{:?}", b.date, b.amount, b.text)));
    rows.sort_unstable();
    let mut sha = Sha256::new();
    rows.iter().for_each(|r| sha.update(r));
    hex::encode(sha.finalize())
}

fn elsewhere(first: &Path, of: &str, account: &str, how: &str) -> Refusal {
    Refusal::malformed(
        0,
        format!(
            "the file {how} {}, which is of account '{of}', and this one is of account '{account}': one of them lies in the wrong folder, remove it",
            first.display()
        ),
    )
}

/// Files by provider and hash: the first of them, and its account.
type Seen = BTreeMap<(Provider, String), (PathBuf, String)>;

fn relative(path: &Path, dir: &Path) -> PathBuf {
    path.strip_prefix(dir).unwrap_or(path).to_owned()
}

fn list(dir: &Path) -> ImportResult<Vec<PathBuf>> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| Refusal::from(e).at(dir))? {
        out.push(entry?.path());
    }
    out.sort();
    Ok(out)
}

fn walk(dir: &Path, depth: u8, out: &mut Vec<PathBuf>) -> ImportResult<()> {
    for path in list(dir)? {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') || name.ends_with(".toml") || name.ends_with(".md") {
            continue;
        }
        if path.is_dir() {
            if depth < 8 {
                walk(&path, depth + 1, out)?;
            }
        } else {
            out.push(path);
        }
    }
    Ok(())
}

fn sidecar_of(path: &Path) -> ImportResult<Sidecar> {
    let mut own = path.as_os_str().to_owned();
    own.push(".toml");
    let folder = path.parent().map(|p| p.join("import.toml"));
    let plain = path.with_extension("toml");
    for candidate in [Some(PathBuf::from(own)), Some(plain), folder].into_iter().flatten() {
        if candidate.is_file() {
            let text = fs::read_to_string(&candidate).map_err(|e| Refusal::from(e).at(&candidate))?;
            return Sidecar::parse(&text);
        }
    }
    Ok(Sidecar::default())
}

fn hash(path: &Path) -> ImportResult<String> {
    let mut file = File::open(path)?;
    let mut sha = Sha256::new();
    let mut buffer = vec![0_u8; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(sha.finalize())),
            n => sha.update(buffer.get(..n).unwrap_or_default()),
        }
    }
}

fn read_one(
    provider: Provider,
    path: &Path,
    shown: &Path,
    seen: &mut Seen,
    duplicates: &mut Vec<(PathBuf, PathBuf)>,
) -> ImportResult<Option<ImportedFile>> {
    let sidecar = sidecar_of(path)?;
    let sha256 = hash(path)?;
    let document = read_file(provider, BufReader::with_capacity(1 << 16, File::open(path)?), &sidecar)?;
    let account = sidecar
        .account
        .clone()
        .or_else(|| document.account.clone())
        .unwrap_or_else(|| provider.name().to_owned());
    let key = (provider, sha256.clone());
    if let Some((first, of)) = seen.get(&key) {
        if *of == account {
            duplicates.push((shown.to_owned(), first.clone()));
            return Ok(None);
        }
        if document.is_telling() {
            return Err(elsewhere(first, of, &account, "is equal byte for byte to"));
        }
    }
    seen.entry(key).or_insert_with(|| (shown.to_owned(), account.clone()));
    Ok(Some(ImportedFile { path: shown.to_owned(), provider, account, sha256, document }))
}

impl Import {
    /// Decides which of two documents that describe the same money posts; [`read_dir`] has done so already. For documents
    /// that come from elsewhere than a folder, such as the gateway's store.
    pub fn settle_overlaps(&mut self) {
        overlaps(&mut self.files);
    }
}

/// Two documents that describe the same money: decides which one posts.
fn overlaps(files: &mut [ImportedFile]) {
    paypal_reports(files);
    fund_bills(files);
    converted_settlements(files);
}

/// A PayPal row of the settlement report is the ledger's; the same row in the transaction report or the search answer is
/// dropped, whichever file comes first.
fn paypal_reports(files: &mut [ImportedFile]) {
    let mut settled: BTreeSet<String> = BTreeSet::new();
    let of = |f: &ImportedFile| f.provider == Provider::Paypal;
    for f in files.iter().filter(|f| of(f)) {
        settled
            .extend(f.document.transactions.iter().filter(|t| t.statement.is_some()).map(|t| t.id.clone()));
    }
    let mut payouts: BTreeSet<String> = BTreeSet::new();
    for f in files.iter().filter(|f| of(f)) {
        payouts.extend(f.document.payouts.iter().filter(|p| p.group.is_some()).map(|p| p.id.clone()));
    }
    let mut informed: BTreeSet<String> = BTreeSet::new();
    for f in files.iter_mut().filter(|f| f.provider == Provider::Paypal) {
        f.document.transactions.retain(|t| {
            t.statement.is_some()
                || (!settled.contains(&t.id)
                    && informed.insert(format!("{}{:?}{:?}", t.id, t.net, t.affects)))
        });
        f.document.payouts.retain(|p| p.group.is_some() || payouts.insert(p.id.clone()));
    }
}

/// Trade rows carry the order, fund rows the balance: a fund row whose trade is known informs and does not post again. A fund bill
/// that names no account is of the account whose trades it repeats, if that is one.
fn fund_bills(files: &mut [ImportedFile]) {
    let is_cn = |f: &ImportedFile| matches!(f.provider, Provider::Wechatpay | Provider::Alipay);
    let mut trades: BTreeMap<(Provider, String), BTreeSet<String>> = BTreeMap::new();
    for f in files.iter().filter(|f| is_cn(f)) {
        for t in f.document.transactions.iter().filter(|t| !is_fund(t)) {
            for id in t.source.iter().chain(&t.refers_to) {
                trades.entry((f.provider, id.clone())).or_default().insert(f.account.clone());
            }
        }
    }
    for f in files.iter_mut().filter(|f| is_cn(f)) {
        let nameless = f.document.account.is_none() && f.account == f.provider.name();
        let mut accounts: BTreeSet<&String> = BTreeSet::new();
        for t in f.document.transactions.iter_mut().filter(|t| is_fund(t) && t.payout.is_none()) {
            let of = t.refers_to.as_ref().and_then(|r| trades.get(&(f.provider, r.clone())));
            // The providers' numbers are unique among all their merchants.
            let Some(of) = of else { continue };
            t.informs = true;
            accounts.extend(of);
        }
        if let (true, [one]) = (nameless, accounts.into_iter().collect::<Vec<_>>().as_slice()) {
            f.account.clone_from(one);
        }
    }
}

fn is_fund(t: &super::row::Tx) -> bool {
    t.event_code.as_deref().is_some_and(|c| c.starts_with("fund/"))
}

/// A financial event group names what the bank received for a settlement: same currency and total, transferred within
/// five days of the deposit date, and only where exactly one settlement fits.
fn converted_settlements(files: &mut [ImportedFile]) {
    let mut groups = Vec::new();
    for f in files.iter_mut().filter(|f| f.provider == Provider::Amazon) {
        let account = f.account.clone();
        let is_groups = f.document.statements.is_empty();
        if is_groups {
            groups.extend(f.document.payouts.drain(..).map(|p| (account.clone(), p)));
        }
    }
    let mut unused = Vec::new();
    for (account, group) in groups {
        let mut fits: Vec<(usize, usize)> = Vec::new();
        for (i, f) in files.iter().enumerate().filter(|(_, f)| f.provider == Provider::Amazon) {
            for (k, s) in f.document.statements.iter().enumerate() {
                let near = match (s.deposit_date, group.arrival) {
                    (Some(d), Some(a)) => d.until(a).is_ok_and(|span| span.get_days().abs() <= 5),
                    _ => true,
                };
                if s.total == group.amount && near && s.converted_total.is_none() && s.trace_id.is_none() {
                    fits.push((i, k));
                }
            }
        }
        match fits.as_slice() {
            [(i, k)] => {
                if let Some(s) = files.get_mut(*i).and_then(|f| f.document.statements.get_mut(*k)) {
                    s.converted_total = group.converted;
                    s.trace_id = group.trace;
                    s.transfer_status = Some(group.status);
                }
            }
            _ => unused.push((account, group)),
        }
    }
    for (account, group) in unused {
        if let Some(f) = files.iter_mut().find(|f| {
            f.provider == Provider::Amazon && f.account == account && f.document.statements.is_empty()
        }) {
            f.document.payouts.push(group);
        }
    }
}
