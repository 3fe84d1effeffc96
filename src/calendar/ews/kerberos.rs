//! Kerberos by the system's GSS-API library (MIT's), which speaks with the domain's key server as
//! `krb5.conf` and the DNS tell it.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aws_lc_rs::digest;
use futures_util::future::BoxFuture;
use libgssapi::context::{ClientCtx, CtxFlags, SecurityContext as _};
use libgssapi::credential::{Cred, CredUsage};
use libgssapi::error::Error;
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_NT_HOSTBASED_SERVICE, GSS_NT_KRB5_PRINCIPAL, OidSet};

use super::negotiate::{NoToken, Own, Tickets, Token, Wish};
use crate::model::{Fault, Next, Secret};

/// The library finds an account's keys by this variable alone.
pub const KEYTAB_VARIABLE: &str = "KRB5_CLIENT_KTNAME";

/// A ticket is not used in its last minutes: clocks differ by as much (RFC 4120 1.6).
const SKEW: Duration = Duration::from_secs(5 * 60);

/// A key server that gave none is left alone for so long: each attempt may take half a minute.
const REST: Duration = Duration::from_secs(60);

/// A ticket is asked for anew after so long, however long it would live.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// No keytab is longer than this many bytes.
const LONGEST_KEYTAB: u64 = 1024 * 1024;

/// A file that was written so long ago is told from a later one by its time.
const SETTLED: Duration = Duration::from_secs(2);

/// Tickets of one account, by its password or its keytab.
#[derive(Debug, Default)]
pub struct Kerberos {
    keytab: Option<PathBuf>,
    kept: Arc<Mutex<Option<Kept>>>,
    seen: Mutex<Option<Seen>>,
}

/// The keytab as it was read last.
#[derive(Debug)]
struct Seen {
    changed: SystemTime,
    length: u64,
    fingerprint: Secret,
}

/// The account's ticket for tickets, which lives in memory alone; or why there is none.
struct Kept {
    key: Secret,
    cred: Result<Cred, NoToken>,
    until: Instant,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept")
    }
}

impl Kerberos {
    /// By password, or by `keytab`.
    ///
    /// # Errors
    /// [`Next::Refused`] where the process was not started with [`KEYTAB_VARIABLE`] naming the
    /// keytab: the library takes it from nowhere else.
    pub fn new(keytab: Option<PathBuf>) -> Result<Self, Fault> {
        if let Some(path) = &keytab
            && std::env::var_os(KEYTAB_VARIABLE).as_deref() != Some(path.as_os_str())
        {
            let path = path.display();
            return Err(Fault::refused(format!("{KEYTAB_VARIABLE} does not name {path}")));
        }
        Ok(Self { keytab, ..Self::default() })
    }

    /// Something that another content of the file changes. It is read only where its time or its
    /// length changed: whoever signs in asks for it each time.
    fn fingerprint(&self, path: &Path) -> Option<Secret> {
        let facts = std::fs::metadata(path).ok()?;
        let (changed, length) = (facts.modified().ok()?, facts.len());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = seen.as_ref()
            && (seen.changed, seen.length) == (changed, length)
        {
            return Some(seen.fingerprint.clone());
        }
        *seen = None;
        let fingerprint = fingerprint(path)?;
        // Twice in one tick of its clock: what was read may be half of it.
        if changed.elapsed().is_ok_and(|age| age > SETTLED) {
            *seen = Some(Seen { changed, length, fingerprint: fingerprint.clone() });
        }
        Some(fingerprint)
    }
}

impl Tickets for Kerberos {
    fn keytab(&self) -> Option<Secret> {
        // One that cannot be read is a secret, too: it changes as soon as it can.
        let unread = || Secret::new("-");
        self.keytab.as_deref().map(|path| self.fingerprint(path).unwrap_or_else(unread))
    }

    fn fresh(&self) -> Option<Arc<dyn Tickets>> {
        Some(Arc::new(Self { keytab: self.keytab.clone(), ..Self::default() }))
    }

    fn token(&self, wish: Wish) -> BoxFuture<'_, Result<Token, NoToken>> {
        let kept = Arc::clone(&self.kept);
        let key = self.keytab();
        Box::pin(async move {
            // The library blocks while it speaks with the key server.
            let asking = tokio::task::spawn_blocking(move || ask(&kept, key, &wish));
            asking.await.unwrap_or_else(|_| Err(unavailable("the library broke off")))
        })
    }

    fn own(
        &self,
        account: String,
        password: Option<Secret>,
    ) -> BoxFuture<'_, Result<Own, NoToken>> {
        let kept = Arc::clone(&self.kept);
        let keytab = self.keytab();
        Box::pin(async move {
            let asking = tokio::task::spawn_blocking(move || {
                let (credential, asked) = credentials(&kept, keytab, &account, password.as_ref())?;
                Ok(Own { credential, asked })
            });
            asking.await.unwrap_or_else(|_| Err(unavailable("the library broke off")))
        })
    }
}

