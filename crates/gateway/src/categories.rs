//! Categories of a channel, and what they ask for: what a person needs to fill in `categories` of an account's offers.

use tradewind_connector::role::{Categories, Category, CategoryAttribute};
use tradewind_connector::{CallCx, Connector, Facet};
use tradewind_domain::AccountId;

use crate::gateway::{Gateway, GatewayError, Result};

fn categories_of(connector: &dyn Connector) -> Option<&dyn Categories> {
    let works = connector.capabilities().support(Facet::Categories).works();
    connector.marketplace().and_then(|m| m.categories()).filter(|_| works)
}

fn none(account: &AccountId) -> GatewayError {
    GatewayError::Config(format!("account '{account}' has no call that tells categories"))
}

impl Gateway {
    /// Categories whose names match the words, as the channel finds them.
    ///
    /// # Errors
    /// The channel has no such call, or fails.
    pub async fn find_categories(&self, account: &AccountId, words: &str) -> Result<Vec<Category>> {
        let connector = self.account(account)?.clone();
        let facet = categories_of(connector.as_ref()).ok_or_else(|| none(account))?;
        Ok(facet.find(&CallCx::new(), words).await?)
    }

    /// What a category asks for, the required first.
    ///
    /// # Errors
    /// As of [`Gateway::find_categories`]; there is no such category.
    pub async fn category_attributes(
        &self,
        account: &AccountId,
        category: &str,
    ) -> Result<Vec<CategoryAttribute>> {
        let connector = self.account(account)?.clone();
        let facet = categories_of(connector.as_ref()).ok_or_else(|| none(account))?;
        let mut attributes = facet.attributes(&CallCx::new(), category).await?;
        attributes.sort_by_key(|a| !a.required);
        Ok(attributes)
    }
}
