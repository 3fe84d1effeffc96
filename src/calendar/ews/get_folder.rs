//! GetFolder: whether a mailbox's calendar is there and may be read, and in which language its
//! folders are named ([MS-OXWSFOLD] 3.1.4.6).

use super::folder_names::{self, FOLDERS};
use super::soap::{self, CALENDAR_FOLDER, Header};
use super::xml::{Pull, malformed};
use crate::model::{Fault, Next};

/// Bytes of a folder's name that are read; Exchange keeps 255 characters at most.
const NAME_BYTES: usize = 1024;

/// Asks for the id of the calendar and nothing else.
pub fn request(header: &Header<'_>) -> String {
    soap::envelope(header, "GetFolder", "", |out| {
        out.push_str(
            "<m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds>",
        );
        out.push_str(CALENDAR_FOLDER);
        out.push_str("</m:FolderIds>");
    })
}

/// Whether it is there.
///
/// # Errors
/// What Exchange says against it, or a malformed answer.
pub fn read(xml: &[u8]) -> Result<(), Fault> {
    soap::only(soap::answers::<()>(xml, |_, _, ()| Ok(false))?)
}

/// Asks for the calendar, and for the names of the folders that every mailbox has.
pub fn language_request(header: &Header<'_>) -> String {
    soap::envelope(header, "GetFolder", "", |out| {
        out.push_str("<m:FolderShape><t:BaseShape>IdOnly</t:BaseShape>");
        soap::push_fields(out, ["folder:DisplayName"]);
        out.push_str("</m:FolderShape><m:FolderIds>");
        for folder in FOLDERS {
            out.push_str("<t:DistinguishedFolderId Id=\"");
            out.push_str(folder);
            out.push_str("\"/>");
        }
        out.push_str("</m:FolderIds>");
    })
}

/// What is said to [`language_request`]: the language (BCP 47) where it is known; or why it may be
/// known later, where not every folder could be looked at just now.
///
/// # Errors
/// What Exchange says against the calendar, or a malformed answer.
pub fn read_language(xml: &[u8]) -> Result<Result<Option<&'static str>, Fault>, Fault> {
    let mut answers = soap::answers::<String>(xml, |pull, element, name| {
        let are_folders = element.name() == "Folders";
        if are_folders {
            *name = read_name(pull)?;
        }
        Ok(are_folders)
    })?
    .into_iter();
    let mut names: [String; FOLDERS.len()] = Default::default();
    let calendar = answers.next().ok_or_else(malformed)?;
    let mut passing = None;
    let [first, others @ ..] = &mut names;
    *first = calendar.into_result()?;
    for (place, answered) in others.iter_mut().zip(answers) {
        match answered.into_result() {
            Ok(name) => *place = name,
            Err(fault) => passing = Some(fault).filter(may_pass).or(passing),
        }
    }
    let language = folder_names::language(&names);
    Ok(match (language, passing) {
        (None, Some(fault)) => Err(fault),
        (language, _) => Ok(language),
    })
}

fn may_pass(fault: &Fault) -> bool {
    matches!(fault.next, Next::Retry { .. } | Next::BackOff { .. })
}

/// The name of the one folder in an open `Folders`.
fn read_name(pull: &mut Pull<'_>) -> Result<String, Fault> {
    let mut name = String::new();
    while pull.child()?.is_some() {
        while let Some(part) = pull.child()? {
            match part.name() {
                "DisplayName" => name = pull.text_up_to(NAME_BYTES)?,
                _ => pull.skip()?,
            }
        }
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(folders: &[Result<&str, &str>]) -> Vec<u8> {
        let one = |folder: &Result<&str, &str>| match folder {
            Ok(name) => format!(
                "<GetFolderResponseMessage ResponseClass='Success'><ResponseCode>NoError\
                 </ResponseCode><Folders><Folder><FolderId Id='x'/><DisplayName>{name}\
                 </DisplayName></Folder></Folders></GetFolderResponseMessage>"
            ),
            Err(code) => format!(
                "<GetFolderResponseMessage ResponseClass='Error'><ResponseCode>{code}\
                 </ResponseCode><Folders/></GetFolderResponseMessage>"
            ),
        };
        let all: String = folders.iter().map(one).collect();
        format!(
            "<Envelope><Body><GetFolderResponse><ResponseMessages>{all}</ResponseMessages>\
             </GetFolderResponse></Body></Envelope>"
        )
        .into_bytes()
    }

    #[test]
    fn a_language_is_what_the_folders_that_could_be_seen_say() {
        let german = ["Kalender", "Posteingang", "Gesendete Elemente"].map(Ok);
        assert_eq!(read_language(&answer(&german)), Ok(Ok(Some("de"))));
        let some = [Ok("Kalender"), Err("ErrorAccessDenied"), Ok("Gesendete Elemente")];
        assert_eq!(read_language(&answer(&some)), Ok(Ok(Some("de"))));
        let strange = ["Ding", "Dong", "Sent Items"].map(Ok);
        assert_eq!(read_language(&answer(&strange)), Ok(Ok(None)));
    }

    #[test]
    fn a_calendar_that_is_not_there_is_told_whatever_the_others_are_called() {
        let gone = [Err("ErrorFolderNotFound"), Ok("Posteingang"), Ok("Gesendete Elemente")];
        assert_eq!(read_language(&answer(&gone)).unwrap_err().next, Next::Gone);
        assert_eq!(read_language(&answer(&[])), Err(malformed()));
    }

    #[test]
    fn a_language_that_could_not_be_seen_just_now_is_not_taken_for_none() {
        let busy = [Ok("Kalender"), Err("ErrorServerBusy"), Err("ErrorAccessDenied")];
        let later = read_language(&answer(&busy)).unwrap().unwrap_err();
        assert_eq!(later.cause.code, "ErrorServerBusy");
        let never = [Ok("Kalender"), Err("ErrorAccessDenied"), Err("ErrorFolderNotFound")];
        assert_eq!(read_language(&answer(&never)), Ok(Ok(None)));
    }
}
