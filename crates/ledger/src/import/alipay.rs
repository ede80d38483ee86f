//! Alipay merchant bills: business detail (业务明细) and account detail (账务明细).
//!
//! Facts: alipay §3. GB18030 text, usually two CSV in a ZIP whose names are not marked as UTF-8; header lines behind `#`,
//! cells that end in a tab, a closing mark, then control totals. Times are China time.

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

/// Reads either detail file.
pub(super) fn bill<R: Read>(source: R, sidecar: &Sidecar) -> ImportResult<Document> {
    let mut lines = Lines::new(TextReader::new(source, sidecar.encoding_or(encoding_rs::GB18030)));
    let mut head = Head::default();
    let header = loop {
        let Some(line) = lines.next()? else {
            return Err(Refusal::unsupported("no detail list: not a merchant bill"));
        };
        let line = line.trim();
        if let Some(rest) = line.strip_prefix('#') {
            head.read(rest, sidecar).map_err(|mut r| {
                r.line = lines.number;
                r
            })?;
            continue;
        }
        if line.is_empty() {
            continue;
        }
        if !head.seen {
            return Err(Refusal::unsupported(
                "the first line is no merchant bill title (#支付宝…明细): a wallet export is not a bill",
            ));
        }
        break Header::new(line.split(','));
    };
    if header.find("账务流水号").is_some() {
        fund(&mut lines, &header, &head, sidecar)
    } else {
        business(&mut lines, &header, &head, sidecar)
    }
}

#[derive(Default)]
struct Head {
    seen: bool,
    account: Option<String>,
    from: Option<Moment>,
    to: Option<Moment>,
}

impl Head {
    fn read(&mut self, line: &str, sidecar: &Sidecar) -> ImportResult<()> {
        self.seen |= line.contains("明细查询");
        let bracket = |after: &str| -> Option<&str> {
            let rest = line.split_once(after)?.1;
            let open = rest.find('[')?;
            rest.get(open + 1..)?.split(']').next()
        };
        let moment =
            |text: &str| time::moment(&chinese_date(text), sidecar.zone_or(ZONE), DayOrder::YearFirst);
        if let Some(account) = bracket("账号") {
            self.account = Some(amount::id(account, 0)?.to_owned());
        }
        if let Some(from) = bracket("起始日期") {
            self.from = moment(from);
        }
        if let Some(to) = bracket("终止日期") {
            self.to = moment(to);
        }
        Ok(())
    }
}

/// `2019年09月16日 00:00:00` → `2019-09-16 00:00:00`.
fn chinese_date(text: &str) -> String {
    text.replace(['年', '月'], "-").replace('日', "")
}

/// `#交易合计：6笔，商家实收共0.06元，…` → (count, first amount).
fn control(line: &str, line_no: u64) -> ImportResult<(Decimal, Decimal)> {
    let bad = || Refusal::malformed(line_no, "a control line cannot be read: expected 'N笔，…共X元'");
    let body = line.split_once(['：', ':']).ok_or_else(bad)?.1;
    let (count, rest) = body.split_once('笔').ok_or_else(bad)?;
    let value = rest.split_once('共').ok_or_else(bad)?.1.split_once('元').ok_or_else(bad)?.0;
    Ok((cn::yuan(count.trim(), line_no)?, cn::yuan(value.trim(), line_no)?))
}

struct Cells(Vec<String>);

impl Cells {
    fn new(line: &str) -> Cells {
        Cells(split_quoted(line))
    }
    fn at(&self, i: usize) -> &str {
        self.0.get(i).map(String::as_str).unwrap_or_default()
    }
    fn opt(&self, i: Option<usize>) -> &str {
        i.map(|i| self.at(i)).unwrap_or_default()
    }
}

/// Commas split; a cell may be quoted; blanks and the tab against spreadsheets go.
fn split_quoted(line: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut cell = String::new();
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => out.push(std::mem::take(&mut cell).trim().to_owned()),
            c => cell.push(c),
        }
    }
    out.push(cell.trim().to_owned());
    out
}

