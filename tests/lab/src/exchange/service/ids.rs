//! The opaque names that Exchange gives out: items, folders, change keys, sync states, UIDs.
//!
//! Layouts follow what real servers send: an id is a mailbox GUID and a store entry id, so it is
//! long, case-sensitive and names the folder it was made in.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use uuid::Uuid;

/// A folder of a mailbox, by its place in [`super::mailbox::FOLDERS`].
pub(super) type FolderNumber = u16;

/// An item id, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ItemName {
    pub(super) mailbox: Uuid,
    pub(super) folder: FolderNumber,
    pub(super) key: u64,
    /// The occurrence's original start.
    pub(super) original_ms: Option<i64>,
}

/// A folder id, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FolderName {
    pub(super) mailbox: Uuid,
    pub(super) folder: FolderNumber,
}

const HEAD: [u8; 4] = [0, 3, 36, 0];
const PLAIN: u8 = 0;
const OCCURRENCE: u8 = 1;
const FOLDER_ENTRY: usize = 46;
const ITEM_ENTRY: usize = 70;
const OCCURRENCE_ENTRY: usize = ITEM_ENTRY + 8;

impl ItemName {
    /// As a client sees it.
    pub(super) fn encode(&self) -> String {
        let mut entry = [0u8; OCCURRENCE_ENTRY];
        entry[4..20].copy_from_slice(store(&self.mailbox).as_bytes());
        entry[20] = 7;
        put_global(&mut entry[22..46], &self.mailbox, u64::from(self.folder));
        put_global(&mut entry[46..70], &self.mailbox, self.key);
        match self.original_ms {
            None => encode(&self.mailbox, PLAIN, &entry[..ITEM_ENTRY]),
            Some(ms) => {
                entry[70..78].copy_from_slice(&ms.to_le_bytes());
                encode(&self.mailbox, OCCURRENCE, &entry)
            }
        }
    }

    /// `None` when it is not an item id of the layout above.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let (mailbox, mark, entry) = decode(text)?;
        let original_ms = match (mark, entry.len()) {
            (PLAIN, ITEM_ENTRY) => None,
            (OCCURRENCE, OCCURRENCE_ENTRY) => {
                Some(i64::from_le_bytes(entry.get(70..78)?.try_into().ok()?))
            }
            _ => return None,
        };
        let folder = global(entry.get(22..46)?, &mailbox)?.try_into().ok()?;
        let key = global(entry.get(46..70)?, &mailbox)?;
        Some(Self { mailbox, folder, key, original_ms })
    }
}

impl FolderName {
    /// As a client sees it.
    pub(super) fn encode(&self) -> String {
        let mut entry = [0u8; FOLDER_ENTRY];
        entry[4..20].copy_from_slice(store(&self.mailbox).as_bytes());
        entry[20] = 1;
        put_global(&mut entry[22..46], &self.mailbox, u64::from(self.folder));
        encode(&self.mailbox, PLAIN, &entry)
    }

    /// `None` when it is not a folder id of the layout above.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let (mailbox, _, entry) = decode(text)?;
        if entry.len() != FOLDER_ENTRY {
            return None;
        }
        let folder = global(entry.get(22..46)?, &mailbox)?.try_into().ok()?;
        Some(Self { mailbox, folder })
    }
}

fn encode(mailbox: &Uuid, mark: u8, entry: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(43 + entry.len());
    bytes.extend_from_slice(&HEAD);
    let mut name = [0u8; 36];
    bytes.extend_from_slice(mailbox.hyphenated().encode_lower(&mut name).as_bytes());
    bytes.push(mark);
    bytes.push(entry.len() as u8);
    bytes.push(0);
    bytes.extend_from_slice(entry);
    BASE64.encode(bytes)
}

fn decode(text: &str) -> Option<(Uuid, u8, Vec<u8>)> {
    if text.len() > 400 {
        return None;
    }
    let bytes = BASE64.decode(text).ok()?;
    let rest = bytes.strip_prefix(&HEAD)?;
    let (name, rest) = rest.split_at_checked(36)?;
    let mailbox = Uuid::try_parse_ascii(name).ok()?;
    let [mark, low, high, entry @ ..] = rest else { return None };
    (usize::from(u16::from_le_bytes([*low, *high])) == entry.len())
        .then(|| (mailbox, *mark, entry.to_vec()))
}

