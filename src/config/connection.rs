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
