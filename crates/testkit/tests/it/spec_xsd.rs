//! The XSD validator bites: each rule broken once, on a small schema.

use tradewind_testkit::spec::{Finding, Violation, Xsd};

const SCHEMA: &str = r##"<?xml version="1.0"?>
<xs:schema xmlns:t="urn:t" xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t" elementFormDefault="qualified">
  <xs:element name="Order"><xs:complexType>
    <xs:sequence>
      <xs:element name="no" type="t:No"/>
      <xs:element name="kind"><xs:simpleType><xs:restriction base="xs:string"><xs:enumeration value="I"/><xs:enumeration value="E"/></xs:restriction></xs:simpleType></xs:element>
      <xs:element name="total"><xs:simpleType><xs:restriction base="xs:decimal"><xs:totalDigits value="5"/><xs:fractionDigits value="2"/></xs:restriction></xs:simpleType></xs:element>
      <xs:choice><xs:element name="card" type="xs:integer"/><xs:element name="cash" type="xs:boolean"/></xs:choice>
      <xs:element ref="t:Line" maxOccurs="2"/>
      <xs:element name="note" type="xs:string" minOccurs="0"/>
    </xs:sequence>
    <xs:attribute name="guid" use="required"><xs:simpleType><xs:restriction base="xs:string"><xs:length value="3"/></xs:restriction></xs:simpleType></xs:attribute>
  </xs:complexType></xs:element>
  <xs:element name="Line"><xs:complexType><xs:simpleContent><xs:extension base="xs:string"><xs:attribute name="lang" type="xs:string"/></xs:extension></xs:simpleContent></xs:complexType></xs:element>
  <xs:simpleType name="No"><xs:restriction base="xs:string"><xs:pattern value="[A-Z][0-9]+"/><xs:maxLength value="4"/></xs:restriction></xs:simpleType>
</xs:schema>"##;

fn check(message: &str) -> Vec<Violation> {
    Xsd::parse(&[("t.xsd".into(), SCHEMA.into())]).unwrap().check(message)
}

const GOOD: &str = "<o:Order xmlns:o='urn:t' guid='abc'><o:no>A12</o:no><o:kind>I</o:kind><o:total>123.45</o:total><o:cash>true</o:cash><o:Line lang='de'>x &amp; y</o:Line></o:Order>";

#[test]
fn a_right_message_passes() {
    assert_eq!(check(GOOD), []);
    assert_eq!(check(&GOOD.replace("o:", "").replace("xmlns:o", "xmlns")), check(GOOD));
}

#[test]
fn each_wrong_message_is_found() {
    use Finding::*;
    let cases: &[(&str, &str, Finding, &str)] = &[
        ("<o:kind>I</o:kind>", "", MissingField, "/Order/kind"),
        ("<o:kind>I</o:kind>", "<o:kind>X</o:kind>", BadValue, "/Order/kind"),
        ("<o:no>A12</o:no>", "<o:no>a12</o:no>", BadValue, "/Order/no"),
        ("<o:no>A12</o:no>", "<o:no>A1234</o:no>", BadValue, "/Order/no"),
        ("123.45", "123.456", BadValue, "/Order/total"),
        ("123.45", "12a", BadValue, "/Order/total"),
        ("<o:cash>true</o:cash>", "", MissingField, "/Order"),
        ("<o:cash>true</o:cash>", "<o:cash>yes</o:cash>", BadValue, "/Order/cash"),
        ("</o:Order>", "<o:extra/></o:Order>", UnknownField, "/Order/extra"),
        ("</o:Order>", "<o:Line>2</o:Line><o:Line>3</o:Line></o:Order>", UnknownField, "/Order/Line"),
        ("guid='abc'", "", MissingField, "/Order/@guid"),
        ("guid='abc'", "guid='abcd'", BadValue, "/Order/@guid"),
        ("guid='abc'", "guid='abc' colour='red'", UnknownField, "/Order/@colour"),
        ("lang='de'", "long='de'", UnknownField, "/Order/Line[1]/@long"),
        ("urn:t", "urn:u", UnknownField, "/Order"),
        ("&amp;", "&boom;", Syntax, "/"),
        ("<o:no>", "<o:no><o:deep/>", UnknownField, "/Order/no/deep"),
    ];
    for (from, to, finding, at) in cases {
        let found = check(&GOOD.replacen(from, to, 1));
        assert!(found.iter().any(|v| v.finding == *finding && v.at == *at), "{from} -> {to}: {found:?}");
    }
}

#[test]
fn untrusted_xml_expands_nothing() {
    let bomb = format!("<!DOCTYPE x [<!ENTITY a 'aaaa'>]>{GOOD}");
    assert!(check(&bomb)[0].message.contains("refused"));
    assert_eq!(check("<a><b></a>")[0].finding, Finding::Syntax);
    assert_eq!(check("")[0].finding, Finding::Syntax);
    let deep = format!("{}{}", "<a>".repeat(5000), "</a>".repeat(5000));
    assert_eq!(check(&deep)[0].finding, Finding::Syntax);
}
