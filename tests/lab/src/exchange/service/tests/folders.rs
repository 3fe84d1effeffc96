//! Folders, impersonation, versions.

use super::*;
use crate::exchange::service::{MovedTo, Peek, Whereabouts};

fn get_folder(inner: &str) -> String {
    format!(
        "<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>\
         <m:FolderIds>{inner}</m:FolderIds></m:GetFolder>"
    )
}

const CALENDAR: &str = "<t:DistinguishedFolderId Id=\"calendar\"/>";

#[test]
fn folders_are_found_by_name_and_by_id() {
    let lab = lab();
    lab.calendars().create(ANN, meeting("M", MONDAY));
    let said = lab.ask(ANN, &get_folder(CALENDAR));
    assert_eq!(said.one("t:DisplayName"), "Calendar");
    assert_eq!(said.one("t:TotalCount"), "1");
    let (id, _) = said.ids("t:FolderId").remove(0);
    let said = lab.ask(ANN, &get_folder(&format!("<t:FolderId Id=\"{id}\"/>")));
    assert_eq!(said.one("t:DisplayName"), "Calendar");
    let said = lab.ask(BOB, &get_folder(&format!("<t:FolderId Id=\"{id}\"/>")));
    assert_eq!(said.code, "ErrorAccessDenied");
    let named = format!(
        "<t:DistinguishedFolderId Id=\"calendar\"><t:Mailbox><t:EmailAddress>{ANN}\
         </t:EmailAddress></t:Mailbox></t:DistinguishedFolderId>"
    );
    assert_eq!(lab.ask(ANN, &get_folder(&named)).code, "NoError");
    assert_eq!(lab.ask(BOB, &get_folder(&named)).code, "ErrorAccessDenied");
}

#[test]
fn folders_are_named_in_the_language_of_their_mailbox() {
    let lab = lab();
    let inbox = get_folder("<t:DistinguishedFolderId Id=\"inbox\"/>");
    assert_eq!(lab.ask(ANN, &inbox).one("t:DisplayName"), "Inbox");
    lab.calendars().set_culture(ANN, "de-AT");
    assert_eq!(lab.ask(ANN, &inbox).one("t:DisplayName"), "Posteingang");
    lab.calendars().set_culture(ANN, "is-IS");
    assert_eq!(lab.ask(ANN, &inbox).one("t:DisplayName"), "Inbox", "not known here");
}

#[test]
fn who_may_not_be_impersonated_is_a_fault() {
    let lab = lab();
    let code = |who: &str| {
        let said = lab.ask(who, &get_folder(CALENDAR));
        (said.status, said.code)
    };
    assert_eq!(code("ANN@Corp.Example"), (200, "NoError".to_owned()));
    assert_eq!(code("nobody@corp.example"), (500, "ErrorNonExistentMailbox".to_owned()));
    lab.calendars().deny_impersonation(ANN, true);
    assert_eq!(code(ANN), (500, "ErrorImpersonateUserDenied".to_owned()));
    lab.calendars().deny_impersonation(ANN, false);
    assert_eq!(code(ANN).1, "NoError");
    lab.calendars().forbid_impersonation(true);
    assert_eq!(code(ANN), (500, "ErrorImpersonationDenied".to_owned()));
    lab.calendars().forbid_impersonation(false);
    lab.calendars().move_mailbox(ANN, MovedTo::Cloud("ann@cloud.example".to_owned()));
    assert_eq!(code(ANN), (500, "ErrorNonExistentMailbox".to_owned()));
    let gone = Whereabouts::Cloud("ann@cloud.example".to_owned());
    assert_eq!(lab.calendars().whereabouts(ANN), gone);
    lab.calendars().remove_mailbox(BOB);
    assert_eq!(code(BOB), (500, "ErrorNonExistentMailbox".to_owned()));
    assert_eq!(lab.calendars().whereabouts(BOB), Whereabouts::Nowhere);
    let plain = envelope("x", "Exchange2013_SP1", &get_folder(CALENDAR));
    let (before, rest) = plain.split_once("<t:ExchangeImpersonation>").expect("there");
    let (_, after) = rest.split_once("</t:ExchangeImpersonation>").expect("there");
    let said = lab.send(&format!("{before}{after}"), 0);
    assert_eq!((said.status, said.code.as_str()), (200, "ErrorMissingEmailAddress"));
}

