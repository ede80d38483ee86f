//! The customs pre-match (三单对碰): order, payment and waybill must agree exactly before anything is filed.

use std::collections::BTreeMap;

use crate::{
    Address, Buyer, Declaration, DeclaredPayment, DeclaredWaybill, Mismatch, Money, MoneyError, Sku,
    last_four,
};

impl Declaration {
    /// Every disagreement between the documents of a filing, with both values; empty means matched. Pure. What a
    /// document does not contain is not compared: the connector knows which documents its authority demands.
    /// Numbers that identify a person are shown by their last four characters alone.
    #[must_use]
    pub fn pre_match(&self) -> Vec<Mismatch> {
        let mut found = Found::default();
        self.order_foots(&mut found);
        if let Some(payment) = &self.payment {
            self.payment_agrees(payment, &mut found);
        }
        if let Some(waybill) = &self.waybill {
            self.waybill_agrees(waybill, &mut found);
        }
        found.0
    }

    /// The order adds up: lines, goods, what was paid.
    fn order_foots(&self, found: &mut Found) {
        let goods = Money::try_sum(self.goods.currency(), self.lines.iter().map(|l| l.value));
        found.compare("sum of lines and goods total", shown(&goods), self.goods.to_string());
        for line in &self.lines {
            let value = line.unit_value.try_mul(i64::from(line.quantity));
            let name = format!("line {}: quantity × unit value and line value", line.sku);
            found.compare(&name, shown(&value), line.value.to_string());
            if line.quantity == 0 {
                found.add(&format!("line {}: quantity", line.sku), "0", "at least 1");
            }
        }
        if self.lines.is_empty() {
            found.add("lines", "0", "at least 1");
        }
        let paid = self
            .goods
            .try_add(self.freight)
            .and_then(|m| m.try_add(self.taxes))
            .and_then(|m| m.try_sub(self.discount));
        found.compare(
            "goods + freight + taxes − discount and amount paid",
            shown(&paid),
            self.paid.to_string(),
        );
        let net: u64 = self.lines.iter().map(|l| l.net.0).sum();
        if net > self.gross.0 {
            found.add(
                "net weight of the goods must not exceed gross weight (g)",
                net.to_string(),
                self.gross.0.to_string(),
            );
        }
    }

    /// The payment is this order's, by this buyer.
    fn payment_agrees(&self, payment: &DeclaredPayment, found: &mut Found) {
        found.compare(
            "amount of the order and of the payment",
            self.paid.to_string(),
            payment.amount.to_string(),
        );
        found.compare("name of buyer and payer", named(&self.buyer), named(&payment.payer));
        let (buyer, payer) = (identity(&self.buyer), identity(&payment.payer));
        if buyer != payer {
            found.add("identity number of buyer and payer", masked(&buyer), masked(&payer));
        }
    }

    /// The parcel holds this order's goods, for this order's receiver.
    fn waybill_agrees(&self, waybill: &DeclaredWaybill, found: &mut Found) {
        found.compare(
            "gross weight of declaration and waybill (g)",
            self.gross.0.to_string(),
            waybill.gross.0.to_string(),
        );
        found.compare("freight of order and waybill", self.freight.to_string(), waybill.freight.to_string());
        found.compare(
            "currency of freight and insurance of the waybill",
            self.freight.currency().to_string(),
            waybill.insurance.currency().to_string(),
        );
        let receiver = |a: &Address| [a.name.clone(), a.phone.clone()].map(Option::unwrap_or_default);
        let ([name, phone], [other_name, other_phone]) = (receiver(&self.to), receiver(&waybill.to));
        found.compare("receiver's name of order and waybill", name, other_name);
        found.compare("receiver's telephone of order and waybill", phone, other_phone);
        found.compare("receiver's address of order and waybill", postal(&self.to), postal(&waybill.to));
        let mut ordered: BTreeMap<&Sku, u64> = BTreeMap::new();
        for line in &self.lines {
            *ordered.entry(&line.sku).or_default() += u64::from(line.quantity);
        }
        let mut packed: BTreeMap<&Sku, u64> = BTreeMap::new();
        for goods in &waybill.contents {
            *packed.entry(&goods.sku).or_default() += u64::from(goods.quantity);
        }
        for sku in ordered.keys().chain(packed.keys().filter(|s| !ordered.contains_key(*s))) {
            let units = |of: &BTreeMap<&Sku, u64>| of.get(*sku).copied().unwrap_or(0).to_string();
            found.compare(&format!("units of {sku} in order and parcel"), units(&ordered), units(&packed));
        }
    }
}

