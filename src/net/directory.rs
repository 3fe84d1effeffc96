//! A search in a directory over LDAP: ldaps with a name and a password, or Kerberos.
//!
//! A password never goes over plain ldap.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ldap3::{LdapConnAsync, LdapConnSettings, Scope, SearchEntry, SearchOptions, StdStream};
use rustls::ClientConfig;
use tokio::time::Instant;

use crate::model::{Fault, Next, Secret};
use crate::net::dial::Dial;
use crate::net::tls;

/// Entries of one answer that are looked at; an organisation has one for each server.
const MOST_ENTRIES: usize = 1_000;

/// A directory server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name, as its certificate or its Kerberos principal has it.
    pub host: String,
    /// Its port: 636 for ldaps, 389 for ldap.
    pub port: u16,
    /// TLS from the first byte.
    pub secure: bool,
}

/// Who asks.
#[derive(Clone)]
pub enum Bind {
    /// By name (`DOMAIN\user`, `user@domain`, or a DN) and password, inside TLS.
    Simple(String, Secret),
    /// By tickets of this credential; without TLS the answers are signed and sealed.
    #[cfg(feature = "kerberos")]
    Kerberos(libgssapi::credential::Cred),
}

impl Bind {
    /// Whether it stops its thread while it speaks with the key server.
    fn blocks(&self) -> bool {
        !matches!(self, Self::Simple(..))
    }
}

impl fmt::Debug for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bind")
    }
}

/// What a server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Root {
    /// Where its configuration begins (`configurationNamingContext`).
    pub configuration: Option<String>,
    /// The DN of its own settings (`dsServiceName`), which holds its site.
    pub service: Option<String>,
}

/// One entry: its attributes by lower-case names.
pub type Row = HashMap<String, Vec<String>>;

/// What a search takes.
#[derive(Clone, Debug)]
pub struct Search {
    /// Whom to ask.
    pub server: Server,
    /// Who asks.
    pub bind: Bind,
    /// The filter (RFC 4515), below the configuration's root.
    pub filter: &'static str,
    /// The attributes wanted.
    pub attributes: &'static [&'static str],
    /// For the whole of it.
    pub within: Duration,
}

/// Signs in, reads what the server says of itself, and searches its configuration.
///
/// # Errors
/// [`Next::SignIn`] where the server refuses name and password (each such answer counts towards a
/// lock-out), [`Next::Refused`] where the password would go unprotected or is empty,
/// [`Next::Retry`] for everything on the way.
pub async fn search(
    search: Search,
    tls: &Arc<ClientConfig>,
    dial: &Dial,
) -> Result<(Root, Vec<Row>), Fault> {
    if !search.server.secure && matches!(search.bind, Bind::Simple(..)) {
        return Err(Fault::refused("LDAP: a password goes over ldaps only"));
    }
    // A bind without a password always succeeds and proves nothing (RFC 4513, 5.1.2).
    if matches!(&search.bind, Bind::Simple(_, password) if password.reveal().is_empty()) {
        return Err(Fault::refused("LDAP: an empty password is not sent"));
    }
    let within = search.within;
    let (tls, dial) = (Arc::clone(tls), dial.clone());
    let late = || Err(Fault::retry("LDAP: no answer in time"));
    let blocks = search.bind.blocks();
    let session = async move {
        let session = session(search, tls, &dial);
        tokio::time::timeout(within, session).await.unwrap_or_else(|_| late())
    };
    // A task of its own: the library gives up on an answer that it cannot read.
    let session = match blocks {
        false => tokio::spawn(session),
        true => {
            let runtime = tokio::runtime::Handle::current();
            tokio::task::spawn_blocking(move || runtime.block_on(session))
        }
    };
    match tokio::time::timeout(within, session).await {
        Ok(Ok(found)) => found,
        Ok(Err(_)) => Err(Fault::retry("LDAP: malformed answer")),
        Err(_) => late(),
    }
}

