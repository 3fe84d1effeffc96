//! Service connection points: what Exchange writes about itself into the directory ([MS-OXDISCO]
//! 3.1.5.1), and in which order its entries are followed.

use http::Uri;

use crate::net::name;

/// Marks an entry whose address is an Autodiscover server.
const URL: &str = "77378F46-2C66-4aa9-A6A6-3E7A48B19596";
/// Marks an entry whose address is another directory.
const POINTER: &str = "67661d7F-8FC4-4fa7-BFAC-E1D7794C1F68";

/// Finds both kinds, below the directory's `configurationNamingContext`.
pub const FILTER: &str = "(&(objectClass=serviceConnectionPoint)\
    (|(keywords=77378F46-2C66-4aa9-A6A6-3E7A48B19596)\
    (keywords=67661d7F-8FC4-4fa7-BFAC-E1D7794C1F68)))";

/// One entry, as the directory has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// `keywords`.
    pub keywords: Vec<String>,
    /// `serviceBindingInformation`.
    pub bindings: Vec<String>,
}

/// What one directory said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Points {
    /// The site that is ours: the configured one, or that of the directory's own server.
    pub site: Option<String>,
    /// The entries, as they came.
    pub points: Vec<Point>,
}

/// A directory that an entry points to: `LDAP://host[:port]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// Its name.
    pub host: String,
    /// Its port, where the entry names one.
    pub port: Option<u16>,
}

/// Where to go on after one directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Leads {
    /// Directories for this very domain: before everything else.
    pub(super) own: Vec<Server>,
    /// Autodiscover servers: those of our site, those of no site, the others.
    pub(super) urls: Vec<Uri>,
    /// Directories for whatever domain: when nothing else led to an answer.
    pub(super) any: Vec<Server>,
}

/// Sorts what a directory said, for the mailboxes of a domain.
pub(super) fn leads(found: &Points, domain: &str) -> Leads {
    let mut leads = Leads::default();
    let mut urls: Vec<(u8, Uri)> = Vec::new();
    for point in &found.points {
        if point.has(POINTER) {
            let servers = point.bindings.iter().filter_map(|text| server(text));
            match point.names("domain=").as_slice() {
                [] => leads.any.extend(servers),
                names if names.iter().any(|name| name.eq_ignore_ascii_case(domain)) => {
                    leads.own.extend(servers);
                }
                _ => {}
            }
        } else if point.has(URL) {
            let distance = point.distance(found.site.as_deref());
            let https = |text: &String| {
                text.trim().parse::<Uri>().ok().filter(|uri| uri.scheme_str() == Some("https"))
            };
            urls.extend(point.bindings.iter().filter_map(https).map(|uri| (distance, uri)));
        }
    }
    urls.sort_by_key(|(distance, _)| *distance);
    for (_, uri) in urls {
        if !leads.urls.contains(&uri) {
            leads.urls.push(uri);
        }
    }
    leads
}

impl Point {
    fn has(&self, keyword: &str) -> bool {
        self.keywords.iter().any(|known| known.trim().eq_ignore_ascii_case(keyword))
    }

    /// The values of keywords like `Site=…`; `prefix` is lower case.
    fn names(&self, prefix: &str) -> Vec<&str> {
        let name = |keyword: &'_ String| -> Option<usize> {
            let head = keyword.get(..prefix.len())?;
            head.eq_ignore_ascii_case(prefix).then_some(prefix.len())
        };
        let found = self.keywords.iter().filter_map(|keyword| keyword.get(name(keyword)?..));
        found.map(str::trim).collect()
    }

    fn distance(&self, site: Option<&str>) -> u8 {
        let sites = self.names("site=");
        match site {
            Some(own) if sites.iter().any(|known| known.eq_ignore_ascii_case(own)) => 0,
            _ if sites.is_empty() => 1,
            _ => 2,
        }
    }
}

fn server(text: &str) -> Option<Server> {
    let text = text.trim();
    let (scheme, rest) = text.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("ldap") && !scheme.eq_ignore_ascii_case("ldaps") {
        return None;
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (authority, None),
    };
    Some(Server { host: name::plain(host)?, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(keywords: &[&str], binding: &str) -> Point {
        Point {
            keywords: keywords.iter().map(|&keyword| keyword.to_owned()).collect(),
            bindings: vec![binding.to_owned()],
        }
    }

    #[test]
    fn our_own_site_comes_first_then_those_without_one() {
        let points = vec![
            point(&["Site=Berlin", URL], "https://berlin/a.xml"),
            point(&[URL], "https://everywhere/a.xml"),
            point(&[&URL.to_ascii_lowercase(), "site=ROME", "Site=Oslo"], "https://rome/a.xml"),
            point(&["Site=Rome", URL], "http://rome/plain.xml"),
            point(&["Site=Rome", "something else"], "https://rome/other.xml"),
        ];
        let urls = |site: Option<&str>| -> Vec<String> {
            let found = Points { site: site.map(str::to_owned), points: points.clone() };
            leads(&found, "corp.example").urls.iter().map(ToString::to_string).collect()
        };
        let (berlin, none, rome) =
            ("https://berlin/a.xml", "https://everywhere/a.xml", "https://rome/a.xml");
        assert_eq!(urls(Some("Rome")), [rome, none, berlin]);
        assert_eq!(urls(Some("berlin")), [berlin, none, rome]);
        assert_eq!(urls(None), [none, berlin, rome]);
    }

    #[test]
    fn a_pointer_for_our_domain_comes_before_one_for_any() {
        let points = vec![
            point(&[POINTER], "LDAP://any.example"),
            point(&[POINTER, "Domain=other.example"], "LDAP://other.example"),
            point(&[POINTER, "domain=CORP.example"], "ldap://DC2.corp.example:3268/dc=x"),
            point(&[POINTER, "Domain=corp.example"], "LDAP://bad host"),
            point(&[POINTER, "Domain=corp.example"], "https://no.ldap.example"),
        ];
        let found = leads(&Points { site: None, points }, "corp.example");
        let server = |host: &str, port| Server { host: host.into(), port };
        assert_eq!(found.own, [server("dc2.corp.example", Some(3268))]);
        assert_eq!(found.any, [server("any.example", None)]);
        assert!(found.urls.is_empty());
    }
}
