//! Mailboxes that are active no more: what is known of them is forgotten, here and in the ledger.

use std::time::Duration;

use tokio::time::sleep;

use super::Discovery;
use crate::model::Address;

/// By then their subscriptions are given back, which has to know where, and what was on its way
/// for them is answered.
pub(super) const AFTER: Duration = Duration::from_secs(60);

impl Discovery {
    /// Forgets a mailbox, unless somebody asks for its home meanwhile. Takes a minute.
    pub(in crate::calendar::ews) async fn forget(&self, address: &Address) {
        let since = self.now();
        sleep(AFTER).await;
        let line = {
            let mut homes = self.homes();
            let is_wanted = homes.get(address).is_some_and(|known| known.is_asked_for(since));
            if is_wanted { None } else { homes.forget(address) }
        };
        self.keep(line.into_iter().collect()).await;
    }
}
