//! What the operations share: who asks, for which folder, which item, at what time.

use std::sync::Arc;

use super::Call;
use super::days;
use super::envelope::{Failure, Writer};
use super::ids::{FolderName, FolderNumber, ItemName, change_of};
use super::item::{Instance, Item};
use super::mailbox::{CALENDAR, FOLDERS, Mailbox};
use super::tree::{Broken, Node};
use super::world::{Shared, World};
use super::zone::Zone;

/// One request on its way through an operation.
pub(super) struct Request<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) call: &'a Call<'a>,
    /// The operation's element.
    pub(super) body: &'a Node,
    /// The mailbox in whose name it is done; `None`: the service account, which has none.
    pub(super) acting: Option<usize>,
    /// Its address as the request wrote it.
    pub(super) mailbox: Option<String>,
    /// `TimeZoneContext`
    pub(super) zone: Option<&'static Zone>,
    pub(super) affinity: bool,
}

/// Why there is no answer but a SOAP fault.
#[derive(Debug)]
pub(super) enum Refusal {
    Schema(Broken),
    Fault(Failure),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Refusal::Fault(failure)
    }
}

/// A request that the schema does not allow.
pub(super) fn invalid(violation: impl Into<String>) -> Refusal {
    Refusal::Schema(Broken { violation: violation.into(), line: 1, column: 1 })
}

/// The inside of an answer, and the first code in it.
#[derive(Debug)]
pub(super) struct Reply {
    operation: &'static str,
    pub(super) out: Writer,
    pub(super) code: String,
}

impl Reply {
    pub(super) fn new(operation: &'static str) -> Self {
        let mut out = Writer::default();
        out.open("m:ResponseMessages");
        Self { operation, out, code: String::new() }
    }

    /// An answer without the usual list of messages.
    pub(super) fn bare(code: &str) -> Self {
        Self { operation: "", out: Writer::default(), code: code.to_owned() }
    }

    pub(super) fn success(&mut self, inner: impl FnOnce(&mut Writer)) {
        self.note("NoError");
        let tag = format!("m:{}ResponseMessage", self.operation);
        self.out.start(&tag, &[("ResponseClass", "Success")]);
        self.out.leaf("m:ResponseCode", "NoError");
        inner(&mut self.out);
        self.out.close(&tag);
    }

    pub(super) fn failure(&mut self, failure: &Failure) {
        self.note(&failure.code);
        let tag = format!("m:{}ResponseMessage", self.operation);
        self.out.start(&tag, &[("ResponseClass", "Error")]);
        failure.write(&mut self.out);
        if matches!(self.operation, "GetItem" | "CreateItem" | "UpdateItem") {
            self.out.empty("m:Items", &[]);
        }
        self.out.close(&tag);
    }

    fn note(&mut self, code: &str) {
        if self.code.is_empty() {
            self.code = code.to_owned();
        }
    }

    pub(super) fn end(mut self) -> Self {
        self.out.close("m:ResponseMessages");
        self
    }

    /// One message for each, a success or a failure.
    pub(super) fn each<T>(
        operation: &'static str,
        results: impl IntoIterator<Item = Result<T, Failure>>,
        mut write: impl FnMut(&mut Writer, T),
    ) -> Self {
        let mut reply = Self::new(operation);
        for result in results {
            match result {
                Ok(value) => reply.success(|out| write(out, value)),
                Err(failure) => reply.failure(&failure),
            }
        }
        reply.end()
    }
}

/// An item that a request named, alive while it is written.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) number: usize,
    pub(super) item: Arc<Item>,
    pub(super) original_ms: Option<i64>,
    /// The change that the request last saw.
    pub(super) seen: Option<u64>,
}

impl Named {
    /// It, or its occurrence.
    pub(super) fn instance(&self) -> Option<Instance<'_>> {
        match self.original_ms {
            None => Some(self.item.whole()),
            Some(original) => self.item.occurrence(original),
        }
    }
}

