//! Which properties of an item a client wants.

use uuid::Uuid;

use super::draft::ExtendedProperty;
use super::envelope::Writer;
use super::item::date_time;
use super::tree::Node;
use super::zone::Zone;

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
    MimeContent "item:MimeContent",
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
const NOT_IN_ALL: &[Property] =
    &[P::MimeContent, P::TextBody, P::StartTimeZoneId, P::EndTimeZoneId];

/// What only GetItem can tell.
const GET_ITEM_ONLY: &[Property] = &[
    P::MimeContent,
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

/// `MapiPropertyTypeType`, without the arrays of the same.
const PROPERTY_TYPES: [&str; 14] = [
    "ApplicationTime",
    "Binary",
    "Boolean",
    "CLSID",
    "Currency",
    "Double",
    "Error",
    "Float",
    "Integer",
    "Long",
    "Object",
    "Short",
    "String",
    "SystemTime",
];

/// `DistinguishedPropertySetType`, with the GUIDs that [MS-OXPROPS] 1.3.2 gives them.
const PROPERTY_SETS: [(&str, &str); 9] = [
    ("Meeting", "6ed8da90-450b-101b-98da-00aa003f1305"),
    ("Appointment", "00062002-0000-0000-c000-000000000046"),
    ("Common", "00062008-0000-0000-c000-000000000046"),
    ("PublicStrings", "00020329-0000-0000-c000-000000000046"),
    ("Address", "00062004-0000-0000-c000-000000000046"),
    ("InternetHeaders", "00020386-0000-0000-c000-000000000046"),
    ("CalendarAssistant", "11000e07-b51b-40d6-af21-caa85edab1d0"),
    ("UnifiedMessaging", "4442858e-a9e3-4e80-b900-317a210cc15b"),
    ("Task", "00062003-0000-0000-c000-000000000046"),
];

/// A path of an extended property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExtendedPath {
    /// The set's GUID in lower case; empty with a tag.
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
        PROPERTY_TYPES.contains(&kind.trim_end_matches("Array")).then_some(())?;
        let well_known = |name: &str| PROPERTY_SETS.iter().find(|(known, _)| *known == name);
        let set = node
            .attribute("DistinguishedPropertySetId")
            .map(|name| well_known(name).map_or(name, |(_, guid)| guid).to_owned())
            .or_else(|| Some(Uuid::try_parse(node.attribute("PropertySetId")?).ok()?.to_string()));
        let name = node.attribute("PropertyName").or_else(|| node.attribute("PropertyId"));
        let (set, name) = match (set, name, node.attribute("PropertyTag")) {
            (Some(set), Some(name), None) => (set, name.to_owned()),
            (None, None, Some(tag)) => (String::new(), tag.to_ascii_lowercase()),
            _ => return None,
        };
        Some(Self { set, name, kind, attributes })
    }

    /// Whether this is what the other path names: a property of another type is another one.
    pub(super) fn is(&self, other: &Self) -> bool {
        (&self.set, &self.name, &self.kind) == (&other.set, &other.name, &other.kind)
    }

    /// Whether this is a property that somebody wrote.
    pub(super) fn names(&self, own: &ExtendedProperty) -> bool {
        (&self.set, &self.name, &self.kind) == (&own.set, &own.name, &own.kind)
    }

    pub(super) fn write(&self, out: &mut Writer) {
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
    /// What is wrong with the original starts of changed occurrences.
    pub(super) skew_ms: i64,
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
        if node.text_of("IncludeMimeContent") == Some("true") {
            shape.wanted |= bit(P::MimeContent);
        }
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
            .any(|property| [P::MimeContent, P::Body, P::TextBody].contains(&property))
    }

    /// The same without what only GetItem can tell.
    pub(super) fn for_lists(mut self) -> Self {
        self.wanted &= !mask(GET_ITEM_ONLY);
        self
    }

    pub(super) fn is_id_only(&self) -> bool {
        self.wanted == bit(P::Id)
    }

    /// What is wanted, in the order of the schema.
    pub(super) fn properties(&self) -> impl Iterator<Item = Property> {
        let all = PROPERTIES.iter().map(|(property, _)| *property);
        all.filter(|property| self.wanted & bit(*property) != 0)
    }

    pub(super) fn extended(&self) -> &[ExtendedPath] {
        &self.extended
    }

    pub(super) fn time(&self, ms: i64) -> String {
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
