//! The facets of orders and money: reading, shipping, cancelling, refunding, payouts.

use std::sync::Arc;

use async_trait::async_trait;
use tradewind_connector::role::{
    Cancellation, Disputes, Listed, OrderActions, Orders, Payouts, Returns, Transactions,
};
use tradewind_connector::{CallCx, Cursor, Error, Handle, Kind, Page, Submitted, Window};
use tradewind_domain::{
    BalanceTransaction, Dispute, Order, OrderId, Payout, RefundRequest, Return, ShipmentNotice,
};

use crate::gql::{Call, rest};
use crate::{Shopify, actions, disputes, finance, orders, products, returns};

impl Shopify {
    /// What was done on an order, and the first page of what is open.
    async fn open_page(&self, cx: &CallCx, asked: &actions::PageOf) -> Result<actions::Open, Error> {
        let (variables, read) = (actions::open_variables, actions::open);
        let call = Call::new(&self.shop, &actions::OPEN, actions::OPEN_TEXT, 300, variables, read);
        self.pipeline.call(&call, asked, cx).await
    }

    async fn order_now(&self, cx: &CallCx, id: &OrderId) -> Result<actions::Open, Error> {
        self.open_page(cx, &actions::PageOf { id: id.to_string(), after: None }).await
    }

    /// What was done on an order, and all that is open: an order may lie in many places, and have many lines in each.
    async fn open_order(&self, cx: &CallCx, id: &OrderId) -> Result<actions::Open, Error> {
        let mut open = self.order_now(cx, id).await?;
        let orders = &mut open.fulfillment_orders;
        let more = rest(orders.next(), |after| async move {
            let asked = actions::PageOf { id: id.to_string(), after: Some(after) };
            self.open_page(cx, &asked).await.map(|open| open.fulfillment_orders.into())
        });
        orders.nodes.extend(more.await?);
        let (variables, read) = (actions::open_variables, actions::open_lines);
        let lines =
            &Call::new(&self.shop, &actions::OPEN_LINES, actions::OPEN_LINES_TEXT, 260, variables, read);
        for order in orders.nodes.iter_mut().filter(|f| f.is_open()) {
            let of = order.id.as_str();
            let more = rest(order.line_items.next(), |after| async move {
                let asked = actions::PageOf { id: of.to_owned(), after: Some(after) };
                self.pipeline.call(lines, &asked, cx).await.map(Page::from)
            });
            let more = more.await?;
            order.line_items.nodes.extend(more);
        }
        Ok(open)
    }

    /// The rest of an order's lines and of the buyer's numbers, where there was more than one page.
    async fn complete(&self, cx: &CallCx, partial: orders::Partial) -> Result<Order, Error> {
        let orders::Partial { mut order, more_lines, more_fields, fulfilled } = partial;
        let (id, variables) = (&order.id, orders::rest_variables);
        let call = Call::new(&self.shop, &orders::LINES, orders::LINES_TEXT, 300, variables, orders::lines);
        let call = &call;
        let lines =
            rest(more_lines, |after| async move { self.pipeline.call(call, &(id.clone(), after), cx).await });
        let lines = lines.await?;
        let call = Call::new(&self.shop, &orders::FIELDS, orders::FIELDS_TEXT, 52, variables, orders::fields);
        let call = &call;
        let fields =
            rest(
                more_fields,
                |after| async move { self.pipeline.call(call, &(id.clone(), after), cx).await },
            );
        let fields = fields.await?;
        order.lines.extend(lines);
        order.buyer.tax_ids.extend(fields);
        orders::left_and_refunded(&mut order, fulfilled);
        Ok(order)
    }
}

#[async_trait]
impl Orders for Shopify {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<Listed, Error>>, Error> {
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &orders::SEARCH,
            text: orders::SEARCH_TEXT,
            cost: 900,
            variables: orders::search_variables,
            read: orders::search,
        };
        let input = orders::SearchIn { window, after: cursor.map(|c| c.0.clone()) };
        let page = self.pipeline.call(&call, &input, cx).await?;
        let complete = |partial: orders::Partial| async move {
            let number = partial.order.id.to_string();
            self.complete(cx, partial).await.map_err(|e| e.of_record(number))
        };
        let page = page.complete(complete).await?;
        Ok(page.map_read(Listed::Whole))
    }

    async fn get(&self, cx: &CallCx, id: &OrderId) -> Result<Order, Error> {
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &orders::GET,
            text: orders::GET_TEXT,
            cost: 100,
            variables: orders::get_variables,
            read: orders::get,
        };
        let partial = self.pipeline.call(&call, id, cx).await?;
        self.complete(cx, partial).await
    }
}

