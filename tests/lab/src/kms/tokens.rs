//! Bearer tokens and whose they are: one table for the lab's cloud and its key server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::jose;

#[derive(Debug)]
struct Owner {
    user: String,
    until: Instant,
}

/// The table; a clone is the same table.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Arc<Mutex<HashMap<String, Owner>>>);

impl Tokens {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new token of `user` that is good for `life`.
    pub fn issue(&self, user: &str, life: Duration) -> String {
        let token = jose::encode(&jose::new_key());
        let owner = Owner { user: user.into(), until: Instant::now() + life };
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() % 1024 == 1023 {
            let now = Instant::now();
            table.retain(|_, owner| owner.until > now);
        }
        table.insert(token.clone(), owner);
        token
    }

    /// Whose `token` is, while it is good. A leading `Bearer ` is allowed.
    pub fn owner(&self, token: &str) -> Option<String> {
        let token = token.strip_prefix("Bearer ").unwrap_or(token);
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table
            .get(token)
            .filter(|owner| owner.until > Instant::now())
            .map(|owner| owner.user.clone())
    }

    /// Ends every token of `user`.
    pub fn revoke(&self, user: &str) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.retain(|_, owner| owner.user != user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_token_is_good_until_it_expires_or_is_revoked() {
        let tokens = Tokens::new();
        let token = tokens.issue("alice", Duration::from_secs(60));
        let other = tokens.issue("bob", Duration::from_secs(90));
        assert_eq!(tokens.owner(&token).as_deref(), Some("alice"));
        assert_eq!(tokens.owner(&format!("Bearer {token}")).as_deref(), Some("alice"));
        assert_eq!(tokens.owner("guess"), None);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(tokens.owner(&token), None);
        assert_eq!(tokens.owner(&other).as_deref(), Some("bob"));
        tokens.revoke("bob");
        assert_eq!(tokens.owner(&other), None);
    }
}