#[derive(Default)]
struct Found(Vec<Mismatch>);

impl Found {
    fn compare(&mut self, field: &str, left: String, right: String) {
        if left != right {
            self.add(field, left, right);
        }
    }
    fn add(&mut self, field: &str, left: impl Into<String>, right: impl Into<String>) {
        self.0.push(Mismatch { field: field.to_owned(), left: left.into(), right: right.into() });
    }
}

fn shown(result: &Result<Money, MoneyError>) -> String {
    match result {
        Ok(money) => money.to_string(),
        Err(e) => e.to_string(),
    }
}

fn named(buyer: &Buyer) -> String {
    buyer.name.clone().unwrap_or_default()
}

fn identity(buyer: &Buyer) -> String {
    buyer.tax_ids.iter().map(|t| t.value.as_str()).collect::<Vec<_>>().join(",")
}

fn masked(number: &str) -> String {
    match number.chars().count() {
        0 => "none".to_owned(),
        length => format!("{} ({length} characters)", last_four(number)),
    }
}

fn postal(a: &Address) -> String {
    let parts = [a.region.as_deref(), a.city.as_deref(), a.postcode.as_deref(), Some(a.country.code())];
    let lines = a.lines.iter().map(String::as_str);
    lines.chain(parts.into_iter().flatten()).filter(|t| !t.is_empty()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Country, Currency, DeclarationLine, Flow, Grams, HsCode, PackedGoods, TaxId, TaxIdKind};

    fn cny(text: &str) -> Money {
        Money::parse(text, Currency::new("CNY").unwrap()).unwrap()
    }

    fn buyer() -> Buyer {
        let id = TaxId { kind: TaxIdKind::ChineseId, value: "99999919000101123X".to_owned(), country: None };
        Buyer { id: None, name: Some("测试买家".to_owned()), email: None, tax_ids: vec![id] }
    }

    fn address() -> Address {
        Address {
            name: Some("测试买家".to_owned()),
            lines: vec!["示例路1号".to_owned()],
            city: Some("杭州市".to_owned()),
            phone: Some("13800000000".to_owned()),
            ..Address::in_country(Country::new("CN").unwrap())
        }
    }

    /// The worked example of the CEB fact sheet, §15: 2 × 199.00, freight 12.00, tax 37.31, paid 447.31.
    fn matched() -> Declaration {
        Declaration {
            id: "D1".parse().unwrap(),
            flow: Flow::Import,
            order: "ENT-20260315-000042".parse().unwrap(),
            platform: "demo".to_owned(),
            ordered_at: "2026-03-15T02:25:00Z".parse().unwrap(),
            buyer: buyer(),
            from: Address::in_country(Country::new("CN").unwrap()),
            to: address(),
            lines: vec![DeclarationLine {
                sku: "SKU-LOTION-200".parse().unwrap(),
                name: "保湿乳液".to_owned(),
                specification: String::new(),
                hs: HsCode::new("3304990039").unwrap(),
                origin: Country::new("JP").unwrap(),
                quantity: 2,
                net: Grams(400),
                unit_value: cny("199.00"),
                value: cny("398.00"),
            }],
            goods: cny("398.00"),
            freight: cny("12.00"),
            discount: cny("0"),
            taxes: cny("37.31"),
            paid: cny("447.31"),
            payment: Some(DeclaredPayment {
                provider: "demo".to_owned(),
                provider_code: None,
                transaction: "PAY202603150000042".parse().unwrap(),
                amount: cny("447.31"),
                paid_at: "2026-03-15T02:25:30Z".parse().unwrap(),
                payer: buyer(),
            }),
            waybill: Some(DeclaredWaybill {
                carrier: "demo".to_owned(),
                carrier_code: None,
                waybill: "SF0000000000042".parse().unwrap(),
                pieces: 1,
                gross: Grams(600),
                freight: cny("12.00"),
                insurance: cny("0"),
                to: address(),
                contents: vec![PackedGoods { sku: "SKU-LOTION-200".parse().unwrap(), quantity: 2 }],
            }),
            registrations: Vec::new(),
            gross: Grams(600),
            transport: None,
            number: None,
            references: Vec::new(),
        }
    }

    #[test]
    fn the_worked_example_matches() {
        assert_eq!(matched().pre_match(), []);
        let bare = Declaration { payment: None, waybill: None, ..matched() };
        assert_eq!(bare.pre_match(), []);
    }

    /// Each rule broken alone: exactly one disagreement, named, with both values.
    #[test]
    fn each_disagreement_is_named_with_both_values() {
        type Break = fn(&mut Declaration);
        fn pay(d: &mut Declaration) -> &mut DeclaredPayment {
            d.payment.as_mut().unwrap()
        }
        fn way(d: &mut Declaration) -> &mut DeclaredWaybill {
            d.waybill.as_mut().unwrap()
        }
        let cases: &[(Break, &str, &str, &str)] = &[
            (
                |d| pay(d).amount = cny("447.30"),
                "amount of the order and of the payment",
                "447.31 CNY",
                "447.30 CNY",
            ),
            (
                |d| pay(d).amount = Money::parse("447.31", Currency::USD).unwrap(),
                "amount of the order and of the payment",
                "447.31 CNY",
                "447.31 USD",
            ),
            (|d| pay(d).payer.name = Some("别人".to_owned()), "name of buyer and payer", "测试买家", "别人"),
            (
                |d| pay(d).payer.tax_ids[0].value = "999999190001011241".to_owned(),
                "identity number of buyer and payer",
                "…123X (18 characters)",
                "…1241 (18 characters)",
            ),
            (
                |d| pay(d).payer.tax_ids.clear(),
                "identity number of buyer and payer",
                "…123X (18 characters)",
                "none",
            ),
            (|d| way(d).gross = Grams(601), "gross weight of declaration and waybill (g)", "600", "601"),
            (|d| way(d).freight = cny("11.99"), "freight of order and waybill", "12.00 CNY", "11.99 CNY"),
            (
                |d| way(d).insurance = Money::zero(Currency::USD),
                "currency of freight and insurance of the waybill",
                "CNY",
                "USD",
            ),
            (|d| way(d).to.name = None, "receiver's name of order and waybill", "测试买家", ""),
            (
                |d| way(d).to.phone = Some("13900000000".to_owned()),
                "receiver's telephone of order and waybill",
                "13800000000",
                "13900000000",
            ),
            (
                |d| way(d).to.lines[0] = "示例路2号".to_owned(),
                "receiver's address of order and waybill",
                "示例路1号, 杭州市, CN",
                "示例路2号, 杭州市, CN",
            ),
            (|d| way(d).contents[0].quantity = 1, "units of SKU-LOTION-200 in order and parcel", "2", "1"),
            (
                |d| way(d).contents.push(PackedGoods { sku: "GIFT".parse().unwrap(), quantity: 1 }),
                "units of GIFT in order and parcel",
                "0",
                "1",
            ),
            // 199.01 × 2 = 398.02.
            (
                |d| d.lines[0].unit_value = cny("199.01"),
                "line SKU-LOTION-200: quantity × unit value and line value",
                "398.02 CNY",
                "398.00 CNY",
            ),
            // 398.00 + 12.00 + 37.31 − 0.01 = 447.30.
            (
                |d| d.discount = cny("0.01"),
                "goods + freight + taxes − discount and amount paid",
                "447.30 CNY",
                "447.31 CNY",
            ),
            (
                |d| d.lines[0].net = Grams(700),
                "net weight of the goods must not exceed gross weight (g)",
                "700",
                "600",
            ),
        ];
        for (broken, field, left, right) in cases {
            let mut d = matched();
            broken(&mut d);
            let want =
                Mismatch { field: (*field).to_owned(), left: (*left).to_owned(), right: (*right).to_owned() };
            assert_eq!(d.pre_match(), [want]);
        }
    }

    #[test]
    fn a_wrong_goods_total_breaks_both_sums() {
        let mut d = matched();
        d.goods = cny("399.00");
        let fields: Vec<String> = d.pre_match().into_iter().map(|m| m.field).collect();
        assert_eq!(
            fields,
            ["sum of lines and goods total", "goods + freight + taxes − discount and amount paid"]
        );
    }

    #[test]
    fn an_identity_number_is_never_shown_whole() {
        let mut d = matched();
        d.payment.as_mut().unwrap().payer.tax_ids[0].value = "123".to_owned();
        let text = d.pre_match().iter().map(ToString::to_string).collect::<String>();
        assert!(!text.contains("99999919000101") && !text.contains("123 "), "{text}");
    }
}
