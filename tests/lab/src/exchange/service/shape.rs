//! Which properties of an item a client wants, and how each of them is written.

use uuid::Uuid;

use super::draft::{AttendeeKind, Draft, FreeBusy, Response, Sensitivity};
use super::envelope::Writer;
use super::ids::{FolderName, ItemName, KeyKind, change_key, global_object_id};
use super::item::{Instance, Kind, date_time, duration};
use super::mailbox::CALENDAR;
use super::tree::Node;
use super::zone::Zone;
use super::{body, days, pattern};

/// Declares the properties in the order that the schema demands, with their `FieldURI`.
macro_rules! properties {
    ($($name:ident $uri:literal),+ $(,)?) => {
        /// A property of a calendar item; the order is that of the schema.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Property { $($name),+ }

        const PROPERTIES: &[(Property, &str)] = &[$((Property::$name, $uri)),+];
    };
}

properties! {
    Id "item:ItemId",
    ParentFolderId "item:ParentFolderId",
    ItemClass "item:ItemClass",
    Subject "item:Subject",
    Sensitivity "item:Sensitivity",
    Body "item:Body",
    DateTimeReceived "item:DateTimeReceived",
    Size "item:Size",
    Importance "item:Importance",
    IsSubmitted "item:IsSubmitted",
    IsDraft "item:IsDraft",
    IsFromMe "item:IsFromMe",
    IsResend "item:IsResend",
    IsUnmodified "item:IsUnmodified",
    DateTimeSent "item:DateTimeSent",
    DateTimeCreated "item:DateTimeCreated",
    ResponseObjects "item:ResponseObjects",
    ReminderDueBy "item:ReminderDueBy",
    ReminderIsSet "item:ReminderIsSet",
    ReminderMinutesBeforeStart "item:ReminderMinutesBeforeStart",
    DisplayCc "item:DisplayCc",
    DisplayTo "item:DisplayTo",
    HasAttachments "item:HasAttachments",
    Extended "",
    Culture "item:Culture",
    EffectiveRights "item:EffectiveRights",
    LastModifiedName "item:LastModifiedName",
    LastModifiedTime "item:LastModifiedTime",
    IsAssociated "item:IsAssociated",
    TextBody "item:TextBody",
    Uid "calendar:UID",
    RecurrenceId "calendar:RecurrenceId",
    DateTimeStamp "calendar:DateTimeStamp",
    Start "calendar:Start",
    End "calendar:End",
    OriginalStart "calendar:OriginalStart",
    IsAllDayEvent "calendar:IsAllDayEvent",
    LegacyFreeBusyStatus "calendar:LegacyFreeBusyStatus",
    Location "calendar:Location",
    IsMeeting "calendar:IsMeeting",
    IsCancelled "calendar:IsCancelled",
    IsRecurring "calendar:IsRecurring",
    MeetingRequestWasSent "calendar:MeetingRequestWasSent",
    IsResponseRequested "calendar:IsResponseRequested",
    CalendarItemType "calendar:CalendarItemType",
    MyResponseType "calendar:MyResponseType",
    Organizer "calendar:Organizer",
    RequiredAttendees "calendar:RequiredAttendees",
    OptionalAttendees "calendar:OptionalAttendees",
    Resources "calendar:Resources",
    Duration "calendar:Duration",
    TimeZone "calendar:TimeZone",
    AppointmentReplyTime "calendar:AppointmentReplyTime",
    AppointmentSequenceNumber "calendar:AppointmentSequenceNumber",
    AppointmentState "calendar:AppointmentState",
    Recurrence "calendar:Recurrence",
    FirstOccurrence "calendar:FirstOccurrence",
    LastOccurrence "calendar:LastOccurrence",
    ModifiedOccurrences "calendar:ModifiedOccurrences",
    DeletedOccurrences "calendar:DeletedOccurrences",
    StartTimeZone "calendar:StartTimeZone",
    EndTimeZone "calendar:EndTimeZone",
    AllowNewTimeProposal "calendar:AllowNewTimeProposal",
    IsOnlineMeeting "calendar:IsOnlineMeeting",
    StartTimeZoneId "calendar:StartTimeZoneId",
    EndTimeZoneId "calendar:EndTimeZoneId",
    IsOrganizer "calendar:IsOrganizer",
}

