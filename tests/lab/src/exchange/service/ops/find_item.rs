//! FindItem, MS-OXWSSRCH: a calendar view with its occurrences, or pages of items and masters.

use std::sync::Arc;

use uuid::Uuid;

use super::{letters, restriction};
use crate::exchange::service::envelope::{Failure, Writer};
use crate::exchange::service::item::Item;
use crate::exchange::service::letters::{INBOX, SENT_ITEMS};
use crate::exchange::service::mailbox::{CALENDAR, view};
use crate::exchange::service::render::write_item;
use crate::exchange::service::request::{Refusal, Reply, Request, invalid};
use crate::exchange::service::shape::Shape;
use crate::exchange::service::tree::Node;

const TWO_YEARS_MS: i64 = 2 * 366 * 86_400_000;

pub(super) fn answer(request: &Request<'_>) -> Result<Reply, Refusal> {
    let body = request.body;
    if body.attribute("Traversal").is_none() {
        return Err(invalid("The required attribute 'Traversal' is missing."));
    }
    let node = body.child("ItemShape").ok_or_else(|| invalid("ItemShape is missing."))?;
    let mut shape = Shape::read(node).map_err(invalid)?.for_lists();
    shape.zone = request.zone;
    let too_much = Shape::asks_too_much(node);
    let folders = body.list("ParentFolderIds");
    if let Some(window) = body.child("CalendarView") {
        let window = Window::read(request, window)?;
        let found = folders.iter().map(|folder| {
            refuse(too_much)?;
            window.check(body)?;
            window.takes_too_long(request.shared.settings.find_days)?;
            Ok((items(request, folder)?, &window))
        });
        let mut replies = Vec::new();
        for found in found {
            let limit = request.shared.settings.find_limit;
            replies.push(found.and_then(|(found, window)| window.page(&found, &shape, limit)));
        }
        return Ok(Reply::each("FindItem", replies, |out, page| out.text.push_str(&page)));
    }
    let pages: Vec<_> = folders
        .iter()
        .map(|folder| {
            refuse(too_much)?;
            page(request, folder, &shape)
        })
        .collect();
    Ok(Reply::each("FindItem", pages, |out, page| out.text.push_str(&page)))
}

fn refuse(too_much: bool) -> Result<(), Failure> {
    if too_much {
        let text = "The requested property is not available in a FindItem response.";
        return Err(Failure::new("ErrorInvalidPropertyRequest", text));
    }
    Ok(())
}

/// What a folder holds that a view may need, taken out so that the server can go on.
struct Found {
    guid: Uuid,
    items: Vec<Arc<Item>>,
}

fn items(request: &Request<'_>, folder: &Node) -> Result<Found, Failure> {
    let window = request.body.child("CalendarView");
    let times = window.and_then(|window| {
        let from = request.time(window.attribute("StartDate")?)?;
        Some((from, request.time(window.attribute("EndDate")?)?))
    });
    let world = request.shared.world();
    let (number, folder) = request.folder(&world, folder)?;
    let mailbox = world.mailbox(number).ok_or_else(|| Failure::of("ErrorFolderNotFound"))?;
    let items = match times {
        _ if folder != CALENDAR => mailbox.kept(folder).cloned().collect(),
        Some((from, to)) => mailbox.candidates(from, to),
        None => mailbox.items().cloned().collect(),
    };
    Ok(Found { guid: mailbox.guid, items })
}

struct Window {
    from_ms: i64,
    to_ms: i64,
    most: Option<usize>,
}

impl Window {
    fn read(request: &Request<'_>, node: &Node) -> Result<Self, Refusal> {
        let time = |name: &str| {
            let text = node.attribute(name);
            text.and_then(|text| request.time(text))
                .ok_or_else(|| invalid(format!("The '{name}' attribute is invalid.")))
        };
        let most = match node.attribute("MaxEntriesReturned") {
            None => None,
            Some(text) => {
                let most = text.parse::<usize>().ok().filter(|most| *most > 0);
                Some(most.ok_or_else(|| Failure::of("ErrorInvalidPagingMaxRows"))?)
            }
        };
        Ok(Self { from_ms: time("StartDate")?, to_ms: time("EndDate")?, most })
    }

