//! From the bytes of a request to its operation, and from what that says to an envelope.

use std::sync::Arc;

use super::envelope::Failure;
use super::request::{Refusal, Reply, Request, invalid};
use super::tree::{Node, Ns};
use super::world::Shared;
use super::zone::Zone;
use super::{Answer, Calendars, Call, EventStream, Peek, Release, Settings};
use super::{envelope, grammar, ops, request, tree};
use crate::exchange::faults::{Fault, Faults, Place};

/// The operations over all mailboxes; clones share them.
#[derive(Clone, Debug)]
pub struct Service {
    shared: Arc<Shared>,
    calendars: Calendars,
}

/// What stands before the operation itself.
struct Head {
    mailbox: Option<String>,
    zone: Option<&'static Zone>,
    version: Option<String>,
}

/// A request that was answered, except for its envelope.
enum Done {
    Reply(Reply),
    Stream(EventStream),
}

impl Service {
    /// An Exchange without mailboxes.
    pub fn new(settings: Settings, faults: Faults) -> Self {
        let shared = Shared::new(&settings, &faults);
        Self { calendars: Calendars::new(shared.clone()), shared }
    }

    /// The scripted side of the same mailboxes.
    pub fn calendars(&self) -> &Calendars {
        &self.calendars
    }

    /// Which Exchange it is.
    pub fn release(&self) -> &Release {
        &self.shared.settings.release
    }

    /// Operation and mailbox of a request, for the faults of the transport.
    pub fn peek(body: &[u8]) -> Peek {
        let Ok(root) = tree::read(body) else { return Peek::default() };
        let head = Head::read(&root);
        let Some((operation, element)) = operation_of(&root) else {
            return Peek { mailbox: head.mailbox, ..Peek::default() };
        };
        let mut named = Vec::new();
        name_mailboxes(element, &mut named);
        let own = head.mailbox.as_deref().unwrap_or_default();
        named.retain(|address| !address.eq_ignore_ascii_case(own));
        Peek { operation, mailbox: head.mailbox, named }
    }

    /// Does what the request asks.
    pub fn answer(&self, call: &Call<'_>) -> Answer {
        let affinity = call
            .headers
            .get("X-PreferServerAffinity")
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
        let root = match tree::read(call.body) {
            Ok(root) => root,
            Err(broken) => return self.refuse("", None, Refusal::Schema(broken)),
        };
        let head = Head::read(&root);
        let Some((operation, element)) = operation_of(&root) else {
            let refusal = request::invalid("The element 'Body' has invalid content.");
            return self.refuse("", head.mailbox, refusal);
        };
        let mailbox = head.mailbox.clone();
        match self.play_fault(operation, mailbox.as_deref(), element) {
            Some(Played::Refusal(failure)) => {
                return self.refuse(operation, mailbox, Refusal::Fault(failure));
            }
            Some(Played::Passed(passed, failure)) => {
                let mut answer = self.refuse(operation, mailbox, Refusal::Fault(failure));
                if let Answer::Soap { status, .. } = &mut answer {
                    *status = passed;
                }
                return answer;
            }
            Some(Played::Reply(reply)) => return self.reply(operation, mailbox, reply, affinity),
            Some(Played::After(reply)) => {
                self.perform(call, operation, element, head, affinity);
                return self.reply(operation, mailbox, reply, affinity);
            }
            Some(Played::Spoil(spoil)) => {
                let answer = self.perform(call, operation, element, head, affinity);
                return spoil_answer(answer, spoil);
            }
            None => {}
        }
        self.perform(call, operation, element, head, affinity)
    }

    fn perform(
        &self,
        call: &Call<'_>,
        operation: &'static str,
        body: &Node,
        head: Head,
        affinity: bool,
    ) -> Answer {
        let mailbox = head.mailbox.clone();
        match self.attempt(call, operation, body, head, affinity) {
            Ok(Done::Reply(reply)) => self.reply(operation, mailbox, reply, affinity),
            Ok(Done::Stream(stream)) => Answer::Stream(stream),
            Err(refusal) => self.refuse(operation, mailbox, refusal),
        }
    }

    fn attempt(
        &self,
        call: &Call<'_>,
        operation: &'static str,
        body: &Node,
        head: Head,
        affinity: bool,
    ) -> Result<Done, Refusal> {
        let release = &self.shared.settings.release;
        check_version(head.version.as_deref(), release)?;
        check_fields(call.body, release)?;
        grammar::check(body).map_err(Refusal::Schema)?;
        let acting = self.acting(call.account, head.mailbox.as_deref())?;
        let request = Request {
            shared: &self.shared,
            call,
            body,
            acting,
            mailbox: head.mailbox,
            zone: head.zone,
            affinity,
        };
        let row = ops::OPERATIONS.iter().find(|(name, ..)| *name == operation);
        match row.and_then(|(_, _, perform)| *perform) {
            Some(perform) => perform(&request).map(Done::Reply),
            None => ops::open_stream(&request).map(Done::Stream),
        }
    }