use Property as P;

/// `BaseShape` Default of a calendar item.
const DEFAULT: &[Property] = &[
    P::Id,
    P::Subject,
    P::ResponseObjects,
    P::HasAttachments,
    P::Start,
    P::End,
    P::LegacyFreeBusyStatus,
    P::Location,
    P::CalendarItemType,
    P::Organizer,
    P::RequiredAttendees,
    P::OptionalAttendees,
    P::Resources,
];

/// What `AllProperties` leaves out.
const NOT_IN_ALL: &[Property] = &[P::TextBody, P::StartTimeZoneId, P::EndTimeZoneId];

/// What only GetItem can tell.
const GET_ITEM_ONLY: &[Property] = &[
    P::Body,
    P::TextBody,
    P::RequiredAttendees,
    P::OptionalAttendees,
    P::Resources,
    P::Recurrence,
    P::FirstOccurrence,
    P::LastOccurrence,
    P::ModifiedOccurrences,
    P::DeletedOccurrences,
    P::StartTimeZone,
    P::EndTimeZone,
    P::ResponseObjects,
    P::OriginalStart,
];

/// `BodyType` of a shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum BodyKind {
    #[default]
    Best,
    Html,
    Text,
}

/// A path of an extended property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExtendedPath {
    /// A well-known set, or a GUID in lower case; empty with a tag.
    pub(super) set: String,
    /// Name, number or tag.
    pub(super) name: String,
    /// `PropertyType`
    pub(super) kind: String,
    attributes: Vec<(&'static str, String)>,
}

impl ExtendedPath {
    /// Reads an `ExtendedFieldURI`; `None` when its attributes do not fit together.
    pub(super) fn read(node: &Node) -> Option<Self> {
        let names = [
            "DistinguishedPropertySetId",
            "PropertySetId",
            "PropertyTag",
            "PropertyName",
            "PropertyId",
            "PropertyType",
        ];
        let attributes: Vec<(&'static str, String)> = names
            .into_iter()
            .filter_map(|name| Some((name, node.attribute(name)?.to_owned())))
            .collect();
        let kind = node.attribute("PropertyType")?.to_owned();
        let set = node
            .attribute("DistinguishedPropertySetId")
            .map(str::to_owned)
            .or_else(|| Some(Uuid::try_parse(node.attribute("PropertySetId")?).ok()?.to_string()));
        let name = node.attribute("PropertyName").or_else(|| node.attribute("PropertyId"));
        let (set, name) = match (set, name, node.attribute("PropertyTag")) {
            (Some(set), Some(name), None) => (set, name.to_owned()),
            (None, None, Some(tag)) => (String::new(), tag.to_ascii_lowercase()),
            _ => return None,
        };
        Some(Self { set, name, kind, attributes })
    }

    fn write(&self, out: &mut Writer) {
        let attributes: Vec<(&str, &str)> =
            self.attributes.iter().map(|(name, value)| (*name, value.as_str())).collect();
        out.empty("t:ExtendedFieldURI", &attributes);
    }
}

/// An `ItemShape`.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    wanted: u128,
    pub(super) body: BodyKind,
    extended: Vec<ExtendedPath>,
    /// The zone of the response; UTC unless the request named one.
    pub(super) zone: Option<&'static Zone>,
}

fn bit(property: Property) -> u128 {
    1 << (property as u32)
}

fn mask(properties: &[Property]) -> u128 {
    properties.iter().fold(0, |mask, property| mask | bit(*property))
}

/// The property of a `FieldURI`.
pub(super) fn property(uri: &str) -> Option<Property> {
    PROPERTIES.iter().find(|(_, own)| *own == uri).map(|(property, _)| *property)
}

/// A `FieldURI` of the schema that this server has nothing for, as opposed to no `FieldURI`.
fn is_field_uri(uri: &str) -> bool {
    let known = [
        "item:",
        "calendar:",
        "message:",
        "meeting:",
        "meetingRequest:",
        "folder:",
        "contacts:",
        "task:",
        "conversation:",
        "postitem:",
        "distributionlist:",
        "persona:",
    ];
    known.iter().any(|start| uri.starts_with(start))
}

