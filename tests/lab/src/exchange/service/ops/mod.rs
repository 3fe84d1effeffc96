//! The operations, one file each.

use super::request::{Refusal, Reply, Request};

mod convert_id;
mod create_item;
mod delete_item;
mod find_item;
mod folders;
mod get_item;
mod get_server_time_zones;
mod get_user_availability;
mod get_user_configuration;
mod letters;
mod oof_settings;
mod restriction;
mod streaming;
mod subscribe;
mod sync_folder_items;
mod update_item;
mod working_hours;

pub(super) use working_hours::Hours;

pub(super) use streaming::open as open_stream;
pub(super) use sync_folder_items::stand_still;
pub(super) use update_item::rival_edit;

type Operation = fn(&Request<'_>) -> Result<Reply, Refusal>;

/// Name of the operation, name of its request's element, what does it. `GetStreamingEvents` is
/// answered by a stream and so by [`open_stream`].
pub(super) const OPERATIONS: &[(&str, &str, Option<Operation>)] = &[
    ("ConvertId", "ConvertId", Some(convert_id::answer)),
    ("CreateFolder", "CreateFolder", Some(folders::create)),
    ("CreateItem", "CreateItem", Some(create_item::answer)),
    ("DeleteFolder", "DeleteFolder", Some(folders::delete)),
    ("DeleteItem", "DeleteItem", Some(delete_item::answer)),
    ("FindFolder", "FindFolder", Some(folders::find)),
    ("FindItem", "FindItem", Some(find_item::answer)),
    ("GetFolder", "GetFolder", Some(folders::get)),
    ("GetItem", "GetItem", Some(get_item::answer)),
    ("GetServerTimeZones", "GetServerTimeZones", Some(get_server_time_zones::answer)),
    ("GetStreamingEvents", "GetStreamingEvents", None),
    ("GetUserAvailability", "GetUserAvailabilityRequest", Some(get_user_availability::answer)),
    ("GetUserConfiguration", "GetUserConfiguration", Some(get_user_configuration::answer)),
    ("GetUserOofSettings", "GetUserOofSettingsRequest", Some(oof_settings::get)),
    ("SetUserOofSettings", "SetUserOofSettingsRequest", Some(oof_settings::set)),
    ("Subscribe", "Subscribe", Some(subscribe::answer)),
    ("SyncFolderItems", "SyncFolderItems", Some(sync_folder_items::answer)),
    ("Unsubscribe", "Unsubscribe", Some(subscribe::end)),
    ("UpdateItem", "UpdateItem", Some(update_item::answer)),
];
