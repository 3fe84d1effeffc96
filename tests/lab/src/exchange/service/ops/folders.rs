//! GetFolder and FindFolder, MS-OXWSFOLD: the folders that every mailbox has.

use crate::exchange::service::envelope::{Failure, Writer};
use crate::exchange::service::ids::{FolderNumber, KeyKind, change_key};
use crate::exchange::service::mailbox::{CALENDAR, FOLDERS, Mailbox};
use crate::exchange::service::render::write_rights;
use crate::exchange::service::request::{Refusal, Reply, Request, invalid};
use crate::exchange::service::tree::Node;

/// The properties of a folder in the order of the schema, whether `Default` has them.
const PROPERTIES: &[(&str, bool)] = &[
    ("folder:FolderId", true),
    ("folder:ParentFolderId", false),
    ("folder:FolderClass", false),
    ("folder:DisplayName", true),
    ("folder:TotalCount", true),
    ("folder:ChildFolderCount", true),
    ("folder:EffectiveRights", false),
    ("folder:DistinguishedFolderId", false),
    ("folder:UnreadCount", true),
];

fn read_shape(request: &Request<'_>) -> Result<Vec<&'static str>, Refusal> {
    let shape = request.body.child("FolderShape");
    let shape = shape.ok_or_else(|| invalid("FolderShape is missing."))?;
    let base = shape.text_of("BaseShape").unwrap_or("IdOnly");
    if !matches!(base, "IdOnly" | "Default" | "AllProperties") {
        return Err(invalid(format!("The 'BaseShape' element is invalid - '{base}'.")));
    }
    let named = |uri: &str| {
        let paths = shape.list("AdditionalProperties");
        paths.iter().any(|path| path.attribute("FieldURI") == Some(uri))
    };
    let wanted = PROPERTIES.iter().filter(|(uri, default)| {
        *uri == "folder:FolderId"
            || base == "AllProperties"
            || (base == "Default" && *default)
            || named(uri)
    });
    Ok(wanted.map(|(uri, _)| *uri).collect())
}

pub(super) fn get(request: &Request<'_>) -> Result<Reply, Refusal> {
    let shape = read_shape(request)?;
    let world = request.shared.world();
    let found = request.body.list("FolderIds").iter().map(|id| {
        let (number, folder) = request.folder(&world, id)?;
        let mailbox = world.mailbox(number).ok_or_else(|| Failure::of("ErrorFolderNotFound"))?;
        Ok((mailbox, folder))
    });
    let found: Vec<_> = found.collect();
    Ok(Reply::each("GetFolder", found, |out, (mailbox, folder)| {
        out.open("m:Folders");
        write(out, mailbox, folder, &shape);
        out.close("m:Folders");
    }))
}

pub(super) fn find(request: &Request<'_>) -> Result<Reply, Refusal> {
    let shape = read_shape(request)?;
    let deep = match request.body.attribute("Traversal") {
        Some("Shallow") => false,
        Some("Deep") => true,
        Some("SoftDeleted") => return Ok(nothing()),
        _ => return Err(invalid("The 'Traversal' attribute is invalid.")),
    };
    let world = request.shared.world();
    let parents: &[Node] = request.body.list("ParentFolderIds");
    let found: Vec<Result<_, Failure>> = parents
        .iter()
        .map(|id| {
            let (number, parent) = request.folder(&world, id)?;
            let mailbox =
                world.mailbox(number).ok_or_else(|| Failure::of("ErrorFolderNotFound"))?;
            Ok((mailbox, below(parent, deep)))
        })
        .collect();
    Ok(Reply::each("FindFolder", found, |out, (mailbox, folders)| {
        let total = folders.len().to_string();
        let attributes = [
            ("IndexedPagingOffset", total.as_str()),
            ("TotalItemsInView", total.as_str()),
            ("IncludesLastItemInRange", "true"),
        ];
        out.start("m:RootFolder", &attributes);
        out.open("t:Folders");
        for folder in folders {
            write(out, mailbox, folder, &shape);
        }
        out.close("t:Folders");
        out.close("m:RootFolder");
    }))
}

fn nothing() -> Reply {
    Reply::each("FindFolder", [Ok::<(), Failure>(())], |out, ()| {
        let attributes = [("TotalItemsInView", "0"), ("IncludesLastItemInRange", "true")];
        out.start("m:RootFolder", &attributes);
        out.empty("t:Folders", &[]);
        out.close("m:RootFolder");
    })
}

fn below(parent: FolderNumber, deep: bool) -> Vec<FolderNumber> {
    let numbers = (0..FOLDERS.len()).filter_map(|number| FolderNumber::try_from(number).ok());
    numbers.filter(|number| *number != parent && is_below(*number, parent, deep)).collect()
}

fn is_below(number: FolderNumber, ancestor: FolderNumber, deep: bool) -> bool {
    let Some(folder) = FOLDERS.get(usize::from(number)) else { return false };
    folder.parent == ancestor && number != 0
        || (deep && number != 0 && is_below(folder.parent, ancestor, deep))
}

fn write(out: &mut Writer, mailbox: &Mailbox, number: FolderNumber, shape: &[&str]) {
    let Some(folder) = FOLDERS.get(usize::from(number)) else { return };
    let (tag, kind) = match folder.class {
        "IPF.Appointment" => ("t:CalendarFolder", KeyKind::CalendarFolder),
        "IPF.Contact" => ("t:ContactsFolder", KeyKind::Folder),
        "IPF.Task" => ("t:TasksFolder", KeyKind::Folder),
        _ => ("t:Folder", KeyKind::Folder),
    };
    let change = if number == CALENDAR { mailbox.change() } else { 1 };
    out.open(tag);
    for uri in shape {
        match *uri {
            "folder:FolderId" => {
                let key = change_key(kind, &mailbox.guid, change);
                let id = mailbox.folder(number).encode();
                out.empty("t:FolderId", &[("Id", &id), ("ChangeKey", &key)]);
            }
            "folder:ParentFolderId" => {
                let key = change_key(KeyKind::Folder, &mailbox.guid, 1);
                let id = mailbox.folder(folder.parent).encode();
                out.empty("t:ParentFolderId", &[("Id", &id), ("ChangeKey", &key)]);
            }
            "folder:FolderClass" if !folder.class.is_empty() => {
                out.leaf("t:FolderClass", folder.class);
            }
            "folder:DisplayName" => out.leaf("t:DisplayName", folder.name),
            "folder:TotalCount" => {
                let count = if number == CALENDAR { mailbox.len() } else { 0 };
                out.leaf("t:TotalCount", &count.to_string());
            }
            "folder:ChildFolderCount" => {
                out.leaf("t:ChildFolderCount", &below(number, false).len().to_string());
            }
            "folder:EffectiveRights" => write_rights(out),
            "folder:DistinguishedFolderId" => out.leaf("t:DistinguishedFolderId", folder.id),
            "folder:UnreadCount" if tag == "t:Folder" || tag == "t:TasksFolder" => {
                out.leaf("t:UnreadCount", "0");
            }
            _ => {}
        }
    }
    out.close(tag);
}