fn when(text: &str, sidecar: &Sidecar, line: u64) -> ImportResult<Moment> {
    time::moment(text, sidecar.zone_or(ZONE), DayOrder::YearFirst)
        .ok_or_else(|| Refusal::malformed(line, format!("'{}' is not a time", amount::shorten(text))))
}

fn business<R: Read>(
    lines: &mut Lines<R>,
    h: &Header,
    head: &Head,
    sidecar: &Sidecar,
) -> ImportResult<Document> {
    let trade = h.need(&["支付宝交易号"])?;
    let order = h.need(&["商户订单号"])?;
    let kind_at = h.need(&["业务类型"])?;
    let done = h.need(&["完成时间", "创建时间"])?;
    let gross_at = h.need(&["订单金额(元)", "订单金额"])?;
    let received_at = h.need(&["商家实收(元)", "商家实收"])?;
    let request = h.any(&["退款批次号/请求号", "退款批次号"]);
    let fee_at = h.any(&["服务费(元)", "服务费"]);
    let share_at = h.any(&["分润(元)", "分润"]);
    let mut document = Document { account: head.account.clone(), ..Document::default() };
    let mut sums = [(0_u64, Decimal::ZERO); 2];
    let mut ended = false;
    let mut controls = 0;
    while let Some(line) = lines.next()?.map(str::to_owned) {
        let n = lines.number;
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if let Some(rest) = line.strip_prefix('#') {
            ended |= rest.contains("列表结束");
            let [pay, refund] = sums;
            for (title, (rows, sum)) in [("交易合计", pay), ("退款合计", refund)] {
                if rest.starts_with(title) {
                    let (count, stated) = control(rest, n)?;
                    cn::count(title, rows, count, n)?;
                    cn::foot(title, sum, stated)?;
                    controls += 1;
                }
            }
            continue;
        }
        let c = Cells::new(line);
        let kind = c.at(kind_at);
        let refund = kind.contains("退款");
        let cny = |text: &str| -> ImportResult<Money> { amount::money(cn::yuan(text, n)?, Currency::CNY, n) };
        let received = cny(c.at(received_at))?;
        if let Some(slot) = sums.get_mut(usize::from(refund)) {
            slot.0 += 1;
            slot.1 = slot
                .1
                .checked_add(received.decimal())
                .ok_or_else(|| Refusal::malformed(n, "the sum is out of range"))?;
        }
        let gross = cny(c.at(gross_at))?;
        let (service, share) = (cny(c.opt(fee_at))?, cny(c.opt(share_at))?);
        let id = amount::id(c.at(trade), n)?;
        let batch = c.opt(request);
        let key =
            if refund && !batch.is_empty() { format!("{id}:{kind}:{batch}") } else { format!("{id}:{kind}") };
        let mut tx = Tx::new(key, kind, when(c.at(done), sidecar, n)?, gross);
        let discount = amount::add(received, gross.negated(), n)?;
        let mut net = received;
        for (code, part) in [("服务费", service), ("分润", share)] {
            net = amount::add(net, part, n)?;
            if !part.is_zero() {
                tx.components.push((code.to_owned(), part));
            }
        }
        if !discount.is_zero() {
            tx.components.push(("商家优惠".to_owned(), discount));
        }
        tx.fee = Some(amount::add(gross, net.negated(), n)?);
        tx.net = Some(net);
        tx.source = Some(if refund && !batch.is_empty() { batch.to_owned() } else { id.to_owned() });
        tx.refers_to = refund.then(|| id.to_owned());
        tx.order = Some(amount::id(c.at(order), n)?.to_owned()).filter(|o| !o.is_empty());
        document.transactions.push(tx);
    }
    end(ended, controls, lines.number)?;
    statement(&mut document, "business", head, None)?;
    Ok(document)
}

fn end(ended: bool, controls: u32, line: u64) -> ImportResult<()> {
    if ended && controls > 0 {
        return Ok(());
    }
    Err(Refusal::truncated(
        line,
        "the bill ends without its closing mark and totals (列表结束, 合计): download it again",
    ))
}

