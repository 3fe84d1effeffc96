//! A configuration as `calway setup` writes it, with a word on each part.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::secrets::{Needed, names};
use super::{Mistakes, Settings, merge, validate};

/// What somebody answered. Nothing is checked before [`Draft::settings`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// The calendar's name, which its secrets bear.
    pub name: String,
    /// `DOMAIN\user` or `user@domain`.
    pub account: String,
    /// The address of EWS; absent: it is found by the domains.
    pub url: Option<String>,
    /// Domains whose servers are found by Autodiscover.
    pub domains: Vec<String>,
    /// A domain controller to ask first, `ldaps://…`.
    pub scp: Option<String>,
    /// The Active Directory site of the appliance.
    pub site: Option<String>,
    /// Ways to sign in; none: the usual ones.
    pub auth: Vec<String>,
    /// The account's keys for Kerberos, in the place of its password.
    pub keytab: Option<PathBuf>,
    /// Mailboxes to try the account's rights with.
    pub test_mailboxes: Vec<String>,
    /// Authorities that are trusted for Exchange beside the system's.
    pub ca_file: Option<PathBuf>,
    /// `sha256:…` of Exchange's certificate.
    pub pinned_certificate: Option<String>,
    /// The way out: to Exchange.
    pub proxy: Option<String>,
    /// Who signs in at that proxy.
    pub proxy_user: Option<String>,
    /// Where the cloud is.
    pub cloud_url: String,
    /// The OAuth client.
    pub client_id: String,
    /// The connector's name at the cloud; absent: the client's.
    pub connector: Option<String>,
    /// Authorities that are trusted for the cloud beside the system's.
    pub cloud_ca_file: Option<PathBuf>,
    /// The way out: to the cloud.
    pub cloud_proxy: Option<String>,
    /// Who signs in at that proxy.
    pub cloud_proxy_user: Option<String>,
    /// The key server's authority.
    pub kms_anchors: PathBuf,
    /// Where the key server is reached, where not through the cloud.
    pub kms_url: Option<String>,
    /// Where the store lies, where not in its usual place.
    pub store: Option<PathBuf>,
}

impl Draft {
    /// What the daemon would make of it.
    ///
    /// # Errors
    /// All mistakes, each with its key.
    pub fn settings(&self, file: &Path) -> Result<Settings, Mistakes> {
        let texts = [(file.to_path_buf(), self.text())];
        let mut settings = validate(merge(file, &texts)?).map_err(Mistakes)?;
        settings.file = file.to_path_buf();
        Ok(settings)
    }

    /// The secrets that it needs.
    ///
    /// # Errors
    /// What keeps it from being read.
    pub fn needed(&self) -> Result<Vec<Needed>, Mistakes> {
        let texts = [(PathBuf::from("calway.toml"), self.text())];
        Ok(names::of(&merge(Path::new("calway.toml"), &texts)?))
    }

    /// The file.
    pub fn text(&self) -> String {
        let mut out = String::from(
            "# Written by calway setup. All keys, with what they are: \
             /usr/share/doc/calway/reference/configuration.md\n\
             # After a change: calway check, then systemctl reload calway (it says what needs a \
             restart).\n\
             # No secret stands here: calway secret list says which there are.\n\n",
        );
        self.calendar(&mut out);
        self.cloud(&mut out);
        self.kms(&mut out);
        if let Some(path) = &self.store {
            out += "\n# What was read, and what waits for the cloud; sealed with the secret \
                    store.key.\n[store]\n";
            key(&mut out, "path", &path.to_string_lossy());
        }
        out
    }

