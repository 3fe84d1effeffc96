//! The service from outside: requests as text, answers as text, nothing of its inside.

use http::HeaderMap;

use super::{Answer, Call, Draft, EventStream, MailboxKind, Service, Settings};
use crate::exchange::faults::Faults;

mod availability;
mod faults;
mod folders;
mod items;
mod mail;
mod mapi;
mod meetings;
mod samples;
mod schema;
mod series;
mod streams;
mod sync;
mod updates;

const TYPES: &str = "http://schemas.microsoft.com/exchange/services/2006/types";
const MESSAGES: &str = "http://schemas.microsoft.com/exchange/services/2006/messages";

/// Monday, 2026-06-01 09:00 UTC.
const MONDAY: i64 = 1_780_304_400_000;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

const ANN: &str = "ann@corp.example";
const BOB: &str = "bob@corp.example";
const ROOM: &str = "room-1@corp.example";

/// A service with a few mailboxes.
struct Lab {
    service: Service,
    faults: Faults,
}

fn lab() -> Lab {
    lab_with(Settings::default())
}

fn lab_with(settings: Settings) -> Lab {
    let faults = Faults::default();
    let service = Service::new(settings, faults.clone());
    let calendars = service.calendars();
    calendars.add_mailbox(ANN, "Ann Archer", MailboxKind::User);
    calendars.add_mailbox(BOB, "Bob Baker", MailboxKind::User);
    calendars.add_mailbox(ROOM, "Room 1", MailboxKind::Room);
    Lab { service, faults }
}

/// One answer.
#[derive(Debug)]
struct Said {
    status: u16,
    code: String,
    text: String,
}

impl Lab {
    /// Asks in the name of a mailbox.
    fn ask(&self, mailbox: &str, operation: &str) -> Said {
        self.send(&envelope(mailbox, "Exchange2013_SP1", operation), 0)
    }

    fn send(&self, request: &str, back_end: usize) -> Said {
        match self.call(request, back_end) {
            Answer::Soap { status, body, code, .. } => {
                let text = String::from_utf8(body).expect("an answer in UTF-8");
                Said { status, code, text }
            }
            Answer::Stream(_) => panic!("a stream where one answer was expected"),
        }
    }

    fn call(&self, request: &str, back_end: usize) -> Answer {
        let headers = HeaderMap::new();
        let account = "CORP\\svc-calway";
        let body = request.as_bytes();
        self.service.answer(&Call { account, headers: &headers, back_end, body })
    }

    fn stream(&self, mailbox: &str, ids: &[String], back_end: usize) -> EventStream {
        let ids: String =
            ids.iter().map(|id| format!("<t:SubscriptionId>{id}</t:SubscriptionId>")).collect();
        let operation = format!(
            "<m:GetStreamingEvents><m:SubscriptionIds>{ids}</m:SubscriptionIds>\
             <m:ConnectionTimeout>30</m:ConnectionTimeout></m:GetStreamingEvents>"
        );
        match self.call(&envelope(mailbox, "Exchange2013_SP1", &operation), back_end) {
            Answer::Stream(stream) => stream,
            Answer::Soap { code, .. } => panic!("no stream but {code}"),
        }
    }

    fn subscribe(&self, mailbox: &str, back_end: usize) -> String {
        let said = self.send(&envelope(mailbox, "Exchange2013_SP1", SUBSCRIBE), back_end);
        assert_eq!(said.code, "NoError", "{}", said.text);
        said.one("m:SubscriptionId")
    }

    fn calendars(&self) -> &super::Calendars {
        self.service.calendars()
    }
}

const SUBSCRIBE: &str = "<m:Subscribe><m:StreamingSubscriptionRequest><t:FolderIds>\
    <t:DistinguishedFolderId Id=\"calendar\"/></t:FolderIds><t:EventTypes>\
    <t:EventType>CreatedEvent</t:EventType><t:EventType>ModifiedEvent</t:EventType>\
    <t:EventType>DeletedEvent</t:EventType><t:EventType>MovedEvent</t:EventType>\
    <t:EventType>FreeBusyChangedEvent</t:EventType></t:EventTypes>\
    </m:StreamingSubscriptionRequest></m:Subscribe>";

impl Said {
    /// The text of the first element of this tag.
    fn one(&self, tag: &str) -> String {
        self.all(tag).into_iter().next().unwrap_or_else(|| panic!("no {tag} in {}", self.text))
    }

    /// The texts of all elements of this tag.
    fn all(&self, tag: &str) -> Vec<String> {
        let (open, end) = (format!("<{tag}>"), format!("</{tag}>"));
        let parts = self.text.split(&open).skip(1);
        parts.filter_map(|part| Some(part.split_once(&end)?.0.to_owned())).collect()
    }

    /// Ids and change keys of all elements of this tag.
    fn ids(&self, tag: &str) -> Vec<(String, String)> {
        let open = format!("<{tag} Id=\"");
        let parts = self.text.split(&open).skip(1);
        parts
            .filter_map(|part| {
                let (id, rest) = part.split_once('"')?;
                let key = rest.strip_prefix(" ChangeKey=\"")?.split_once('"')?.0;
                Some((id.to_owned(), key.to_owned()))
            })
            .collect()
    }

    fn has(&self, part: &str) -> bool {
        self.text.contains(part)
    }
}

fn envelope(mailbox: &str, version: &str, operation: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
         <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:t=\"{TYPES}\" \
         xmlns:m=\"{MESSAGES}\"><s:Header><t:RequestServerVersion Version=\"{version}\"/>\
         <t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>{mailbox}\
         </t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation></s:Header>\
         <s:Body>{operation}</s:Body></s:Envelope>"
    )
}

fn get_item(id: &str, shape: &str) -> String {
    format!(
        "<m:GetItem><m:ItemShape><t:BaseShape>{shape}</t:BaseShape></m:ItemShape>\
         <m:ItemIds><t:ItemId Id=\"{id}\"/></m:ItemIds></m:GetItem>"
    )
}

/// A calendar view with what a list can tell.
fn find(from_ms: i64, to_ms: i64, most: Option<usize>) -> String {
    let most = most.map(|most| format!("MaxEntriesReturned=\"{most}\" ")).unwrap_or_default();
    format!(
        "<m:FindItem Traversal=\"Shallow\"><m:ItemShape><t:BaseShape>Default</t:BaseShape>\
         <t:AdditionalProperties><t:FieldURI FieldURI=\"calendar:UID\"/>\
         <t:FieldURI FieldURI=\"calendar:RecurrenceId\"/></t:AdditionalProperties></m:ItemShape>\
         <m:CalendarView {most}StartDate=\"{}\" EndDate=\"{}\"/>\
         <m:ParentFolderIds><t:DistinguishedFolderId Id=\"calendar\"/></m:ParentFolderIds>\
         </m:FindItem>",
        time(from_ms),
        time(to_ms)
    )
}

fn sync(state: &str, most: usize) -> String {
    format!(
        "<m:SyncFolderItems><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>\
         <m:SyncFolderId><t:DistinguishedFolderId Id=\"calendar\"/></m:SyncFolderId>\
         <m:SyncState>{state}</m:SyncState><m:MaxChangesReturned>{most}</m:MaxChangesReturned>\
         </m:SyncFolderItems>"
    )
}

fn time(ms: i64) -> String {
    super::item::date_time(ms, None)
}

fn meeting(subject: &str, start_ms: i64) -> Draft {
    Draft::meeting(subject, start_ms, 30)
}