impl Shape {
    /// Only the id.
    pub(super) fn id_only() -> Self {
        Self { wanted: bit(P::Id), ..Self::default() }
    }

    /// Reads an `ItemShape`; the error is what violates the schema.
    pub(super) fn read(node: &Node) -> Result<Self, String> {
        let base = node.text_of("BaseShape").unwrap_or("IdOnly");
        let wanted = match base {
            "IdOnly" => bit(P::Id),
            "Default" => mask(DEFAULT),
            "AllProperties" | "PcxPeopleSearch" => {
                let all = PROPERTIES.iter().fold(0, |all, (property, _)| all | bit(*property));
                all & !mask(NOT_IN_ALL)
            }
            other => return Err(format!("The 'BaseShape' element is invalid - '{other}'.")),
        };
        let body = match node.text_of("BodyType") {
            None | Some("Best") => BodyKind::Best,
            Some("HTML") => BodyKind::Html,
            Some("Text") => BodyKind::Text,
            Some(other) => return Err(format!("The 'BodyType' element is invalid - '{other}'.")),
        };
        let mut shape = Self { wanted, body, ..Self::default() };
        for path in node.list("AdditionalProperties") {
            match path.name.as_str() {
                "FieldURI" => {
                    let uri = path.attribute("FieldURI").unwrap_or_default();
                    match property(uri) {
                        Some(property) => shape.wanted |= bit(property),
                        None if is_field_uri(uri) => {}
                        None => {
                            return Err(format!("The 'FieldURI' attribute is invalid - '{uri}'."));
                        }
                    }
                }
                "ExtendedFieldURI" => {
                    let path = ExtendedPath::read(path).ok_or(
                        "The 'ExtendedFieldURI' element has an invalid combination of attributes.",
                    )?;
                    shape.wanted |= bit(P::Extended);
                    shape.extended.push(path);
                }
                _ => {}
            }
        }
        Ok(shape)
    }

    /// Whether it asks by name for what only GetItem can tell.
    pub(super) fn asks_too_much(node: &Node) -> bool {
        node.list("AdditionalProperties")
            .iter()
            .filter_map(|path| property(path.attribute("FieldURI")?))
            .any(|property| property == P::Body || property == P::TextBody)
    }

    /// The same without what only GetItem can tell.
    pub(super) fn for_lists(mut self) -> Self {
        self.wanted &= !mask(GET_ITEM_ONLY);
        self
    }

    fn wants(&self, property: Property) -> bool {
        self.wanted & bit(property) != 0
    }

    fn time(&self, ms: i64) -> String {
        time_in(self.zone, ms)
    }
}

/// A time in a zone; `None` and UTC give a `Z`.
pub(super) fn time_in(zone: Option<&'static Zone>, ms: i64) -> String {
    match zone {
        Some(zone) if !zone.is_utc() => date_time(ms, Some(zone.offset_ms(ms))),
        _ => date_time(ms, None),
    }
}

/// Writes `t:ItemId`.
pub(super) fn write_id(out: &mut Writer, mailbox: Uuid, shown: &Instance<'_>) {
    let name =
        ItemName { mailbox, folder: CALENDAR, key: shown.item.key, original_ms: shown.original_ms };
    let key = change_key(KeyKind::CalendarItem, &mailbox, shown.item.change);
    out.empty("t:ItemId", &[("Id", &name.encode()), ("ChangeKey", &key)]);
}

/// Writes `t:CalendarItem` with what the shape wants.
pub(super) fn write_item(out: &mut Writer, mailbox: Uuid, shown: &Instance<'_>, shape: &Shape) {
    out.open("t:CalendarItem");
    if shape.wanted == bit(P::Id) {
        write_id(out, mailbox, shown);
    } else {
        for (property, _) in PROPERTIES.iter().filter(|(property, _)| shape.wants(*property)) {
            write_item_part(out, mailbox, shown, shape, *property);
        }
    }
    out.close("t:CalendarItem");
}

