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

/// As eBay's: base types that end with a wildcard, and their extensions.
const SERVICE: &str = r##"<?xml version="1.0"?>
<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" targetNamespace="urn:t">
  <w:types><xs:schema targetNamespace="urn:t" elementFormDefault="qualified">
    <xs:element name="Key" type="xs:token"/>
    <xs:element name="AskRequest" type="t:AskRequestType"/>
    <xs:element name="AskResponse" type="t:AskResponseType"/>
    <xs:element name="OtherResponse" type="t:AskResponseType"/>
    <xs:complexType name="BaseType" abstract="true">
      <xs:annotation><xs:documentation>Said of it: <xs:element name="Not"/></xs:documentation></xs:annotation>
      <xs:sequence><xs:element name="Version" type="xs:string" minOccurs="0"/><xs:any processContents="lax" minOccurs="0" maxOccurs="unbounded"/></xs:sequence>
    </xs:complexType>
    <xs:complexType name="AskRequestType"><xs:complexContent><xs:extension base="t:BaseType"><xs:sequence>
      <xs:element name="ID" type="xs:string"/>
      <xs:element name="Reason" type="t:Reason" minOccurs="0"/>
      <xs:element name="Price" type="t:Amount" minOccurs="0"/>
      <xs:element name="Left" type="xs:duration" minOccurs="0"/>
      <xs:element name="Done" type="xs:boolean" default="false" minOccurs="0"/>
    </xs:sequence></xs:extension></xs:complexContent></xs:complexType>
    <xs:complexType name="AskResponseType"><xs:complexContent><xs:extension base="t:BaseType"/></xs:complexContent></xs:complexType>
    <xs:simpleType name="Reason"><xs:restriction base="xs:token"><xs:enumeration value="Lost"/><xs:enumeration value="Sold"/></xs:restriction></xs:simpleType>
    <xs:complexType name="Amount"><xs:simpleContent><xs:extension base="xs:double"><xs:attribute name="currency" type="t:Currency" use="required"/></xs:extension></xs:simpleContent></xs:complexType>
    <xs:simpleType name="Currency"><xs:restriction base="xs:token"><xs:enumeration value="EUR"/></xs:restriction></xs:simpleType>
  </xs:schema></w:types>
  <w:message name="In"><w:part name="In" element="t:AskRequest"/></w:message>
  <w:message name="Out"><w:part name="Out" element="t:AskResponse"/></w:message>
  <w:portType name="P"><w:operation name="Ask"><w:input message="t:In"/><w:output message="t:Out"/></w:operation></w:portType>
</w:definitions>"##;

const ASKED: &str = "<AskRequest xmlns='urn:t'><Version>1</Version><Key>k</Key><x:Own xmlns:x='urn:x'>?</x:Own><ID>7</ID><Reason> Sold </Reason><Price currency='EUR'>9.50</Price><Left>P1DT2H30.5S</Left><Done/></AskRequest>";

fn service() -> Xsd {
    Xsd::parse(&[("t.wsdl".into(), SERVICE.into())]).unwrap()
}

#[test]
fn messages_of_a_service_are_checked() {
    use Finding::*;
    let service = service();
    assert_eq!(service.elements(), 4, "what a note holds is no declaration");
    assert_eq!(service.check(ASKED), []);
    let cases: &[(&str, &str, Finding, &str)] = &[
        // A misspelt name is not taken for an extension.
        ("<Reason> Sold </Reason>", "<Raeson>Sold</Raeson>", UnknownField, "/AskRequest/Raeson"),
        // Order: those of the base type first, then those of its extension.
        (
            "<ID>7</ID><Reason> Sold </Reason>",
            "<Reason>Sold</Reason><ID>7</ID>",
            UnknownField,
            "/AskRequest/Reason",
        ),
        (
            "<Version>1</Version><Key>k</Key>",
            "<Key>k</Key><Version>1</Version>",
            UnknownField,
            "/AskRequest/Version",
        ),
        ("<ID>7</ID>", "", MissingField, "/AskRequest"),
        (" Sold ", "Broken", BadValue, "/AskRequest/Reason"),
        ("'EUR'", "'EURO'", BadValue, "/AskRequest/Price/@currency"),
        (" currency='EUR'", "", MissingField, "/AskRequest/Price/@currency"),
        ("9.50", "9,50", BadValue, "/AskRequest/Price"),
        ("9.50", "infinity", BadValue, "/AskRequest/Price"),
        ("P1DT2H30.5S", "1 day", BadValue, "/AskRequest/Left"),
        ("P1DT2H30.5S", "P1DT", BadValue, "/AskRequest/Left"),
        ("<Done/>", "<Done>no</Done>", BadValue, "/AskRequest/Done"),
        // What the schema declares is looked at in a wildcard's place.
        ("<Key>k</Key>", "<Key><deep/></Key>", UnknownField, "/AskRequest/Key/deep"),
        (
            "<ID>",
            "<ID xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:type='t:Other'>",
            Syntax,
            "/AskRequest/ID",
        ),
    ];
    for (from, to, finding, at) in cases {
        let found = service.check(&ASKED.replacen(from, to, 1));
        assert!(found.iter().any(|v| v.finding == *finding && v.at == *at), "{from} -> {to}: {found:?}");
    }
}

#[test]
fn an_answer_is_that_of_its_request() {
    let told = "<AskResponse xmlns='urn:t'/>";
    let says = |asked: &str, told: Option<&str>| service().exchange(asked, told).map(|v| v.finding);
    assert_eq!(says(ASKED, Some(told)), None);
    assert_eq!(says(ASKED, Some("<OtherResponse xmlns='urn:t'/>")), Some(Finding::UnknownField));
    assert_eq!(says(ASKED, Some("<AskResponse/>")), Some(Finding::UnknownField));
    assert_eq!(says(ASKED, None), Some(Finding::BadBody));
    assert_eq!(says(told, Some(told)), Some(Finding::UnknownOperation));
    // Schemas alone have no operations.
    let plain = Xsd::parse(&[("t.xsd".into(), SCHEMA.into())]).unwrap();
    assert_eq!(plain.exchange(GOOD, None), None);
}

/// One document, two kinds of wildcard that eBay has not.
#[test]
fn wildcards_take_what_they_name() {
    let schema = |any: &str| {
        let text = format!(
            "<s:schema xmlns:s='http://www.w3.org/2001/XMLSchema' targetNamespace='urn:t' elementFormDefault='qualified'>\
             <s:element name='R'><s:complexType><s:sequence><s:any {any}/></s:sequence></s:complexType></s:element>\
             <s:element name='N' type='s:int'/></s:schema>"
        );
        Xsd::parse(&[("t.xsd".into(), text)]).unwrap()
    };
    let (own, wrong) = ("<R xmlns='urn:t'><N>1</N></R>", "<R xmlns='urn:t'><N>x</N></R>");
    let (none, other) = ("<R xmlns='urn:t'><M/></R>", "<R xmlns='urn:t'><M xmlns='urn:u'/></R>");
    // What each finds in: an own element, a wrong one, one that is not declared, one of another namespace.
    for (any, finds) in [
        ("processContents='lax'", [false, true, true, false]),
        ("processContents='skip'", [false, false, false, false]),
        ("", [false, true, true, true]),
        ("namespace='##other' processContents='lax'", [true, true, true, false]),
        ("namespace='##targetNamespace'", [false, true, true, true]),
        ("namespace='urn:u urn:v' processContents='skip'", [true, true, true, false]),
    ] {
        let schema = schema(any);
        assert_eq!([own, wrong, none, other].map(|m| !schema.check(m).is_empty()), finds, "{any}");
    }
}
