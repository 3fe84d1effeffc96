//! What `calway setup` is told: by arguments, or by whoever answers its questions.

use std::path::{Path, PathBuf};

use clap::Args;

use super::talk::{
    Question, Talk, account, address, certificates, domains, keytab_file, mailbox, name,
    usual_ways, ways,
};
use crate::cli::Failure;
use crate::config::draft::Draft;

/// The answers, as arguments. Those that are given are not asked for.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Answers {
    /// The calendar's name: it names its secrets and stands in the journal [hq].
    #[arg(long, value_name = "NAME")]
    calendar_name: Option<String>,
    /// The account that may impersonate the mailboxes: CORP\svc-calway, svc-calway@corp.example.
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// The address of EWS, where one serves all: https://mail.corp.example/EWS/Exchange.asmx.
    #[arg(long, value_name = "URL", conflicts_with_all = ["domain", "scp", "site"])]
    url: Option<String>,
    /// A mail domain whose servers are found by Autodiscover; may be given again.
    #[arg(long, value_name = "DOMAIN")]
    domain: Vec<String>,
    /// A domain controller that is asked first for servers: ldaps://dc1.corp.example.
    #[arg(long, value_name = "URL")]
    scp: Option<String>,
    /// The Active Directory site of this machine; without it that of the domain controller.
    #[arg(long, value_name = "SITE", requires = "scp")]
    site: Option<String>,
    /// A way to sign in (negotiate, ntlm, basic); again for the next to try.
    #[arg(long, value_name = "WAY")]
    auth: Vec<String>,
    /// The account's keytab, with which Negotiate needs no password: /etc/calway/calway.keytab.
    #[arg(long, value_name = "FILE")]
    keytab: Option<PathBuf>,
    /// A mailbox to try the account's rights with; may be given again. Where no --url is given, the
    /// servers to try are those that serve it.
    #[arg(long, value_name = "ADDRESS")]
    test_mailbox: Vec<String>,
    /// PEM file with the authority of Exchange's certificate, where it is your own.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// SHA-256 of Exchange's certificate, to accept that one alone: sha256:….
    #[arg(long, value_name = "PIN")]
    pinned_certificate: Option<String>,
    /// The proxy to Exchange: http://proxy.corp.example:3128.
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// Who signs in at it.
    #[arg(long, value_name = "USER", requires = "proxy")]
    proxy_user: Option<String>,
    /// The cloud's address.
    #[arg(long, value_name = "URL")]
    cloud_url: Option<String>,
    /// The connector's client id there, from the cloud's administrator.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// The connector's name there, where it is not the client id.
    #[arg(long, value_name = "NAME")]
    connector: Option<String>,
    /// PEM file with the authority of the cloud's certificate, where the system does not trust it.
    #[arg(long, value_name = "FILE")]
    cloud_ca_file: Option<PathBuf>,
    /// The proxy to the cloud.
    #[arg(long, value_name = "URL")]
    cloud_proxy: Option<String>,
    /// Who signs in at it.
    #[arg(long, value_name = "USER", requires = "cloud_proxy")]
    cloud_proxy_user: Option<String>,
    /// PEM file with the key server's authority, from the cloud's administrator.
    #[arg(long, value_name = "FILE")]
    kms_anchors: Option<PathBuf>,
    /// The key server's address, where it is not reached through the cloud.
    #[arg(long, value_name = "URL")]
    kms_url: Option<String>,
    /// Where the store lies, where not in /var/lib/calway.
    #[arg(long, value_name = "FILE", hide = true)]
    store_path: Option<PathBuf>,
}

/// Where the key server's authority is expected.
const ANCHORS: &str = "/etc/calway/kms-anchor.pem";

impl Answers {
    /// What was told by arguments, all of it; `tried`: it is to be tried whether it works.
    ///
    /// # Errors
    /// Which arguments are missing.
    pub(super) fn whole(&self, tried: bool) -> Result<Draft, Failure> {
        let triable = !tried || self.url.is_some() || !self.test_mailbox.is_empty();
        let found = self.url.is_some() || !self.domain.is_empty() || self.scp.is_some();
        let missing: Vec<_> = [
            (self.account.is_some(), "--account"),
            (found, "--url (or --domain, or --scp)"),
            (triable || !found, "--test-mailbox (its servers are tried; or --no-test)"),
            (self.cloud_url.is_some(), "--cloud-url"),
            (self.client_id.is_some(), "--client-id"),
            (self.kms_anchors.is_some(), "--kms-anchors"),
        ]
        .into_iter()
        .filter_map(|(is_there, name)| (!is_there).then_some(name))
        .collect();
        match missing.is_empty() {
            true => Ok(self.draft()),
            false => {
                let all = missing.join(", ");
                Err(Failure::Usage(format!("without questions these are needed: {all}")))
            }
        }
    }

