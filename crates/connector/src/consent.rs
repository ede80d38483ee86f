//! Letting us in: the seller's consent at the channel, whose answer buys the first refresh token.
//!
//! Channels that hand refresh tokens out in their console need none of it. Where the seller has to agree on a page of the
//! channel (RFC 6749 §4.1), [`crate::Protocol::consent`] gives the page's address and [`crate::Protocol::exchange`] the request
//! that turns its answer into tokens; [`crate::Pipeline::login`] sends that one and keeps what comes back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use secrecy::SecretString;
use url::Url;

use crate::account::Secrets;
use crate::error::{Error, Kind};
use crate::protocol::TokenSet;
use crate::signing;

/// The name in [`TokenSet::extra`] of the instant at which the seller has to consent again, whatever is refreshed until then.
pub const LOGIN_UNTIL: &str = "login_until";

/// Where the seller agrees, and what ties the answer to the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// The page to open, `state` in it.
    pub page: Url,
    /// Comes back with the answer (RFC 6749 §10.12).
    pub state: String,
}

/// What the channel's page sent the seller back with. It holds a code that is as good as a password for some minutes, so its
/// debug form shows names alone.
#[derive(Clone, PartialEq, Eq)]
pub struct ConsentAnswer(BTreeMap<String, String>);

impl ConsentAnswer {
    /// Reads the address that the seller was sent back to, or the bare code out of it.
    ///
    /// # Errors
    /// The seller declined, the answer is to another question than `state` or to none that is known, or there is no code in it.
    pub fn read(text: &str, state: &str) -> Result<ConsentAnswer, Error> {
        let text = text.trim();
        let bare = !text.trim_end_matches('=').contains(['&', '=']);
        let pairs = |query: &str| url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let pairs: BTreeMap<String, String> = match Url::parse(text) {
            Ok(address) if address.has_host() => pairs(address.query().unwrap_or_default()),
            // Escaped as it stood in the address: one reading undoes that, and changes no code that is not escaped. A code may end
            // as base64 does.
            _ if bare => pairs(&format!("code={}", text.replace('+', "%2B"))),
            _ => pairs(text.trim_start_matches('?')),
        };
        if let Some(error) = pairs.get("error") {
            let more = pairs.get("error_description").map(|d| format!(" ({d})")).unwrap_or_default();
            return Err(Error::invalid(format!("the channel's page says no: {error}{more}")));
        }
        let answer = ConsentAnswer(pairs);
        answer.code()?;
        match answer.get("state") {
            Some(theirs) if signing::equal(theirs.as_bytes(), state.as_bytes()) => Ok(answer),
            Some(_) => Err(Error::invalid(
                "this address answers another login: open the page that was printed last, and paste where it leads",
            )),
            // A bare code carries none; whoever copied it had the page before him.
            None if bare => Ok(answer),
            // Somebody else's code would log us in at his shop (RFC 6749 §10.12).
            None => Err(Error::invalid(
                "there is no 'state' in this address, so nothing shows that it answers this login: open the page that was printed last, and paste the whole address that it leads to; if the channel sends none back, paste the code alone",
            )),
        }
    }

    /// The authorization code.
    ///
    /// # Errors
    /// There is none.
    pub fn code(&self) -> Result<&str, Error> {
        self.get("code").filter(|code| !code.is_empty()).ok_or_else(|| {
            Error::invalid("there is no code in it: paste the whole address that the page leads to")
        })
    }

    /// Another part of the answer.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl std::fmt::Debug for ConsentAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The refresh token to use where a seller may have let us in: what is stored goes before what the configuration holds.
///
/// # Errors
/// [`Kind::NeedsReauth`] where there is neither; the message says what to do.
pub fn refresh_token<'a>(
    stored: Option<&'a TokenSet>,
    configured: Option<&'a SecretString>,
) -> Result<&'a SecretString, Error> {
    stored.and_then(|t| t.refresh.as_ref()).or(configured).ok_or_else(|| {
        let text = "nobody has let us in yet: run `tradewind login` for this account, or give the secret 'refresh_token'";
        Error::new(Kind::NeedsReauth, text)
    })
}

impl Secrets {
    /// The secret `refresh_token`, from which the first token is had ([`refresh_token`]). It need not be there where the seller can
    /// let us in (`login`).
    ///
    /// # Errors
    /// It must be there and is not; see [`Secrets::need`].
    pub fn first_refresh_token(&self, login: bool) -> Result<Option<SecretString>, Error> {
        match self.get("refresh_token") {
            None if login => Ok(None),
            _ => self.need("refresh_token").cloned().map(Some),
        }
    }
}

impl TokenSet {
    /// When the seller has to consent again, where the channel said so.
    #[must_use]
    pub fn login_until(&self) -> Option<Timestamp> {
        self.extra.get(LOGIN_UNTIL)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Result<String, String> {
        let answer = ConsentAnswer::read(text, "s1").map_err(|e| e.message().to_owned())?;
        Ok(answer.code().unwrap().to_owned())
    }

    #[test]
    fn an_address_or_the_bare_code_will_do() {
        // eBay's codes hold `^` and `#`, which the address has escaped.
        let whole = "https://shop.example/back?state=s1&code=v%5E1.1%23i%5E1&expires_in=299";
        assert_eq!(code(whole).unwrap(), "v^1.1#i^1");
        assert_eq!(code("v%5E1.1%23i%5E1\n").unwrap(), "v^1.1#i^1");
        assert_eq!(code("3_500102+a").unwrap(), "3_500102+a");
        assert_eq!(code("?code=abc&state=s1").unwrap(), "abc");
        // Padded as base64 is (RFC 4648 §4).
        assert_eq!(code("YWI=").unwrap(), "YWI=");
        assert_eq!(code("YQ==").unwrap(), "YQ==");
    }

    #[test]
    fn what_is_no_answer_to_this_question_is_refused() {
        assert!(code("https://shop.example/back?code=abc&state=s2").unwrap_err().contains("another login"));
        for without in ["https://shop.example/back?code=abc", "?code=abc&x=1", "code=abc"] {
            assert!(code(without).unwrap_err().contains("no 'state'"), "{without}");
        }
        let declined = "https://shop.example/back?error=access_denied&error_description=no+thanks&state=s1";
        assert_eq!(code(declined).unwrap_err(), "the channel's page says no: access_denied (no thanks)");
        assert!(code("https://shop.example/back").unwrap_err().contains("no code"));
        assert!(code("").unwrap_err().contains("no code"));
        let shown = format!("{:?}", ConsentAnswer::read("s3cret", "s1").unwrap());
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
