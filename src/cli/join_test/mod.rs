//! `calway join-test`: which address an invitation is joined by, and why.

pub mod message;

use std::io::Read as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::Failure;
use crate::config;
use crate::model::Plain;
use crate::pipeline::join::{Join, Rules};

/// Bytes of a message that are read. Mail systems refuse larger ones.
const MESSAGE_BYTES: u64 = 64 * 1024 * 1024;

/// Show which address an invitation is joined by, and which rule chose it.
///
/// Reads an invitation as a mail client saves it and prints the address behind its Join button, the
/// service, and the rule that chose it (/usr/share/doc/calway/reference/join.md). Nothing is sent
/// anywhere.
#[derive(Args, Debug)]
pub(super) struct JoinTest {
    /// The message; - reads it from standard input.
    #[arg(value_name = "FILE.eml|-")]
    message: PathBuf,
    /// The configuration; of it only [[join.rule]] is looked at. Without it there are the rules of
    /// /etc/calway/calway.toml, where that is there.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

impl JoinTest {
    pub(super) fn run(self) -> Result<(), Failure> {
        let rules = self.rules()?;
        let bytes = self.bytes()?;
        let name = self.message.display();
        let meeting = message::read(&bytes)
            .ok_or_else(|| Failure::Failed(format!("{name}: this is no message (RFC 5322)")))?;
        let found = rules.join(&meeting);
        if self.json {
            println!("{}", as_json(&found));
        } else if let Some(address) = found.address() {
            show(&found, &address);
        }
        match found.is_empty() {
            false => Ok(()),
            true => Err(Failure::Failed(format!("{name}: no address to join was found"))),
        }
    }

    fn rules(&self) -> Result<Rules, Failure> {
        let usual = PathBuf::from("/etc/calway/calway.toml");
        let file = match &self.config {
            Some(file) => file,
            None if usual.exists() => &usual,
            None => return Ok(Rules::default()),
        };
        config::read_join(file).map_err(|why| Failure::Usage(why.to_string()))
    }

    fn bytes(&self) -> Result<Vec<u8>, Failure> {
        let failed = |error: std::io::Error| {
            Failure::Usage(format!("{}: cannot be read: {error}", self.message.display()))
        };
        let mut bytes = Vec::new();
        let read = if self.message.as_os_str() == "-" {
            std::io::stdin().lock().take(MESSAGE_BYTES + 1).read_to_end(&mut bytes)
        } else {
            let file = std::fs::File::open(&self.message).map_err(failed)?;
            file.take(MESSAGE_BYTES + 1).read_to_end(&mut bytes)
        };
        read.map_err(failed)?;
        if bytes.len() as u64 > MESSAGE_BYTES {
            let file = self.message.display();
            return Err(Failure::Usage(format!("{file}: a message has 64 MiB at most")));
        }
        Ok(bytes)
    }
}

fn text(plain: &Plain) -> &str {
    plain.reveal()
}

fn show(found: &Join, address: &Plain) {
    println!("{}", text(address));
    if let Some(chosen) = &found.chosen {
        println!("  service  {}", chosen.service.unwrap_or("not in the table"));
        println!("  rule     {}", chosen.rule);
    }
    if let Some(uri) = found.uri.as_ref().filter(|uri| *uri != address) {
        println!("  device   {}", text(uri));
    }
    let device = &found.device;
    for (name, value) in [
        ("Teams conference id", &device.teams_conference),
        ("Teams tenant key", &device.teams_tenant_key),
        ("Webex meeting number", &device.webex_number),
    ] {
        if let Some(value) = value {
            println!("  {name}: {}", text(value));
        }
    }
}

fn as_json(found: &Join) -> serde_json::Value {
    let chosen = found.chosen.as_ref();
    let device = &found.device;
    json!({
        "address": found.address().as_ref().map(text),
        "url": found.url.as_ref().map(text),
        "uri": found.uri.as_ref().map(text),
        "phone": found.phone.as_ref().map(|phone| phone.dialled().reveal().to_owned()),
        "service": chosen.and_then(|chosen| chosen.service),
        "rule": chosen.map(|chosen| &*chosen.rule),
        "source": chosen.map(|chosen| chosen.source.name()),
        "teams_conference": device.teams_conference.as_ref().map(text),
        "teams_tenant_key": device.teams_tenant_key.as_ref().map(text),
        "webex_number": device.webex_number.as_ref().map(text),
    })
}
