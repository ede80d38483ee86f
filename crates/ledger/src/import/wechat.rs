//! WeChat Pay: trade bill and fund-flow bill.
//!
//! Facts: wechatpay §4, §5. UTF-8, comma-separated, every data cell behind a backtick and nothing quoted, so a line splits
//! at ``,` ``. Times are China time without a zone. Amounts are yuan (the fee with five decimals), unlike the API's fen.

use std::io::Read;

use tradewind_domain::{Currency, Decimal, Money};

use super::amount;
use super::cn::{self, Lines};
use super::error::{ImportResult, Refusal};
use super::row::{Document, Out, Stmt, Tx};
use super::table::Header;
use super::time::{self, DayOrder, Moment};
use super::{Sidecar, TextReader};

const ZONE: &str = "Asia/Shanghai";

/// Reads either bill; the header says which.
pub(super) fn bill<R: Read>(source: R, sidecar: &Sidecar) -> ImportResult<Document> {
    let mut lines = Lines::new(TextReader::new(source, sidecar.encoding_or(encoding_rs::GB18030)));
    let header: Vec<String> = match lines.next()? {
        Some(first) => first.split(',').map(|c| c.trim_matches(['`', ' ']).to_owned()).collect(),
        None => return Err(Refusal::unsupported("the file is empty")),
    };
    let header = Header::new(header.iter().map(String::as_str));
    if header.find("资金流水单号").is_some() {
        fund(&mut lines, &header, sidecar)
    } else if header.find("微信订单号").is_some() {
        trade(&mut lines, &header, sidecar)
    } else {
        Err(Refusal::unsupported(
            "the first line is no bill header: a merchant trade bill (交易账单) or fund bill (资金账单) is expected, not a wallet export",
        ))
    }
}

fn cells(line: &str) -> Vec<&str> {
    let line = line.trim_end_matches('\t');
    match line.strip_prefix('`') {
        Some(rest) => rest.split(",`").map(str::trim).collect(),
        None => line.split(',').map(|c| c.trim().trim_start_matches('`')).collect(),
    }
}

fn at<'a>(cells: &[&'a str], i: usize) -> &'a str {
    cells.get(i).copied().unwrap_or_default()
}

fn when(text: &str, sidecar: &Sidecar, line: u64) -> ImportResult<Moment> {
    time::moment(text, sidecar.zone_or(ZONE), DayOrder::YearFirst)
        .ok_or_else(|| Refusal::malformed(line, format!("'{}' is not a time", amount::shorten(text))))
}

/// Footer title → the sum it must equal.
#[derive(Default)]
struct Sums {
    rows: u64,
    settled: Decimal,
    refunded: Decimal,
    refunded_coupon: Decimal,
    fee: Decimal,
    ordered: Decimal,
    requested: Decimal,
}

fn plus(slot: &mut Decimal, value: Decimal, line: u64) -> ImportResult<()> {
    *slot = slot.checked_add(value).ok_or_else(|| Refusal::malformed(line, "the sum is out of range"))?;
    Ok(())
}