/// The store's own GUID, which shows in every entry id.
fn store(mailbox: &Uuid) -> Uuid {
    let mut bytes = *mailbox.as_bytes();
    for byte in &mut bytes {
        *byte = byte.rotate_left(3) ^ 0x5a;
    }
    Uuid::from_bytes(bytes)
}

fn put_global(place: &mut [u8], mailbox: &Uuid, counter: u64) {
    place[..16].copy_from_slice(store(mailbox).as_bytes());
    place[16..22].copy_from_slice(&counter.to_be_bytes()[2..8]);
}

fn global(place: &[u8], mailbox: &Uuid) -> Option<u64> {
    if place.get(..16)? != store(mailbox).as_bytes() || place.get(22..24)? != [0, 0] {
        return None;
    }
    let mut counter = [0u8; 8];
    counter[2..8].copy_from_slice(place.get(16..22)?);
    Some(u64::from_be_bytes(counter))
}

/// What kind of thing a change key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    Folder,
    CalendarFolder,
    CalendarItem,
    Message,
}

impl KeyKind {
    fn number(self) -> u8 {
        match self {
            KeyKind::Folder => 1,
            KeyKind::CalendarFolder => 2,
            KeyKind::CalendarItem => 15,
            KeyKind::Message => 11,
        }
    }
}

/// The change key of a change number.
pub(super) fn change_key(kind: KeyKind, mailbox: &Uuid, change: u64) -> String {
    let mut bytes = [0u8; 30];
    bytes[0] = kind.number();
    bytes[4] = 22;
    bytes[8..24].copy_from_slice(store(mailbox).as_bytes());
    bytes[24..30].copy_from_slice(&change.to_be_bytes()[2..8]);
    BASE64.encode(bytes)
}

/// The change number of an item's change key; `None` when it is not one of this mailbox.
pub(super) fn change_of(mailbox: &Uuid, text: &str) -> Option<u64> {
    let bytes = BASE64.decode(text).ok()?;
    if bytes.len() != 30
        || bytes.first() != Some(&KeyKind::CalendarItem.number())
        || bytes.get(8..24)? != store(mailbox).as_bytes()
    {
        return None;
    }
    let mut change = [0u8; 8];
    change[2..8].copy_from_slice(bytes.get(24..30)?);
    Some(u64::from_be_bytes(change))
}

/// Where a client stands in the feed of a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SyncState {
    /// Everything up to this change has been told.
    pub(super) base: u64,
    /// A pass that is under way tells what lies up to this change …
    pub(super) ceiling: u64,
    /// … and has come to the item after this one. 0: no pass is under way.
    pub(super) after_key: u64,
    /// Which life of the folder this belongs to.
    pub(super) life: u32,
}

const SYNC_HEAD: [u8; 8] = [0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0];

impl SyncState {
    /// As a client sees it.
    pub(super) fn encode(&self, folder: &FolderName) -> String {
        let mut bytes = Vec::with_capacity(96);
        bytes.extend_from_slice(&SYNC_HEAD);
        bytes.extend_from_slice(folder.mailbox.as_bytes());
        bytes.extend_from_slice(&folder.folder.to_le_bytes());
        bytes.extend_from_slice(&self.life.to_le_bytes());
        for number in [self.base, self.ceiling, self.after_key] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        BASE64.encode(bytes)
    }

    /// `None` when it was not made for this folder.
    pub(super) fn decode(folder: &FolderName, text: &str) -> Option<Self> {
        let bytes = BASE64.decode(text).ok()?;
        let (body, sum) = bytes.split_last_chunk::<8>()?;
        if body.len() != 54 || checksum(body) != u64::from_le_bytes(*sum) {
            return None;
        }
        let rest = body.strip_prefix(&SYNC_HEAD)?;
        if rest.get(..16)? != folder.mailbox.as_bytes()
            || rest.get(16..18)? != folder.folder.to_le_bytes()
        {
            return None;
        }
        let long = |at: usize| Some(u64::from_le_bytes(rest.get(at..at + 8)?.try_into().ok()?));
        Some(Self {
            life: u32::from_le_bytes(rest.get(18..22)?.try_into().ok()?),
            base: long(22)?,
            ceiling: long(30)?,
            after_key: long(38)?,
        })
    }
}

/// FNV-1a; it only has to notice a state that was tampered with or cut.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

