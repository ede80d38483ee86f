//! The suite of the test kit over the fixtures; requests and answers are held against the published metadata of the
//! methods.

use tradewind_connector::Safety;
use tradewind_testkit::{Answer, Suite, calls};

/// Their names and fields are those of the generated SDKs.
const NO_METADATA: &str = "the metadata of this method is not published";

const TOKEN: &str = r#"{"access_token":"50000conformanceAccess","expires_in":"2592000","expire_time":"1788134400000","refresh_token":"50001conformanceRefresh2","refresh_expires_in":"5184000","refresh_token_valid_time":"1790726400000","seller_id":"200042360","user_id":"200042360","havana_id":"133363988","user_nick":"cn1001","account":"shop@example.com","account_platform":"seller_center","locale":"zh_CN","sp":"ae","code":"0","request_id":"0ba2887315178178017221014"}"#;

#[tokio::test]
async fn conformance() {
    let error = |code: &str, kind: &str, msg: &str| {
        let body = format!(
            r#"{{"error_response":{{"type":"{kind}","code":"{code}","msg":"{msg}","request_id":"0ba2887315172940728551014"}}}}"#
        );
        Answer::json(200, &body)
    };
    Suite::new(&tradewind_aliexpress::FACTORY, env!("CARGO_MANIFEST_DIR"))
        .secret("app_secret", "conformance-app-secret")
        .secret("refresh_token", "50001conformanceRefresh1")
        .token("/rest/auth/token/refresh", Answer::json(200, TOKEN))
        .volatile(&["access_token"])
        .fresh(&["timestamp", "sign"])
        .dead_login(Answer::json(
            200,
            r#"{"type":"ISV","code":"IllegalRefreshToken","message":"The specified refresh token is invalid or expired","request_id":"0ba2887315178178017221014"}"#,
        ))
        .refuses_in_200("", error("27", "ISV", "Invalid session"))
        .throttled(error("ApiCallLimit", "ISV", "The request has exceeded the API call limit"))
        .unauthorized(error("IllegalAccessToken", "ISV", "The specified access token is invalid or expired"))
        .skewed(error("IllegalTimestamp", "ISV", "The specified timestamp is invalid"))
        .call(calls::put("offers.put", Safety::Natural))
        .call(calls::withdraw("offers.withdraw", Safety::Natural))
        .call(calls::stock("stock.update", Safety::Natural))
        .call(calls::prices("price.update", Safety::Natural))
        .call(calls::read("listings.read", Safety::Read))
        .call(calls::orders("orders.list", Safety::Read).paged().records("/result/target_list"))
        .call(calls::order("orders.get", Safety::Read))
        .call(calls::ship("orders.ship", Safety::ReadBack).read_back("1234567890", "orders.ship/known-already"))
        .call(
            calls::cancel("orders.cancel", Safety::ReadBack)
                .read_back("8152837450123456", "orders.cancel/cancelled_before")
                .without_spec(NO_METADATA),
        )
        .call(
            calls::returns("returns.changed", Safety::Read)
                .paged()
                .records("/aliexpress_issue_issuelist_get_response/data_list/issue_api_issue_dto")
                .without_spec(NO_METADATA),
        )
        .call(
            calls::transactions("transactions.changed", Safety::Read)
                .paged()
                .records("/aliexpress_trade_redefining_findloanlistquery_response/result/order_list/order_loan_item_vo")
                .without_spec(NO_METADATA),
        )
        .call(calls::categories("categories.suggest", Safety::Read))
        .call(calls::attributes("categories.attributes", Safety::Read))
        .run()
        .await
        .assert();
}