    /// The mailbox in whose name a request is done.
    fn acting(&self, account: &str, mailbox: Option<&str>) -> Result<Option<usize>, Refusal> {
        let world = self.shared.world();
        let Some(address) = mailbox else {
            // The service account's own mailbox, which may well not exist.
            return Ok(world.here(account));
        };
        if world.impersonation_forbidden {
            return Err(Failure::of("ErrorImpersonationDenied").into());
        }
        let number = world.number(address).and_then(|number| world.mailbox(number));
        match number {
            Some(mailbox) if mailbox.denied => {
                Err(Failure::of("ErrorImpersonateUserDenied").into())
            }
            Some(mailbox) if mailbox.is_here() => Ok(world.number(address)),
            _ => Err(Failure::of("ErrorNonExistentMailbox").into()),
        }
    }

    fn reply(
        &self,
        operation: &'static str,
        mailbox: Option<String>,
        reply: Reply,
        affinity: bool,
    ) -> Answer {
        let style = (self.shared.settings.prefix, &self.shared.settings.release);
        let body = envelope::answer(style, &format!("{operation}Response"), &reply.out.text);
        Answer::Soap {
            status: 200,
            body,
            operation,
            mailbox,
            code: reply.code,
            prefer_affinity_cookie: affinity,
        }
    }

    fn refuse(&self, operation: &'static str, mailbox: Option<String>, refusal: Refusal) -> Answer {
        let (failure, at) = match refusal {
            Refusal::Fault(failure) => (failure, None),
            Refusal::Schema(broken) => {
                let text = format!("The request failed schema validation: {}", broken.violation);
                let failure = Failure::new("ErrorSchemaValidation", &text);
                (failure, Some((broken.line, broken.column)))
            }
        };
        let style = (self.shared.settings.prefix, &self.shared.settings.release);
        Answer::Soap {
            status: 500,
            body: envelope::fault(style, &failure, at),
            operation,
            mailbox,
            code: failure.code,
            prefer_affinity_cookie: false,
        }
    }

    fn play_fault(
        &self,
        operation: &'static str,
        mailbox: Option<&str>,
        body: &Node,
    ) -> Option<Played> {
        let fault = self.shared.faults.take(Place::Service, operation, mailbox)?;
        let busy = |failure: Failure, back_off_ms: Option<u64>| match back_off_ms {
            Some(ms) => failure.with("BackOffMilliseconds", &ms.to_string()),
            None => failure,
        };
        Some(match fault {
            Fault::ServerBusy { back_off_ms, inner: false } => {
                Played::Refusal(busy(Failure::of("ErrorServerBusy"), back_off_ms))
            }
            Fault::ServerBusy { back_off_ms, inner: true } => {
                let failure = Failure::of("ErrorInternalServerError")
                    .with("InnerErrorMessageText", &Failure::of("ErrorServerBusy").text)
                    .with("InnerErrorResponseCode", "ErrorServerBusy")
                    .with("InnerErrorDescriptiveLinkKey", "0");
                Played::Reply(all_fail(operation, body, &busy(failure, back_off_ms)))
            }
            Fault::PassedBusy { status, back_off_ms } => {
                Played::Passed(status, busy(Failure::of("ErrorServerBusy"), Some(back_off_ms)))
            }
            Fault::ConnectionCount { back_off_ms } => {
                let failure = Failure::of("ErrorExceededConnectionCount");
                Played::Refusal(busy(failure, Some(back_off_ms)))
            }
            Fault::ResponseCode(code) => {
                Played::Reply(all_fail(operation, body, &Failure::of(&code)))
            }
            Fault::ResponseCodeAfter(code) => {
                Played::After(all_fail(operation, body, &Failure::of(&code)))
            }
            Fault::SoapFault { code, message } => Played::Refusal(Failure::new(&code, &message)),
            Fault::SyncStandsStill if operation == "SyncFolderItems" => {
                Played::Reply(ops::stand_still(body))
            }
            Fault::RivalEdit => {
                ops::rival_edit(&self.shared, body);
                return None;
            }
            Fault::GarbageXml => Played::Spoil(Spoil::Garbage),
            Fault::IllegalCharacters => Played::Spoil(Spoil::Illegal),
            _ => return None,
        })
    }
}

enum Played {
    Refusal(Failure),
    Passed(u16, Failure),
    Reply(Reply),
    /// Everything is done, and this is said.
    After(Reply),
    Spoil(Spoil),
}

#[derive(Clone, Copy)]
enum Spoil {
    Garbage,
    Illegal,
}

fn spoil_answer(mut answer: Answer, how: Spoil) -> Answer {
    if let Answer::Soap { body, .. } = &mut answer {
        match how {
            Spoil::Garbage => body.truncate(body.len() * 2 / 3),
            Spoil::Illegal => *body = envelope::strew(std::mem::take(body)),
        }
    }
    answer
}

