//! Marketplaces of one seller: which of them share a login.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tradewind_connector::role::Connector;
use tradewind_connector::{
    AccountConfig, CallCx, ConsentAnswer, Kind, Runtime, Secrets, Transport, TransportError, VirtualClock,
    WireRequest, WireResponse,
};
use tradewind_domain::OrderId;

/// Gives a new access token for each request of one, and has no order.
#[derive(Default)]
struct Channel {
    tokens: Mutex<u32>,
    /// What each call was authorised with.
    calls: Mutex<Vec<String>>,
}

#[async_trait]
impl Transport for Channel {
    async fn send(&self, request: &WireRequest, _: Duration) -> Result<WireResponse, TransportError> {
        // Others get their turn while the request is under way.
        tokio::task::yield_now().await;
        if request.url.path() == "/identity/v1/oauth2/token" {
            let mut tokens = self.tokens.lock().unwrap();
            *tokens += 1;
            let text = format!(
                r#"{{"access_token":"T{tokens}","token_type":"User Access Token","expires_in":7200,"refresh_token":"R{tokens}"}}"#
            );
            return Ok(WireResponse::json_text(200, text));
        }
        self.calls.lock().unwrap().push(request.headers["authorization"].to_str().unwrap().to_owned());
        Ok(WireResponse::json_text(404, r#"{"errors":[{"errorId":32100,"message":"Invalid order ID"}]}"#))
    }
}

async fn read(store: &Arc<dyn Connector>) -> Kind {
    let order: OrderId = "01-00000-00001".parse().unwrap();
    let found = store.marketplace().unwrap().orders().unwrap().get(&CallCx::new(), &order).await;
    found.unwrap_err().kind()
}

#[tokio::test]
async fn one_login_lets_all_marketplaces_of_a_seller_in() {
    let clock = VirtualClock::starting("2026-08-01T00:00:00Z".parse().unwrap());
    let channel = Arc::new(Channel::default());
    let runtime = Runtime::in_memory(Arc::new(clock.clone()), channel.clone());
    // None has a refresh token in its configuration: the login brings it.
    let open = |site: &str, more: &str| {
        let settings = format!(
            "marketplace = 'EBAY_{site}'\nclient_id = 'app'\nru_name = 'back'\nmerchant_location = 'w'\n\
             fulfillment_policy = '1'\npayment_policy = '2'\nreturn_policy = '3'\n{more}"
        );
        let config =
            AccountConfig::of(&format!("ebay-{site}"), &settings, Secrets::of(&[("client_secret", "s")]));
        (tradewind_ebay::FACTORY.open)(config.unwrap(), runtime.clone()).unwrap()
    };
    let seller = "seller = 'harbour-ceramics'";
    let (de, fr, gb) = (open("DE", seller), open("FR", seller), open("GB", seller));
    assert_eq!(read(&fr).await, Kind::NeedsReauth, "nobody has agreed yet");
    de.pipeline().login(&ConsentAnswer::read("code", "").unwrap()).await.unwrap();
    // T1 is the login's, T2 what it is refreshed to after two hours.
    for token in ["T1", "T2"] {
        let kinds: [Kind; 3] = tokio::join!(read(&de), read(&fr), read(&gb)).into();
        assert_eq!(kinds, [Kind::NotFound; 3]);
        assert_eq!(std::mem::take(&mut *channel.calls.lock().unwrap()), vec![format!("Bearer {token}"); 3]);
        clock.advance(Duration::from_secs(7_200));
    }
    // Somebody else, the same with other scopes, and one that names no seller have logins of their own.
    for other in ["seller = 'other'", "seller = 'harbour-ceramics'\nscopes = ['', 'sell.finances']", ""] {
        assert_eq!(read(&open("IT", other)).await, Kind::NeedsReauth, "{other}");
    }
}