#[test]
fn the_version_that_is_reported_is_refused() {
    let lab = lab();
    let said = |version: &str| lab.send(&envelope(ANN, version, &get_folder(CALENDAR)), 0);
    for version in ["Exchange2007_SP1", "Exchange2010_SP2", "Exchange2013_SP1", "Exchange2016"] {
        let said = said(version);
        assert_eq!(said.code, "NoError", "{version}");
        assert!(said.has("Version=\"V2017_07_11\""));
    }
    for version in ["V2017_07_11", "Exchange2019", "Exchange2030", ""] {
        let said = said(version);
        assert_eq!((said.status, said.code.as_str()), (500, "ErrorInvalidServerVersion"));
        assert!(said.has(">a:ErrorInvalidServerVersion</faultcode>"));
    }
}

#[test]
fn what_is_no_request_is_a_schema_fault() {
    let lab = lab();
    let good = envelope(ANN, "Exchange2013_SP1", &get_folder(CALENDAR));
    for bad in [
        String::new(),
        good.replace("</s:Body>", ""),
        good.replace("m:GetFolder", "m:GetNothing"),
        good.replace("<m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>", ""),
        good.replace("Default", "Everything"),
        good.replace("Id=\"calendar\"", "Id=\"cal&#x1;endar\""),
        good.replace("http://schemas.xmlsoap.org/soap/envelope/", "http://elsewhere/"),
    ] {
        let said = lab.send(&bad, 0);
        assert_eq!((said.status, said.code.as_str()), (500, "ErrorSchemaValidation"), "{bad}");
        assert!(said.has("<t:Violation>"));
    }
}

#[test]
fn a_glance_tells_operation_and_mailbox() {
    let request = envelope(ANN, "Exchange2013_SP1", &get_folder(CALENDAR));
    let peek = Peek { operation: "GetFolder", mailbox: Some(ANN.to_owned()), ..Peek::default() };
    assert_eq!(Service::peek(request.as_bytes()), peek);
    assert_eq!(Service::peek(b"<nonsense"), Peek::default());
}

#[test]
fn a_folder_that_somebody_made_stands_beside_the_calendar_until_it_is_deleted() {
    let lab = lab();
    let mut documents = Vec::new();
    let mut ask = |operation: &str| {
        let said = lab.ask(ANN, operation);
        documents.push(("answer".to_owned(), said.text.clone()));
        documents.push(("request".to_owned(), envelope(ANN, "Exchange2013_SP1", operation)));
        said
    };
    let create = "<m:CreateFolder><m:ParentFolderId><t:DistinguishedFolderId Id=\"msgfolderroot\"/>\
                  </m:ParentFolderId><m:Folders><t:CalendarFolder><t:DisplayName>Aside\
                  </t:DisplayName></t:CalendarFolder></m:Folders></m:CreateFolder>";
    let (id, _) = ask(create).ids("t:FolderId").remove(0);
    assert_eq!(ask(create).code, "ErrorFolderExists");
    let find = "<m:FindFolder Traversal=\"Shallow\"><m:FolderShape><t:BaseShape>Default\
                </t:BaseShape></m:FolderShape><m:Restriction><t:IsEqualTo>\
                <t:FieldURI FieldURI=\"folder:DisplayName\"/><t:FieldURIOrConstant>\
                <t:Constant Value=\"Aside\"/></t:FieldURIOrConstant></t:IsEqualTo></m:Restriction>\
                <m:ParentFolderIds><t:DistinguishedFolderId Id=\"msgfolderroot\"/>\
                </m:ParentFolderIds></m:FindFolder>";
    assert_eq!(ask(find).all("t:DisplayName"), ["Aside"], "and no other");
    let aside = format!("<t:FolderId Id=\"{id}\"/>");
    let made = ask(&super::items::create("Beside", "").replace(
        "<m:Items>",
        &format!("<m:SavedItemFolderId>{aside}</m:SavedItemFolderId><m:Items>"),
    ));
    assert_eq!(made.code, "NoError", "{}", made.text);
    let (item, _) = made.ids("t:ItemId").remove(0);
    assert_eq!(ask(&get_item(&item, "Default")).one("t:Subject"), "Beside");
    assert_eq!(lab.calendars().count(ANN), 0);
    assert_eq!(ask(&get_folder(&aside)).one("t:TotalCount"), "1");
    let delete = |folder: &str| {
        format!(
            "<m:DeleteFolder DeleteType=\"HardDelete\"><m:FolderIds>{folder}</m:FolderIds>\
             </m:DeleteFolder>"
        )
    };
    assert_eq!(ask(&delete(CALENDAR)).code, "ErrorDeleteDistinguishedFolder");
    assert_eq!(ask(&delete(&aside)).code, "NoError");
    assert_eq!(ask(&get_folder(&aside)).code, "ErrorFolderNotFound");
    assert_eq!(ask(&get_item(&item, "Default")).code, "ErrorItemNotFound");
    assert!(ask(find).all("t:DisplayName").is_empty());
    super::schema::validate("made-folders", &documents);
}
