//! How a server is reached and signed in to: certificates, proxy, ways.

use std::path::{Path, PathBuf};

use http::Uri;

use super::written::WrittenProxyAuth;
use crate::calendar::ews::{self, Auth};
use crate::net::proxy::{Account, Proxy};
use crate::net::{Pin, Trust};

/// `ca_file`, `system_trust` and `pinned_certificate`.
pub(super) fn trust(
    ca_file: Option<&PathBuf>,
    system: Option<bool>,
    pinned: &[String],
    key: &str,
    wrong: &mut Vec<String>,
) -> Trust {
    let mut pins = Vec::new();
    for text in pinned {
        match Pin::parse(text) {
            Some(pin) => pins.push(pin),
            None => wrong.push(format!(
                "{key}: sha256: and 64 hexadecimal digits are needed, as \
                 `openssl x509 -noout -fingerprint -sha256` shows them"
            )),
        }
    }
    Trust {
        system: system.unwrap_or(true),
        ca_files: ca_file.cloned().into_iter().collect(),
        ca_pem: Vec::new(),
        pinned: pins,
    }
}

/// `proxy` and `proxy_auth`; `place` stands before the keys.
pub(super) fn proxy(
    address: Option<&String>,
    account: Option<&WrittenProxyAuth>,
    place: &str,
    wrong: &mut Vec<String>,
) -> Option<Proxy> {
    let Some(address) = address else {
        if account.is_some() {
            wrong.push(format!("{place}proxy_auth: is of use only beside proxy"));
        }
        return None;
    };
    let uri = address.parse::<Uri>().ok().filter(|uri| uri.scheme_str() == Some("http"));
    let uri = uri.filter(|uri| !uri.authority().is_some_and(|one| one.as_str().contains('@')));
    let Some((host, port)) = uri.as_ref().and_then(|uri| Some((uri.host()?, uri.port_u16()?)))
    else {
        wrong.push(format!(
            "{place}proxy: http://host:port is needed; who signs in there stands in proxy_auth"
        ));
        return None;
    };
    let mut proxy = Proxy::new(host.trim_start_matches('[').trim_end_matches(']'), port);
    if let Some(WrittenProxyAuth::Basic { user }) = account {
        if user.is_empty() || user.contains(|c: char| c == ':' || c.is_control()) {
            wrong.push(format!("{place}proxy_auth.user: a name without a colon is needed"));
        }
        proxy.account = Some(Account::new(user.clone()));
    }
    Some(proxy)
}