fn statement(
    document: &mut Document,
    kind: &str,
    head: &Head,
    balances: Option<(Money, Money)>,
) -> ImportResult<()> {
    let total = document
        .transactions
        .iter()
        .filter_map(|t| t.net)
        .try_fold(Money::zero(Currency::CNY), |s, n| amount::add(s, n, 0))?;
    let day = head.from.as_ref().map(|m| m.day().to_string()).unwrap_or_default();
    let mut s = Stmt::new(format!("{kind}/{}/{day}", head.account.as_deref().unwrap_or_default()), total);
    s.from.clone_from(&head.from);
    s.to.clone_from(&head.to);
    if let Some((open, close)) = balances {
        s.opening = Some(open);
        s.closing = Some(close);
    }
    for tx in &mut document.transactions {
        tx.statement = Some(s.id.clone());
    }
    document.statements.push(s);
    Ok(())
}

fn fund<R: Read>(lines: &mut Lines<R>, h: &Header, head: &Head, sidecar: &Sidecar) -> ImportResult<Document> {
    let id_at = h.need(&["账务流水号"])?;
    let business = h.need(&["业务流水号"])?;
    let order = h.find("商户订单号");
    let time_at = h.need(&["发生时间"])?;
    let income_at = h.need(&["收入金额(+元)", "收入金额"])?;
    let expense_at = h.need(&["支出金额(-元)", "支出金额"])?;
    let balance_at = h.need(&["账户余额(元)", "账户余额"])?;
    let kind_at = h.need(&["业务类型"])?;
    let mut rows: Vec<(Tx, Money, u64)> = Vec::new();
    let mut sums = [(0_u64, Decimal::ZERO); 2];
    let (mut ended, mut controls) = (false, 0);
    while let Some(line) = lines.next()?.map(str::to_owned) {
        let n = lines.number;
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if let Some(rest) = line.strip_prefix('#') {
            ended |= rest.contains("列表结束");
            let [income, expense] = sums;
            for (title, (count, sum)) in [("收入合计", income), ("支出合计", expense)] {
                if rest.starts_with(title) {
                    let (stated_count, stated) = control(rest, n)?;
                    cn::count(title, count, stated_count, n)?;
                    cn::foot(title, sum, stated)?;
                    controls += 1;
                }
            }
            continue;
        }
        let c = Cells::new(line);
        let (plus, minus) = (cn::yuan(c.at(income_at), n)?, cn::yuan(c.at(expense_at), n)?);
        // Expense is printed with its minus; copies without it exist.
        let minus = if minus.is_sign_positive() { -minus } else { minus };
        let both =
            plus.checked_add(minus).ok_or_else(|| Refusal::malformed(n, "the amount is out of range"))?;
        let signed = amount::money(both, Currency::CNY, n)?;
        if let Some(slot) = sums.get_mut(usize::from(signed.is_negative())) {
            slot.0 += 1;
            slot.1 = slot
                .1
                .checked_add(signed.decimal())
                .ok_or_else(|| Refusal::malformed(n, "the sum is out of range"))?;
        }
        let kind = c.at(kind_at);
        let id = amount::id(c.at(id_at), n)?;
        let mut tx = Tx::new(id, kind, when(c.at(time_at), sidecar, n)?, signed);
        tx.event_code = Some(format!("fund/{kind}"));
        tx.net = Some(signed);
        tx.source = Some(id.to_owned());
        tx.refers_to = Some(amount::id(c.at(business), n)?.to_owned()).filter(|b| !b.is_empty());
        tx.order = Some(c.opt(order).to_owned()).filter(|o| !o.is_empty());
        if kind == "提现" {
            tx.payout = Some(id.to_owned());
        }
        rows.push((tx, amount::money(cn::yuan(c.at(balance_at), n)?, Currency::CNY, n)?, n));
    }
    end(ended, controls, lines.number)?;
    cn::ordered(&mut rows);
    let movements: Vec<_> = rows.iter().map(|(tx, after, line)| (tx.amount, *after, *line)).collect();
    let balances = cn::chain("account detail", &movements)?;
    let mut document = Document { account: head.account.clone(), ..Document::default() };
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
    statement(&mut document, "account", head, balances)?;
    Ok(document)
}
