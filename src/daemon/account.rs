//! The secrets that a calendar's sign-in needs: where they come from, and that a changed one is
//! noticed within seconds, so that a refused sign-in heals by itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::intake::Tell;
use crate::calendar::ews::{self, Auth, Tickets};
use crate::config::CalendarSettings;
use crate::config::secrets::Secrets;
use crate::model::{Fault, Secret};

/// How often the places of the secrets are looked at. Asking a keyring or reading a file costs
/// nothing beside what a person waits for who has just set a password.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The account of one calendar.
pub(crate) struct Account {
    /// The provider's options, with what only the running process knows.
    pub(crate) options: ews::Options,
    password: String,
    proxy_password: String,
    secrets: Arc<Secrets>,
}

/// The accounts of all calendars, in their order. Those of the same name share what is known of
/// their secrets.
///
/// # Errors
/// As [`Account::new`].
pub(super) fn all(
    calendars: &[CalendarSettings],
    secrets: &Arc<Secrets>,
) -> Result<Vec<Account>, Fault> {
    let mut known: HashMap<String, ews::Gates> = HashMap::new();
    let share = |calendar| {
        let mut account = Account::new(calendar, secrets)?;
        let (name, pause) = (account.options.account.to_lowercase(), account.options.sign_in_pause);
        let gates = known.entry(name).or_insert_with(|| ews::Gates::new(pause));
        account.options.gates = Some(gates.clone());
        Ok(account)
    };
    calendars.iter().map(share).collect()
}

impl Account {
    /// Puts together what the provider of this calendar needs.
    ///
    /// # Errors
    /// `Refused`, with what to do, where a secret is missing.
    pub(crate) fn new(calendar: &CalendarSettings, secrets: &Arc<Secrets>) -> Result<Self, Fault> {
        let mut options = calendar.ews.clone();
        let password = format!("calendar.{}.password", options.name);
        let proxy_password = format!("calendar.{}.proxy_password", options.name);
        // Asked once now, so that a missing secret is told at the start and not in the night.
        if calendar.keytab.is_none() {
            secrets.get(&password)?;
        }
        options.proxy = match options.proxy.take() {
            Some(proxy) if proxy.account.is_some() => {
                secrets.get(&proxy_password)?;
                let (source, name) = (secrets.clone(), proxy_password.clone());
                Some(proxy.with_password(move || source.get(&name).ok()))
            }
            proxy => proxy,
        };
        if options.auth.contains(&Auth::Negotiate) {
            options.tickets = Some(tickets(calendar)?);
        }
        Ok(Self { options, password, proxy_password, secrets: secrets.clone() })
    }

    /// Where the provider asks for the account's password.
    pub(crate) fn password(&self) -> Box<dyn Fn() -> Option<Secret> + Send + Sync> {
        let (secrets, name) = (self.secrets.clone(), self.password.clone());
        Box::new(move || secrets.get(&name).ok())
    }

    /// Everything that a sign-in may need, as it is now.
    fn all(&self) -> [Option<Secret>; 3] {
        let keytab = self.options.tickets.as_ref().and_then(|tickets| tickets.keytab());
        let get = |name: &str| self.secrets.get(name).ok();
        [get(&self.password), get(&self.proxy_password), keytab]
    }
}

#[cfg(feature = "kerberos")]
fn tickets(calendar: &CalendarSettings) -> Result<Arc<dyn Tickets>, Fault> {
    Ok(Arc::new(ews::Kerberos::new(calendar.keytab.clone())?))
}

#[cfg(not(feature = "kerberos"))]
fn tickets(_calendar: &CalendarSettings) -> Result<Arc<dyn Tickets>, Fault> {
    Err(Fault::refused("this build has no Kerberos"))
}

/// Tells the loop of the calendar whenever a secret has changed; runs until `stop`.
pub(super) async fn watch(
    account: Account,
    tells: mpsc::Sender<Tell>,
    mut stop: watch::Receiver<bool>,
) {
    let mut known = account.all();
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let found = account.all();
        if found != known {
            known = found;
            let _ = tells.send(Tell::SecretChanged).await;
        }
    }
}
