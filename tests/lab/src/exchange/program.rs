//! `calway-lab exchange`: the simulated Exchange as a program, steered over plain HTTP.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::service::{Attendee, Day, Draft, End, Pattern};
use super::{Exchange, ExtendedProtection, MailboxKind, Options, Prefix, affinity, control};

/// The program's arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Where EWS and Autodiscover listen (HTTPS).
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where the program is steered (plain HTTP); a loopback address.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    control: SocketAddr,
    /// The mail domain.
    #[arg(long, default_value = "corp.example", value_name = "DOMAIN")]
    domain: String,
    /// The impersonation account.
    #[arg(long, default_value = "CORP\\svc-calway", value_name = "ACCOUNT")]
    account: String,
    /// Its password.
    #[arg(long, default_value = "lab-password", value_name = "PASSWORD")]
    password: String,
    /// Read the password from the first line of this file instead.
    #[arg(long, conflicts_with = "password", value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// People: user00001@DOMAIN and so on.
    #[arg(long, default_value_t = 3, value_name = "N")]
    mailboxes: usize,
    /// Rooms: room001@DOMAIN and so on.
    #[arg(long, default_value_t = 1, value_name = "N")]
    rooms: usize,
    /// Single meetings in each person's calendar, from 7 days ago to 31 days ahead.
    #[arg(long, default_value_t = 5, value_name = "N")]
    items: usize,
    /// Weekly series in each person's calendar.
    #[arg(long, default_value_t = 0, value_name = "N")]
    series: usize,
    /// Offer no Basic sign-in.
    #[arg(long)]
    no_basic: bool,
    /// Offer no NTLM sign-in.
    #[arg(long)]
    no_ntlm: bool,
    /// What is asked of NTLM's channel binding.
    #[arg(long, default_value = "allow", value_parser = ["off", "allow", "require"])]
    extended_protection: String,
    /// Hosts behind the one address.
    #[arg(long, default_value_t = 3, value_name = "N")]
    back_ends: usize,
    /// What brings a client back to the same host: the cookie only, or its anchor mailbox too.
    #[arg(long, default_value = "cookie", value_parser = ["cookie", "anchor"])]
    affinity: String,
    /// The prefix of SOAP's namespace; "none" for the default namespace.
    #[arg(long, default_value = "s", value_parser = ["s", "soap", "soap11", "SOAP", "none"])]
    prefix: String,
    /// The same for the envelopes of a stream.
    #[arg(long, default_value = "none", value_parser = ["s", "soap", "soap11", "SOAP", "none"])]
    stream_prefix: String,
    /// Between two heartbeats of a silent stream.
    #[arg(long, default_value_t = 45_000, value_name = "MILLISECONDS")]
    heartbeat_ms: u64,
    /// Streams of one mailbox.
    #[arg(long, default_value_t = 10, value_name = "N")]
    hanging_connection_limit: usize,
    /// Keep bodies otherwise than a client wrote them.
    #[arg(long)]
    rewrite_bodies: bool,
    /// Write the root of the server's certificate here (PEM).
    #[arg(long, value_name = "FILE")]
    ca_out: Option<PathBuf>,
    /// Print one line of JSON instead of sentences.
    #[arg(long)]
    json: bool,
    /// Write the line of JSON to this file descriptor as well.
    #[arg(long, value_name = "FD")]
    ready_fd: Option<u32>,
}

/// Runs until the program is interrupted.
///
/// # Errors
/// A listener cannot be opened, or a file not be read or written.
pub async fn run(arguments: Arguments) -> io::Result<()> {
    let exchange = Exchange::start(arguments.options()?).await?;
    fill(&exchange, &arguments);
    if let Some(path) = &arguments.ca_out {
        std::fs::write(path, exchange.ca_pem())?;
    }
    let control = control::start(arguments.control, exchange.clone()).await?;
    announce(&arguments, &exchange, control)?;
    tokio::signal::ctrl_c().await
}

