//! Stores of one seller: which of them share a token.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tradewind_connector::role::Connector;
use tradewind_connector::{
    AccountConfig, CallCx, Runtime, Secrets, Transport, TransportError, VirtualClock, WireRequest,
    WireResponse,
};
use tradewind_domain::ListingRef;

/// Gives a new token for each login, and has no listing.
#[derive(Default)]
struct Amazon {
    tokens: Mutex<u32>,
    /// The token of each call, and its host.
    calls: Mutex<Vec<(String, String)>>,
}

#[async_trait]
impl Transport for Amazon {
    async fn send(&self, request: &WireRequest, _: Duration) -> Result<WireResponse, TransportError> {
        // Others get their turn while the request is under way.
        tokio::task::yield_now().await;
        if request.url.path() == "/auth/o2/token" {
            let mut tokens = self.tokens.lock().unwrap();
            *tokens += 1;
            let text = format!(r#"{{"access_token":"T{tokens}","token_type":"bearer","expires_in":3600}}"#);
            return Ok(WireResponse::json_text(200, text));
        }
        let token = request.headers["x-amz-access-token"].to_str().unwrap().to_owned();
        self.calls.lock().unwrap().push((token, request.url.host_str().unwrap().to_owned()));
        Ok(WireResponse::json_text(404, r#"{"errors":[{"code":"NOT_FOUND","message":"no such SKU"}]}"#))
    }
}

impl Amazon {
    fn take(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

async fn read(store: &Arc<dyn Connector>) {
    let key = ListingRef { sku: "CUP".parse().unwrap(), listing: None };
    store.marketplace().unwrap().listings().unwrap().read(&CallCx::new(), &[key]).await.unwrap();
}

const EU: &str = "sellingpartnerapi-eu.amazon.com";

#[tokio::test]
async fn stores_of_one_region_share_the_sellers_login() {
    let clock = VirtualClock::starting("2026-08-01T00:00:00Z".parse().unwrap());
    let channel = Arc::new(Amazon::default());
    let runtime = Runtime::in_memory(Arc::new(clock.clone()), channel.clone());
    let open = |name: &str, store: &str, seller: &str| {
        let settings = format!("marketplace = '{store}'\nseller_id = '{seller}'\nclient_id = 'app'");
        let secrets = Secrets::of(&[("client_secret", "s"), ("refresh_token", "r")]);
        let config = AccountConfig::of(name, &settings, secrets).unwrap();
        (tradewind_amazon::FACTORY.open)(config, runtime.clone()).unwrap()
    };
    let de = open("amazon-de", "DE", "A1");
    let fr = open("amazon-fr", "FR", "A1");
    let uk = open("amazon-uk", "GB", "A1");
    for token in ["T1", "T2"] {
        tokio::join!(read(&de), read(&fr), read(&uk));
        assert_eq!(channel.take(), vec![(token.to_owned(), EU.to_owned()); 3]);
        clock.advance(Duration::from_secs(3_600));
    }
    // A consent holds in one region, and is one seller's.
    for (token, name, store, seller) in [("T3", "amazon-us", "US", "A1"), ("T4", "other-de", "DE", "A2")] {
        read(&open(name, store, seller)).await;
        assert_eq!(channel.take()[0].0, token, "{name}");
    }
}