const GLOBAL_OBJECT_HEAD: [u8; 16] =
    [4, 0, 0, 0, 0x82, 0, 0xe0, 0, 0x74, 0xc5, 0xb7, 0x10, 0x1a, 0x82, 0xe0, 0x08];

/// A new UID in Exchange's own form: the hexadecimal of a clean global object id.
pub(super) fn new_uid(created_ms: i64, unique: Uuid) -> String {
    let mut bytes = GLOBAL_OBJECT_HEAD.to_vec();
    bytes.extend_from_slice(&[0; 4]);
    // A FILETIME: 100 ns since 1601.
    let file_time = (created_ms + 11_644_473_600_000) * 10_000;
    bytes.extend_from_slice(&file_time.to_le_bytes());
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&16u32.to_le_bytes());
    bytes.extend_from_slice(unique.as_bytes());
    hex(&bytes)
}

/// `PidLidGlobalObjectId` (with the day of an occurrence) or its clean form, MS-OXOCAL 2.2.1.27.
pub(super) fn global_object_id(uid: &str, day: Option<(i32, i32, i32)>) -> Vec<u8> {
    let own = unhex(uid).filter(|bytes| bytes.starts_with(&GLOBAL_OBJECT_HEAD) && bytes.len() > 40);
    let mut bytes = own.unwrap_or_else(|| {
        let mut data = b"vCal-Uid\x01\0\0\0".to_vec();
        data.extend_from_slice(uid.as_bytes());
        data.push(0);
        let mut bytes = GLOBAL_OBJECT_HEAD.to_vec();
        bytes.extend_from_slice(&[0; 20]);
        bytes.extend_from_slice(&(data.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&data);
        bytes
    });
    if let (Some((year, month, day)), Some(place)) = (day, bytes.get_mut(16..20)) {
        let [high, low] = (year as u16).to_be_bytes();
        place.copy_from_slice(&[high, low, month as u8, day as u8]);
    }
    bytes
}

/// Upper-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox() -> Uuid {
        Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"ann@corp.example")
    }

    #[test]
    fn item_ids_read_back_and_have_the_lengths_of_real_ones() {
        let name = ItemName { mailbox: mailbox(), folder: 3, key: 77, original_ms: None };
        let text = name.encode();
        assert_eq!(text.len(), 152);
        assert!(text.starts_with("AAMkA"));
        assert_eq!(ItemName::decode(&text), Some(name));
        let occurrence = ItemName { original_ms: Some(1_790_000_000_000), ..name };
        assert_eq!(ItemName::decode(&occurrence.encode()), Some(occurrence));
        let folder = FolderName { mailbox: mailbox(), folder: 3 };
        assert_eq!(folder.encode().len(), 120);
        assert_eq!(FolderName::decode(&folder.encode()), Some(folder));
        assert_eq!(ItemName::decode(&folder.encode()), None);
    }

    #[test]
    fn ids_are_case_sensitive() {
        let name = ItemName { mailbox: mailbox(), folder: 3, key: 77, original_ms: None };
        let text = name.encode();
        assert_ne!(ItemName::decode(&text.to_lowercase()), Some(name));
        assert_ne!(ItemName::decode(&text.to_uppercase()), Some(name));
    }

    #[test]
    fn sync_states_belong_to_their_folder_and_notice_tampering() {
        let folder = FolderName { mailbox: mailbox(), folder: 3 };
        let state = SyncState { base: 5, ceiling: 9, after_key: 4, life: 1 };
        let text = state.encode(&folder);
        assert_eq!(SyncState::decode(&folder, &text), Some(state));
        assert_eq!(SyncState::decode(&FolderName { folder: 4, ..folder }, &text), None);
        let other = text.replacen('A', "B", 1);
        assert_eq!(SyncState::decode(&folder, &other), None);
        assert_eq!(SyncState::decode(&folder, "not a state"), None);
    }

    #[test]
    fn uids_are_global_object_ids() {
        let uid = new_uid(0, mailbox());
        assert_eq!(uid.len(), 112);
        assert!(uid.starts_with("040000008200E00074C5B7101A82E008"));
        assert_eq!(hex(&global_object_id(&uid, None)), uid);
        let foreign = global_object_id("meeting-1@elsewhere.example", Some((2026, 11, 21)));
        assert_eq!(foreign.get(16..20), Some(&[0x07, 0xea, 11, 21][..]));
    }
}
