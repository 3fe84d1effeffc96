//! The rows, in the order of the page.

use super::Default::{Follows, Is, Needed, Nothing};
use super::Kind::{Address, Flag, Number, OneOrMore, Path, Text, Texts};
use super::{Key, Settings};
use crate::calendar::ews::Auth;
use crate::pipeline::showing::{Private, Untitled};

const TRUE: super::Default = Is(|_, _| "true".into());

/// All of them.
pub const KEYS: &[Key] = &[
    Key::new("log", Text, "`error`, `warn`, `info`, `debug`, or directives as `calway=debug`")
        .or(Is(|settings, _| quoted(&settings.log)))
        .does("What the journal holds. `debug` has a line for each mailbox that is read.")
        .live(),
    Key::new("poll_seconds", Number, "5 to 3600")
        .or(Is(|settings, _| (settings.poll.as_ms() / 1_000).to_string()))
        .does("How often a mailbox is polled that no stream tells of.")
        .live(),
    Key::new("presence_seconds", Number, "5 to 3600")
        .or(Is(|settings, _| (settings.presence.as_ms() / 1_000).to_string()))
        .does("How often each user is asked whether they are out of office.")
        .live(),
    // ---- calendar ----
    Key::new("calendar[].name", Text, "letters, digits, `-`, `_`")
        .or(Needed)
        .does("Names its secrets (`calendar.NAME.password`) and stands in the journal."),
    Key::new("calendar[].kind", Text, "`ews`")
        .or(Is(|_, _| quoted("ews")))
        .does("What is spoken there: Exchange Web Services."),
    Key::new("calendar[].account", Text, "`DOMAIN\\user` or `user@domain`")
        .or(Needed)
        .does("The account that may impersonate the mailboxes."),
    Key::new("calendar[].url", Address, "`https://…/EWS/Exchange.asmx`")
        .or(Nothing("`discover` finds the servers; one of the two is needed"))
        .does("The address of EWS that serves every mailbox."),
    Key::new("calendar[].autodiscover", Address, "`https://…/autodiscover/autodiscover.svc`")
        .or(Nothing("beside `url` one group per server"))
        .does("SOAP Autodiscover: asked before every other place; beside `url` it tells groups."),
    Key::new("calendar[].domains", Texts, "domains")
        .or(Nothing("all mailboxes that no other calendar names"))
        .does("Mailboxes of these domains belong to this calendar."),
    Key::new("calendar[].auth", Texts, "`negotiate`, `ntlm`, `basic`, each once")
        .or(Is(ways))
        .does("How the account signs in: the first of these that the server offers."),
    Key::new("calendar[].keytab", Path, "from `/` on; with `negotiate`")
        .or(Nothing("the account's password"))
        .does("A file with the account's key for Kerberos, in place of its password."),
    Key::new("calendar[].ca_file", Path, "PEM")
        .or(Nothing("the system's authorities alone"))
        .does("Authorities that are trusted beside the system's.")
        .live(),
    Key::new("calendar[].system_trust", Flag, "")
        .or(TRUE)
        .does("`false`: `ca_file` alone is trusted.")
        .live(),
    Key::new("calendar[].pinned_certificate", OneOrMore, "`sha256:` and 64 hexadecimal digits")
        .or(Nothing("any certificate of a trusted authority"))
        .does("The one certificate that is accepted, or several, whoever signed it.")
        .live(),
    Key::new("calendar[].proxy", Text, "`http://host:port`")
        .or(Nothing("the straight way"))
        .does("The proxy on the way to Exchange.")
        .live(),
    Key::new("calendar[].proxy_auth.kind", Text, "`basic`")
        .or(Needed)
        .does("How the proxy is signed in to.")
        .live(),
    Key::new("calendar[].proxy_auth.user", Text, "a name without a colon")
        .or(Needed)
        .does("As whom; its password is the secret `calendar.NAME.proxy_password`.")
        .live(),
    Key::new("calendar[].connections", Number, "1 to 100")
        .or(Is(|settings, at| {
            settings.calendars.get(at).map_or(0, |one| one.ews.max_connections).to_string()
        }))
        .does("Requests open at once per server, besides the streams; Microsoft advises 10.")
        .live(),
    Key::new("calendar[].test_mailboxes", Texts, "addresses")
        .or(Nothing("`calway check` tries none"))
        .does("A mailbox of each domain, in which `calway check` tries the account's rights.")
        .live(),
    Key::new("calendar[].test_rooms", Texts, "addresses")
        .or(Nothing("`calway check` looks into none"))
        .does("Rooms in which `calway check` looks for what is left of invitations.")
        .live(),
    Key::new("calendar[].discover.domains", Texts, "domains, one at least unless `scp` is there")
        .or(Follows("the calendar's `domains`", |settings, at| {
            let found = settings.calendars.get(at).and_then(|one| one.ews.discover.as_ref());
            texts(found.map(|found| found.domains.as_slice()).unwrap_or_default())
        }))
        .does("Where Autodiscover is looked for: these hosts, `autodiscover.` of them, DNS."),
    Key::new("calendar[].discover.srv", Flag, "")
        .or(TRUE)
        .does("Whether SRV records of the domains are looked up.")
        .live(),
    Key::new("calendar[].discover.trusted_hosts", Texts, "`host` or `*.domain`")
        .or(Nothing("`calway trust` decides about hosts that a redirect or DNS names"))
        .does("Hosts that may be sent the account's credentials.")
        .live(),
    Key::new("calendar[].discover.scp.server", Text, "`ldaps://host` (`ldap://` with Kerberos)")
        .or(Needed)
        .does("The domain controller that is asked for service connection points."),
    Key::new("calendar[].discover.scp.bind", Text, "`simple`, `kerberos`")
        .or(Is(|_, _| quoted("simple")))
        .does("How it is signed in to: by the account's password, or by its ticket."),
    Key::new("calendar[].discover.scp.site", Text, "")
        .or(Nothing("the site of that domain controller"))
        .does("The Active Directory site that counts as near."),
    // ---- cloud ----
    Key::new("cloud.url", Address, "").or(Needed).does("The collaboration cloud's relay."),
    Key::new("cloud.connector", Text, "1 to 128 letters, digits, `-._~`")
        .or(Follows("`cloud.auth.client_id`", |settings, _| quoted(&settings.cloud.connector)))
        .does("The name of this connector at the cloud."),
    Key::new("cloud.auth.kind", Text, "`oauth`").or(Needed).does("How the cloud is signed in to."),
    Key::new("cloud.auth.client_id", Text, "")
        .or(Needed)
        .does("The OAuth client; its secret is `cloud.client_secret`."),
    Key::new("cloud.ca_file", Path, "PEM")
        .or(Nothing("the system's authorities alone"))
        .does("Authorities that are trusted beside the system's.")
        .live(),
    Key::new("cloud.system_trust", Flag, "")
        .or(TRUE)
        .does("`false`: `ca_file` alone is trusted.")
        .live(),
    Key::new("cloud.pinned_certificate", OneOrMore, "`sha256:` and 64 hexadecimal digits")
        .or(Nothing("any certificate of a trusted authority"))
        .does("The one certificate that is accepted, or several, whoever signed it.")
        .live(),
    Key::new("cloud.proxy", Text, "`http://host:port`")
        .or(Nothing("the straight way"))
        .does("The proxy on the way to the cloud and to the key server.")
        .live(),
    Key::new("cloud.proxy_auth.kind", Text, "`basic`")
        .or(Needed)
        .does("How the proxy is signed in to.")
        .live(),
    Key::new("cloud.proxy_auth.user", Text, "a name without a colon")
        .or(Needed)
        .does("As whom; its password is the secret `cloud.proxy_password`.")
        .live(),
    // ---- kms ----
    Key::new("kms.url", Address, "")
        .or(Follows("`cloud.url` and `/v1`", |settings, _| quoted(&settings.kms.url.to_string())))
        .does("Where messages to the key server are carried to; `/kms/…` is appended."),
    Key::new("kms.anchors_file", Path, "PEM")
        .or(Needed)
        .does("The authorities that may sign the key server's own certificate.")
        .live(),
    Key::new("kms.ca_file", Path, "PEM")
        .or(Nothing("as for the cloud, unless `kms.system_trust` is written"))
        .does("Authorities of the TLS on the way to it.")
        .live(),
    Key::new("kms.system_trust", Flag, "")
        .or(Follows("as for the cloud; `true` with `kms.ca_file`", |settings, _| {
            settings.kms.trust.system.to_string()
        }))
        .does("`false`: `kms.ca_file` alone is trusted on the way to it.")
        .live(),
    // ---- what is relayed ----
    Key::new("window.past_days", Number, "0 to 60")
        .or(Is(|settings, _| settings.reach.past_days.to_string()))
        .does("Whole days before today that are relayed.")
        .live(),
    Key::new("window.future_days", Number, "1 to 366")
        .or(Is(|settings, _| settings.reach.future_days.to_string()))
        .does("Whole days after today that are relayed.")
        .live(),
    Key::new("records.private", Text, "`full`, `times`, `nothing`")
        .or(Is(|settings, _| private(settings)))
        .does("What is relayed of a private meeting.")
        .live(),
    Key::new("records.untitled", Text, "`omit`, `organizer`, `text`")
        .or(Is(|settings, _| untitled(settings)))
        .does("The title of a meeting that has none: none, its organiser, or a text.")
        .live(),
    Key::new("records.untitled_text", Text, "1 to 128 characters on one line")
        .or(Nothing("needed with `untitled = \"text\"`, and of no use without"))
        .does("That text.")
        .live(),
    Key::new("join.rule[].name", Text, "")
        .or(Needed)
        .does("Stands in the reports of `calway join-test`; no two are the same.")
        .live(),
    Key::new("join.rule[].pattern", Text, "a regular expression")
        .or(Needed)
        .does("What is looked for in an invitation ([join](join.md)).")
        .live(),
    Key::new("join.rule[].priority", Number, "")
        .or(Is(|_, _| "0".into()))
        .does("The lower goes first.")
        .live(),
    Key::new("join.rule[].template", Text, "")
        .or(Is(|_, _| quoted("$0")))
        .does("The address to join, with `$1` for what the pattern's first bracket found.")
        .live(),
    Key::new("keyword[].name", Text, "a letter, then letters and digits; 32 at most")
        .or(Needed)
        .does("What an organiser writes into a place, behind `@`.")
        .live(),
    Key::new("keyword[].mode", Text, "`space`, `myroom`, `onetime`")
        .or(Nothing("what `@webex` and `@meet` have; `myroom` for others"))
        .does("What it asks for.")
        .live(),
    Key::new("keyword[].enabled", Flag, "")
        .or(TRUE)
        .does("`false` takes a keyword away that is known by itself.")
        .live(),
    Key::new("decorate.language", Text, "a language of [the guide](../guide/keywords.md)")
        .or(Is(|settings, _| quoted(settings.texts.default.tag())))
        .does("The language of join details where neither invitation nor mailbox says.")
        .live(),
    Key::new("decorate.text[].language", Text, "a language of [the guide](../guide/keywords.md)")
        .or(Needed)
        .does("For which invitations the words are; one entry a language.")
        .live(),
    Key::new("decorate.text[].header", Text, "1,024 characters at most")
        .or(Nothing("none"))
        .does("Words before the join details.")
        .live(),
    Key::new("decorate.text[].footer", Text, "1,024 characters at most")
        .or(Nothing("none"))
        .does("Words behind them.")
        .live(),
    Key::new("store.path", Path, "from `/` on")
        .or(Is(|settings, _| quoted(&settings.store.to_string_lossy())))
        .does("The file that keeps what is known and what waits; sealed with `store.key`."),
    Key::new("admin.socket", Path, "an absolute path of at most 107 bytes; its folder is there")
        .or(Is(|settings, _| quoted(&settings.admin.socket.to_string_lossy())))
        .does(
            "The socket at which `calway status`, `user`, `top` and `diagnose` reach the service.",
        ),
    Key::new("admin.users", Texts, "names or numbers of users of this system")
        .or(Is(|settings, _| texts(&settings.admin.users)))
        .does("Users who may look at the service, and change nothing, beside root and its own.")
        .live(),
    Key::new("metrics.listen", Text, "`127.0.0.1:PORT`, `[::1]:PORT` or `unix:/PATH`")
        .or(Nothing("there are none"))
        .does("Where `/metrics`, `/ready` and `/live` are answered, to all users of this machine.")
        .live(),
];

/// A text as TOML has it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn texts(all: &[String]) -> String {
    let all: Vec<_> = all.iter().map(|one| quoted(one)).collect();
    format!("[{}]", all.join(", "))
}

fn ways(settings: &Settings, at: usize) -> String {
    let ways = settings.calendars.get(at).map(|one| one.ews.auth.as_slice()).unwrap_or_default();
    let name = |way: &Auth| match way {
        Auth::Negotiate => "negotiate".to_owned(),
        Auth::Ntlm => "ntlm".to_owned(),
        Auth::Basic => "basic".to_owned(),
    };
    texts(&ways.iter().map(name).collect::<Vec<_>>())
}

fn private(settings: &Settings) -> String {
    quoted(match settings.showing.private {
        Private::Full => "full",
        Private::Times => "times",
        Private::Nothing => "nothing",
    })
}

fn untitled(settings: &Settings) -> String {
    quoted(match settings.showing.untitled {
        Untitled::Omit => "omit",
        Untitled::Organizer => "organizer",
        Untitled::Text(_) => "text",
    })
}
