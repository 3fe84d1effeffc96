//! `discover` of a calendar: how the servers of its mailboxes are found.

use http::Uri;

use super::written::{WrittenDiscover, WrittenScp};
use crate::calendar::ews::{Discover, Scp, ScpBind};
use crate::net::name;

/// Checks what is written; `own` are the calendar's domains, good where no others are named.
pub(super) fn discover(
    one: &WrittenDiscover,
    own: &[String],
    wrong: &mut Vec<String>,
) -> Option<Discover> {
    let domains = one.domains.clone().unwrap_or_else(|| own.to_vec());
    let scp = one.scp.as_ref().and_then(|scp| directory(scp, wrong));
    if domains.is_empty() && one.scp.is_none() {
        wrong.push("discover.domains: one domain at least is needed, or discover.scp".into());
    }
    let trusted_hosts = one.trusted_hosts.clone().unwrap_or_default();
    for (key, names) in [("domains", &domains), ("trusted_hosts", &trusted_hosts)] {
        let fits = |name: &String| {
            let name = name.strip_prefix("*.").filter(|_| key != "domains").unwrap_or(name);
            name::plain(name).is_some()
        };
        if !names.iter().all(fits) {
            wrong.push(format!("discover.{key}: names like corp.example are needed"));
        }
    }
    Some(Discover {
        domains: domains.iter().map(|name| plain(name)).collect(),
        scp,
        srv: one.srv.unwrap_or(true),
        trusted_hosts: trusted_hosts.iter().map(|name| plain(name)).collect(),
        name_servers: Vec::new(),
    })
}

fn directory(one: &WrittenScp, wrong: &mut Vec<String>) -> Option<Scp> {
    let bind = match one.bind.as_deref() {
        None | Some("simple") => ScpBind::Simple,
        Some("kerberos") if cfg!(feature = "kerberos") => ScpBind::Kerberos,
        Some("kerberos") => {
            wrong.push("discover.scp.bind: this build knows no Kerberos".into());
            return None;
        }
        Some(_) => {
            wrong.push("discover.scp.bind: \"simple\" and \"kerberos\" are allowed".into());
            return None;
        }
    };
    let server = one.server.as_ref().and_then(|text| text.parse::<Uri>().ok());
    let found = server.as_ref().and_then(|uri| {
        let secure = match uri.scheme_str()? {
            "ldaps" => true,
            "ldap" => false,
            _ => return None,
        };
        Some((uri.host()?, uri.port_u16(), secure))
    });
    let Some((host, port, secure)) = found else {
        wrong.push("discover.scp.server: ldaps://dc1.corp.example is needed".into());
        return None;
    };
    if !secure && bind == ScpBind::Simple {
        wrong.push(
            "discover.scp.server: a password goes over ldaps:// only; ldap:// needs bind = \
             \"kerberos\""
                .into(),
        );
        return None;
    }
    let port = port.unwrap_or(if secure { 636 } else { 389 });
    Some(Scp { host: host.to_owned(), port, secure, bind, site: one.site.clone() })
}

/// A host, or `*.` and a domain, in the form in which hosts are compared.
fn plain(name: &str) -> String {
    match name.strip_prefix("*.") {
        Some(domain) => format!("*.{}", name::plain(domain).unwrap_or_default()),
        None => name::plain(name).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Discover, Vec<String>> {
        let file = ::config::File::from_str(text, ::config::FileFormat::Toml);
        let built = ::config::Config::builder().add_source(file).build().unwrap();
        let written: WrittenDiscover = built.try_deserialize().map_err(|e| vec![e.to_string()])?;
        let mut wrong = Vec::new();
        let found = discover(&written, &["own.example".to_owned()], &mut wrong);
        if wrong.is_empty() { found.ok_or_else(Vec::new) } else { Err(wrong) }
    }

    #[test]
    fn what_is_written_is_understood() {
        let found = read(
            "domains = [\"Corp.example\"]\ntrusted_hosts = [\"*.mail.example\"]\nsrv = false\n\
             scp = { server = \"ldaps://dc1.corp.example\", site = \"Rome\" }",
        );
        let scp = Scp {
            host: "dc1.corp.example".into(),
            port: 636,
            secure: true,
            bind: ScpBind::Simple,
            site: Some("Rome".into()),
        };
        let expected = Discover {
            domains: vec!["corp.example".into()],
            scp: Some(scp),
            srv: false,
            trusted_hosts: vec!["*.mail.example".into()],
            name_servers: Vec::new(),
        };
        assert_eq!(found, Ok(expected));
        assert_eq!(read("").unwrap().domains, ["own.example"]);
    }

    #[test]
    fn what_cannot_work_is_named_with_its_key() {
        for (text, key) in [
            ("domains = []", "discover.domains"),
            ("domains = [\"https://corp.example\"]", "discover.domains"),
            ("domains = [\"*.corp.example\"]", "discover.domains"),
            ("trusted_hosts = [\"a b\"]", "discover.trusted_hosts"),
            ("scp = { server = \"dc1\" }", "discover.scp.server"),
            ("scp = { server = \"ldap://dc1\" }", "ldaps:// only"),
            ("scp = { server = \"ldaps://dc1\", bind = \"no\" }", "discover.scp.bind"),
            ("server = \"x\"", "server"),
        ] {
            let wrong = read(text).unwrap_err().join("; ");
            assert!(wrong.contains(key), "{text}: {wrong}");
        }
    }
}
