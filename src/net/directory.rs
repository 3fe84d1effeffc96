//! A search in a directory over LDAP: ldaps with a name and a password, or Kerberos.
//!
//! A password never goes over plain ldap.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Scope, SearchEntry, SearchOptions, StdStream};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::model::{Fault, Next, Secret};
use crate::net::dial::Dial;
use crate::net::framing::Guard;
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

/// What the guard objected to, where it did.
type Objection = Arc<OnceLock<&'static str>>;

async fn session(
    search: Search,
    tls: Arc<ClientConfig>,
    dial: &Dial,
) -> Result<(Root, Vec<Row>), Fault> {
    let objection = Objection::default();
    let found = talk(&search, &tls, dial, &objection).await;
    // The library sees no more than that it was hung up on.
    found.map_err(|fault| objection.get().map_or(fault, |why| Fault::retry(*why)))
}

/// Opens the way to the directory: through the guard, except for a ticket over TLS, which the
/// library binds to a TLS session of its own. There the directory has shown its certificate, and
/// what it says is bounded by the time of the search alone.
async fn open(
    search: &Search,
    tls: &ClientConfig,
    dial: &Dial,
    objection: &Objection,
) -> Result<(LdapConnAsync, Ldap), Fault> {
    let Server { host, port, secure } = &search.server;
    let stream = dial.open(host, *port, Instant::now() + search.within).await?;
    let no_connection = |_| Fault::retry("LDAP: no connection");
    let mut client = tls.clone();
    client.alpn_protocols.clear();
    let client = Arc::new(client);
    let settings = LdapConnSettings::new();
    if *secure && !matches!(search.bind, Bind::Simple(..)) {
        let stream = StdStream::Tcp(stream.into_std().map_err(no_connection)?);
        let settings = settings.set_std_stream(stream).set_config(client);
        let url = format!("ldaps://{host}:{port}");
        return LdapConnAsync::with_settings(settings, &url).await.map_err(|error| fault(&error));
    }
    let (inner, outer) = UnixStream::pair().map_err(no_connection)?;
    if *secure {
        let name = ServerName::try_from(host.clone())
            .map_err(|_| Fault::refused("LDAP: the directory's host is not a name"))?;
        let connecting = TlsConnector::from(client).connect(name, stream).await;
        let stream = connecting.map_err(|error| tls::handshake_fault(&error))?;
        tokio::spawn(carry(stream, outer, Guard::new(false), Arc::clone(objection)));
    } else {
        tokio::spawn(carry(stream, outer, Guard::new(true), Arc::clone(objection)));
    }
    let inner = StdStream::Unix(inner.into_std().map_err(no_connection)?);
    let settings = settings.set_std_stream(inner);
    LdapConnAsync::with_settings(settings, "ldapi://guarded").await.map_err(|error| fault(&error))
}

/// Carries bytes between the library and the directory until one of them hangs up, or the directory
/// says what the guard does not let in.
async fn carry(
    directory: impl AsyncRead + AsyncWrite,
    library: UnixStream,
    mut guard: Guard,
    objection: Objection,
) {
    let (mut from_there, mut to_there) = tokio::io::split(directory);
    let (mut from_here, mut to_here) = library.into_split();
    let asking = async {
        let _ = tokio::io::copy(&mut from_here, &mut to_there).await;
        let _ = to_there.shutdown().await;
    };
    let answering = async {
        let mut bytes = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from_there.read(&mut bytes).await {
            match guard.push(bytes.get(..length).unwrap_or_default()) {
                Ok(passed) if to_here.write_all(&passed).await.is_ok() => {}
                Ok(_) => break,
                Err(why) => {
                    let _ = objection.set(why);
                    break;
                }
            }
        }
    };
    tokio::select! {
        () = asking => {}
        () = answering => {}
    }
}

async fn talk(
    search: &Search,
    tls: &ClientConfig,
    dial: &Dial,
    objection: &Objection,
) -> Result<(Root, Vec<Row>), Fault> {
    let (connection, mut ldap) = open(search, tls, dial, objection).await?;
    tokio::spawn(async move {
        // A caller sees its errors itself.
        let _ = connection.drive().await;
    });
    let bound = match &search.bind {
        Bind::Simple(name, password) => ldap.simple_bind(name, password.reveal()).await,
        #[cfg(feature = "kerberos")]
        Bind::Kerberos(credential) => {
            ldap.sasl_gssapi_cred_bind(credential.clone().into(), &search.server.host).await
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
    ldap: &mut Ldap,
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
