//! What the platform released to the seller, as movements of his balance there.
//!
//! The platform holds what a buyer paid and releases it line by line, less commission, often before the order has ended and
//! without a trace in its time of change: in an answer of 2024-03 that an integration keeps, the money came more than a day after
//! the last change, two weeks before the parcel, and the row of the order list says nothing of it. So the list of orders cannot find
//! releases. The list of releases can: it is searched by their time, and tells the fees of each line. What it does not tell ("not
//! returned", say the generated SDKs `com.aliexpress.open` and `Top.Api`, whose names are used here) is when that was: that, and what
//! the buyer paid, is in the details of the order, of which the metadata is published.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tradewind_connector::role::Transactions;
use tradewind_connector::{
    CallCx, Cursor, Error, Facet, OpCx, OpSpec, Operation, Page, Priority, Safety, Window, WireRequest,
    WireResponse,
};
use tradewind_domain::{BalanceTransaction, Component, Currency, Money, OrderId, SourceTime, TransactionId};
use url::Url;

use crate::AliExpress;
use crate::map;
use crate::products::{business, dto};
use crate::wire::{self, Amount, Id, List, Rows, Wrapped};

static LIST: OpSpec = OpSpec {
    name: "transactions.list",
    facet: Facet::Transactions,
    safety: Safety::Read,
    priority: Priority::Report,
    buckets: &["seller"],
    keep: true,
    doc: "aliexpress.trade.redefining.findloanlistquery",
};
static DETAIL: OpSpec =
    OpSpec { name: "transactions.get", doc: "aliexpress.solution.order.info.get", ..LIST };

/// Orders in one page; up to 200 are given. A page is kept as a whole, and each order of it is a call.
const PAGE: u32 = 50;
/// Parts of the details: what was released (2) and refunded (16). Not the buyer.
const PARTS: u32 = 2 + 16;

/// An order of the list of releases: the fees of its lines.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Loan {
    order_id: Id,
    #[serde(default)]
    son_order_list: List<Son>,
}

#[derive(Debug, Clone, Deserialize)]
struct Son {
    child_order_id: Option<Id>,
    escrow_fee: Option<Amount>,
    affiliate_commission: Option<Amount>,
}

impl Loan {
    /// A fee of a line, or of all of them; `None`: not told.
    fn fee(&self, line: Option<&str>, of: impl Fn(&Son) -> Option<&Amount>) -> Result<Option<Money>, Error> {
        let mine = |son: &&Son| line.is_none_or(|l| son.child_order_id.as_ref().is_some_and(|id| id.0 == l));
        let told = self.son_order_list.0.iter().filter(mine).filter_map(of);
        let mut sum: Option<Money> = None;
        for fee in told {
            let fee = fee.money()?;
            sum = Some(sum.map_or(Ok(fee), |s| s.try_add(fee))?);
        }
        Ok(sum)
    }
}

/// A window, and a page of it from 1.
pub(crate) struct ListIn {
    window: Window,
    page: u32,
}

impl ListIn {
    fn of(window: Window, cursor: Option<&Cursor>) -> Result<ListIn, Error> {
        let Some(Cursor(text)) = cursor else { return Ok(ListIn { window, page: 1 }) };
        let page = text.parse().ok().filter(|p| *p > 0);
        page.map(|page| ListIn { window, page })
            .ok_or_else(|| Error::invalid(format!("cursor '{text}' is not a page number")))
    }
}

/// Orders of which something was released in a window.
pub(crate) struct ListLoans {
    pub(crate) endpoint: Url,
}

impl Operation for ListLoans {
    type In = ListIn;
    /// Orders, and whether more pages follow.
    type Out = (Vec<Result<Loan, Error>>, bool);

    fn spec(&self) -> &OpSpec {
        &LIST
    }
    fn encode(&self, _: &OpCx<'_>, input: &ListIn) -> Result<WireRequest, Error> {
        #[derive(Serialize)]
        struct Query {
            create_date_start: String,
            create_date_end: String,
            loan_status: &'static str,
            page: u32,
            page_size: u32,
        }
        // "Create" is the release. A bound that is not exact to the second would be no condition.
        let query = Query {
            create_date_start: map::american(input.window.from)?,
            create_date_end: map::american(input.window.to)?,
            loan_status: "loan_ok",
            page: input.page,
            page_size: PAGE,
        };
        business(&self.endpoint, LIST.doc, &[("param1", dto(&query)?)])
    }
    fn decode(&self, _: &OpCx<'_>, input: &ListIn, response: &WireResponse) -> Result<Self::Out, Error> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            order_list: Rows,
            total_item: Option<Id>,
        }
        let answer = wire::read::<Wrapped<Answer>>(response)?.result;
        // Forwards: what was released in a window stays in it, so what comes in meanwhile only moves others to a later page.
        let more = answer.order_list.more(answer.total_item, input.page, PAGE, "releases")?;
        Ok((answer.order_list.0.read("order", "order_id", Ok).collect(), more))
    }
}

