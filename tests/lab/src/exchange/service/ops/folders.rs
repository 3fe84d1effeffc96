//! GetFolder, FindFolder, CreateFolder and DeleteFolder, MS-OXWSFOLD.

use super::restriction::{Value, holds, typed};
use crate::exchange::service::envelope::{Failure, Writer};
use crate::exchange::service::ids::{FolderNumber, KeyKind, change_key};
use crate::exchange::service::item::date_time;
use crate::exchange::service::mailbox::{CALENDAR, Mailbox};
use crate::exchange::service::render::write_rights;
use crate::exchange::service::request::{Refusal, Reply, Request, invalid};
use crate::exchange::service::shape::ExtendedPath;
use crate::exchange::service::tree::Node;

/// Where the extended properties stand among the others.
const EXTENDED: &str = "ExtendedProperty";

/// The properties of a folder in the order of the schema, whether `Default` has them.
const PROPERTIES: &[(&str, bool)] = &[
    ("folder:FolderId", true),
    ("folder:ParentFolderId", false),
    ("folder:FolderClass", false),
    ("folder:DisplayName", true),
    ("folder:TotalCount", true),
    ("folder:ChildFolderCount", true),
    (EXTENDED, false),
    ("folder:EffectiveRights", false),
    ("folder:DistinguishedFolderId", false),
    ("folder:UnreadCount", true),
];

/// What a request wants to know of a folder.
struct Shape {
    /// In the order of the schema.
    properties: Vec<&'static str>,
    extended: Vec<ExtendedPath>,
}

fn read_shape(request: &Request<'_>) -> Result<Shape, Refusal> {
    let shape = request.body.child("FolderShape");
    let shape = shape.ok_or_else(|| invalid("FolderShape is missing."))?;
    let base = shape.text_of("BaseShape").unwrap_or("IdOnly");
    if !matches!(base, "IdOnly" | "Default" | "AllProperties") {
        return Err(invalid(format!("The 'BaseShape' element is invalid - '{base}'.")));
    }
    let paths = shape.list("AdditionalProperties");
    let named = |uri: &str| paths.iter().any(|path| path.attribute("FieldURI") == Some(uri));
    let extended = paths.iter().filter(|path| path.name == "ExtendedFieldURI").map(|path| {
        ExtendedPath::read(path).ok_or_else(|| {
            invalid("The 'ExtendedFieldURI' element has an invalid combination of attributes.")
        })
    });
    let extended = extended.collect::<Result<Vec<_>, _>>()?;
    let wanted = PROPERTIES.iter().filter(|(uri, default)| {
        *uri == "folder:FolderId"
            || *uri == EXTENDED
            || base == "AllProperties"
            || (base == "Default" && *default)
            || named(uri)
    });
    Ok(Shape { properties: wanted.map(|(uri, _)| *uri).collect(), extended })
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
            let restriction =
                request.body.child("Restriction").and_then(|node| node.children.first());
            let mut found = Vec::new();
            for folder in below(mailbox, parent, deep) {
                if holds(request, restriction, &|path| value(mailbox, folder, path))? {
                    found.push(folder);
                }
            }
            Ok((mailbox, found))
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

fn below(mailbox: &Mailbox, parent: FolderNumber, deep: bool) -> Vec<FolderNumber> {
    let numbers = mailbox.folders();
    numbers.filter(|one| *one != parent && is_below(mailbox, *one, parent, deep)).collect()
}

fn is_below(mailbox: &Mailbox, number: FolderNumber, above: FolderNumber, deep: bool) -> bool {
    let Some(folder) = mailbox.look(number).filter(|_| number != 0) else { return false };
    folder.parent == above || (deep && is_below(mailbox, folder.parent, above, deep))
}

/// A property of a folder that a restriction names.
fn value(mailbox: &Mailbox, number: FolderNumber, path: &Node) -> Result<Value, Failure> {
    let Some(folder) = mailbox.look(number) else { return Ok(Value::Absent) };
    if path.name == "ExtendedFieldURI" {
        let path = ExtendedPath::read(path);
        let path = path.ok_or_else(|| Failure::of("ErrorInvalidExtendedProperty"))?;
        let text = extended(mailbox, number, &path);
        return Ok(text.map_or(Value::Absent, |text| typed(&path.kind, text)));
    }
    Ok(match path.attribute("FieldURI").unwrap_or_default() {
        "folder:DisplayName" => Value::Text(folder.name.to_owned()),
        "folder:FolderClass" => Value::Text(folder.class.to_owned()),
        _ => return Err(Failure::of("ErrorUnsupportedPathForQuery")),
    })
}

/// CreateFolder: beside what every mailbox has.
pub(super) fn create(request: &Request<'_>) -> Result<Reply, Refusal> {
    let parent = request.body.child("ParentFolderId").and_then(|parent| parent.children.first());
    let parent = parent.ok_or_else(|| invalid("ParentFolderId is missing."))?;
    let mut world = request.shared.world();
    let mut made = Vec::new();
    for node in request.body.list("Folders") {
        let class = match node.name.as_str() {
            "CalendarFolder" => "IPF.Appointment",
            "ContactsFolder" => "IPF.Contact",
            "TasksFolder" => "IPF.Task",
            _ => "IPF.Note",
        };
        let class = node.text_of("FolderClass").unwrap_or(class);
        let name = node.text_of("DisplayName").unwrap_or_default();
        made.push(request.folder(&world, parent).and_then(|(number, parent)| {
            let mailbox = world.mailbox_mut(number);
            let folder = mailbox.and_then(|mailbox| mailbox.make_folder(parent, name, class));
            Ok((number, folder.ok_or_else(|| Failure::of("ErrorFolderExists"))?))
        }));
    }
    let ids = Shape { properties: vec!["folder:FolderId"], extended: Vec::new() };
    Ok(Reply::each("CreateFolder", made, |out, (number, folder)| {
        out.open("m:Folders");
        if let Some(mailbox) = world.mailbox(number) {
            write(out, mailbox, folder, &ids);
        }
        out.close("m:Folders");
    }))
}

/// DeleteFolder: only what somebody made.
pub(super) fn delete(request: &Request<'_>) -> Result<Reply, Refusal> {
    let mut world = request.shared.world();
    let mut gone = Vec::new();
    for id in request.body.list("FolderIds") {
        gone.push(request.folder(&world, id).and_then(|(number, folder)| {
            let dropped = world.mailbox_mut(number).is_some_and(|own| own.drop_folder(folder));
            dropped.then_some(()).ok_or_else(|| Failure::of("ErrorDeleteDistinguishedFolder"))
        }));
    }
    Ok(Reply::each("DeleteFolder", gone, |_, ()| {}))
}

fn write(out: &mut Writer, mailbox: &Mailbox, number: FolderNumber, shape: &Shape) {
    let Some(folder) = mailbox.look(number) else { return };
    let (tag, kind) = match folder.class {
        "IPF.Appointment" => ("t:CalendarFolder", KeyKind::CalendarFolder),
        "IPF.Contact" => ("t:ContactsFolder", KeyKind::Folder),
        "IPF.Task" => ("t:TasksFolder", KeyKind::Folder),
        _ => ("t:Folder", KeyKind::Folder),
    };
    let change = if number == CALENDAR { mailbox.change() } else { 1 };
    out.open(tag);
    for uri in &shape.properties {
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
                out.leaf("t:TotalCount", &folder.count.to_string());
            }
            "folder:ChildFolderCount" => {
                out.leaf("t:ChildFolderCount", &below(mailbox, number, false).len().to_string());
            }
            EXTENDED => {
                for path in &shape.extended {
                    write_extended(out, mailbox, number, path);
                }
            }
            "folder:EffectiveRights" => write_rights(out),
            "folder:DistinguishedFolderId" if !folder.id.is_empty() => {
                out.leaf("t:DistinguishedFolderId", folder.id)
            }
            "folder:UnreadCount" if tag == "t:Folder" || tag == "t:TasksFolder" => {
                out.leaf("t:UnreadCount", "0");
            }
            _ => {}
        }
    }
    out.close(tag);
}

