//! Items by the names that MAPI has for their properties ([MS-OXPROPS], [MS-OXOCAL]): what clients
//! ask for with an `ExtendedFieldURI`, beside what somebody else has written there.

use super::days;
use super::draft::Sensitivity;
use super::ids::global_object_id;
use super::item::{Instance, Kind, date_time};
use super::shape::ExtendedPath;

/// The value that Exchange itself keeps; nothing where it keeps none.
pub(super) fn value(shown: &Instance<'_>, path: &ExtendedPath) -> Option<String> {
    match path.set.as_str() {
        "" => of_tag(shown, path),
        "6ed8da90-450b-101b-98da-00aa003f1305" => of_meeting(shown, path),
        "00062002-0000-0000-c000-000000000046" => of_appointment(shown, path),
        _ => None,
    }
}

fn of_tag(shown: &Instance<'_>, path: &ExtendedPath) -> Option<String> {
    let tag = u32::from_str_radix(path.name.strip_prefix("0x")?, 16).ok()?;
    Some(match (tag, path.kind.as_str()) {
        // PidTagMessageClass
        (0x001a, "String") => class(shown.kind).to_owned(),
        // PidTagSensitivity
        (0x0036, "Integer") => match shown.draft.sensitivity {
            Sensitivity::Normal => "0",
            Sensitivity::Personal => "1",
            Sensitivity::Private => "2",
            Sensitivity::Confidential => "3",
        }
        .to_owned(),
        // PidTagSubject
        (0x0037, "String") => shown.draft.subject.clone(),
        // PidTagInternetArticleNumber
        (0x0e23, "Integer") => shown.item.key.to_string(),
        // PidTagCreationTime
        (0x3007, "SystemTime") => date_time(shown.item.created_ms, None),
        // PidTagLastModificationTime
        (0x3008, "SystemTime") => date_time(shown.item.modified_ms, None),
        _ => return None,
    })
}

/// The message class, as EWS calls it too.
pub(super) fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Exception => "IPM.OLE.CLASS.{00061055-0000-0000-C000-000000000046}",
        _ => "IPM.Appointment",
    }
}

/// The global object ids of PSETID_Meeting.
fn of_meeting(shown: &Instance<'_>, path: &ExtendedPath) -> Option<String> {
    use base64::Engine;
    if path.kind != "Binary" {
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

/// PSETID_Appointment
fn of_appointment(shown: &Instance<'_>, path: &ExtendedPath) -> Option<String> {
    Some(match (path.name.as_str(), path.kind.as_str()) {
        // PidLidLocation
        ("33288", "String") => shown.draft.location.clone(),
        // PidLidAppointmentStartWhole, PidLidAppointmentEndWhole
        ("33293", "SystemTime") => date_time(shown.start_ms, None),
        ("33294", "SystemTime") => date_time(shown.end_ms, None),
        // PidLidAppointmentSubType
        ("33301", "Boolean") => shown.draft.all_day.to_string(),
        // PidLidRecurring
        ("33315", "Boolean") => shown.item.series.is_some().to_string(),
        _ => return None,
    })
}