    fn draft(&self) -> Draft {
        let told = self.clone();
        Draft {
            name: told.calendar_name.unwrap_or_else(|| "hq".into()),
            account: told.account.unwrap_or_default(),
            url: told.url,
            domains: told.domain,
            scp: told.scp,
            site: told.site,
            auth: told.auth,
            keytab: told.keytab,
            test_mailboxes: told.test_mailbox,
            ca_file: told.ca_file,
            pinned_certificate: told.pinned_certificate,
            proxy: told.proxy,
            proxy_user: told.proxy_user,
            cloud_url: told.cloud_url.unwrap_or_default(),
            client_id: told.client_id.unwrap_or_default(),
            connector: told.connector,
            cloud_ca_file: told.cloud_ca_file,
            cloud_proxy: told.cloud_proxy,
            cloud_proxy_user: told.cloud_proxy_user,
            kms_anchors: told.kms_anchors.unwrap_or_default(),
            kms_url: told.kms_url,
            store: told.store_path,
        }
    }

    /// The account's keytab, if there is one.
    pub(super) fn keytab(&self) -> Option<&Path> {
        self.keytab.as_deref()
    }

    /// Asks who signs in and how, as far as that was not told. `domain` is this machine's, where it
    /// has one. What was answered, as arguments, comes beside it: with a keytab the program has to
    /// begin again.
    ///
    /// # Errors
    /// Whoever is asked has gone.
    pub(super) fn account_asked(
        &self,
        talk: &mut Talk<'_>,
        domain: &str,
    ) -> Result<(Self, Vec<String>), Failure> {
        let (mut known, mut answered) = (self.clone(), Vec::new());
        let mut note = |name: &str, value: &str| answered.extend([name.into(), value.to_owned()]);
        if self.calendar_name.is_none() {
            let why = "A name for this Exchange organisation: it names its secrets and stands in \
                       the journal.";
            let what = "Name of the calendar";
            let answer = talk.ask(&Question { what, why, default: "hq", needed: true }, name)?;
            note("--calendar-name", &answer);
            known.calendar_name = Some(answer);
        }
        if self.account.is_none() {
            let usual = format!("svc-calway@{domain}");
            let why = "The one account that may act in the mailboxes (guide, steps 1 and 2), as \
                       CORP\\svc-calway or svc-calway@corp.example.";
            let default = if domain.is_empty() { "" } else { &usual };
            let question = Question { what: "Account", why, default, needed: true };
            let answer = talk.ask(&question, account)?;
            note("--account", &answer);
            known.account = Some(answer);
        }
        if self.auth.is_empty() && self.keytab.is_none() {
            let why = "The ways to sign in, in the order in which they are tried: what Exchange \
                       offers, calway check shows.";
            let usual = usual_ways();
            let question = Question { what: "Ways to sign in", why, default: &usual, needed: true };
            let answer = talk.ask(&question, ways)?;
            known.auth = domains(&answer);
            known.auth.iter().for_each(|way| note("--auth", way));
        }
        if self.keytab.is_none() && known.auth.iter().any(|way| way == "negotiate") {
            let why = "Negotiate (Kerberos) signs in with the account's password, or with a \
                       keytab in its place (guide, step 4), as /etc/calway/calway.keytab.";
            let question = Question { what: "Keytab", why, default: "", needed: false };
            let answer = some(talk.ask(&question, keytab_file)?);
            answer.iter().for_each(|file| note("--keytab", file));
            known.keytab = answer.map(PathBuf::from);
        }
        Ok((known, answered))
    }

