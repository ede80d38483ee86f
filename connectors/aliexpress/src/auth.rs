//! Tokens, the signature (Alibaba's family B), and the three layers in which errors hide behind status 200.

use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tradewind_connector::signing::params::IOP_SHA256;
use tradewind_connector::{
    Body, Consent, ConsentAnswer, Error, ExposeSecret, LOGIN_UNTIL, OpCx, Protocol, SecretString, SignCx,
    TokenPlan, TokenSet, Upstream, WireRequest, WireResponse, refresh_token, snippet,
};

use crate::config::Login;
use crate::wire::Id;

/// Path of the refresh call under `/rest`; the signature begins with it.
const REFRESH: &str = "/auth/token/refresh";
/// Path of the call that takes the code of the seller's consent.
const CREATE: &str = "/auth/token/create";

pub(crate) struct Iop {
    pub(crate) login: Login,
}

impl Iop {
    fn common(&self, cx: &OpCx<'_>) -> Vec<(String, String)> {
        vec![
            ("app_key".to_owned(), self.login.settings.app_key.clone()),
            ("timestamp".to_owned(), cx.now.as_millisecond().to_string()),
            ("sign_method".to_owned(), "sha256".to_owned()),
        ]
    }

    /// A call of the system interface, whose signature begins with its path.
    fn system(&self, cx: &OpCx<'_>, path: &str, (name, value): (&str, &str)) -> Result<WireRequest, Error> {
        let mut form = self.common(cx);
        form.push((name.to_owned(), value.to_owned()));
        form.push(("sign".to_owned(), self.signature(path, &form)));
        Ok(WireRequest::new(Method::POST, &self.login.settings.endpoint, &format!("/rest{path}"))?.form(form))
    }

    fn signature(&self, prefix: &str, params: &[(String, String)]) -> String {
        IOP_SHA256.sign(self.login.app_secret.expose_secret(), &IOP_SHA256.base(prefix, params, ""))
    }
}

impl Protocol for Iop {
    fn token_plan(&self, cx: &OpCx<'_>, _: &str, current: Option<&TokenSet>) -> Result<TokenPlan, Error> {
        let refresh = refresh_token(current, self.login.refresh_token.as_ref())?;
        let request = self.system(cx, REFRESH, ("refresh_token", refresh.expose_secret()))?;
        Ok(TokenPlan::Fetch(Box::new(request)))
    }

    fn consent(&self, cx: &OpCx<'_>) -> Result<Option<Consent>, Error> {
        let settings = &self.login.settings;
        let callback = settings.callback.as_ref().ok_or_else(|| {
            Error::config("setting 'callback' is missing: it is the callback address of your app in the AliExpress console")
        })?;
        let asked = WireRequest::new(Method::GET, &settings.endpoint, "/oauth/authorize")?
            .query("response_type", "code")
            .query("force_auth", "true")
            .query("redirect_uri", callback.as_str())
            .query("client_id", settings.app_key.as_str())
            .query("state", cx.nonce);
        Ok(Some(Consent { page: asked.full_url(), state: cx.nonce.to_owned() }))
    }

    fn exchange(&self, cx: &OpCx<'_>, answer: &ConsentAnswer) -> Result<WireRequest, Error> {
        self.system(cx, CREATE, ("code", answer.code()?))
    }

