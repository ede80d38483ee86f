//! The zone of dates and times that name none: the account's, as the TOML beside a normalised file says it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use serde::Deserialize;

use super::{Facts, Moment, RowError};
use crate::import::zone;

/// `zone` is of all rows beside it, `[zones]` of the rows of an account, which wins.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zones {
    zone: Option<String>,
    #[serde(default)]
    zones: BTreeMap<String, String>,
}

impl Zones {
    /// Reads the text of a sidecar.
    ///
    /// # Errors
    /// It is no TOML, has another key, or names a zone that does not exist.
    pub fn parse(text: &str) -> Result<Zones, String> {
        let z: Zones = toml::from_str(text).map_err(|e| e.message().to_owned())?;
        match z.zone.iter().chain(z.zones.values()).find(|name| zone(name).is_none()) {
            Some(name) => Err(format!("zone '{name}' is unknown: use an IANA name such as Europe/Berlin")),
            None => Ok(z),
        }
    }

    /// The sidecar of a file: `NAME.jsonl.toml`, `NAME.toml`, or the `import.toml` of its folder or of `dir`. One that cannot be read
    /// is named in `errors`, because the days of its rows are then not known.
    pub(super) fn beside(dir: &Path, file: &Path, errors: &mut Vec<RowError>) -> std::io::Result<Zones> {
        let mut own = file.as_os_str().to_owned();
        own.push(".toml");
        let folder = file.parent().map(|p| p.join("import.toml"));
        let candidates = [
            Some(PathBuf::from(own)),
            Some(file.with_extension("toml")),
            folder,
            Some(dir.join("import.toml")),
        ];
        let Some(path) = candidates.into_iter().flatten().find(|p| p.is_file()) else {
            return Ok(Zones::default());
        };
        let text = std::fs::read_to_string(&path)?;
        Ok(Zones::parse(&text).unwrap_or_else(|message| {
            let file = path.strip_prefix(dir).unwrap_or(&path).to_string_lossy().into_owned();
            errors.push(RowError { file, row: 0, message });
            Zones::default()
        }))
    }

    /// Puts dates and times without a zone where their account says.
    pub fn settle(&self, facts: &mut Facts) {
        let put = |m: &mut Moment, account: &str| {
            let Some(name) = self.zones.get(account).or(self.zone.as_ref()).filter(|_| m.zone.is_empty())
            else {
                return;
            };
            let Some(tz) = zone(name) else { return };
            let local = m.at.to_zoned(TimeZone::UTC).datetime();
            // A local time that a clock change skipped or repeated takes the earlier offset, as in the native documents.
            if let Ok(at) = tz.to_ambiguous_zoned(local).compatible() {
                m.at = at.timestamp();
                m.zone.clone_from(name);
            }
        };
        for o in &mut facts.orders {
            put(&mut o.placed, &o.account);
            o.paid.iter_mut().for_each(|m| put(m, &o.account));
        }
        for r in &mut facts.refunds {
            put(&mut r.requested, r.account.as_deref().unwrap_or_default());
        }
        for t in &mut facts.transactions {
            put(&mut t.occurred, &t.account);
        }
        for s in &mut facts.statements {
            s.from.iter_mut().chain(&mut s.to).for_each(|m| put(m, &s.account));
        }
    }
}
