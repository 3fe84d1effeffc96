//! What clients ask for by MAPI's names, as iCalendar, or of their own options.

use base64::Engine;

use super::*;
use crate::exchange::service::{End, Pattern, Sensitivity};

const CALENDAR: &str = "<t:DistinguishedFolderId Id=\"calendar\"/>";

fn configuration() -> String {
    "<m:GetUserConfiguration><m:UserConfigurationName Name=\"OWA.UserOptions\">\
     <t:DistinguishedFolderId Id=\"root\"/></m:UserConfigurationName>\
     <m:UserConfigurationProperties>All</m:UserConfigurationProperties></m:GetUserConfiguration>"
        .to_owned()
}

fn tag(tag: &str, kind: &str) -> String {
    format!("<t:ExtendedFieldURI PropertyTag=\"{tag}\" PropertyType=\"{kind}\"/>")
}

#[test]
fn a_folder_tells_by_its_tags_what_it_is_and_when_it_changed() {
    let lab = lab();
    let ask = || {
        let tags =
            tag("0x3613", "String") + &tag("0x670a", "SystemTime") + &tag("0x3602", "Integer");
        lab.ask(
            ANN,
            &format!(
                "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape>\
                 <t:AdditionalProperties>{tags}{}</t:AdditionalProperties></m:FolderShape>\
                 <m:FolderIds>{CALENDAR}</m:FolderIds></m:GetFolder>",
                tag("0x10f3", "String"),
            ),
        )
    };
    let before = ask().all("t:Value");
    assert_eq!((before.len(), before[0].as_str(), before[2].as_str()), (3, "IPF.Appointment", "0"));
    lab.calendars().create(ANN, meeting("M", MONDAY));
    let after = ask().all("t:Value");
    assert_eq!(after[2], "1");
    assert!(after[1] >= before[1], "{before:?} {after:?}");
}

#[test]
fn items_are_found_and_sorted_by_their_tags() {
    let lab = lab();
    for title in ["First", "Second"] {
        lab.calendars().create(ANN, meeting(title, MONDAY));
    }
    let mut secret = meeting("Secret", MONDAY);
    secret.sensitivity = Sensitivity::Private;
    lab.calendars().create(ANN, secret);
    let find = format!(
        "<m:FindItem Traversal=\"Shallow\"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>\
         <t:AdditionalProperties>{}</t:AdditionalProperties></m:ItemShape><m:Restriction>\
         <t:IsEqualTo>{}<t:FieldURIOrConstant><t:Constant Value=\"0\"/></t:FieldURIOrConstant>\
         </t:IsEqualTo></m:Restriction><m:SortOrder><t:FieldOrder Order=\"Descending\">{}\
         </t:FieldOrder></m:SortOrder><m:ParentFolderIds>{CALENDAR}</m:ParentFolderIds>\
         </m:FindItem>",
        tag("0x37", "String"),
        tag("0x36", "Integer"),
        tag("0xe23", "Integer"),
    );
    assert_eq!(lab.ask(ANN, &find).all("t:Value"), ["Second", "First"]);
}

#[test]
fn an_item_as_icalendar_holds_its_series_and_what_differs_from_it() {
    let lab = lab();
    let series = meeting("Standup; daily", MONDAY)
        .zone("W. Europe Standard Time")
        .repeat(Pattern::Daily { interval: 1 }, End::After(5));
    let id = lab.calendars().create(ANN, series);
    lab.calendars().delete_occurrence(ANN, &id, MONDAY + DAY);
    lab.calendars().modify_occurrence(ANN, &id, MONDAY + 2 * DAY, |draft| {
        draft.subject = "Once".to_owned();
    });
    let said = lab.ask(
        ANN,
        &format!(
            "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>\
             <t:IncludeMimeContent>true</t:IncludeMimeContent></m:ItemShape><m:ItemIds>\
             <t:ItemId Id=\"{id}\"/></m:ItemIds></m:GetItem>"
        ),
    );
    let (_, mime) = said.text.split_once("CharacterSet=\"UTF-8\">").expect("MimeContent");
    let (mime, _) = mime.split_once('<').expect("its end");
    let text = base64::engine::general_purpose::STANDARD.decode(mime).expect("base64");
    let text = String::from_utf8(text).expect("UTF-8").replace("\r\n ", "");
    for line in [
        "SUMMARY:Standup\\; daily",
        "RRULE:FREQ=DAILY;INTERVAL=1;COUNT=5",
        "EXDATE;TZID=W. Europe Standard Time:",
        "SUMMARY:Once",
        "RECURRENCE-ID;TZID=W. Europe Standard Time:",
        "TZOFFSETTO:+0200",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert_eq!(text.matches("BEGIN:VEVENT").count(), 2);
}

#[test]
fn an_id_tells_whose_it_is() {
    let lab = lab();
    let id = lab.calendars().create(ANN, meeting("M", MONDAY));
    let said = lab.ask(
        ANN,
        &format!(
            "<m:ConvertId DestinationFormat=\"EwsId\"><m:SourceIds><t:AlternateId \
             Format=\"EwsId\" Id=\"{id}\" Mailbox=\"somebody@else.example\"/></m:SourceIds>\
             </m:ConvertId>"
        ),
    );
    assert!(said.has(&format!("Mailbox=\"{ANN}\"")), "{}", said.text);
}

#[test]
fn the_options_of_outlook_on_the_web_are_there_once_a_zone_was_chosen() {
    let lab = lab();
    assert_eq!(lab.ask(ANN, &configuration()).code, "ErrorItemNotFound");
    lab.calendars().set_zone(ANN, "Tokyo Standard Time");
    let said = lab.ask(ANN, &configuration());
    assert_eq!(said.all("t:Value"), ["timezone", "Tokyo Standard Time"]);
    super::schema::validate(
        "configuration",
        &[
            ("configuration".to_owned(), said.text),
            ("request".to_owned(), envelope(ANN, "Exchange2013_SP1", &configuration())),
        ],
    );
}