/// What every kind of item has.
fn write_item_part(
    out: &mut Writer,
    mailbox: Uuid,
    shown: &Instance<'_>,
    shape: &Shape,
    property: Property,
) {
    let (item, draft) = (shown.item, shown.draft);
    match property {
        P::Id => write_id(out, mailbox, shown),
        P::ParentFolderId => {
            let folder = FolderName { mailbox, folder: CALENDAR };
            out.empty(
                "t:ParentFolderId",
                &[
                    ("Id", &folder.encode()),
                    ("ChangeKey", &change_key(KeyKind::CalendarFolder, &mailbox, item.change)),
                ],
            );
        }
        P::ItemClass => out.leaf(
            "t:ItemClass",
            match shown.kind {
                Kind::Exception => "IPM.OLE.CLASS.{00061055-0000-0000-C000-000000000046}",
                _ => "IPM.Appointment",
            },
        ),
        P::Subject => out.leaf("t:Subject", &draft.subject),
        P::Sensitivity => out.leaf("t:Sensitivity", sensitivity(draft.sensitivity)),
        P::Body => body::write(out, "t:Body", draft, shape.body),
        P::TextBody => body::write(out, "t:TextBody", draft, BodyKind::Text),
        P::DateTimeReceived | P::DateTimeSent | P::DateTimeCreated => {
            let tag = match property {
                P::DateTimeReceived => "t:DateTimeReceived",
                P::DateTimeSent => "t:DateTimeSent",
                _ => "t:DateTimeCreated",
            };
            out.leaf(tag, &shape.time(item.created_ms));
        }
        P::Size => {
            let size = 2_000 + 2 * (draft.subject.len() + draft.body.len());
            out.leaf("t:Size", &size.to_string());
        }
        P::Importance => out.leaf("t:Importance", "Normal"),
        P::IsSubmitted => out.flag("t:IsSubmitted", false),
        P::IsDraft => out.flag("t:IsDraft", false),
        P::IsFromMe => out.flag("t:IsFromMe", false),
        P::IsResend => out.flag("t:IsResend", false),
        P::IsUnmodified => out.flag("t:IsUnmodified", false),
        P::ResponseObjects => write_response_objects(out, shown),
        P::ReminderDueBy => out.leaf("t:ReminderDueBy", &shape.time(shown.start_ms)),
        P::ReminderIsSet => out.flag("t:ReminderIsSet", draft.reminder.is_some()),
        P::ReminderMinutesBeforeStart => {
            let minutes = draft.reminder.unwrap_or(0).to_string();
            out.leaf("t:ReminderMinutesBeforeStart", &minutes);
        }
        P::DisplayCc => out.leaf("t:DisplayCc", &names(draft, AttendeeKind::Optional)),
        P::DisplayTo => out.leaf("t:DisplayTo", &names(draft, AttendeeKind::Required)),
        P::HasAttachments => out.flag("t:HasAttachments", false),
        P::Extended => write_extended(out, shown, &shape.extended),
        P::Culture => out.leaf("t:Culture", "en-US"),
        P::EffectiveRights => write_rights(out),
        P::LastModifiedName => out.leaf("t:LastModifiedName", &item.organizer.name),
        P::LastModifiedTime => {
            out.leaf("t:LastModifiedTime", &shape.time(item.modified_ms));
        }
        P::IsAssociated => out.flag("t:IsAssociated", false),
        _ => write_calendar_part(out, shown, shape, property),
    }
    if property >= P::Recurrence && shown.kind == Kind::RecurringMaster {
        pattern::write_series_part(out, mailbox, shown.item, shape.zone, property);
    }
}