    fn check(&self, body: &Node) -> Result<(), Failure> {
        if body.child("Restriction").is_some() || body.child("SortOrder").is_some() {
            let text = "Restrictions and sort order may not be specified for a CalendarView.";
            return Err(Failure::new("ErrorUnsupportedPathForSortGroup", text));
        }
        if self.to_ms < self.from_ms {
            let text = "EndDate is earlier than StartDate";
            return Err(Failure::new("ErrorCalendarEndDateIsEarlierThanStartDate", text));
        }
        if self.to_ms - self.from_ms > TWO_YEARS_MS {
            let text = "The specified view range exceeds the maximum range of two years.";
            return Err(Failure::new("ErrorCalendarViewRangeTooBig", text));
        }
        Ok(())
    }

    fn takes_too_long(&self, days: Option<i64>) -> Result<(), Failure> {
        if days.is_some_and(|days| self.to_ms - self.from_ms > days * 86_400_000) {
            return Err(Failure::of("ErrorTimeoutExpired"));
        }
        Ok(())
    }

    fn page(&self, found: &Found, shape: &Shape, limit: usize) -> Result<String, Failure> {
        let all = view(&found.items, self.from_ms, self.to_ms);
        if all.len() > limit && self.most.is_none_or(|most| most > limit) {
            let text = "You have exceeded the maximum number of objects that can be returned for \
                        the find operation. Use paging to reduce the result size and try your \
                        request again.";
            return Err(Failure::new("ErrorExceededFindCountLimit", text));
        }
        let shown = all.len().min(self.most.unwrap_or(limit));
        let mut out = Writer::default();
        let attributes = [
            ("TotalItemsInView", shown.to_string()),
            ("IncludesLastItemInRange", (shown == all.len()).to_string()),
        ];
        start(&mut out, &attributes);
        for instance in all.iter().take(shown) {
            write_item(&mut out, found.guid, instance, shape);
        }
        end(&mut out);
        Ok(out.text)
    }
}

fn start(out: &mut Writer, attributes: &[(&str, String)]) {
    let attributes: Vec<_> =
        attributes.iter().map(|(name, value)| (*name, value.as_str())).collect();
    out.start("m:RootFolder", &attributes);
    out.open("t:Items");
}

fn end(out: &mut Writer) {
    out.close("t:Items");
    out.close("m:RootFolder");
}

/// Items and masters, filtered, in order, from an offset on.
fn page(request: &Request<'_>, folder: &Node, shape: &Shape) -> Result<String, Failure> {
    let body = request.body;
    let restriction = body.child("Restriction").and_then(|node| node.children.first());
    {
        let world = request.shared.world();
        let (number, folder) = request.folder(&world, folder)?;
        if let Some(mailbox) = world.mailbox(number)
            && [INBOX, SENT_ITEMS].contains(&folder)
        {
            let chosen = letters::chosen(request, mailbox, folder, restriction)?;
            let node = body.child("ItemShape").ok_or_else(|| Failure::of("ErrorInvalidRequest"))?;
            let wanted = letters::Wanted::read(node, request.zone, true);
            return Ok(paged(request, chosen, |out, letter| {
                letters::write(out, mailbox, letter, &wanted);
            }));
        }
    }
    let found = items(request, folder)?;
    let mut chosen = Vec::new();
    for item in &found.items {
        if restriction::admits(request, restriction, item)? {
            chosen.push(item);
        }
    }
    restriction::sort(&mut chosen, body.list("SortOrder"));
    Ok(paged(request, chosen, |out, item| write_item(out, found.guid, &item.whole(), shape)))
}

/// The page of what was chosen that an `IndexedPageItemView` asks for.
fn paged<T>(
    request: &Request<'_>,
    mut chosen: Vec<T>,
    mut write: impl FnMut(&mut Writer, &T),
) -> String {
    let paging = request.body.child("IndexedPageItemView");
    let number = |name: &str| {
        paging.and_then(|paging| paging.attribute(name)).and_then(|text| text.parse::<usize>().ok())
    };
    if paging.and_then(|paging| paging.attribute("BasePoint")) == Some("End") {
        chosen.reverse();
    }
    let offset = number("Offset").unwrap_or(0).min(chosen.len());
    let limit = request.shared.settings.find_limit;
    let most = number("MaxEntriesReturned").unwrap_or(limit).min(limit);
    let next = (offset + most).min(chosen.len());
    let mut out = Writer::default();
    let attributes = [
        ("IndexedPagingOffset", next.to_string()),
        ("TotalItemsInView", chosen.len().to_string()),
        ("IncludesLastItemInRange", (next == chosen.len()).to_string()),
    ];
    start(&mut out, &attributes);
    for one in chosen.iter().take(next).skip(offset) {
        write(&mut out, one);
    }
    end(&mut out);
    out.text
}