    fn read_token(
        &self,
        cx: &OpCx<'_>,
        _: &str,
        current: Option<&TokenSet>,
        response: &WireResponse,
    ) -> Result<TokenSet, Error> {
        #[derive(serde::Deserialize)]
        struct Answer {
            access_token: String,
            expires_in: Id,
            refresh_token: Option<String>,
            /// When the refresh token ends, in milliseconds: a refresh does not move it (fact sheet §2).
            refresh_token_valid_time: Option<Id>,
            user_nick: Option<String>,
        }
        let answer: Answer = response.json()?;
        let seconds: i64 = answer.expires_in.0.parse().map_err(|_| Error::decode("expires_in"))?;
        let mut extra = current.map(|t| t.extra.clone()).unwrap_or_default();
        if let Some(nick) = answer.user_nick.filter(|nick| !nick.is_empty()) {
            extra.insert("seller".to_owned(), nick);
        }
        let until = answer.refresh_token_valid_time.and_then(|ms| ms.0.parse().ok());
        if let Some(until) = until.and_then(|ms| Timestamp::from_millisecond(ms).ok()) {
            extra.insert(LOGIN_UNTIL.to_owned(), until.to_string());
        }
        let refresh = answer.refresh_token.filter(|t| !t.is_empty()).map(SecretString::from);
        Ok(TokenSet {
            access: SecretString::from(answer.access_token),
            refresh: refresh.or_else(|| current.and_then(|t| t.refresh.clone())),
            expires_at: cx.now.checked_add(SignedDuration::from_secs(seconds)).ok(),
            extra,
        })
    }

    fn sign(&self, cx: &SignCx<'_>, request: &mut WireRequest) -> Result<(), Error> {
        let Body::Form(form) = &mut request.body else {
            return Err(Error::config("calls of this gateway carry a form"));
        };
        form.extend(self.common(&cx.op));
        if let Some(token) = cx.token {
            form.push(("access_token".to_owned(), token.access().to_owned()));
        }
        // Business calls: no path before the pairs, and `method`, which stands in the query, is one of them.
        let mut all = request.query.clone();
        all.extend(form.iter().cloned());
        form.push(("sign".to_owned(), self.signature("", &all)));
        Ok(())
    }

    fn upstream(&self, _: &str, response: &WireResponse) -> Option<Upstream> {
        let body: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        let found = gateway(&body).or_else(|| service(&body));
        match found {
            Some(mut up) => {
                up.http = response.status;
                Some(up)
            }
            None if response.is_refusal() => Some(Upstream {
                http: response.status,
                message: snippet(&response.body),
                ..Upstream::default()
            }),
            None => None,
        }
    }
}

fn text(value: &Value, key: &str) -> String {
    match value.get(key) {
        Some(Value::String(s)) => s.clone(),
        Some(Value::Number(n)) => n.to_string(),
        _ => String::new(),
    }
}

/// The gateway's own errors: `error_response`, or `code` other than "0" beside `type`.
fn gateway(body: &Value) -> Option<Upstream> {
    let error = body.get("error_response").unwrap_or(body);
    let code = text(error, "code");
    if code.is_empty() || code == "0" {
        return None;
    }
    let message = [text(error, "msg"), text(error, "message"), text(error, "sub_msg")];
    let sub = text(error, "sub_code");
    let mut up = Upstream {
        code,
        sub_code: Some(sub).filter(|s| !s.is_empty()),
        message: message.into_iter().filter(|m| !m.is_empty()).collect::<Vec<_>>().join(": "),
        request_id: Some(text(error, "request_id")).filter(|s| !s.is_empty()),
        ..Upstream::default()
    };
    // ISP and SYSTEM: the fault is on their side, whatever the code says.
    if matches!(text(error, "type").as_str(), "ISP" | "SYSTEM") && up.sub_code.is_none() {
        up.sub_code = Some(format!("isp.{}", text(error, "type")));
    }
    Some(up)
}