    /// Asks for the rest of what was not told; `tried`: it is to be tried whether it works.
    ///
    /// # Errors
    /// Whoever is asked has gone.
    pub(super) fn asked(
        &self,
        talk: &mut Talk<'_>,
        domain: &str,
        tried: bool,
    ) -> Result<Draft, Failure> {
        let mut draft = self.draft();
        if draft.auth.join(" ") == usual_ways() {
            draft.auth.clear();
        }
        if self.url.is_none() && self.domain.is_empty() && self.scp.is_none() {
            where_exchange_is(talk, domain, &mut draft)?;
        }
        if draft.url.is_none() && self.test_mailbox.is_empty() && tried {
            let why = "The address of a mailbox, best one for tests: the servers that serve it are \
                       signed in to, and the account's rights are tried in it.";
            let question = Question { what: "Test mailbox", why, default: "", needed: true };
            draft.test_mailboxes = vec![talk.ask(&question, mailbox)?];
        }
        if self.ca_file.is_none() && self.pinned_certificate.is_none() {
            let why = "Exchange's certificate: where it comes from your own authority, that \
                       authority's certificate as a PEM file (guide, step 5). From a public one: \
                       none.";
            let what = "Authority of Exchange's certificate";
            draft.ca_file = file(talk, what, why, "", false)?;
        }
        if self.cloud_url.is_none() {
            let why = "The collaboration cloud that the meeting lists are for; its administrator \
                       knows the address.";
            let question =
                Question { what: "Address of the cloud", why, default: "", needed: true };
            draft.cloud_url = talk.ask(&question, address("https"))?;
        }
        if self.client_id.is_none() {
            let why = "What this connector is called there, from the same administrator, with a \
                       client secret.";
            let question = Question { what: "Client id", why, default: "", needed: true };
            draft.client_id = talk.ask(&question, |_| Ok(()))?;
        }
        if self.cloud_proxy.is_none() {
            let why = "The way to the cloud may lead through a proxy.";
            let what = "Proxy, as http://proxy.corp.example:3128";
            let question = Question { what, why, default: "", needed: false };
            draft.cloud_proxy = some(talk.ask(&question, address("http"))?);
            if draft.cloud_proxy.is_some() {
                let why = "Proxies may want to know who asks.";
                let what = "User at the proxy";
                let question = Question { what, why, default: "", needed: false };
                draft.cloud_proxy_user = some(talk.ask(&question, |_| Ok(()))?);
            }
        }
        if self.kms_anchors.is_none() {
            let why = "The key server proves itself by a certificate of this authority, so that \
                       not even the cloud can take its place; a PEM file from its administrator.";
            let what = "Authority of the key server";
            draft.kms_anchors = file(talk, what, why, ANCHORS, true)?.unwrap_or_default();
        }
        Ok(draft)
    }
}

fn where_exchange_is(talk: &mut Talk<'_>, domain: &str, draft: &mut Draft) -> Result<(), Failure> {
    let why = "Where Exchange is: one address that serves all, as \
               https://mail.corp.example/EWS/Exchange.asmx. None: the servers are found by \
               Autodiscover.";
    let question = Question { what: "Address of EWS", why, default: "", needed: false };
    draft.url = some(talk.ask(&question, address("https"))?);
    if draft.url.is_some() {
        return Ok(());
    }
    let why = "The mail domains of the organisation, with spaces between: Autodiscover looks for \
               their servers.";
    let question = Question { what: "Mail domains", why, default: domain, needed: true };
    draft.domains = domains(&talk.ask(&question, |_| Ok(()))?);
    let why = "A domain controller knows Exchange's servers by itself, and is asked first where \
               one is named, as ldaps://dc1.corp.example.";
    let question = Question { what: "Domain controller", why, default: "", needed: false };
    draft.scp = some(talk.ask(&question, address("ldaps"))?);
    Ok(())
}

fn file(
    talk: &mut Talk<'_>,
    what: &str,
    why: &str,
    default: &str,
    needed: bool,
) -> Result<Option<PathBuf>, Failure> {
    let question = Question { what, why, default, needed };
    Ok(some(talk.ask(&question, certificates)?).map(PathBuf::from))
}

fn some(answer: String) -> Option<String> {
    Some(answer).filter(|answer| !answer.is_empty())
}