#[async_trait]
impl OrderActions for Shopify {
    async fn ship(&self, cx: &CallCx, notice: &ShipmentNotice) -> Result<Submitted<()>, Error> {
        let open = self.open_order(cx, &notice.order).await?;
        if open.has_tracking(notice.waybill.as_str()) {
            return Ok(Submitted::Done(()));
        }
        let input = actions::spread(&open, notice)?;
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &actions::SHIP,
            text: actions::SHIP_TEXT,
            cost: 10,
            variables: |shop, cx, input: &actions::ShipIn<'_>| actions::ship_variables(shop, cx, input),
            read: products::nothing,
        };
        self.pipeline.call(&call, &input, cx).await.map(Submitted::Done)
    }

    async fn cancel(&self, cx: &CallCx, what: &Cancellation) -> Result<Submitted<()>, Error> {
        what.only_whole()?;
        let (order, reason) = (&what.order, what.reason);
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &actions::CANCEL,
            text: actions::CANCEL_TEXT,
            cost: 10,
            variables: actions::cancel_variables,
            read: products::nothing,
        };
        match self.pipeline.call(&call, &(order.id.clone(), reason), cx).await {
            Ok(()) => {}
            Err(e) if e.kind() == Kind::Duplicate => return Ok(Submitted::Done(())),
            Err(e) => return Err(e),
        }
        // Cancelling is a job of its own; reading the order says when it is done.
        let handle = Handle {
            flow: "cancel".to_owned(),
            id: order.id.to_string(),
            step: String::new(),
            state: serde_json::Value::Null,
            not_before: None,
        };
        OrderActions::poll(self, cx, &handle).await
    }

    async fn refund(&self, cx: &CallCx, refund: &RefundRequest) -> Result<Submitted<()>, Error> {
        let open = self.order_now(cx, &refund.order).await?;
        let input = actions::RefundIn { refund, parent: actions::parent(&open, refund)? };
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &actions::REFUND,
            text: actions::REFUND_TEXT,
            cost: 10,
            variables: |shop, cx, input: &actions::RefundIn<'_>| actions::refund_variables(shop, cx, input),
            read: products::nothing,
        };
        self.pipeline.call(&call, &input, cx).await.map(Submitted::Done)
    }

    async fn poll(&self, cx: &CallCx, handle: &Handle) -> Result<Submitted<()>, Error> {
        let id = OrderId::new(handle.id.clone()).map_err(|e| Error::invalid(e.to_string()))?;
        let open = self.order_now(cx, &id).await?;
        Ok(if open.cancelled_at.is_some() {
            Submitted::Done(())
        } else {
            Submitted::Deferred(handle.clone())
        })
    }
}

#[async_trait]
impl Payouts for Shopify {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<Payout, Error>>, Error> {
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &finance::PAYOUTS,
            text: finance::PAYOUTS_TEXT,
            cost: 60,
            variables: finance::payouts_variables,
            read: finance::payouts,
        };
        self.pipeline.call(&call, &finance::In { window, after: cursor.map(|c| c.0.clone()) }, cx).await
    }
}

#[async_trait]
impl Transactions for Shopify {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<BalanceTransaction, Error>>, Error> {
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &finance::TRANSACTIONS,
            text: finance::TRANSACTIONS_TEXT,
            cost: 200,
            variables: finance::transactions_variables,
            read: finance::transactions,
        };
        self.pipeline.call(&call, &finance::In { window, after: cursor.map(|c| c.0.clone()) }, cx).await
    }
}

#[async_trait]
impl Returns for Shopify {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<Return, Error>>, Error> {
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &returns::RETURNS,
            text: returns::RETURNS_TEXT,
            cost: 900,
            variables: returns::variables,
            read: returns::read,
        };
        self.pipeline.call(&call, &returns::In { window, after: cursor.map(|c| c.0.clone()) }, cx).await
    }
}

#[async_trait]
impl Disputes for Shopify {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<Dispute, Error>>, Error> {
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &disputes::DISPUTES,
            text: disputes::DISPUTES_TEXT,
            cost: 500,
            variables: disputes::variables,
            read: disputes::read,
        };
        self.pipeline.call(&call, &disputes::In { window, after: cursor.map(|c| c.0.clone()) }, cx).await
    }
}