/// `auth` and `keytab`: the ways in their order.
pub(super) fn ways(
    written: Option<&Vec<String>>,
    keytab: Option<&Path>,
    wrong: &mut Vec<String>,
) -> Vec<Auth> {
    let mut ways = Vec::new();
    match written {
        None => ways.extend(ews::DEFAULT_WAYS),
        Some(written) => {
            for way in written {
                match way.as_str() {
                    "negotiate" if cfg!(feature = "kerberos") => ways.push(Auth::Negotiate),
                    "negotiate" => wrong.push(
                        "auth: this build has no Kerberos; the packages have it, or build with \
                         `cargo build --features kerberos`"
                            .into(),
                    ),
                    "ntlm" => ways.push(Auth::Ntlm),
                    "basic" => ways.push(Auth::Basic),
                    _ => {
                        wrong.push("auth: \"negotiate\", \"ntlm\" and \"basic\" are allowed".into())
                    }
                }
            }
            if written.is_empty() {
                wrong.push("auth: one way at least is needed".into());
            }
        }
    }
    if ways.iter().enumerate().any(|(at, way)| ways[..at].contains(way)) {
        wrong.push("auth: a way stands there twice".into());
    }
    match keytab {
        Some(_) if written.is_some() && !ways.contains(&Auth::Negotiate) => {
            wrong.push("keytab: is of use only with auth \"negotiate\"".into());
        }
        Some(_) if !cfg!(feature = "kerberos") => {
            wrong.push("keytab: this build has no Kerberos; the packages have it".into());
        }
        Some(path) if !path.is_absolute() => {
            wrong.push("keytab: a path from / on is needed".into());
        }
        _ => {}
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways_of(written: &[&str], keytab: Option<&str>) -> (Vec<Auth>, Vec<String>) {
        let written: Vec<_> = written.iter().map(|&way| way.to_owned()).collect();
        let mut wrong = Vec::new();
        let ways = ways(Some(&written), keytab.map(Path::new), &mut wrong);
        (ways, wrong)
    }

    #[test]
    fn ways_are_taken_in_their_order() {
        let (found, wrong) = ways_of(&["basic", "ntlm"], None);
        assert_eq!((found, wrong.len()), (vec![Auth::Basic, Auth::Ntlm], 0));
        assert_eq!(ways_of(&["ntlm", "ntlm"], None).1, ["auth: a way stands there twice"]);
        assert_eq!(ways_of(&[], None).1, ["auth: one way at least is needed"]);
        assert!(ways_of(&["kerberos"], None).1[0].contains("\"negotiate\", \"ntlm\" and"));
        assert!(ways_of(&["ntlm"], Some("/x")).1[0].contains("only with auth \"negotiate\""));
    }

    #[cfg(feature = "kerberos")]
    #[test]
    fn a_build_with_kerberos_takes_it_first() {
        assert_eq!(ways(None, None, &mut Vec::new())[0], Auth::Negotiate);
        assert_eq!(ways_of(&["negotiate"], Some("/etc/calway/keytab")).1, [""; 0]);
        assert_eq!(ways_of(&["negotiate"], Some("keytab")).1.len(), 1, "which folder?");
    }

    #[cfg(not(feature = "kerberos"))]
    #[test]
    fn a_build_without_kerberos_says_which_has_it() {
        assert_eq!(ways(None, None, &mut Vec::new()), [Auth::Ntlm, Auth::Basic]);
        let (_, wrong) = ways_of(&["negotiate", "ntlm"], None);
        assert!(wrong[0].contains("the packages have it"), "{wrong:?}");
        let mut wrong = Vec::new();
        ways(None, Some(Path::new("/etc/calway/keytab")), &mut wrong);
        assert!(wrong[0].starts_with("keytab: this build has no Kerberos"), "{wrong:?}");
    }

    #[test]
    fn a_proxy_and_its_account_are_checked() {
        let basic = |user: &str| WrittenProxyAuth::Basic { user: user.to_owned() };
        let check = |address: Option<&str>, account: Option<WrittenProxyAuth>| {
            let mut wrong = Vec::new();
            let address = address.map(str::to_owned);
            let found = proxy(address.as_ref(), account.as_ref(), "cloud.", &mut wrong);
            (found, wrong)
        };
        let (found, wrong) = check(Some("http://[::1]:3128"), Some(basic("calway")));
        let found = found.unwrap();
        assert_eq!((found.host.as_str(), found.port, wrong.len()), ("::1", 3128, 0));
        assert!(found.account.is_some());
        assert!(check(Some("http://proxy:3128"), None).0.unwrap().account.is_none());
        for address in ["http://proxy", "https://proxy:1", "proxy:1", "http://user:word@proxy:1"] {
            let wrong = check(Some(address), None).1;
            assert!(wrong[0].starts_with("cloud.proxy: http://host:port"), "{address}");
        }
        assert!(check(None, Some(basic("x"))).1[0].contains("only beside proxy"));
        assert!(check(Some("http://p:1"), Some(basic("a:b"))).1[0].contains("proxy_auth.user"));
    }

    #[test]
    fn a_pin_that_is_none_is_named() {
        let mut wrong = Vec::new();
        let good = Pin::of(b"x").to_string();
        let found = trust(None, None, &[good.clone(), good], "pinned_certificate", &mut wrong);
        assert_eq!((found.pinned.len(), wrong.len()), (2, 0));
        trust(None, None, &["sha1:00".into()], "cloud.pinned_certificate", &mut wrong);
        assert!(wrong[0].starts_with("cloud.pinned_certificate: sha256:"), "{wrong:?}");
    }
}