    fn calendar(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "# Exchange. The account's password is the secret calendar.{}.password.\n[[calendar]]",
            comment(&self.name)
        );
        key(out, "name", &self.name);
        key(out, "account", &self.account);
        match &self.url {
            Some(url) => key(out, "url", url),
            None => self.discover(out),
        }
        if !self.auth.is_empty() {
            out.push_str("# Ways to sign in, tried in this order.\n");
            let _ = writeln!(out, "auth = {}", list(&self.auth));
        }
        if let Some(file) = &self.keytab {
            out.push_str(
                "# The account's keys for Kerberos; as long as they work no password is sent.\n",
            );
            key(out, "keytab", &file.to_string_lossy());
        }
        if !self.test_mailboxes.is_empty() {
            out.push_str("# calway check tries the account's rights with these.\n");
            let _ = writeln!(out, "test_mailboxes = {}", list(&self.test_mailboxes));
        }
        if let Some(file) = &self.ca_file {
            out.push_str("# The authority of Exchange's certificate, beside the system's.\n");
            key(out, "ca_file", &file.to_string_lossy());
        }
        if let Some(pin) = &self.pinned_certificate {
            out.push_str("# This certificate alone is accepted.\n");
            key(out, "pinned_certificate", pin);
        }
        proxy(out, self.proxy.as_deref(), self.proxy_user.as_deref());
    }

    fn discover(&self, out: &mut String) {
        out.push_str(
            "# Where mailboxes are is found by Autodiscover: the directory is asked first, then \
             the domains'\n# own hosts. Others are asked only if calway trust allows it.\n",
        );
        let mut parts = Vec::new();
        if !self.domains.is_empty() {
            parts.push(format!("domains = {}", list(&self.domains)));
        }
        if let Some(server) = &self.scp {
            let site = self.site.as_ref().map(|site| format!(", site = {}", quoted(site)));
            let site = site.unwrap_or_default();
            parts.push(format!("scp = {{ server = {}{site} }}", quoted(server)));
        }
        let _ = writeln!(out, "discover = {{ {} }}", parts.join(", "));
    }

    fn cloud(&self, out: &mut String) {
        out.push_str("\n# The cloud. The client's secret is the secret cloud.client_secret.\n");
        out.push_str("[cloud]\n");
        key(out, "url", &self.cloud_url);
        let id = quoted(&self.client_id);
        let _ = writeln!(out, "auth = {{ kind = \"oauth\", client_id = {id} }}");
        if let Some(name) = &self.connector {
            out.push_str("# This connector's name there.\n");
            key(out, "connector", name);
        }
        if let Some(file) = &self.cloud_ca_file {
            out.push_str("# The authority of the cloud's certificate, beside the system's.\n");
            key(out, "ca_file", &file.to_string_lossy());
        }
        proxy(out, self.cloud_proxy.as_deref(), self.cloud_proxy_user.as_deref());
    }

    fn kms(&self, out: &mut String) {
        out.push_str(
            "\n# The key server, reached through the cloud where no url stands here. It proves \
             itself by a\n# certificate of this authority, which the cloud has no key of.\n[kms]\n",
        );
        if let Some(url) = &self.kms_url {
            key(out, "url", url);
        }
        key(out, "anchors_file", &self.kms_anchors.to_string_lossy());
    }
}

fn proxy(out: &mut String, address: Option<&str>, user: Option<&str>) {
    let Some(address) = address else { return };
    key(out, "proxy", address);
    if let Some(user) = user {
        out.push_str("# Its password is a secret, …proxy_password.\n");
        let user = quoted(user);
        let _ = writeln!(out, "proxy_auth = {{ kind = \"basic\", user = {user} }}");
    }
}

fn key(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "{name} = {}", quoted(value));
}

fn list(all: &[String]) -> String {
    let all: Vec<_> = all.iter().map(|one| quoted(one)).collect();
    format!("[{}]", all.join(", "))
}

