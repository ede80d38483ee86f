//! Which parcels pass customs. What decides is no country: the Canary Islands are Spain and outside the VAT territory of the
//! Union, Northern Ireland is the United Kingdom and inside its market for goods.
//!
//! After the customs territory of the Union (Regulation (EU) 952/2013, article 4), the territory of its VAT (Directive
//! 2006/112/EC, articles 6 and 7, and annex of the Protocol on Northern Ireland), and the customs unions of the United Kingdom
//! with Man and of Switzerland with Liechtenstein and Büsingen. A place that is inside for duties and outside for VAT (the Canary Islands,
//! Åland, the Channel Islands) counts as outside: its parcels are declared.

use crate::{Address, Country};

/// A place without customs inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Territory {
    /// The Union's, for duties and VAT; Monaco with it, and for goods Northern Ireland.
    Union,
    /// One that stands for itself, by its code or its name.
    Own(&'static str),
}

impl Address {
    /// A customs border lies between here and there.
    #[must_use]
    pub fn passes_customs_to(&self, to: &Address) -> bool {
        // The one border that is open one way: goods of Northern Ireland have unfettered access to Great Britain.
        let home = is_northern_ireland(self) && to.territory() == Territory::Own("GB");
        self.territory() != to.territory() && !home
    }

    fn territory(&self) -> Territory {
        use Territory::{Own, Union};
        let code = postcode(self);
        let begins = |with: &[&str]| with.iter().any(|w| code.starts_with(w));
        // Spreadsheets eat leading zeros: 3501 is 03501 Benidorm and no place of the Canary Islands.
        let five = |with: &[&str]| code.len() == 5 && begins(with);
        let named = |name: &str| self.city.as_deref().is_some_and(|c| c.to_lowercase().contains(name));
        match self.country.code() {
            "MC" => Union,
            "IM" => Own("GB"),
            "LI" => Own("CH"),
            _ if is_northern_ireland(self) => Union,
            // The islands' post is the United Kingdom's, and many a channel tells them as such.
            "GB" if begins(&["JE"]) => Own("JE"),
            "GB" if begins(&["GY"]) => Own("GG"),
            "GB" if begins(&["GX11"]) => Own("GI"),
            "ES" if five(&["35", "38"]) => Own("Canary Islands"),
            "ES" if five(&["51"]) => Own("Ceuta"),
            "ES" if five(&["52"]) => Own("Melilla"),
            // 98000 is Monaco's, 97 and 98 else are overseas.
            "FR" if five(&["980"]) => Union,
            "FR" if five(&["97", "98"]) => Own(overseas(&code)),
            "FI" if five(&["22"]) => Own("AX"),
            // Büsingen lies within the customs of Switzerland.
            "DE" if five(&["78266"]) => Own("CH"),
            "DE" if five(&["27498"]) => Own("Heligoland"),
            // The old numbers are also those of places beside them.
            "IT" if five(&["23041"]) || named("livigno") => Own("Livigno"),
            "IT" if five(&["22061"]) || named("campione d") => Own("Campione d'Italia"),
            "GR" if five(&["63086"]) => Own("Mount Athos"),
            "DK" if code.len() == 4 && begins(&["39"]) => Own("GL"),
            "DK" if code.len() == 3 => Own("FO"),
            _ if self.country.is_eu() => Union,
            own => Own(own),
        }
    }
}

fn is_northern_ireland(place: &Address) -> bool {
    place.country.code() == "XI" || place.country == Country::GB && postcode(place).starts_with("BT")
}

/// The territory of a French postcode outside Europe.
fn overseas(postcode: &str) -> &'static str {
    // Two places with a customs of their own have one postcode each among those of Guadeloupe.
    const PLACES: [(&str, &str); 11] = [
        ("97133", "BL"),
        ("97150", "MF"),
        ("971", "GP"),
        ("972", "MQ"),
        ("973", "GF"),
        ("974", "RE"),
        ("975", "PM"),
        ("976", "YT"),
        ("986", "WF"),
        ("987", "PF"),
        ("988", "NC"),
    ];
    PLACES.iter().find(|(begin, _)| postcode.starts_with(begin)).map_or("French overseas", |(_, code)| *code)
}

/// The postcode without its blanks and signs, and without the country before a number (`FI-22100`).
fn postcode(place: &Address) -> String {
    let text = place.postcode.as_deref().unwrap_or_default();
    let code: String =
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    match place.country.code() {
        "GB" | "XI" => code,
        _ => code.trim_start_matches(|c: char| c.is_ascii_alphabetic()).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a panic is the failure report

    use super::*;

    /// `DE`, `ES 35001`, `IT - Livigno`.
    fn place(text: &str) -> Address {
        let mut parts = text.splitn(3, ' ');
        let mut address = Address::in_country(parts.next().unwrap().parse().unwrap());
        address.postcode = parts.next().filter(|p| *p != "-").map(str::to_owned);
        address.city = parts.next().map(str::to_owned);
        address
    }

    /// From the two laws named above; postcodes from the posts of these places.
    #[test]
    fn customs_lie_between_territories_and_not_between_countries() {
        let free = [
            ("DE", "FR"),
            ("DE 78262", "AT"),
            ("DE", "MC"),
            ("FR", "FR 98000"),
            ("ES 28001", "PT"),
            ("ES 35001", "ES 38001"),
            ("FI 00100", "SE"),
            ("FI 22100", "AX"),
            ("DE", "XI"),
            ("IE", "GB BT1-5GS"),
            ("GB BT15GS", "XI"),
            ("GB BT15GS", "GB SW1A-1AA"),
            ("GB", "IM"),
            ("GB JE2-3AB", "JE"),
            ("CH", "LI"),
            ("IT 23030 Valdisotto", "DE"),
            // Leading zeros that a spreadsheet ate: of Alicante, Ávila, Helsinki and Ariège.
            ("ES 28001", "ES 3501"),
            ("ES 28001", "ES 5200"),
            ("FI 00100", "FI 220"),
            ("FR 75001", "FR 9700"),
            ("CH", "DE 78266"),
            ("MF", "FR 97150"),
            ("FR 97133", "BL"),
            ("US", "US"),
        ];
        for (from, to) in free {
            assert!(!place(from).passes_customs_to(&place(to)), "{from} to {to}");
        }
        let declared = [
            ("CN", "DE"),
            ("DE", "GB SW1A-1AA"),
            ("DE", "CH"),
            ("DE", "NO"),
            ("ES 28001", "ES 35001"),
            ("ES 28001", "ES E-38001"),
            ("ES", "ES 51001"),
            ("FR 75001", "FR 97400"),
            ("FR 75001", "RE"),
            ("FR 97110", "FR 97150"),
            ("FR 97133", "GP"),
            ("MF", "BL"),
            ("FI 00100", "FI FI-22100"),
            ("DE", "AX"),
            ("DE 10115", "DE 78266"),
            ("DE", "DE 27498"),
            ("IT 20121", "IT 23041"),
            ("IT", "IT 23030 Livigno"),
            ("IT", "IT 22061"),
            ("GR", "GR 63086"),
            ("DK 1050", "DK 3900"),
            ("DK", "FO"),
            ("IT", "SM"),
            ("GB SW1A-1AA", "GB BT1-5GS"),
            ("GB", "GB JE2-3AB"),
            ("GB", "GG"),
            ("DE", "GB JE2-3AB"),
            ("XI", "US"),
            ("CN", "HK"),
        ];
        for (from, to) in declared {
            assert!(place(from).passes_customs_to(&place(to)), "{from} to {to}");
        }
    }
}