async fn session(
    search: Search,
    tls: Arc<ClientConfig>,
    dial: &Dial,
) -> Result<(Root, Vec<Row>), Fault> {
    let Server { host, port, secure } = &search.server;
    let stream = dial.open(host, *port, Instant::now() + search.within).await?;
    let stream = stream.into_std().map_err(|_| Fault::retry("LDAP: no connection"))?;
    let mut client = (*tls).clone();
    client.alpn_protocols.clear();
    let settings =
        LdapConnSettings::new().set_std_stream(StdStream::Tcp(stream)).set_config(Arc::new(client));
    let scheme = if *secure { "ldaps" } else { "ldap" };
    let url = format!("{scheme}://{host}:{port}");
    let (connection, mut ldap) =
        LdapConnAsync::with_settings(settings, &url).await.map_err(|error| fault(&error))?;
    tokio::spawn(async move {
        // A caller sees its errors itself.
        let _ = connection.drive().await;
    });
    let bound = match &search.bind {
        Bind::Simple(name, password) => ldap.simple_bind(name, password.reveal()).await,
        #[cfg(feature = "kerberos")]
        Bind::Kerberos(credential) => {
            ldap.sasl_gssapi_cred_bind(credential.clone().into(), host).await
        }
    };
    judge(bound.map_err(|error| fault(&error))?.rc)?;
    let root = rows(&mut ldap, "", Scope::Base, "(objectClass=*)", ROOT).await?;
    let root = root.into_iter().next().unwrap_or_default();
    let first = |name: &str| root.get(name).and_then(|values| values.first()).cloned();
    let root = Root {
        configuration: first("configurationnamingcontext"),
        service: first("dsservicename"),
    };
    let base = root.configuration.clone().unwrap_or_default();
    let found = rows(&mut ldap, &base, Scope::Subtree, search.filter, search.attributes).await?;
    let _ = ldap.unbind().await;
    Ok((root, found))
}

const ROOT: &[&str] = &["configurationNamingContext", "dsServiceName"];

async fn rows(
    ldap: &mut ldap3::Ldap,
    base: &str,
    scope: Scope,
    filter: &str,
    attributes: &[&str],
) -> Result<Vec<Row>, Fault> {
    let most = i32::try_from(MOST_ENTRIES).unwrap_or(i32::MAX);
    ldap.with_search_options(SearchOptions::new().sizelimit(most).timelimit(30));
    let mut stream = ldap
        .streaming_search(base, scope, filter, attributes)
        .await
        .map_err(|error| fault(&error))?;
    let mut found = Vec::new();
    while found.len() < MOST_ENTRIES
        && let Some(entry) = stream.next().await.map_err(|error| fault(&error))?
    {
        if entry.is_ref() || entry.is_intermediate() {
            continue;
        }
        let entry = SearchEntry::construct(entry);
        let attributes = entry.attrs.into_iter();
        found.push(attributes.map(|(name, values)| (name.to_ascii_lowercase(), values)).collect());
    }
    let code = stream.finish().await.rc;
    // 4: there are more than we wanted. 88: we stopped listening.
    if matches!(code, 0 | 4 | 88) { Ok(found) } else { Err(refusal(code)) }
}

fn judge(code: u32) -> Result<(), Fault> {
    if code == 0 { Ok(()) } else { Err(refusal(code)) }
}

/// RFC 4511, appendix A.
fn refusal(code: u32) -> Fault {
    match code {
        49 => Fault::new(Next::SignIn, "LDAP: the directory refuses the account (49)"),
        8 | 13 => Fault::refused(format!("LDAP: the directory wants a better protection ({code})")),
        50 => Fault::new(Next::Denied, "LDAP: the account may not read the configuration (50)"),
        51 | 52 => Fault::retry(format!("LDAP: the directory is busy ({code})")),
        code => Fault::retry(format!("LDAP: the directory answers {code}")),
    }
}

/// What went wrong in words, without anything of what was asked or said.
fn fault(error: &ldap3::LdapError) -> Fault {
    use ldap3::LdapError as E;
    match error {
        E::Io { source } => {
            let inner = source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            match inner {
                Some(inner) => Fault::retry(tls::explain(inner)),
                None => Fault::retry(format!("LDAP: {}", source.kind())),
            }
        }
        E::Rustls { source } => Fault::retry(tls::explain(source)),
        E::LdapResult { result } => refusal(result.rc),
        E::EndOfStream | E::ResultRecv { .. } | E::OpSend { .. } => {
            Fault::retry("LDAP: the directory hung up")
        }
        _ => Fault::retry("LDAP: the exchange failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_empty_password_is_not_shown_to_a_directory() {
        let wanted = Search {
            server: Server { host: "127.0.0.1".into(), port: 1, secure: true },
            bind: Bind::Simple("CORP\\svc".into(), Secret::new("")),
            filter: "(objectClass=*)",
            attributes: &[],
            within: Duration::from_secs(5),
        };
        let tls = crate::net::Trust::default().client().unwrap();
        let found = search(wanted, &tls, &Dial::default()).await;
        assert_eq!(found.unwrap_err(), Fault::refused("LDAP: an empty password is not sent"));
    }
}
