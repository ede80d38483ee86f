//! Vectors published by the platforms or their SDKs' tests; where none exists, recomputed independently.

use super::*;

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn check(
    signer: ParamSigner,
    secret: &str,
    prefix: &str,
    params: &[(&str, &str)],
    suffix: &str,
    expected: &str,
) {
    let mut shuffled = pairs(params);
    shuffled.reverse();
    shuffled.push(("empty".to_owned(), String::new()));
    assert_eq!(signer.sign(secret, &signer.base(prefix, &shuffled, suffix)), expected);
}

#[test]
fn taobao_top() {
    let params = |method| {
        vec![
            ("app_key", "12345678"),
            ("fields", "num_iid,title,nick,price,num"),
            ("format", "json"),
            ("method", "taobao.item.seller.get"),
            ("num_iid", "11223344"),
            ("session", "test"),
            ("sign_method", method),
            ("timestamp", "2016-01-01 12:00:00"),
            ("v", "2.0"),
        ]
    };
    check(TOP_MD5, "helloworld", "", &params("md5"), "", "66987CB115214E59E6EC978214934FB8");
    check(TOP_HMAC_MD5, "helloworld", "", &params("hmac"), "", "D56D7858309C31B6251083A874D48273");
}

#[test]
fn lazada_and_aliexpress_iop() {
    check(
        IOP_SHA256,
        "helloworld",
        "/order/get",
        &[
            ("access_token", "test"),
            ("app_key", "123456"),
            ("order_id", "1234"),
            ("sign_method", "sha256"),
            ("timestamp", "1517820392000"),
        ],
        "",
        "4190D32361CFB9581350222F345CB77F3B19F0E31D162316848A2C1FFD5FAB4A",
    );
    check(
        IOP_SHA256,
        "1234",
        "/test/api",
        &[("bar", "2"), ("foo", "1"), ("foo_bar", "3"), ("foobar", "4")],
        "",
        "988085883BF9D32D251478D23122C7ECC91518CDF63BA22F792000A378F52409",
    );
    check(
        IOP_SHA256,
        "helloworld",
        "/auth/token/create",
        &[
            ("app_key", "12345678"),
            ("code", "3_500102_JxZ05Ux3cnnSSUm6dCxYg6Q26"),
            ("sign_method", "sha256"),
            ("timestamp", "1517820392000"),
        ],
        "",
        "35607762342831B6A417A0DED84B79C05FEFBF116969C48AD6DC00279A9F4D81",
    );
    check(
        IOP_SHA256,
        "helloworld",
        "",
        &[
            ("access_token", "test"),
            ("aliexpress_category_id", "200135143"),
            ("app_key", "123456"),
            ("method", "aliexpress.logistics.redefining.getonlinelogisticsinfo"),
            ("sign_method", "sha256"),
            ("timestamp", "1517820392000"),
        ],
        "",
        "F7F7926B67316C9D1E8E15F7E66940ED3059B1638C497D77973F30046EFB5BBB",
    );
}

#[test]
fn tiktok_shop() {
    check(
        TIKTOK,
        "e59af819cc",
        "/authorization/202309/shops",
        &[("app_key", "29a39d"), ("timestamp", "1623812664")],
        "",
        "b596b73e0cc6de07ac26f036364178ab16b0a907af13d43f0a0cd2345f582dc8",
    );
    check(
        TIKTOK,
        "app_secret",
        "/test-api",
        &[("foo", "bar")],
        "",
        "d3cb7fe11ecae942802ceeca67e7cf10120cc12f1517d45fbc1c8cfe5413c80f",
    );
}

#[test]
fn pinduoduo_and_jd() {
    check(
        TOP_MD5,
        "testSecret",
        "",
        &[
            ("access_token", "asd78172s8ds9a921j9qqwda12312w1w21211"),
            ("client_id", "1"),
            ("data_type", "XML"),
            ("order_status", "1"),
            ("page", "1"),
            ("page_size", "10"),
            ("timestamp", "1480411125"),
            ("type", "pdd.order.number.list.get"),
        ],
        "",
        "E4DE3ED21002510DED352819E7AE6775",
    );
    let json = r#"{"end_date":null,"optional_fields":null,"order_state":"WAIT_SELLER_STOCK_OUT","page":"1","page_size":"200","start_date":null}"#;
    check(
        TOP_MD5,
        "yourappSecret",
        "",
        &[
            ("360buy_param_json", json),
            ("access_token", "yourtoken"),
            ("app_key", "yourappkey"),
            ("method", "jingdong.pop.order.search"),
            ("timestamp", "2021-05-07 09:20:39.683+0800"),
            ("v", "2.0"),
        ],
        "",
        "D70825340F4084360B9362B60DFD7930",
    );
}

#[test]
fn param2_of_1688() {
    check(
        PARAM2_SHA1,
        "test123",
        "param2/1/system/currentTime/1000000",
        &[("a", "1"), ("b", "2")],
        "",
        "33E54F4F7B989E3E0E912D3FBD2F1A03CA7CCE88",
    );
}

#[test]
fn wechat_v2_and_alipay_mapi() {
    check(
        WECHAT_V2_MD5,
        "192006250b4c09247ec02edce69f6a2d",
        "",
        &[
            ("appid", "wxd930ea5d5a258f4f"),
            ("body", "test"),
            ("device_info", "1000"),
            ("mch_id", "10000100"),
            ("nonce_str", "ibuaiVcKdpRxkhJA"),
        ],
        "",
        "9A0A8659F005D6984697E2CA0A9CF3B7",
    );
    // The worked vector of the fact sheet: MD5 of the sorted pairs and the key.
    check(
        ALIPAY_MAPI_MD5,
        "testkeytestkeytestkeytestkey1234",
        "",
        &[
            ("service", "alipay.acquire.customs"),
            ("partner", "2088000000000001"),
            ("_input_charset", "utf-8"),
            ("out_request_no", "CUS20251230000001"),
            ("trade_no", "2015051446800462000100020003"),
            ("merchant_customs_code", "HZ01"),
            ("merchant_customs_name", "Test Merchant"),
            ("amount", "199.00"),
            ("customs_place", "HANGZHOU"),
            ("is_split", "F"),
        ],
        "",
        "fa928b5b63c33df4da3f7ba46bd4ccb8",
    );
}

/// The fact sheet's worked example; the official page masks its secret.
#[test]
fn kuaishou() {
    check(
        KUAISHOU_MD5,
        "demo-sign-secret",
        "",
        &[
            ("access_token", "demo-token"),
            ("appkey", "ks0000000000"),
            ("method", "open.item.shelf.status.update"),
            ("param", r#"{"kwaiItemId":1001,"shelfStatus":0}"#),
            ("signMethod", "MD5"),
            ("timestamp", "1700000000000"),
            ("version", "1"),
        ],
        "",
        "ebc065de5f35c77cab8af4f8e290a0f9",
    );
}

#[test]
fn keys_sort_as_bytes_and_not_as_joined_text() {
    // "page" < "page_size" as keys; as joined text "page_size10" < "page1" would not hold for page=a.
    let base = TOP_MD5.base("", &pairs(&[("page_size", "10"), ("page", "z")]), "");
    assert_eq!(base, "pagezpage_size10");
}
