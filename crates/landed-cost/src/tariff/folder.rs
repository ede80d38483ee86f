//! A folder of tariff files: each is kept as it was published, under its checksum, with an index that says what it is
//! and since when it is in force. Loading checks the sums, so a file that was edited is refused.

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::hs::Nomenclature;
use super::{TariffError, TariffStore, checksum, hts, uk};

const INDEX: &str = "tariffs.toml";

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// USITC, CSV.
    HtsCsv,
    /// USITC, JSON.
    HtsJson,
    /// UK Trade Tariff, one commodity.
    UkJson,
    /// HS nomenclature.
    HsCsv,
}

impl Format {
    /// Recognises a file by its beginning.
    #[must_use]
    pub fn of(text: &str) -> Option<Format> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_start();
        let head = text.lines().next().unwrap_or_default();
        if text.starts_with('[') {
            Some(Format::HtsJson)
        } else if text.starts_with('{') {
            Some(Format::UkJson)
        } else if head.contains("HTS Number") {
            Some(Format::HtsCsv)
        } else if head.contains("hscode") {
            Some(Format::HsCsv)
        } else {
            None
        }
    }

    /// The jurisdiction whose tariff it is, when the caller names none.
    #[must_use]
    pub const fn jurisdiction(self) -> &'static str {
        match self {
            Format::HtsCsv | Format::HtsJson => "US",
            Format::UkJson => "GB",
            Format::HsCsv => "WCO",
        }
    }

    const fn extension(self) -> &'static str {
        match self {
            Format::HtsCsv | Format::HsCsv => "csv",
            Format::HtsJson | Format::UkJson => "json",
        }
    }
}

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Pack name: `US`, `GB`.
    pub jurisdiction: String,
    /// What it is.
    pub format: Format,
    /// What the publisher calls it: `2025-04`.
    pub edition: String,
    /// In force from.
    pub from: Timestamp,
    /// Name in the folder.
    pub file: String,
    /// Checksum, hexadecimal.
    pub sha256: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    #[serde(default)]
    tariff: Vec<Entry>,
}

fn fail(path: &Path, what: impl std::fmt::Display) -> TariffError {
    TariffError { file: path.display().to_string(), line: 0, what: what.to_string() }
}

fn index(dir: &Path) -> Result<Index, TariffError> {
    let path = dir.join(INDEX);
    match std::fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).map_err(|e| fail(&path, e.message())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Index::default()),
        Err(e) => Err(fail(&path, format!("cannot be read: {e}"))),
    }
}

/// Reads a file into a store.
fn read(store: &mut TariffStore, entry: &Entry, text: &str, name: &str) -> Result<(), TariffError> {
    let table = match entry.format {
        Format::HsCsv => {
            store.set_nomenclature(Nomenclature::read(text, name)?);
            return Ok(());
        }
        Format::HtsCsv => hts::read(text, name, &entry.edition)?,
        Format::HtsJson => hts::read_json(text, name, &entry.edition)?,
        Format::UkJson => uk::read(text, name, if entry.jurisdiction == "GB" { "UK" } else { "XI" })?,
    };
    store.add(&entry.jurisdiction, entry.from, table);
    Ok(())
}

/// Reads a published file whole and adds it to the folder. The same file for the same time again changes nothing
/// (`false`).
///
/// # Errors
/// The file is none of the known formats, is refused by its reader, or the folder cannot be written.
pub fn import(
    dir: &Path,
    file: &Path,
    jurisdiction: Option<&str>,
    edition: &str,
    from: Timestamp,
) -> Result<(Entry, TariffStore, bool), TariffError> {
    let text = std::fs::read_to_string(file).map_err(|e| fail(file, format!("cannot be read: {e}")))?;
    let format = Format::of(&text).ok_or_else(|| {
        fail(
            file,
            "no tariff file: expected the USITC's HTS export (CSV or JSON), a commodity of the UK Trade Tariff API \
             (JSON), or the HS nomenclature (section,hscode,description,...)",
        )
    })?;
    let jurisdiction = jurisdiction.unwrap_or(format.jurisdiction());
    let sha256 = checksum(&text);
    let entry = Entry {
        jurisdiction: jurisdiction.to_owned(),
        format,
        edition: edition.to_owned(),
        from,
        file: format!(
            "{}-{}.{}",
            jurisdiction.to_lowercase(),
            sha256.get(..12).unwrap_or(&sha256),
            format.extension()
        ),
        sha256,
    };
    let mut store = TariffStore::default();
    read(&mut store, &entry, &text, &file.display().to_string())?;
    let mut all = index(dir)?;
    let new = !all.tariff.contains(&entry);
    if new {
        std::fs::create_dir_all(dir).map_err(|e| fail(dir, format!("cannot be created: {e}")))?;
        // Beside it first: an index that a dying process left half would take every edition with it.
        let write = |path: &Path, text: &str| {
            let beside = path.with_extension("part");
            std::fs::write(&beside, text)
                .and_then(|()| std::fs::rename(&beside, path))
                .map_err(|e| fail(path, format!("cannot be written: {e}")))
        };
        write(&dir.join(&entry.file), &text)?;
        all.tariff.push(entry.clone());
        all.tariff
            .sort_by(|a, b| (&a.jurisdiction, a.from, &a.file).cmp(&(&b.jurisdiction, b.from, &b.file)));
        let path = dir.join(INDEX);
        let toml = toml::to_string(&all).map_err(|e| fail(&path, e))?;
        // The file first, the index last and at once: a crash leaves an unlisted file, never a listed gap.
        let fresh = dir.join(".tariffs.toml.new");
        write(&fresh, &toml)?;
        std::fs::rename(&fresh, &path).map_err(|e| fail(&path, format!("cannot be written: {e}")))?;
    }
    Ok((entry, store, new))
}

/// Loads every file of the folder.
///
/// # Errors
/// The folder has no index, a file is missing or is not the one that was imported, or its reader refuses it.
pub fn load(dir: &Path) -> Result<TariffStore, TariffError> {
    let all = index(dir)?;
    if all.tariff.is_empty() {
        return Err(fail(dir, "holds no tariff: import one with `tradewind duty tariff import FILE`"));
    }
    let mut store = TariffStore::default();
    for entry in &all.tariff {
        let path = dir.join(&entry.file);
        let text = std::fs::read_to_string(&path).map_err(|e| fail(&path, format!("cannot be read: {e}")))?;
        if checksum(&text) != entry.sha256 {
            return Err(fail(
                &path,
                "is not the file that was imported: its checksum differs; import it anew",
            ));
        }
        read(&mut store, entry, &text, &path.display().to_string())?;
    }
    Ok(store)
}