fn trade<R: Read>(lines: &mut Lines<R>, h: &Header, sidecar: &Sidecar) -> ImportResult<Document> {
    let time_at = h.need(&["交易时间"])?;
    let merchant = h.find("商户号");
    let id = h.need(&["微信订单号"])?;
    let order = h.need(&["商户订单号"])?;
    let state = h.need(&["交易状态"])?;
    let currency_at = h.need(&["货币种类"])?;
    let settled = h.need(&["应结订单金额", "总金额", "订单金额"])?;
    let ordered = h.any(&["订单金额", "总金额"]).unwrap_or(settled);
    let refund_id = h.find("微信退款单号");
    let refunded = h.find("退款金额");
    let refunded_coupon = h.any(&["充值券退款金额", "企业红包退款金额", "代金券或立减优惠退款金额"]);
    let requested = h.find("申请退款金额").or(refunded);
    let fee_at = h.need(&["手续费"])?;
    let mut sums = Sums::default();
    let mut document = Document::default();
    let mut footer: Option<(Vec<String>, Vec<String>, u64)> = None;
    while let Some(line) = lines.next()? {
        if line.trim().is_empty() {
            continue;
        }
        if line.trim_start_matches('`').starts_with("总交易单数") {
            let titles = cells(line).into_iter().map(str::to_owned).collect();
            let values =
                lines.next()?.map(|l| cells(l).into_iter().map(str::to_owned).collect()).unwrap_or_default();
            footer = Some((titles, values, lines.number));
            break;
        }
        let owned = line.to_owned();
        let line_no = lines.number;
        let c = cells(&owned);
        let tx = {
            let currency = amount::currency(at(&c, currency_at), line_no)?;
            let y = |i: Option<usize>| cn::yuan(i.map(|i| at(&c, i)).unwrap_or_default(), line_no);
            sums.rows += 1;
            plus(&mut sums.settled, y(Some(settled))?, line_no)?;
            plus(&mut sums.refunded, y(refunded)?, line_no)?;
            plus(&mut sums.refunded_coupon, y(refunded_coupon)?, line_no)?;
            plus(&mut sums.fee, y(Some(fee_at))?, line_no)?;
            plus(&mut sums.ordered, y(Some(ordered))?, line_no)?;
            plus(&mut sums.requested, y(requested)?, line_no)?;
            let kind = at(&c, state);
            let refund = kind == "REFUND" || kind == "REVOKED";
            let wechat = amount::id(at(&c, id), line_no)?;
            let money = |d: Decimal| cn::fen(d, currency, line_no);
            let fee = money(y(Some(fee_at))?)?;
            let (gross, received) = if refund {
                (money(y(requested)?)?.negated(), money(y(refunded)?)?.negated())
            } else {
                (money(y(Some(ordered))?)?, money(y(Some(settled))?)?)
            };
            let refund_no = refund_id.map(|i| at(&c, i)).filter(|r| !r.is_empty() && *r != "0");
            let own = refund_no.filter(|_| refund).unwrap_or(wechat);
            let mut tx =
                Tx::new(format!("{own}:{kind}"), kind, when(at(&c, time_at), sidecar, line_no)?, gross);
            // Coupons that the merchant funds are what the order has more than the settlement.
            let coupon = amount::add(gross, received.negated(), line_no)?;
            tx.fee = Some(amount::add(fee, coupon, line_no)?);
            tx.net = Some(amount::add(received, fee.negated(), line_no)?);
            if !fee.is_zero() {
                tx.components.push(("手续费".to_owned(), fee.negated()));
            }
            if !coupon.is_zero() {
                tx.components.push(("代金券金额".to_owned(), coupon.negated()));
            }
            tx.order = Some(amount::id(at(&c, order), line_no)?.to_owned());
            tx.source = Some(own.to_owned());
            tx.refers_to = refund.then(|| wechat.to_owned());
            document.account = document.account.or_else(|| merchant.map(|i| at(&c, i).to_owned()));
            tx
        };
        document.transactions.push(tx);
    }
    let Some((titles, values, line)) = footer else {
        return Err(Refusal::truncated(
            lines.number,
            "the bill ends without its footer (总交易单数): download it again",
        ));
    };
    for (title, value) in titles.iter().zip(&values) {
        let stated = cn::yuan(value, line)?;
        match title.as_str() {
            "总交易单数" => cn::count("trade bill", sums.rows, stated, line)?,
            "应结订单总金额" | "总交易额" => {
                cn::foot("trade bill 应结订单总金额", sums.settled, stated)?
            }
            "退款总金额" | "总退款金额" => {
                cn::foot("trade bill 退款总金额", sums.refunded, stated)?
            }
            "充值券退款总金额" => {
                cn::foot("trade bill 充值券退款总金额", sums.refunded_coupon, stated)?
            }
            "手续费总金额" => cn::foot("trade bill 手续费总金额", sums.fee, stated)?,
            "订单总金额" => cn::foot("trade bill 订单总金额", sums.ordered, stated)?,
            "申请退款总金额" => cn::foot("trade bill 申请退款总金额", sums.requested, stated)?,
            _ => {}
        }
    }
    statements(&mut document, "trade", None)?;
    Ok(document)
}

/// One statement per currency, over the rows as read (the footer has been checked before).
fn statements(document: &mut Document, kind: &str, balances: Option<(Money, Money)>) -> ImportResult<()> {
    let account = document.account.clone().unwrap_or_default();
    let mut sums: std::collections::BTreeMap<Currency, (Money, Moment, Moment)> =
        std::collections::BTreeMap::new();
    for tx in &document.transactions {
        let net = tx.net.unwrap_or(tx.amount);
        let c = net.currency();
        let entry = sums.entry(c).or_insert((Money::zero(c), tx.occurred.clone(), tx.occurred.clone()));
        entry.0 = amount::add(entry.0, net, 0)?;
        if tx.occurred.at < entry.1.at {
            entry.1 = tx.occurred.clone();
        }
        if tx.occurred.at > entry.2.at {
            entry.2 = tx.occurred.clone();
        }
    }
    for (currency, (total, from, to)) in sums {
        let mut s = Stmt::new(format!("{kind}/{account}/{}/{currency}", from.day()), total);
        if let Some((open, close)) = balances.filter(|(o, _)| o.currency() == currency) {
            s.opening = Some(open);
            s.closing = Some(close);
        }
        s.from = Some(from);
        s.to = Some(to);
        for tx in document.transactions.iter_mut().filter(|t| t.amount.currency() == currency) {
            tx.statement = Some(s.id.clone());
        }
        document.statements.push(s);
    }
    Ok(())
}