/// What a comment can hold of a text.
fn comment(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// A TOML string (TOML 1.0, String): literal where it has a backslash, as accounts have, and a
/// literal one can hold it.
fn quoted(text: &str) -> String {
    if text.contains('\\') && !text.contains(|c: char| c == '\'' || c.is_control()) {
        return format!("'{text}'");
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z]{1,8}",
            "[A-Z]{1,6}\\\\[a-z]{1,8}",
            "[\\x00-\\x7f]{0,12}",
            any::<String>(),
            "['\"\\\\\\n#\\]= ]{1,8}",
        ]
    }

    fn address() -> impl Strategy<Value = String> {
        prop_oneof!["https://[a-z]{1,8}\\.example/[a-zA-Z/.]{0,12}", any_text()]
    }

    prop_compose! {
        fn calendars()(
            name in prop_oneof!["[a-z]{1,6}", any_text()],
            account in any_text(),
            url in option::of(address()),
            domains in proptest::collection::vec(
                prop_oneof!["[a-z]{1,6}\\.example", any_text()], 0..3),
            scp in option::of(prop_oneof!["ldaps://[a-z]{1,6}\\.example", any_text()]),
            site in option::of(any_text()),
            auth in proptest::collection::vec(prop_oneof!["ntlm", "basic"], 0..2),
            test_mailboxes in proptest::collection::vec(
                prop_oneof!["[a-z]{1,6}@[a-z]{1,6}\\.example", any_text()], 0..2),
            proxy in option::of(prop_oneof!["http://[a-z]{1,6}:3128", any_text()]),
            proxy_user in option::of(any_text()),
        ) -> Draft {
            Draft { name, account, url, domains, scp, site, auth, test_mailboxes, proxy,
                proxy_user, ..Draft::default() }
        }
    }

    prop_compose! {
        fn drafts()(
            draft in calendars(),
            cloud_url in address(),
            client_id in prop_oneof!["[a-z0-9-]{1,8}", any_text()],
            connector in option::of(prop_oneof!["[a-z]{1,8}", any_text()]),
            store in option::of(any_text()),
        ) -> Draft {
            Draft { cloud_url, client_id, connector, store: store.map(Into::into), ..draft }
        }
    }

    fn anchors() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kms 'anchor\\.pem");
        std::fs::write(&file, "PEM").unwrap();
        (folder, file)
    }

    proptest! {
        #[test]
        fn whatever_is_answered_reads_back_as_it_was_answered(draft in drafts()) {
            let (_folder, file) = anchors();
            let draft = Draft { kms_anchors: file, ..draft };
            // Whatever is in it: it is TOML, and its keys are known.
            prop_assert_eq!(super::super::parse(&draft.text()), Ok(()), "{}", draft.text());
            let Ok(found) = draft.settings(Path::new("calway.toml")) else { return Ok(()) };
            let ews = &found.calendars[0].ews;
            prop_assert_eq!(ews.name.as_str(), &draft.name);
            prop_assert_eq!(&ews.account, &draft.account);
            prop_assert_eq!(ews.url.is_some(), draft.url.is_some());
            let tested = found.calendars[0].test_mailboxes.len();
            prop_assert_eq!(tested, draft.test_mailboxes.len());
            prop_assert_eq!(&found.cloud.client_id, &draft.client_id);
            let connector = draft.connector.as_ref().unwrap_or(&draft.client_id);
            prop_assert_eq!(&found.cloud.connector, connector);
            prop_assert_eq!(found.kms.anchors, b"PEM");
            if let Some(store) = &draft.store {
                prop_assert_eq!(&found.store, store);
            }
            if let (None, Some(discover)) = (&draft.url, &ews.discover) {
                prop_assert_eq!(discover.domains.len(), draft.domains.len());
                let site = discover.scp.as_ref().and_then(|scp| scp.site.as_ref());
                prop_assert_eq!(site, draft.site.as_ref().filter(|_| draft.scp.is_some()));
            }
            let user = ews.proxy.as_ref().map(|proxy| proxy.account.is_some());
            let asked = draft.proxy.as_ref().map(|_| draft.proxy_user.is_some());
            prop_assert_eq!(user, asked);
        }
    }

    #[test]
    fn the_file_is_one_that_people_can_read() {
        let (_folder, file) = anchors();
        let draft = Draft {
            name: "hq".into(),
            account: "CORP\\svc-calway".into(),
            url: Some("https://mail.corp.example/EWS/Exchange.asmx".into()),
            cloud_url: "https://relay.example.com".into(),
            client_id: "hq-1".into(),
            kms_anchors: file,
            ..Draft::default()
        };
        let text = draft.text();
        for line in ["account = 'CORP\\svc-calway'\n", "name = \"hq\"\n", "[[calendar]]\n"] {
            assert!(text.contains(line), "{text}");
        }
        assert!(text.contains("the secret calendar.hq.password."), "{text}");
        assert!(draft.settings(Path::new("calway.toml")).is_ok());
        let wrong = Draft { account: String::new(), ..draft }.settings(Path::new("x"));
        assert!(wrong.unwrap_err().to_string().contains("calendar[0].account"));
    }
}