/// The remote service's errors: `success: false` in `result`, or a `rsp_code` other than 200.
fn service(body: &Value) -> Option<Upstream> {
    let root = crate::wire::root(body);
    let result = root.get("result").filter(|r| r.is_object()).unwrap_or(root);
    let failed = ["success", "result_success", "is_success"]
        .iter()
        .any(|k| matches!(result.get(*k), Some(Value::Bool(false))) || text(result, k) == "false");
    let code = [text(result, "error_code"), text(root, "rsp_code")].into_iter().find(|c| !c.is_empty());
    let refused = failed
        || matches!(root.get("rsp_code"), Some(v) if !matches!(v.to_string().trim_matches('"'), "200" | "0"));
    if !refused {
        return None;
    }
    let message = [text(result, "error_message"), text(result, "error_msg"), text(root, "rsp_msg")];
    Some(Upstream {
        code: code.unwrap_or_else(|| "isv.unknown".to_owned()),
        message: message.into_iter().find(|m| !m.is_empty()).unwrap_or_default(),
        request_id: Some(text(body, "request_id")).filter(|s| !s.is_empty()),
        ..Upstream::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_official_business_vector() {
        // Secret "helloworld"; vector 2 of the fact sheet §4.
        let pairs = [
            ("access_token", "test"),
            ("aliexpress_category_id", "200135143"),
            ("app_key", "123456"),
            ("method", "aliexpress.logistics.redefining.getonlinelogisticsinfo"),
            ("sign_method", "sha256"),
            ("timestamp", "1517820392000"),
        ];
        let pairs: Vec<(String, String)> =
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(
            IOP_SHA256.sign("helloworld", &IOP_SHA256.base("", &pairs, "")),
            "F7F7926B67316C9D1E8E15F7E66940ED3059B1638C497D77973F30046EFB5BBB"
        );
    }

    #[test]
    fn the_official_system_vector() {
        // Secret "helloworld"; vector 1 of the fact sheet §4: the call that takes the code of a consent.
        let settings = "endpoint = 'https://h.example'\napp_key = '12345678'\ncallback = 'https://shop.example/back'\n\
                        currency = 'USD'\nfreight_template_id = 1";
        let secrets = tradewind_connector::Secrets::of(&[("app_secret", "helloworld")]);
        let config = tradewind_connector::AccountConfig::of("ali", settings, secrets).unwrap();
        let iop = Iop { login: crate::config::login(&config).unwrap() };
        let now = Timestamp::from_millisecond(1_517_820_392_000).unwrap();
        let cx = OpCx { account: &config.account, now, nonce: "s1", key: "" };
        let pasted = "https://shop.example/back?code=3_500102_JxZ05Ux3cnnSSUm6dCxYg6Q26&state=s1";
        let request = iop.exchange(&cx, &ConsentAnswer::read(pasted, "s1").unwrap()).unwrap();
        let Body::Form(form) = request.body else { panic!("a form") };
        let sign = form.iter().find(|(name, _)| name == "sign").unwrap();
        assert_eq!(sign.1, "35607762342831B6A417A0DED84B79C05FEFBF116969C48AD6DC00279A9F4D81");
        // Fact sheet §1: where the seller agrees.
        let page = iop.consent(&cx).unwrap().unwrap().page;
        assert_eq!(
            page.as_str(),
            "https://h.example/oauth/authorize?response_type=code&force_auth=true\
             &redirect_uri=https%3A%2F%2Fshop.example%2Fback&client_id=12345678&state=s1"
        );
    }

    #[test]
    fn errors_are_found_in_each_layer() {
        let up = |s: &str| {
            let v: Value = serde_json::from_str(s).unwrap();
            gateway(&v).or_else(|| service(&v)).map(|u| (u.code, u.sub_code))
        };
        assert_eq!(up(r#"{"code":"0","x_response":{"result":{"success":true}}}"#), None);
        assert_eq!(
            up(r#"{"code":"IllegalAccessToken","type":"ISV"}"#),
            Some(("IllegalAccessToken".into(), None))
        );
        assert_eq!(
            up(r#"{"error_response":{"code":15,"sub_code":"isv.x","msg":"Remote service error"}}"#),
            Some(("15".into(), Some("isv.x".into())))
        );
        assert_eq!(
            up(r#"{"x_response":{"result":{"success":false,"error_code":"F00-1"}}}"#),
            Some(("F00-1".into(), None))
        );
    }
}