/// The domain that this machine searches first (resolv.conf(5)), or nothing.
pub(super) fn own_domain(resolv: &Path) -> String {
    let text = std::fs::read_to_string(resolv).unwrap_or_default();
    let named = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let word = words.next()?;
        ["search", "domain"].contains(&word).then(|| words.next()).flatten()
    });
    let named = named.map(|domain| domain.trim_end_matches('.').to_lowercase());
    named.rev().find(|domain| domain.contains('.')).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(answers: &str, told: &Answers) -> (Draft, String) {
        let (mut input, mut output) = (answers.as_bytes(), Vec::new());
        let mut talk = Talk { input: &mut input, output: &mut output };
        let (told, _) = told.account_asked(&mut talk, "corp.example").ok().unwrap();
        let draft = told.asked(&mut talk, "corp.example", true).ok().unwrap();
        (draft, String::from_utf8(output).unwrap())
    }

    fn anchors() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("anchor.pem");
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\n").unwrap();
        (folder, file)
    }

    #[test]
    fn who_answers_the_least_gets_a_configuration_that_is_read() {
        let (_folder, file) = anchors();
        let file = file.display().to_string();
        // Name, account, ways, address, domains, controller and authority as they are proposed.
        let keytab = if cfg!(feature = "kerberos") { "\n" } else { "" };
        let answers = format!(
            "\n\n\n{keytab}\n\n\nann@corp.example\n\nhttps://relay.example\nhq-1\n\n{file}\n"
        );
        let (draft, said) = asked(&answers, &Answers::default());
        let settings = draft.settings(Path::new("calway.toml")).unwrap();
        let ews = &settings.calendars[0].ews;
        assert_eq!((ews.name.as_str(), &*ews.account), ("hq", "svc-calway@corp.example"));
        assert_eq!(ews.discover.as_ref().unwrap().domains, ["corp.example"]);
        assert_eq!(draft.test_mailboxes, ["ann@corp.example"]);
        assert!(draft.auth.is_empty(), "the usual ones need not be written");
        // Each question has a line of why above it.
        let questions = 9 + keytab.len();
        let asked = said.matches("]: ").count() + said.matches(":  ").count();
        assert_eq!(asked, questions, "{said}");
    }

    #[test]
    fn what_is_told_by_arguments_is_not_asked_for() {
        let (_folder, file) = anchors();
        let told = Answers {
            calendar_name: Some("branch".into()),
            account: Some(r"CORP\svc".into()),
            url: Some("https://mail.corp.example/EWS/Exchange.asmx".into()),
            auth: vec!["ntlm".into()],
            ca_file: Some(file.clone()),
            cloud_url: Some("https://relay.example".into()),
            client_id: Some("b-1".into()),
            cloud_proxy: Some("http://proxy:3128".into()),
            kms_anchors: Some(file),
            ..Answers::default()
        };
        let (draft, said) = asked("", &told);
        assert_eq!((said.as_str(), draft.name.as_str()), ("", "branch"));
        assert_eq!(told.whole(true).ok(), Some(draft));
        let Err(Failure::Usage(why)) = Answers::default().whole(true) else { panic!() };
        for word in ["--account", "--url", "--cloud-url", "--client-id", "--kms-anchors"] {
            assert!(why.contains(word), "{why}");
        }
        let found = Answers { url: None, domain: vec!["corp.example".into()], ..told };
        let Err(Failure::Usage(why)) = found.whole(true) else { panic!() };
        assert!(why.contains("--test-mailbox"), "nobody would be signed in: {why}");
        assert!(found.whole(false).is_ok());
    }

    #[test]
    fn a_keytab_is_asked_for_where_negotiate_is_chosen_and_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("calway.keytab");
        std::fs::write(&file, [5, 2, 0]).unwrap();
        let file = file.display().to_string();
        let answers = format!("hq\nCORP\\svc\nnegotiate, ntlm\n/etc/hostname\n{file}\n");
        let (mut input, mut output) = (answers.as_bytes(), Vec::new());
        let mut talk = Talk { input: &mut input, output: &mut output };
        let (known, answered) = Answers::default().account_asked(&mut talk, "").ok().unwrap();
        assert_eq!(known.keytab(), Some(Path::new(&file)));
        assert!(String::from_utf8(output).unwrap().contains("It is no keytab"));
        let expected = ["--calendar-name", "hq", "--account", "CORP\\svc", "--auth", "negotiate"];
        assert_eq!(answered[..6], expected);
        assert_eq!(answered[6..], ["--auth", "ntlm", "--keytab", file.as_str()]);
        let text = known.draft().text();
        assert!(text.contains(&format!("keytab = \"{file}\"")), "{text}");
        // Without Negotiate there is nothing to ask.
        let (mut input, mut output) = (&b"hq\nCORP\\svc\nntlm\n"[..], Vec::new());
        let mut talk = Talk { input: &mut input, output: &mut output };
        let (known, _) = Answers::default().account_asked(&mut talk, "").ok().unwrap();
        assert_eq!(known.keytab(), None);
        assert_eq!(known.auth, ["ntlm"]);
    }

    #[test]
    fn the_domain_of_this_machine_is_proposed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("resolv.conf");
        for (text, domain) in [
            ("nameserver 10.0.0.1\nsearch Corp.example. other.example\n", "corp.example"),
            ("domain corp.example\n", "corp.example"),
            ("search local\n", ""),
            ("", ""),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(own_domain(&file), domain, "{text}");
        }
    }
}