impl Arguments {
    fn options(&self) -> io::Result<Options> {
        let password = match &self.password_file {
            Some(path) => {
                let text = std::fs::read_to_string(path)?;
                text.lines().next().unwrap_or_default().to_owned()
            }
            None => self.password.clone(),
        };
        Ok(Options {
            listen: self.listen,
            domain: self.domain.clone(),
            account: self.account.clone(),
            password,
            basic: !self.no_basic,
            ntlm: !self.no_ntlm,
            protection: match self.extended_protection.as_str() {
                "off" => ExtendedProtection::Off,
                "require" => ExtendedProtection::Require,
                _ => ExtendedProtection::Allow,
            },
            back_ends: self.back_ends,
            affinity: match self.affinity.as_str() {
                "anchor" => affinity::Rule::Anchor,
                _ => affinity::Rule::Cookie,
            },
            prefix: prefix(&self.prefix),
            stream_prefix: Some(prefix(&self.stream_prefix)),
            heartbeat: Duration::from_millis(self.heartbeat_ms.max(1)),
            hanging_connection_limit: self.hanging_connection_limit,
            rewrites_bodies: self.rewrite_bodies,
            ..Options::default()
        })
    }
}

fn prefix(name: &str) -> Prefix {
    match name {
        "soap" => Prefix::Soap,
        "soap11" => Prefix::Soap11,
        "SOAP" => Prefix::UpperSoap,
        "none" => Prefix::Default,
        _ => Prefix::S,
    }
}

/// Mailboxes with meetings around now, the same ones at every start within a day.
fn fill(exchange: &Exchange, arguments: &Arguments) {
    let calendars = exchange.calendars();
    let day_ms = 24 * 3_600_000;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let today = i64::try_from(now.as_millis()).unwrap_or_default() / day_ms * day_ms;
    for room in 1..=arguments.rooms {
        let address = format!("room{room:03}@{}", arguments.domain);
        calendars.add_mailbox(&address, &format!("Room {room}"), MailboxKind::Room);
    }
    for user in 1..=arguments.mailboxes {
        let address = format!("user{user:05}@{}", arguments.domain);
        calendars.add_mailbox(&address, &format!("User {user}"), MailboxKind::User);
        for item in 0..arguments.items {
            let number = user.wrapping_mul(31).wrapping_add(item.wrapping_mul(17));
            let day = i64::try_from(number % 38).unwrap_or_default() - 7;
            let quarter = i64::try_from(number / 38 % 36).unwrap_or_default();
            let start = today + day * day_ms + 8 * 3_600_000 + quarter * 900_000;
            let draft = Draft::meeting(&format!("Meeting {item} of user {user}"), start, 30)
                .at(&format!("Building {}", number % 7))
                .text("The agenda follows.")
                .invite(Attendee::required("guest@partner.example", "Guest"));
            calendars.create(&address, draft);
        }
        for series in 0..arguments.series {
            let start = today - 7 * day_ms + 9 * 3_600_000;
            let days = vec![Day::Monday, Day::Thursday];
            let pattern = Pattern::Weekly { interval: 1, days, first_day: Day::Monday };
            let draft = Draft::meeting(&format!("Series {series} of user {user}"), start, 45)
                .repeat(pattern, End::After(20));
            calendars.create(&address, draft);
        }
    }
}

fn announce(arguments: &Arguments, exchange: &Exchange, control: SocketAddr) -> io::Result<()> {
    let ca = arguments.ca_out.as_ref().map(|path| path.display().to_string());
    let facts = json!({
        "url": exchange.url(),
        "autodiscover": format!("{}/autodiscover/autodiscover.svc", exchange.origin()),
        "control": format!("http://{control}"),
        "domain": arguments.domain,
        "account": arguments.account,
        "mailboxes": arguments.mailboxes,
        "rooms": arguments.rooms,
        "ca": ca,
    });
    if let Some(descriptor) = arguments.ready_fd {
        let path = format!("/dev/fd/{descriptor}");
        writeln!(OpenOptions::new().write(true).open(path)?, "{facts}")?;
    }
    let mut out = io::stdout().lock();
    if arguments.json {
        writeln!(out, "{facts}")?;
    } else {
        writeln!(out, "EWS       {}", exchange.url())?;
        writeln!(out, "Account   {} (impersonates everybody)", arguments.account)?;
        let (users, rooms) = (arguments.mailboxes, arguments.rooms);
        let domain = &arguments.domain;
        writeln!(out, "Mailboxes user00001@{domain} … ({users}), room001@{domain} … ({rooms})")?;
        writeln!(out, "Root      {}", ca.as_deref().unwrap_or("(not written: --ca-out FILE)"))?;
        writeln!(out, "Control   http://{control}  (GET / lists what it can do)")?;
    }
    out.flush()
}