impl Request<'_> {
    /// The mailbox in whose name the request is done.
    pub(super) fn acting<'w>(&self, world: &'w World) -> Result<(usize, &'w Mailbox), Failure> {
        let number = self.acting.ok_or_else(|| Failure::of("ErrorMissingEmailAddress"))?;
        let mailbox = world.mailbox(number).filter(|mailbox| mailbox.is_here());
        Ok((number, mailbox.ok_or_else(|| Failure::of("ErrorNonExistentMailbox"))?))
    }

    /// The folder of a `FolderId` or `DistinguishedFolderId`.
    pub(super) fn folder(
        &self,
        world: &World,
        node: &Node,
    ) -> Result<(usize, FolderNumber), Failure> {
        let id = node.attribute("Id").unwrap_or_default();
        if node.name == "FolderId" {
            let name =
                FolderName::decode(id).ok_or_else(|| Failure::of("ErrorInvalidIdMalformed"))?;
            let number = world
                .number_of_guid(&name.mailbox)
                .filter(|number| {
                    world.mailbox(*number).is_some_and(|own| own.look(name.folder).is_some())
                })
                .ok_or_else(|| Failure::of("ErrorFolderNotFound"))?;
            self.may_touch(world, number)?;
            has(world, number, name.folder)?;
            return Ok((number, name.folder));
        }
        let folder = FOLDERS.iter().position(|folder| folder.id == id);
        let folder = folder.and_then(|folder| FolderNumber::try_from(folder).ok());
        let named = node.child("Mailbox").and_then(|mailbox| mailbox.text_of("EmailAddress"));
        let number = match named {
            Some(address) => {
                world.here(address).ok_or_else(|| Failure::of("ErrorNonExistentMailbox"))?
            }
            None => self.acting(world)?.0,
        };
        self.may_touch(world, number)?;
        let folder = folder.ok_or_else(|| Failure::of("ErrorFolderNotFound"))?;
        has(world, number, folder)?;
        Ok((number, folder))
    }

    fn may_touch(&self, world: &World, number: usize) -> Result<(), Failure> {
        if self.acting != Some(number) {
            return Err(Failure::of("ErrorAccessDenied"));
        }
        self.acting(world).map(drop)
    }

    /// The item of an `ItemId`, `OccurrenceItemId` or `RecurringMasterItemId`.
    pub(super) fn item(&self, world: &World, node: &Node) -> Result<Named, Failure> {
        let attribute = match node.name.as_str() {
            "ItemId" | "ReferenceItemId" => "Id",
            "OccurrenceItemId" => "RecurringMasterId",
            "RecurringMasterItemId" => "OccurrenceId",
            _ => return Err(Failure::of("ErrorInvalidIdMalformed")),
        };
        let id = node.attribute(attribute).unwrap_or_default();
        if id.is_empty() {
            return Err(Failure::new("ErrorInvalidIdEmpty", "Id must be non-empty."));
        }
        let name = ItemName::decode(id).ok_or_else(|| Failure::of("ErrorInvalidIdMalformed"))?;
        let not_found = || Failure::of("ErrorItemNotFound");
        let number = world.number_of_guid(&name.mailbox).ok_or_else(not_found)?;
        self.may_touch(world, number)?;
        let mailbox = world.mailbox(number).ok_or_else(not_found)?;
        let item = mailbox.named(&name).ok_or_else(not_found)?.clone();
        let seen = match node.attribute("ChangeKey").filter(|key| !key.is_empty()) {
            None => None,
            Some(key) => Some(
                change_of(&name.mailbox, key)
                    .filter(|change| *change <= mailbox.change())
                    .ok_or_else(|| Failure::of("ErrorInvalidChangeKey"))?,
            ),
        };
        let original_ms = match node.name.as_str() {
            "OccurrenceItemId" => Some(occurrence_of_index(&item, &name, node)?),
            "RecurringMasterItemId" if name.original_ms.is_none() => {
                return Err(Failure::of("ErrorCalendarCannotUseIdForRecurringMasterId"));
            }
            "RecurringMasterItemId" => None,
            _ => name.original_ms,
        };
        if original_ms.is_some_and(|original| item.occurrence(original).is_none()) {
            return Err(not_found());
        }
        Ok(Named { number, item, original_ms, seen })
    }

    /// A time; one without an offset is one of the request's zone.
    pub(super) fn time(&self, text: &str) -> Option<i64> {
        read_time(text, self.zone.unwrap_or(Zone::utc()))
    }
}

/// Whether the mailbox has this folder still.
fn has(world: &World, number: usize, folder: FolderNumber) -> Result<(), Failure> {
    let lost = world.mailbox(number).is_some_and(|mailbox| mailbox.lost_calendar);
    if lost && folder == CALENDAR {
        let text = "The specified folder could not be found in the store.";
        return Err(Failure::new("ErrorFolderNotFound", text));
    }
    Ok(())
}

fn occurrence_of_index(item: &Item, name: &ItemName, node: &Node) -> Result<i64, Failure> {
    if item.series.is_none() || name.original_ms.is_some() {
        return Err(Failure::of("ErrorCalendarCannotUseIdForOccurrenceId"));
    }
    let index = node.attribute("InstanceIndex").and_then(|index| index.parse().ok());
    let original = index
        .and_then(|index| item.original_of_index(index))
        .ok_or_else(|| Failure::of("ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange"))?;
    if item.deleted.contains(&original) {
        return Err(Failure::of("ErrorCalendarOccurrenceIsDeletedFromRecurrence"));
    }
    Ok(original)
}

/// `xs:dateTime` in UTC milliseconds.
pub(super) fn read_time(text: &str, zone: &'static Zone) -> Option<i64> {
    let text = text.trim();
    let (date, clock) = text.split_once('T')?;
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i32>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1..=9999).contains(&year)
        || !(1..=12).contains(&month)
        || !(1..=days::days_in_month(year, month)).contains(&day)
    {
        return None;
    }
    let (clock, offset) = match clock.find(['Z', '+', '-']) {
        Some(at) => clock.split_at_checked(at)?,
        None => (clock, ""),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let is_clock = (0..24).contains(&hour) && (0..60).contains(&minute);
    if !is_clock || !(0..60).contains(&second) || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = days::number(year, month, day);
    let ms = ((hour * 60 + minute) * 60 + second) * 1000;
    match offset {
        "" => Some(zone.utc_ms(number, ms)),
        "Z" => Some(days::join(number, ms)),
        _ => {
            let (sign, rest) = offset.split_at_checked(1)?;
            let (hours, minutes) = rest.split_once(':')?;
            let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
            let minutes = if sign == "-" { -minutes } else { minutes };
            Some(days::join(number, ms) - minutes * 60_000)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_and_without_an_offset() {
        let utc = Zone::utc();
        let at = Some(1_795_284_000_000);
        assert_eq!(read_time("2026-11-21T18:00:00Z", utc), at);
        assert_eq!(read_time("2026-11-21T18:00:00.123Z", utc), at);
        assert_eq!(read_time("2026-11-21T19:30:00+01:30", utc), at);
        assert_eq!(read_time("2026-11-21T10:00:00-08:00", utc), at);
        let berlin = Zone::find("W. Europe Standard Time").unwrap_or(utc);
        assert_eq!(read_time("2026-11-21T19:00:00", berlin), at);
        for bad in ["", "2026-11-21", "2026-02-30T00:00:00", "2026-11-21T24:00:00", "x"] {
            assert_eq!(read_time(bad, utc), None, "{bad}");
        }
    }
}