/// The money of an order, as its details tell it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Funds {
    id: Id,
    order_status: String,
    order_amount: Amount,
    /// What the seller sells for; more than the buyer pays where the platform gives a discount. Not in the published metadata.
    seller_order_amount: Option<Amount>,
    logistics_amount: Option<Amount>,
    /// Deprecated; used where the list of releases tells none.
    escrow_fee: Option<Amount>,
    loan_info: Option<LoanInfo>,
    refund_info: Option<RefundInfo>,
    #[serde(default)]
    child_order_list: List<Child>,
}

#[derive(Debug, Clone, Deserialize)]
struct Child {
    child_order_id: Option<Id>,
    id: Option<Id>,
    loan_info: Option<LoanInfo>,
    refund_info: Option<RefundInfo>,
}

#[derive(Debug, Clone, Deserialize)]
struct LoanInfo {
    loan_amount: Option<Amount>,
    loan_time: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct RefundInfo {
    refund_status: Option<String>,
    refund_cash_amt: Option<Amount>,
    refund_time: Option<String>,
}

/// A time that is told.
fn told(text: Option<&String>) -> Result<Option<SourceTime>, Error> {
    text.filter(|t| !t.trim().is_empty()).map(|t| map::instant(t)).transpose()
}

/// Money that went back to the buyer, and when, if that is told.
#[derive(Debug, Clone)]
struct Refund {
    cash: Money,
    at: Option<SourceTime>,
}

impl RefundInfo {
    /// `None` before it is done, and where nothing went back.
    fn done(&self) -> Result<Option<Refund>, Error> {
        if self.refund_status.as_deref() != Some("refund_ok") {
            return Ok(None);
        }
        let cash = self.refund_cash_amt.as_ref().map(Amount::money).transpose()?;
        let Some(cash) = cash.filter(|m| m.is_positive()) else { return Ok(None) };
        Ok(Some(Refund { cash, at: told(self.refund_time.as_ref())? }))
    }
}

/// What was released of one line, or of the order as a whole.
#[derive(Debug, Clone)]
struct Release {
    /// The line; `None`: the order.
    line: Option<String>,
    at: SourceTime,
    net: Money,
    refund: Option<Refund>,
}

impl LoanInfo {
    /// `None` before the release.
    fn released(&self, line: Option<String>, refund: Option<Refund>) -> Result<Option<Release>, Error> {
        let Some(net) = self.loan_amount.as_ref().map(Amount::money).transpose()? else { return Ok(None) };
        match told(self.loan_time.as_ref())? {
            Some(at) => Ok(Some(Release { line, at, net, refund })),
            None if net.is_zero() => Ok(None),
            None => Err(Error::decode("it was released, and its details do not tell when (loan_time)")),
        }
    }
}

/// What the details tell, sorted out.
struct Sorted {
    /// In the order of time.
    releases: Vec<Release>,
    /// Went back before anything of it was released, of lines that were never released.
    refunds: Vec<Refund>,
    /// Nothing of the order is to come.
    complete: bool,
}

impl Funds {
    fn sorted(&self) -> Result<Sorted, Error> {
        let ended = matches!(self.order_status.as_str(), "FINISH" | "ARCHIVE");
        let (mut releases, mut refunds, mut complete, mut by_line) = (Vec::new(), Vec::new(), true, false);
        for child in &self.child_order_list.0 {
            let line = child.child_order_id.as_ref().or(child.id.as_ref()).map(|id| id.0.clone());
            let refund = child.refund_info.as_ref().map(RefundInfo::done).transpose()?.flatten();
            by_line |= refund.is_some();
            let release = child.loan_info.as_ref().map(|l| l.released(line, refund.clone()));
            match release.transpose()?.flatten() {
                Some(release) => releases.push(release),
                None => {
                    complete &= ended && refund.is_some();
                    refunds.extend(refund);
                }
            }
        }
        if releases.is_empty()
            && let Some(whole) = &self.loan_info
        {
            releases.extend(whole.released(None, None)?);
            complete = true;
        }
        releases.sort_by_key(|r: &Release| r.at.utc);
        if !by_line {
            refunds.extend(self.refund_info.as_ref().map(RefundInfo::done).transpose()?.flatten());
        }
        Ok(Sorted { releases, refunds, complete })
    }
}

/// Components of a movement; nothing of nothing.
fn component(of: &mut Vec<Component>, code: &str, amount: Money) {
    if !amount.is_zero() {
        of.push(Component { code: code.to_owned(), amount });
    }
}

fn sum(currency: Currency, refunds: &[Refund]) -> Result<Money, Error> {
    Ok(Money::try_sum(currency, refunds.iter().map(|r| r.cash))?)
}

/// The movements of an order: a release of each line, and what went back to the buyer after it.
///
/// What a line was sold for after all discounts is not told: it is what was released, kept and given back of it. Of the last one it is
/// what the others leave of the order, so that the whole is held against what the buyer paid. Where the parts are not the movement,
/// a fee was taken that nobody tells: the ledger shows the rest as a difference.
///
/// # Errors
/// An amount or time that cannot be read, fees in another currency than the release, or no word of the release.
fn movements(loan: &Loan, of: &Funds) -> Result<Vec<BalanceTransaction>, Error> {
    let Sorted { releases, refunds, complete } = of.sorted()?;
    let total = of.order_amount.money()?;
    let Some(currency) = releases.first().map(|r| r.net.currency()) else {
        return Err(Error::decode("it is listed as released, and its details do not tell what (loan_info)"));
    };
    if currency != total.currency() {
        return Ok(vec![converted(loan, of, total, &releases, &refunds)?]);
    }
    let zero = Money::zero(currency);
    let last = releases.len() - 1;
    let told_escrow = loan.fee(None, |s| s.escrow_fee.as_ref())?.is_some();
    // What of the order the releases so far were.
    let mut left = total;
    let mut out = Vec::with_capacity(releases.len());
    for (n, release) in releases.iter().enumerate() {
        let ends = complete && n == last;
        let line = release.line.as_deref();
        let mut escrow = loan.fee(line, |s| s.escrow_fee.as_ref())?.unwrap_or(zero);
        if ends && !told_escrow {
            escrow = of.escrow_fee.as_ref().map_or(Ok(zero), Amount::money)?;
        }
        let affiliate = loan.fee(line, |s| s.affiliate_commission.as_ref())?.unwrap_or(zero);
        let mut mine: Vec<Refund> = release.refund.iter().cloned().collect();
        if ends {
            mine.extend(refunds.iter().cloned());
        }
        let late = |r: &Refund| r.at.as_ref().is_some_and(|at| at.utc > release.at.utc);
        let (later, before): (Vec<Refund>, Vec<Refund>) = mine.into_iter().partition(late);
        let back = sum(currency, &before)?;
        let kept = escrow.try_add(affiliate)?;
        let own = release.net.try_add(kept)?.try_add(back)?;
        let sold = if ends { left } else { own };
        left = left.try_sub(sold)?;
        let mut parts = Vec::new();
        // Not negative: that would be money given back.
        if sold.is_positive() {
            let freight = of.logistics_amount.as_ref().filter(|_| ends).map_or(Ok(zero), Amount::money)?;
            let freight = if freight.try_sub(sold)?.is_positive() { zero } else { freight };
            component(&mut parts, "order_amount", sold.try_sub(freight)?);
            component(&mut parts, "logistics_amount", freight);
        }
        if ends && let Some(seller) = &of.seller_order_amount {
            component(&mut parts, "seller_order_amount", seller.money()?.try_sub(total)?);
        }
        component(&mut parts, "refund_cash_amt", back.negated());
        component(&mut parts, "escrow_fee", escrow.negated());
        component(&mut parts, "affiliate_commission", affiliate.negated());
        let id = match line {
            Some(line) => format!("{}:{line}", of.id.0),
            None => of.id.0.clone(),
        };
        out.push(movement(of, &id, "loan", &release.at, release.net, parts)?);
        for (k, refund) in later.iter().enumerate() {
            let at = refund.at.as_ref().unwrap_or(&release.at);
            let mut parts = Vec::new();
            component(&mut parts, "refund_cash_amt", refund.cash.negated());
            let name = if k == 0 { format!("{id}:refund") } else { format!("{id}:refund:{k}") };
            let back = movement(of, &name, "refund", at, refund.cash.negated(), parts)?;
            out.push(BalanceTransaction { refers_to: Some(TransactionId::new(id.clone())?), ..back });
        }
    }
    Ok(out)
}

/// One movement of an order that is settled in another currency than it was sold in: the rate is not told, so that nothing can be
/// split, and each amount stands as it is told.
fn converted(
    loan: &Loan,
    of: &Funds,
    total: Money,
    releases: &[Release],
    refunds: &[Refund],
) -> Result<BalanceTransaction, Error> {
    let Some(last) = releases.last() else { return Err(Error::decode("no release")) };
    let net = Money::try_sum(last.net.currency(), releases.iter().map(|r| r.net))?;
    let mine = releases.iter().filter_map(|r| r.refund.clone());
    let all: Vec<Refund> = mine.chain(refunds.iter().cloned()).collect();
    let mut fee = loan.fee(None, |s| s.escrow_fee.as_ref())?;
    if let Some(affiliate) = loan.fee(None, |s| s.affiliate_commission.as_ref())? {
        fee = Some(fee.map_or(Ok(affiliate), |f| f.try_add(affiliate))?);
    }
    if let Some(fee) = fee {
        // A fee in another currency than the release could not be told from it.
        net.try_add(fee)?;
    }
    let paid = total.try_sub(sum(total.currency(), &all)?)?;
    let whole = movement(of, &of.id.0, "loan", &last.at, net, Vec::new())?;
    Ok(BalanceTransaction { amount: paid, fee, ..whole })
}

fn movement(
    of: &Funds,
    id: &str,
    kind: &str,
    at: &SourceTime,
    net: Money,
    components: Vec<Component>,
) -> Result<BalanceTransaction, Error> {
    Ok(BalanceTransaction {
        id: TransactionId::new(id)?,
        kind: kind.to_owned(),
        event_code: None,
        occurred_at: at.clone(),
        amount: net,
        fee: None,
        net: Some(net),
        rate: None,
        order: Some(OrderId::new(of.id.0.clone())?),
        refers_to: None,
        // Withdrawals from the balance are told by no interface.
        payout: None,
        statement: None,
        balance_affecting: true,
        components,
    })
}

/// The money of one order.
pub(crate) struct GetFunds {
    pub(crate) endpoint: Url,
}

impl Operation for GetFunds {
    type In = Loan;
    type Out = Vec<BalanceTransaction>;

