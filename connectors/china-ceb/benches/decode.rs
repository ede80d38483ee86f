//! Receipts (CEB622, a hundred answers): decode and normalise, beside a bare pass of `quick-xml` over the same bytes.
//! Target: at least 0.4 of the bare pass's throughput.
#![allow(missing_docs, clippy::unwrap_used)] // a benchmark: a panic is the failure report

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use quick_xml::events::Event;
use quick_xml::{NsReader, Reader};
use tradewind_connector::ErrorTable;

fn message() -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<CEB622Message version=\"1.0\" xmlns=\"http://www.chinaport.gov.cn/ceb\" guid=\"4CDE1CFD-EDED-46B1-946C-B8022E42FC94\">\n".to_owned();
    for n in 0..100 {
        let status = ["2", "3", "120", "300", "399", "800", "899"][n % 7];
        write!(
            text,
            "    <InventoryReturn>\n        <guid>4CDE1CFD-EDED-46B1-946C-B8022E42{n:04}</guid>\n        <customsCode>1501</customsCode>\n        <ebpCode>1105910159</ebpCode>\n        <ebcCode>1105910159</ebcCode>\n        <agentCode>1105980159</agentCode>\n        <copNo>TD20260322{n:08}</copNo>\n        <preNo>B20160512000001882</preNo>\n        <invtNo>15012026I000{n:06}</invtNo>\n        <returnStatus>{status}</returnStatus>\n        <returnTime>20160512102646{n:03}</returnTime>\n        <returnInfo>新增申报成功[4CDE1CFD-EDED-46B1-946C-B8022E42FC94]</returnInfo>\n    </InventoryReturn>\n"
        )
        .unwrap();
    }
    text.push_str("</CEB622Message>");
    text
}

/// Every event, every name resolved; nothing is kept.
fn bare_resolved(text: &str) -> usize {
    let mut reader = NsReader::from_str(text);
    let mut bytes = 0;
    loop {
        match reader.read_resolved_event().unwrap() {
            (_, Event::Eof) => return bytes,
            (_, Event::Text(t)) => bytes += t.len(),
            (_, _) => {}
        }
    }
}

/// Every event; nothing is kept, no namespace is looked at.
fn bare(text: &str) -> usize {
    let mut reader = Reader::from_str(text);
    let mut bytes = 0;
    loop {
        match reader.read_event().unwrap() {
            Event::Eof => return bytes,
            Event::Text(t) => bytes += t.len(),
            _ => {}
        }
    }
}

fn receipts(c: &mut Criterion) {
    let text = message();
    let errors = ErrorTable::parse(tradewind_china_ceb::FACTORY.errors).unwrap();
    assert_eq!(tradewind_china_ceb::read_receipts(&text, &errors).unwrap().len(), 100);
    let mut group = c.benchmark_group("ceb622");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("bare quick-xml pass", |b| b.iter(|| bare(black_box(&text))));
    group.bench_function("bare pass, namespaces resolved", |b| b.iter(|| bare_resolved(black_box(&text))));
    group.bench_function("decode and normalise", |b| {
        b.iter(|| tradewind_china_ceb::read_receipts(black_box(&text), &errors).unwrap())
    });
    group.finish();
}

criterion_group!(benches, receipts);
criterion_main!(benches);