/// Something that another content of the file changes.
fn fingerprint(path: &Path) -> Option<Secret> {
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    std::fs::File::open(path).ok()?.take(LONGEST_KEYTAB).read_to_end(&mut bytes).ok()?;
    let hash = digest::digest(&digest::SHA256, &bytes);
    Some(Secret::new(hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

fn ask(kept: &Mutex<Option<Kept>>, keytab: Option<Secret>, wish: &Wish) -> Result<Token, NoToken> {
    let (cred, asked) = credentials(kept, keytab, &wish.account, wish.password.as_ref())?;
    let name = format!("HTTP@{}", wish.host);
    let target = Name::new(name.as_bytes(), Some(&GSS_NT_HOSTBASED_SERVICE))
        .map_err(|error| on_the_way(explain(&error)))?;
    let flags = CtxFlags::GSS_C_MUTUAL_FLAG;
    let mut context = ClientCtx::new(Some(cred), target, flags, Some(&GSS_MECH_KRB5));
    let first = context.step(None, wish.binding.as_deref()).map_err(|error| {
        // What is kept may be the reason: the next one asks anew.
        *kept.lock().unwrap_or_else(PoisonError::into_inner) = None;
        on_the_way(explain(&error))
    })?;
    let bytes = first.ok_or_else(|| unavailable("the library gave no token"))?.to_vec();
    let binding = wish.binding.clone();
    let proves = Box::new(move |answer: &[u8]| {
        context.step(Some(answer), binding.as_deref()).is_ok() && context.is_complete()
    });
    Ok(Token { bytes, proves, asked })
}

/// The ticket for tickets: the kept one while it is good; and whether the key server was asked for
/// it. One asks for all that wait.
fn credentials(
    kept: &Mutex<Option<Kept>>,
    keytab: Option<Secret>,
    account: &str,
    password: Option<&Secret>,
) -> Result<(Cred, bool), NoToken> {
    let password = match (&keytab, password) {
        (None, None) => return Err(unavailable("there is neither a password nor a keytab")),
        (None, Some(password)) => Some(password),
        (Some(_), _) => None,
    };
    let Some(key) = keytab.as_ref().or(password).cloned() else {
        return Err(unavailable("there is neither a password nor a keytab"));
    };
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(kept) = kept.as_ref().filter(|kept| kept.key == key && kept.until > Instant::now())
    {
        return kept.cred.clone().map(|cred| (cred, false));
    }
    *kept = None;
    let acquire = || -> Result<(Cred, Duration), Error> {
        let name = Name::new(principal(account).as_bytes(), Some(&GSS_NT_KRB5_PRINCIPAL))?;
        let mut mechanisms = OidSet::new()?;
        mechanisms.add(&GSS_MECH_KRB5)?;
        let (name, mechanisms) = (Some(&name), Some(&mechanisms));
        let cred = match password {
            Some(password) => {
                let text = password.reveal();
                Cred::acquire_with_password(name, text, None, CredUsage::Initiate, mechanisms)?
            }
            None => Cred::acquire(name, None, CredUsage::Initiate, mechanisms)?,
        };
        // Only this makes the library ask the key server.
        let life = cred.lifetime()?;
        Ok((cred, life))
    };
    let (cred, life) = match acquire().map_err(|error| explain(&error)) {
        Ok((cred, life)) => (Ok(cred), life.min(LONGEST_LIFE).saturating_sub(SKEW)),
        Err(why) => (Err(why), REST),
    };
    *kept = Some(Kept { key, cred: cred.clone(), until: Instant::now() + life });
    cred.map(|cred| (cred, true))
}

/// Why there is no ticket for a server. The account had its own already: whatever is refused now,
/// its secret was not.
fn on_the_way(why: NoToken) -> NoToken {
    match why {
        NoToken::Refused(_) => unavailable("the key server gives no ticket for the server"),
        why => why,
    }
}

/// The account as Kerberos names it: a realm is a DNS domain in capitals; a short domain is none,
/// so that `krb5.conf` has to name it.
fn principal(account: &str) -> String {
    let (user, domain) = match account.split_once('\\') {
        Some((domain, user)) => (user, domain),
        None => account.rsplit_once('@').unwrap_or((account, "")),
    };
    match domain.contains('.') {
        true => format!("{user}@{}", domain.to_uppercase()),
        false => user.to_owned(),
    }
}

fn unavailable(why: &str) -> NoToken {
    // No secret was refused: another server, or this one later, may take it.
    NoToken::Unavailable(Fault::new(Next::BackOff { after: None }, format!("Kerberos: {why}")))
}

/// What the library's error means. Its own words are left out: they have names in them.
fn explain(error: &Error) -> NoToken {
    // A code of MIT's `krb5.h`; up to 127 they are RFC 4120's (7.5.9).
    const BASE: i64 = -1_765_328_384;
    let code = i64::from(error.minor.cast_signed());
    let refused = |why: &str| NoToken::Refused(format!("Kerberos: {why}"));
    match code - BASE {
        24 | 31 | 210 => refused("the password (or the keytab's key) is wrong"),
        18 => refused("the account is locked or disabled"),
        1 | 23 => refused("the account or its password has expired"),
        21 => refused("the account is not valid yet"),
        6 => unavailable("the domain does not know the account"),
        7 => unavailable("no account has the server's name HTTP/<host> (setspn -Q HTTP/<host>)"),
        12 => unavailable("the domain's policy forbids it"),
        14 => unavailable("the domain and krb5.conf have no kind of encryption in common"),
        37 | 148 => unavailable("this machine's clock is off by more than five minutes"),
        154 | 224 => unavailable(
            "no realm is known: write the account as user@corp.example, or name it in krb5.conf",
        ),
        141 | 181 | 195 => unavailable("the keytab cannot be read, or has no key of the account"),
        29 | 156 | 220 => NoToken::Unavailable(Fault::new(
            Next::BackOff { after: None },
            "Kerberos: the domain's key server cannot be reached",
        )),
        _ => unavailable(&format!("no ticket (code {code}, {:#x})", error.major.bits())),
    }
}

#[cfg(test)]
mod tests {
    use libgssapi::error::MajorFlags;

    use super::*;

    #[test]
    fn an_account_is_named_by_its_realm() {
        assert_eq!(principal("svc@corp.example"), "svc@CORP.EXAMPLE");
        assert_eq!(principal(r"corp.example\svc"), "svc@CORP.EXAMPLE");
        assert_eq!(principal(r"CORP\svc"), "svc");
        assert_eq!(principal("svc"), "svc");
    }

    #[test]
    fn only_a_wrong_secret_is_one() {
        let told = |minor: i32| {
            let minor = minor.cast_unsigned();
            explain(&Error { major: MajorFlags::GSS_S_FAILURE, minor })
        };
        assert!(matches!(told(-1_765_328_360), NoToken::Refused(_)), "preauthentication failed");
        assert!(matches!(told(-1_765_328_366), NoToken::Refused(_)), "revoked");
        for minor in [-1_765_328_353, -1_765_328_174, -1_765_328_366] {
            let later = on_the_way(told(minor));
            assert!(matches!(later, NoToken::Unavailable(_)), "after the account's own: {minor}");
        }
        let next = |minor| match told(minor) {
            NoToken::Unavailable(fault) => fault.next,
            NoToken::Refused(why) => panic!("{why}"),
        };
        assert_eq!(next(-1_765_328_228), Next::BackOff { after: None }, "no key server");
        assert_eq!(next(-1_765_328_377), Next::BackOff { after: None }, "no such server");
        assert_eq!(next(-1_765_328_347), Next::BackOff { after: None }, "clock skew");
        assert_eq!(next(0), Next::BackOff { after: None });
    }

    #[test]
    fn a_changed_keytab_is_another_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keytab");
        let kerberos = Kerberos { keytab: Some(path.clone()), ..Kerberos::default() };
        let missing = kerberos.keytab();
        std::fs::write(&path, "one").unwrap();
        let one = kerberos.keytab();
        std::fs::write(&path, "two").unwrap();
        let two = kerberos.keytab();
        assert!(missing.is_some() && missing != one && one != two);
        let file = std::fs::File::open(&path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
        assert_eq!(kerberos.keytab(), two);
        std::fs::write(&path, "red").unwrap();
        assert!(kerberos.keytab() != two, "the time tells");
        assert_eq!(Kerberos::default().keytab(), None);
        let fault = Kerberos::new(Some(path)).unwrap_err();
        assert_eq!(fault.next, Next::Refused, "the process has not got it");
    }
}