    fn spec(&self) -> &OpSpec {
        &DETAIL
    }
    fn encode(&self, _: &OpCx<'_>, loan: &Loan) -> Result<WireRequest, Error> {
        #[derive(Serialize)]
        struct Query<'a> {
            order_id: &'a Id,
            ext_info_bit_flag: u32,
        }
        let query = Query { order_id: &loan.order_id, ext_info_bit_flag: PARTS };
        business(&self.endpoint, DETAIL.doc, &[("param1", dto(&query)?)])
    }
    fn decode(&self, _: &OpCx<'_>, loan: &Loan, response: &WireResponse) -> Result<Self::Out, Error> {
        #[derive(Deserialize)]
        struct Answer {
            data: Funds,
        }
        let funds = wire::read::<Wrapped<Answer>>(response)?.result.data;
        if funds.id != loan.order_id {
            return Err(Error::decode(format!("the details are of order {}", funds.id.0)));
        }
        movements(loan, &funds)
    }
    fn subject(&self, loan: &Loan) -> String {
        loan.order_id.0.clone()
    }
}

#[async_trait]
impl Transactions for AliExpress {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<BalanceTransaction, Error>>, Error> {
        let input = ListIn::of(window, cursor)?;
        let (rows, more) = self.pipeline.call(&self.loans, &input, cx).await?;
        let next = more.then(|| Cursor(input.page.saturating_add(1).to_string()));
        let read = |loan: Loan| async move {
            let read = self.pipeline.call(&self.funds, &loan, cx).await;
            read.map_err(|e| e.of_named("order", loan.order_id.0))
        };
        let page = Page { items: rows, next }.complete(read).await?;
        let mut items = Vec::new();
        for order in page.items {
            match order {
                Ok(movements) => items.extend(movements.into_iter().map(Ok)),
                Err(e) => items.push(Err(e)),
            }
        }
        Ok(Page { items, next: page.next })
    }
}

#[cfg(test)]
mod tests;