/// What only a calendar item has.
fn write_calendar_part(out: &mut Writer, shown: &Instance<'_>, shape: &Shape, property: Property) {
    let (item, draft) = (shown.item, shown.draft);
    let original = shown.original_ms.or(item.orphan_ms);
    match property {
        P::Uid => out.leaf("t:UID", &item.uid),
        P::RecurrenceId => {
            if let Some(original) = original {
                out.leaf("t:RecurrenceId", &shape.time(original));
            }
        }
        P::DateTimeStamp => out.leaf("t:DateTimeStamp", &shape.time(item.modified_ms)),
        P::Start => out.leaf("t:Start", &shape.time(shown.start_ms)),
        P::End => out.leaf("t:End", &shape.time(shown.end_ms)),
        P::OriginalStart => {
            if let Some(original) = original {
                out.leaf("t:OriginalStart", &shape.time(original));
            }
        }
        P::IsAllDayEvent => out.flag("t:IsAllDayEvent", draft.all_day),
        P::LegacyFreeBusyStatus => {
            out.leaf("t:LegacyFreeBusyStatus", free_busy(draft.free_busy));
        }
        P::Location => out.leaf("t:Location", &draft.location),
        P::IsMeeting => out.flag("t:IsMeeting", item.is_meeting()),
        P::IsCancelled => out.flag("t:IsCancelled", shown.cancelled),
        // False for a master: it says whether this is one of several.
        P::IsRecurring => out.flag("t:IsRecurring", original.is_some()),
        P::MeetingRequestWasSent => out.flag("t:MeetingRequestWasSent", item.sent),
        P::IsResponseRequested => out.flag("t:IsResponseRequested", true),
        P::CalendarItemType => out.leaf("t:CalendarItemType", shown.kind.name()),
        P::MyResponseType => {
            out.leaf("t:MyResponseType", response(shown.my_response));
        }
        P::Organizer => {
            out.open("t:Organizer");
            write_mailbox(out, &item.organizer.name, &item.organizer.address);
            out.close("t:Organizer");
        }
        P::RequiredAttendees => {
            write_attendees(out, "t:RequiredAttendees", draft, AttendeeKind::Required);
        }
        P::OptionalAttendees => {
            write_attendees(out, "t:OptionalAttendees", draft, AttendeeKind::Optional);
        }
        P::Resources => write_attendees(out, "t:Resources", draft, AttendeeKind::Resource),
        P::Duration => {
            out.leaf("t:Duration", &duration(shown.end_ms - shown.start_ms));
        }
        P::TimeZone => out.leaf("t:TimeZone", &item.zone.name),
        P::AppointmentReplyTime => {
            if let Some(reply) = item.reply_ms {
                out.leaf("t:AppointmentReplyTime", &shape.time(reply));
            }
        }
        P::AppointmentSequenceNumber => {
            out.number("t:AppointmentSequenceNumber", i64::from(item.sequence));
        }
        P::AppointmentState => {
            // MS-OXOCAL: 1 a meeting, 2 received, 4 called off.
            let state = i64::from(item.is_meeting())
                + 2 * i64::from(!item.own)
                + 4 * i64::from(shown.cancelled);
            out.number("t:AppointmentState", state);
        }
        P::StartTimeZone | P::EndTimeZone => {
            let tag = if property == P::StartTimeZone { "StartTimeZone" } else { "EndTimeZone" };
            out.empty(&format!("t:{tag}"), &[("Id", &item.zone.id), ("Name", &item.zone.name)]);
        }
        P::AllowNewTimeProposal => out.flag("t:AllowNewTimeProposal", true),
        P::IsOnlineMeeting => out.flag("t:IsOnlineMeeting", false),
        P::StartTimeZoneId => out.leaf("t:StartTimeZoneId", &item.zone.id),
        P::EndTimeZoneId => out.leaf("t:EndTimeZoneId", &item.zone.id),
        P::IsOrganizer => out.flag("t:IsOrganizer", item.own),
        _ => {}
    }
}

fn write_response_objects(out: &mut Writer, shown: &Instance<'_>) {
    out.open("t:ResponseObjects");
    if shown.item.is_meeting() && !shown.cancelled {
        if shown.item.own {
            out.empty("t:CancelCalendarItem", &[]);
        } else {
            out.empty("t:AcceptItem", &[]);
            out.empty("t:TentativelyAcceptItem", &[]);
            out.empty("t:DeclineItem", &[]);
            out.empty("t:ReplyToItem", &[]);
            out.empty("t:ReplyAllToItem", &[]);
        }
    }
    out.empty("t:ForwardItem", &[]);
    out.close("t:ResponseObjects");
}

/// `t:EffectiveRights` of one's own things.
pub(super) fn write_rights(out: &mut Writer) {
    out.open("t:EffectiveRights");
    for (tag, value) in [
        ("t:CreateAssociated", false),
        ("t:CreateContents", false),
        ("t:CreateHierarchy", false),
        ("t:Delete", true),
        ("t:Modify", true),
        ("t:Read", true),
        ("t:ViewPrivateItems", true),
    ] {
        out.flag(tag, value);
    }
    out.close("t:EffectiveRights");
}