/// What MAPI calls the same, and when the folder changed ([MS-OXPROPS]); nothing where there is
/// no such property.
fn write_extended(out: &mut Writer, mailbox: &Mailbox, number: FolderNumber, path: &ExtendedPath) {
    let Some(value) = extended(mailbox, number, path) else { return };
    out.open("t:ExtendedProperty");
    path.write(out);
    out.leaf("t:Value", &value);
    out.close("t:ExtendedProperty");
}

fn extended(mailbox: &Mailbox, number: FolderNumber, path: &ExtendedPath) -> Option<String> {
    let folder = mailbox.look(number)?;
    let tag = path.name.strip_prefix("0x").and_then(|tag| u32::from_str_radix(tag, 16).ok());
    Some(match (tag.filter(|_| path.set.is_empty())?, path.kind.as_str()) {
        // PidTagDisplayName
        (0x3001, "String") => folder.name.to_owned(),
        // PidTagLastModificationTime and PidTagLocalCommitTimeMax
        (0x3008 | 0x670a, "SystemTime") => date_time(mailbox.changed_ms(), None),
        // PidTagContentCount
        (0x3602, "Integer") => folder.count.to_string(),
        // PidTagContentUnreadCount
        (0x3603, "Integer") => "0".to_owned(),
        // PidTagSubfolders
        (0x360a, "Boolean") => (!below(mailbox, number, false).is_empty()).to_string(),
        // PidTagContainerClass
        (0x3613, "String") if !folder.class.is_empty() => folder.class.to_owned(),
        _ => return None,
    })
}
