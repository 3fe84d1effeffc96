//! `calway discover`: where a mailbox is served, with each step that led there.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use http::Uri;
use serde_json::{Value, json};

use super::Failure;
use crate::calendar::ews::autodiscover::Place;
use crate::calendar::ews::discover::{Answer, Step};
use crate::calendar::ews::get_user_settings::Told;
use crate::calendar::ews::{Ews, server_key};
use crate::calendar::{Forgetful, Ledger as _};
use crate::config::{self, CalendarSettings, secrets::Secrets};
use crate::daemon::account::{Account, Refused};
use crate::model::{Address, Fault, Verdict};
use crate::observe::condition::short;
use crate::store::Shelf as _;
use crate::store::sqlite::Sqlite;

/// Find out where a mailbox is served, and show each step on the way.
///
/// Asks as the connector would, with the account's credentials. Hosts that nobody vouched for are
/// sent nothing; the trust list of the store counts (calway trust). A secret that the connector, or
/// this, was refused not long ago is not sent again; of what is found nothing else is kept.
#[derive(Args, Debug)]
pub(super) struct Discover {
    /// The mailbox's SMTP address.
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// The configuration; of it only [[calendar]] and the store's place are looked at.
    #[arg(long, value_name = "FILE", default_value = "/etc/calway/calway.toml")]
    config: PathBuf,
    /// The [[calendar]] to ask as; without it the one that serves the address's domain.
    #[arg(long, value_name = "NAME")]
    calendar: Option<String>,
    /// Send the account's secret once more although it was refused not long ago: for whoever has
    /// just mended the account or the server. If it is still wrong, it counts towards a lock-out.
    #[arg(long)]
    try_again: bool,
    /// One JSON object a line: the steps, then {"ews"} or {"error"}, then the hosts that wait.
    #[arg(long)]
    json: bool,
}

impl Discover {
    pub(super) fn run(self) -> Result<(), Failure> {
        let usage = |why: String| Failure::Usage(why);
        let (calendars, store) =
            config::read_calendars(&self.config).map_err(|why| usage(why.to_string()))?;
        let address = Address::parse(&self.address).map_err(|why| usage(why.to_owned()))?;
        let calendar = self.calendar(&calendars, &address).ok_or_else(|| {
            usage("no [[calendar]] of this name, or none that serves this domain".into())
        })?;
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let secrets = Arc::new(Secrets::open(credentials));
        #[cfg(feature = "kerberos")]
        super::keytab::provide(std::slice::from_ref(calendar))?;
        let failed = |fault: Fault| Failure::Failed(fault.to_string());
        let ledger = Arc::new(Forgetful::default());
        for entry in listed(&store).map_err(failed)? {
            ledger.decide(&entry.0, entry.1);
        }
        let refused = beside(&store, &secrets)?;
        let account = Account::new(calendar, &secrets, refused.as_ref()).map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::Failed(error.to_string()))?;
        let found = runtime.block_on(async {
            if self.try_again {
                account.try_again().await?;
            }
            let ews = Ews::keeping(account.options.clone(), account.password(), ledger.clone())?;
            let count = Mutex::new(0_usize);
            let tell = |step: &Step, answer: &Answer| {
                let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
                *count += 1;
                self.tell(*count, step, answer);
            };
            let found = ews.discover(&Arc::new(address), &tell).await;
            let waiting = ledger.trust().await?.into_iter();
            let waiting = waiting.filter(|entry| entry.verdict == Verdict::Pending);
            Ok((found, waiting.map(|entry| (entry.host, entry.via)).collect::<Vec<_>>()))
        });
        let (found, waiting) = found.map_err(failed)?;
        self.conclude(found, &waiting)
    }

    fn calendar<'a>(
        &self,
        calendars: &'a [CalendarSettings],
        address: &Address,
    ) -> Option<&'a CalendarSettings> {
        if let Some(name) = &self.calendar {
            return calendars.iter().find(|one| one.ews.name.as_str() == name);
        }
        let domain = address.domain().to_ascii_lowercase();
        let own = calendars.iter().find(|one| one.domains.contains(&domain));
        own.or_else(|| calendars.iter().find(|one| one.domains.is_empty()))
    }

    fn tell(&self, count: usize, step: &Step, answer: &Answer) {
        let (what, whom) = asked(step);
        let said = said(answer);
        if self.json {
            println!("{}", json!({"step": what, "at": whom, "answer": said}));
        } else {
            println!("{count:>3}  {what} {whom}\n       {}", in_words(&said));
        }
    }

    fn conclude(
        &self,
        found: Result<Uri, Fault>,
        waiting: &[(String, String)],
    ) -> Result<(), Failure> {
        for (host, via) in waiting {
            if self.json {
                println!("{}", json!({"waits": host, "via": via}));
            } else {
                println!(
                    "     {host} ({via}) waits for a decision: calway trust allow {host}, or \
                     calway trust block {host}"
                );
            }
        }
        match found {
            Ok(ews) => {
                let key = server_key(&ews);
                let server = short(key.as_str());
                match self.json {
                    true => println!("{}", json!({"ews": ews.to_string(), "server": server})),
                    false => println!(
                        "     The mailbox is served at {ews}\n     The journal and calway status \
                         call this server {server}"
                    ),
                }
            }
            Err(fault) => {
                if self.json {
                    println!("{}", json!({"error": fault.to_string()}));
                }
                return Err(Failure::Failed(fault.to_string()));
            }
        }
        Ok(())
    }
}