/// The same failure for everything that a request asked for.
fn all_fail(operation: &'static str, body: &Node, failure: &Failure) -> Reply {
    let list = match operation {
        "ConvertId" => "SourceIds",
        "CreateFolder" => "Folders",
        "CreateItem" => "Items",
        "DeleteItem" | "GetItem" => "ItemIds",
        "FindItem" | "FindFolder" => "ParentFolderIds",
        "DeleteFolder" | "GetFolder" => "FolderIds",
        "UpdateItem" => "ItemChanges",
        _ => "",
    };
    let message = |reply: &mut Reply| {
        reply.out.start("m:ResponseMessage", &[("ResponseClass", "Error")]);
        failure.write(&mut reply.out);
        reply.out.close("m:ResponseMessage");
    };
    if operation.ends_with("UserOofSettings") {
        let mut reply = Reply::bare(&failure.code);
        message(&mut reply);
        return reply;
    }
    if operation == "GetUserAvailability" {
        let mut reply = Reply::bare(&failure.code);
        reply.out.open("m:FreeBusyResponseArray");
        for _ in 0..body.list("MailboxDataArray").len().max(1) {
            reply.out.open("m:FreeBusyResponse");
            message(&mut reply);
            reply.out.close("m:FreeBusyResponse");
        }
        reply.out.close("m:FreeBusyResponseArray");
        return reply;
    }
    let count = body.list(list).len().max(1);
    Reply::each(operation, (0..count).map(|_| Err::<(), _>(failure.clone())), |_, ()| {})
}

impl Head {
    fn read(root: &Node) -> Self {
        let header = root.child("Header");
        let part = |name: &str| header.and_then(|header| header.child(name));
        let sid = part("ExchangeImpersonation").and_then(|node| node.child("ConnectingSID"));
        let mailbox = sid.and_then(|sid| {
            let names = ["PrimarySmtpAddress", "SmtpAddress", "PrincipalName"];
            names.into_iter().find_map(|name| sid.text_of(name)).map(str::to_owned)
        });
        let zone = part("TimeZoneContext")
            .and_then(|context| context.child("TimeZoneDefinition"))
            .and_then(|definition| definition.attribute("Id"))
            .and_then(Zone::find);
        let version = part("RequestServerVersion")
            .and_then(|version| version.attribute("Version"))
            .map(str::to_owned);
        Self { mailbox, zone, version }
    }
}

/// Whose calendar, free/busy or out-of-office a request is about besides its own mailbox's. Those
/// who are invited are not among them: Exchange looks for them itself.
fn name_mailboxes(node: &Node, named: &mut Vec<String>) {
    let address = match node.name.as_str() {
        "MailboxData" => node.child("Email").and_then(|email| email.text_of("Address")),
        "GetUserOofSettingsRequest" | "SetUserOofSettingsRequest" => {
            node.child("Mailbox").and_then(|mailbox| mailbox.text_of("Address"))
        }
        "DistinguishedFolderId" => {
            node.child("Mailbox").and_then(|mailbox| mailbox.text_of("EmailAddress"))
        }
        // Texts of any size, and people who are invited.
        "CalendarItem" | "Updates" => return,
        _ => None,
    };
    if let Some(address) = address.map(|address| address.trim().to_ascii_lowercase())
        && !address.is_empty()
        && !named.contains(&address)
    {
        named.push(address);
    }
    node.children.iter().for_each(|child| name_mailboxes(child, named));
}

/// Operation and element of an envelope.
fn operation_of(root: &Node) -> Option<(&'static str, &Node)> {
    if root.ns != Ns::Soap || root.name != "Envelope" {
        return None;
    }
    let body = root.children.iter().find(|node| node.ns == Ns::Soap && node.name == "Body")?;
    let element = body.children.first().filter(|element| element.ns == Ns::Messages)?;
    // The schema has no wildcards, so markup that should have been escaped is not valid.
    if !element.is_of_ews() {
        return None;
    }
    let row = ops::OPERATIONS.iter().find(|(_, own, _)| *own == element.name)?;
    Some((row.0, element))
}

/// An older server knows fewer properties.
fn check_fields(request: &[u8], release: &Release) -> Result<(), Refusal> {
    let later = "calendar:JoinOnlineMeetingUrl";
    let is_old = release.is_old();
    if is_old && String::from_utf8_lossy(request).contains(later) {
        return Err(invalid(format!("The 'FieldURI' attribute is invalid - '{later}'.")));
    }
    Ok(())
}

/// Exchange 2019 and SE report V2017_07_11, and refuse to be asked in it.
fn check_version(version: Option<&str>, release: &Release) -> Result<(), Refusal> {
    if release.takes(version) {
        return Ok(());
    }
    Err(Failure::new("ErrorInvalidServerVersion", "The specified server version is invalid.")
        .into())
}