/// `t:Mailbox`
pub(super) fn write_mailbox(out: &mut Writer, name: &str, address: &str) {
    out.open("t:Mailbox");
    out.leaf("t:Name", name);
    out.leaf("t:EmailAddress", address);
    out.leaf("t:RoutingType", "SMTP");
    out.leaf("t:MailboxType", "Mailbox");
    out.close("t:Mailbox");
}

fn write_attendees(out: &mut Writer, tag: &str, draft: &Draft, kind: AttendeeKind) {
    let mut attendees = draft.attendees.iter().filter(|who| who.kind == kind).peekable();
    if attendees.peek().is_none() {
        return;
    }
    out.open(tag);
    for attendee in attendees {
        out.open("t:Attendee");
        write_mailbox(out, &attendee.name, &attendee.address);
        out.leaf("t:ResponseType", response(attendee.response));
        out.close("t:Attendee");
    }
    out.close(tag);
}

fn names(draft: &Draft, kind: AttendeeKind) -> String {
    let names = draft.attendees.iter().filter(|who| who.kind == kind).map(|who| who.name.as_str());
    names.collect::<Vec<_>>().join("; ")
}

fn write_extended(out: &mut Writer, shown: &Instance<'_>, paths: &[ExtendedPath]) {
    for path in paths {
        if let Some(value) = own_property(shown, path) {
            out.open("t:ExtendedProperty");
            path.write(out);
            out.leaf("t:Value", &value);
            out.close("t:ExtendedProperty");
            continue;
        }
        let found = shown
            .draft
            .extended
            .iter()
            .find(|property| property.set == path.set && property.name == path.name);
        let Some(property) = found else { continue };
        out.open("t:ExtendedProperty");
        path.write(out);
        if path.kind.ends_with("Array") {
            out.open("t:Values");
            for value in &property.values {
                out.leaf("t:Value", value);
            }
            out.close("t:Values");
        } else {
            out.leaf("t:Value", property.values.first().map_or("", String::as_str));
        }
        out.close("t:ExtendedProperty");
    }
}

/// Properties that Exchange itself keeps: the global object ids of PSETID_Meeting.
fn own_property(shown: &Instance<'_>, path: &ExtendedPath) -> Option<String> {
    use base64::Engine;
    let meeting = "6ed8da90-450b-101b-98da-00aa003f1305";
    if (path.set != "Meeting" && path.set != meeting) || path.kind != "Binary" {
        return None;
    }
    let day = shown.original_ms.or(shown.item.orphan_ms);
    let day = day.map(|ms| days::date(shown.item.zone.local(ms).0));
    let bytes = match path.name.as_str() {
        "3" => global_object_id(&shown.item.uid, day),
        "35" => global_object_id(&shown.item.uid, None),
        _ => return None,
    };
    Some(base64::engine::general_purpose::STANDARD.encode(bytes))
}

/// `ResponseTypeType`
pub(super) fn response(response: Response) -> &'static str {
    match response {
        Response::Unknown => "Unknown",
        Response::Organizer => "Organizer",
        Response::Tentative => "Tentative",
        Response::Accept => "Accept",
        Response::Decline => "Decline",
        Response::NoResponseReceived => "NoResponseReceived",
    }
}

/// `SensitivityChoicesType`
pub(super) fn sensitivity(sensitivity: Sensitivity) -> &'static str {
    match sensitivity {
        Sensitivity::Normal => "Normal",
        Sensitivity::Personal => "Personal",
        Sensitivity::Private => "Private",
        Sensitivity::Confidential => "Confidential",
    }
}

/// `LegacyFreeBusyType`
pub(super) fn free_busy(free_busy: FreeBusy) -> &'static str {
    match free_busy {
        FreeBusy::Free => "Free",
        FreeBusy::Tentative => "Tentative",
        FreeBusy::Busy => "Busy",
        FreeBusy::OutOfOffice => "OOF",
        FreeBusy::WorkingElsewhere => "WorkingElsewhere",
    }
}