/// What the connector was refused, where there is one.
///
/// # Errors
/// It cannot be read: a secret may have been refused then, and nothing is tried.
fn beside(store: &std::path::Path, secrets: &Secrets) -> Result<Option<Refused>, Failure> {
    if !store.exists() {
        return Ok(None);
    }
    Refused::beside(store, secrets).map(Some).map_err(|why| {
        Failure::Failed(format!(
            "which secrets were refused before cannot be read, so none is sent: {why}"
        ))
    })
}

/// The verdicts of the store, where there is one.
fn listed(store: &std::path::Path) -> Result<Vec<(String, Verdict)>, Fault> {
    if !store.exists() {
        return Ok(Vec::new());
    }
    let entries = Sqlite::open(store)?.trust()?.into_iter();
    let decided = entries.filter(|entry| entry.verdict != Verdict::Pending);
    Ok(decided.map(|entry| (entry.host, entry.verdict)).collect())
}

fn asked(step: &Step) -> (&'static str, String) {
    match step {
        Step::Search(None) => ("search", "the directory".into()),
        Step::Search(Some(server)) => ("search", server.host.clone()),
        Step::Services(name) => ("srv", name.clone()),
        Step::Look(url) | Step::LookPlain(url) => ("look", url.to_string()),
        Step::Settings(url, _) => ("soap", url.to_string()),
        Step::Pox(url, _) => ("pox", url.to_string()),
        Step::Json(url, _) => ("json", url.to_string()),
    }
}

fn said(answer: &Answer) -> Value {
    let failed = |fault: &Fault| json!({"failed": fault.to_string()});
    match answer {
        Answer::Points(Ok(found)) => {
            let points = found.points.iter();
            let points = points.map(|p| json!({"keywords": p.keywords, "at": p.bindings}));
            json!({"site": found.site, "points": points.collect::<Vec<_>>()})
        }
        Answer::Services(Ok(found)) => found
            .iter()
            .map(|s| {
                json!({"priority": s.priority, "weight": s.weight, "port": s.port,
                       "target": s.target})
            })
            .collect(),
        Answer::Seen(Ok(seen)) => {
            json!({"status": seen.status, "soap": seen.soap, "location": seen.location})
        }
        Answer::Settings(Ok(told)) => told
            .iter()
            .map(|told| match told {
                Ok(Told::Settings(found)) => json!({
                    "ews": found.internal_ews_url,
                    "external_ews": found.external_ews_url,
                    "grouping": found.grouping,
                }),
                Ok(Told::Address(to)) => json!({"redirected_to": to.reveal()}),
                Ok(Told::Url(to)) => json!({"redirected_to": to}),
                Err(fault) => failed(fault),
            })
            .collect(),
        Answer::Place(Ok(Place::Ews(url))) => json!({"ews": url}),
        Answer::Place(Ok(Place::Address(to))) => json!({"redirected_to": to.reveal()}),
        Answer::Place(Ok(Place::Url(to))) => json!({"redirected_to": to}),
        Answer::Points(Err(fault))
        | Answer::Services(Err(fault))
        | Answer::Seen(Err(fault))
        | Answer::Settings(Err(fault))
        | Answer::Place(Err(fault)) => failed(fault),
    }
}

/// For people: a line without the marks of JSON.
fn in_words(said: &Value) -> String {
    match said {
        Value::Object(fields) => {
            let known = fields.iter().filter(|(_, value)| !value.is_null());
            let words = known.map(|(name, value)| {
                let name = name.replace('_', " ");
                format!("{name}: {}", in_words(value))
            });
            words.collect::<Vec<_>>().join(", ")
        }
        Value::Array(all) if all.is_empty() => "none".into(),
        Value::Array(all) => all.iter().map(in_words).collect::<Vec<_>>().join("; "),
        Value::String(text) => text.clone(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.into(),
        Value::Null => "nothing".into(),
        Value::Number(number) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::ews::discover::Seen;
    use crate::calendar::ews::get_user_settings::Settings;
    use crate::model::Plain;

    #[test]
    fn what_was_said_is_shown_to_people_and_not_how_it_is_kept_here() {
        let settings = Settings {
            grouping: None,
            internal_ews_url: Some("https://ex1.corp.example/EWS/Exchange.asmx".into()),
            external_ews_url: None,
        };
        let away = Told::Address(Plain::new("ann@sub.example"));
        let gone = Err(Fault::refused("InvalidUser"));
        let told = Answer::Settings(Ok(vec![Ok(Told::Settings(settings)), Ok(away), gone]));
        assert_eq!(
            in_words(&said(&told)),
            "ews: https://ex1.corp.example/EWS/Exchange.asmx; redirected to: ann@sub.example; \
             failed: InvalidUser"
        );
        let seen = Answer::Seen(Ok(Seen { status: 401, soap: true, ..Seen::default() }));
        assert_eq!(in_words(&said(&seen)), "soap: yes, status: 401");
        assert_eq!(in_words(&said(&Answer::Services(Ok(Vec::new())))), "none");
    }
}