fn fund<R: Read>(lines: &mut Lines<R>, h: &Header, sidecar: &Sidecar) -> ImportResult<Document> {
    let time_at = h.need(&["记账时间"])?;
    let business = h.need(&["微信支付业务单号"])?;
    let id = h.need(&["资金流水单号"])?;
    let kind = h.need(&["业务类型"])?;
    let side = h.need(&["收支类型"])?;
    let value = h.need(&["收支金额(元)", "收支金额"])?;
    let balance = h.need(&["账户结余(元)", "账户结余"])?;
    let voucher = h.find("业务凭证号");
    let mut rows: Vec<(Tx, Money, u64)> = Vec::new();
    let mut sums = [Decimal::ZERO; 2];
    let mut counts = [0_u64; 2];
    let mut footer: Option<(Vec<String>, Vec<String>, u64)> = None;
    while let Some(line) = lines.next()? {
        if line.trim().is_empty() {
            continue;
        }
        let c: Vec<String> = cells(line).into_iter().map(str::to_owned).collect();
        let n = lines.number;
        if c.first().is_some_and(|f| f.starts_with("资金流水总笔数")) {
            let values =
                lines.next()?.map(|l| cells(l).into_iter().map(str::to_owned).collect()).unwrap_or_default();
            footer = Some((c, values, lines.number));
            break;
        }
        let c: Vec<&str> = c.iter().map(String::as_str).collect();
        let amount_ = cn::yuan(at(&c, value), n)?;
        let income = match at(&c, side) {
            "收入" => true,
            "支出" => false,
            other => {
                return Err(Refusal::malformed(
                    n,
                    format!("'{}' is neither 收入 nor 支出", amount::shorten(other)),
                ));
            }
        };
        let slot = usize::from(!income);
        if let (Some(s), Some(k)) = (sums.get_mut(slot), counts.get_mut(slot)) {
            plus(s, amount_, n)?;
            *k += 1;
        }
        let money = amount::money(amount_, Currency::CNY, n)?;
        let signed = if income { money } else { money.negated() };
        let mut tx =
            Tx::new(amount::id(at(&c, id), n)?, at(&c, kind), when(at(&c, time_at), sidecar, n)?, signed);
        tx.event_code = Some(format!("fund/{}", at(&c, kind)));
        tx.net = Some(signed);
        tx.source = Some(at(&c, id).to_owned());
        tx.refers_to = Some(at(&c, business).to_owned()).filter(|b| !b.is_empty());
        tx.order = voucher.map(|i| at(&c, i).to_owned()).filter(|v| !v.is_empty());
        if at(&c, kind) == "提现" {
            tx.payout = Some(at(&c, id).to_owned());
        }
        rows.push((tx, amount::money(cn::yuan(at(&c, balance), n)?, Currency::CNY, n)?, n));
    }
    let Some((titles, values, line)) = footer else {
        return Err(Refusal::truncated(
            lines.number,
            "the bill ends without its footer (资金流水总笔数): download it again",
        ));
    };
    for (title, v) in titles.iter().zip(&values) {
        let stated = cn::yuan(v, line)?;
        let [income, expense] = sums;
        let [n_in, n_out] = counts;
        match title.as_str() {
            "资金流水总笔数" => cn::count("fund bill", n_in + n_out, stated, line)?,
            "收入笔数" => cn::count("fund bill income", n_in, stated, line)?,
            "支出笔数" => cn::count("fund bill expense", n_out, stated, line)?,
            "收入金额" => cn::foot("fund bill 收入金额", income, stated)?,
            "支出金额" => cn::foot("fund bill 支出金额", expense, stated)?,
            _ => {}
        }
    }
    cn::ordered(&mut rows);
    let movements: Vec<_> = rows.iter().map(|(tx, after, line)| (tx.amount, *after, *line)).collect();
    let balances = cn::chain("fund bill", &movements)?;
    let mut document = Document::default();
    for (tx, ..) in rows {
        if let Some(payout) = &tx.payout {
            document.payouts.push(Out {
                id: payout.clone(),
                amount: tx.amount.negated(),
                status: "submitted".to_owned(),
                arrival: None,
                group: None,
                converted: None,
                trace: tx.refers_to.clone(),
            });
        }
        document.transactions.push(tx);
    }
    statements(&mut document, "fund", balances)?;
    Ok(document)
}
