//! HTTP Basic at the bridge, a bearer token at the signing service, and how both say no.

use tradewind_connector::{
    Error, ExposeSecret, Protocol, SecretString, Secrets, SignCx, Upstream, WireRequest, WireResponse,
    signing, snippet,
};

use crate::envelope;

/// Name of the operation that goes to the signing service: the bridge's password must not.
pub(crate) const SIGN: &str = "signature.create";

pub(crate) struct Bridge {
    basic: SecretString,
    bearer: SecretString,
}

impl Bridge {
    pub(crate) fn new(dxp_id: &str, secrets: &Secrets) -> Result<Bridge, Error> {
        let pair = format!("{dxp_id}:{}", secrets.need("bridge_password")?.expose_secret());
        Ok(Bridge {
            basic: SecretString::from(format!("Basic {}", signing::base64(pair.as_bytes()))),
            bearer: SecretString::from(format!("Bearer {}", secrets.need("signer_token")?.expose_secret())),
        })
    }
}

impl Protocol for Bridge {
    fn sign(&self, cx: &SignCx<'_>, request: &mut WireRequest) -> Result<(), Error> {
        let header = if cx.operation == SIGN { &self.bearer } else { &self.basic };
        request.set_header("authorization", header.expose_secret())
    }

    fn upstream(&self, _: &str, response: &WireResponse) -> Option<Upstream> {
        let text = std::str::from_utf8(&response.body).unwrap_or_default();
        let refusal = text.trim_start().starts_with('<').then(|| envelope::refusal(text)).flatten();
        match refusal {
            Some(said) => Some(Upstream { http: response.status, ..said }),
            None if response.is_refusal() => Some(Upstream {
                http: response.status,
                message: snippet(&response.body),
                ..Upstream::default()
            }),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use tradewind_connector::OpCx;

    use super::*;

    #[test]
    fn each_service_gets_its_own_secret() {
        let secrets = Secrets::of(&[("bridge_password", "bridge-pass"), ("signer_token", "signer-token")]);
        let bridge = Bridge::new("DXPENT0000000001", &secrets).unwrap();
        let account = "customs".parse().unwrap();
        let op = OpCx { account: &account, now: jiff::Timestamp::UNIX_EPOCH, nonce: "", key: "" };
        let header = |operation: &str| {
            let base = url::Url::parse("http://bridge.example").unwrap();
            let mut request = WireRequest::new(http::Method::POST, &base, "/").unwrap();
            bridge.sign(&SignCx { op, operation, token: None }, &mut request).unwrap();
            assert!(!format!("{request:?}").contains("signer-token"));
            request.headers["authorization"].to_str().unwrap().to_owned()
        };
        // echo -n DXPENT0000000001:bridge-pass | base64
        assert_eq!(header("declaration.submit"), "Basic RFhQRU5UMDAwMDAwMDAwMTpicmlkZ2UtcGFzcw==");
        assert_eq!(header(SIGN), "Bearer signer-token");
    }
}
