//! The feed of a folder: replaying it gives the folder.

use std::collections::BTreeSet;

use super::*;
use crate::exchange::service::{End, ItemId, Pattern};

/// A client that keeps ids as the feed tells it.
#[derive(Default)]
struct Client {
    state: String,
    known: BTreeSet<String>,
    /// Things a careful client would wonder about.
    odd: Vec<String>,
}

impl Client {
    /// One page; true when it was the last.
    fn pull(&mut self, lab: &Lab, most: usize) -> bool {
        let said = lab.ask(ANN, &sync(&self.state, most));
        assert_eq!(said.code, "NoError", "{}", said.text);
        self.state = said.one("m:SyncState");
        let changes = said.one("m:Changes");
        for (tag, part) in parts(&changes) {
            let known = self.known.contains(&part);
            match (tag, known) {
                ("Create", false) => drop(self.known.insert(part)),
                ("Delete", true) => drop(self.known.remove(&part)),
                ("Update", true) => {}
                (tag, _) => {
                    self.odd.push(format!("{tag} of {part}"));
                    if tag == "Update" {
                        self.known.insert(part);
                    }
                }
            }
        }
        said.one("m:IncludesLastItemInRange") == "true"
    }

    fn pull_all(&mut self, lab: &Lab) {
        while !self.pull(lab, 512) {}
    }
}

fn parts(changes: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for part in changes.split("<t:").skip(1) {
        let tag = ["Create", "Update", "Delete"].into_iter().find(|tag| part.starts_with(*tag));
        if let Some(tag) = tag {
            found.push((tag, String::new()));
        } else if let Some(id) = part.strip_prefix("ItemId Id=\"")
            && let (Some((id, _)), Some(last)) = (id.split_once('"'), found.last_mut())
        {
            id.clone_into(&mut last.1);
        }
    }
    found
}

fn folder(lab: &Lab) -> BTreeSet<String> {
    let list = "<m:FindItem Traversal=\"Shallow\"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>\
                </m:ItemShape><m:IndexedPageItemView MaxEntriesReturned=\"1000\" Offset=\"0\" \
                BasePoint=\"Beginning\"/><m:ParentFolderIds><t:DistinguishedFolderId \
                Id=\"calendar\"/></m:ParentFolderIds></m:FindItem>";
    lab.ask(ANN, list).ids("t:ItemId").into_iter().map(|(id, _)| id).collect()
}

/// A small generator, so that a failing run can be had again from its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

fn disturb(lab: &Lab, dice: &mut Dice, ids: &mut Vec<ItemId>) {
    let calendars = lab.calendars();
    let pick = |dice: &mut Dice, ids: &Vec<ItemId>| ids.get(dice.roll(ids.len().max(1))).cloned();
    match dice.roll(6) {
        0 | 1 => {
            let mut draft = meeting("M", MONDAY + (dice.roll(400) as i64) * HOUR);
            if dice.roll(4) == 0 {
                draft = draft.repeat(Pattern::Daily { interval: 1 }, End::Never);
            }
            ids.push(calendars.create(ANN, draft));
        }
        2 | 3 => {
            if let Some(id) = pick(dice, ids) {
                calendars.update(ANN, &id, |draft| draft.subject.push('!'));
            }
        }
        4 => {
            if let Some(id) = pick(dice, ids) {
                calendars.delete(ANN, &id);
                ids.retain(|own| *own != id);
            }
        }
        _ => {
            if let Some(id) = pick(dice, ids) {
                let new = calendars.move_out_and_back(ANN, &id);
                ids.retain(|own| *own != id);
                ids.push(new);
            }
        }
    }
}

#[test]
fn replaying_the_feed_gives_exactly_the_folder() {
    for seed in 1..40 {
        let lab = lab();
        let mut dice = Dice(u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15));
        let (mut ids, mut client) = (Vec::new(), Client::default());
        for _ in 0..60 {
            for _ in 0..dice.roll(8) {
                disturb(&lab, &mut dice, &mut ids);
            }
            // Small pages, so that the folder changes while a pass is under way.
            client.pull(&lab, 1 + dice.roll(4));
        }
        client.pull_all(&lab);
        client.pull_all(&lab);
        assert_eq!(client.known, folder(&lab), "seed {seed}");
        let strange: Vec<_> = client.odd.iter().filter(|odd| !odd.starts_with("Delete")).collect();
        assert!(strange.is_empty(), "seed {seed}: {strange:?}");
    }
}

#[test]
fn a_quiet_client_sees_each_change_once() {
    let lab = lab();
    let mut client = Client::default();
    client.pull_all(&lab);
    let id = lab.calendars().create(ANN, meeting("M", MONDAY));
    let said = lab.ask(ANN, &sync(&client.state, 10));
    assert_eq!((said.all("t:Create").len(), said.all("t:Update").len()), (1, 0));
    client.pull_all(&lab);
    lab.calendars().update(ANN, &id, |draft| draft.subject = "N".to_owned());
    lab.calendars().update(ANN, &id, |draft| draft.subject = "O".to_owned());
    let said = lab.ask(ANN, &sync(&client.state, 10));
    assert_eq!((said.all("t:Create").len(), said.all("t:Update").len()), (0, 1));
    client.pull_all(&lab);
    lab.calendars().delete(ANN, &id);
    let said = lab.ask(ANN, &sync(&client.state, 10));
    assert_eq!(said.ids("t:ItemId").remove(0).0, id.0);
    assert_eq!(said.all("t:Delete").len(), 1);
    client.pull_all(&lab);
    let said = lab.ask(ANN, &sync(&client.state, 10));
    assert!(said.has("<m:Changes></m:Changes>"));
}

#[test]
fn what_came_and_went_between_two_pulls_is_never_told() {
    let lab = lab();
    let mut client = Client::default();
    lab.calendars().create(ANN, meeting("Stays", MONDAY));
    client.pull_all(&lab);
    let id = lab.calendars().create(ANN, meeting("Short", MONDAY));
    lab.calendars().delete(ANN, &id);
    let said = lab.ask(ANN, &sync(&client.state, 10));
    assert!(said.has("<m:Changes></m:Changes>"));
}

#[test]
fn the_feed_tells_masters_and_an_edited_occurrence_updates_its_master() {
    let lab = lab();
    let draft = meeting("Daily", MONDAY).repeat(Pattern::Daily { interval: 1 }, End::Never);
    let master = lab.calendars().create(ANN, draft);
    let mut client = Client::default();
    client.pull_all(&lab);
    assert_eq!(client.known, BTreeSet::from([master.0.clone()]));
    lab.calendars().modify_occurrence(ANN, &master, MONDAY + DAY, |draft| {
        draft.subject = "Else".to_owned();
    });
    let said = lab.ask(ANN, &sync(&client.state, 10));
    assert_eq!(said.all("t:Update").len(), 1);
    assert_eq!(said.ids("t:ItemId").remove(0).0, master.0);
}

#[test]
fn a_state_that_is_not_ours_is_refused() {
    let lab = lab();
    lab.calendars().create(ANN, meeting("M", MONDAY));
    let state = lab.ask(ANN, &sync("", 10)).one("m:SyncState");
    assert_eq!(lab.ask(BOB, &sync(&state, 10)).code, "ErrorInvalidSyncStateData");
    assert_eq!(lab.ask(ANN, &sync("AAAA", 10)).code, "ErrorInvalidSyncStateData");
    lab.calendars().forget_sync_states(ANN);
    assert_eq!(lab.ask(ANN, &sync(&state, 10)).code, "ErrorInvalidSyncStateData");
    assert_eq!(lab.ask(ANN, &sync("", 10)).all("t:Create").len(), 1);
    for most in [0, 513] {
        let said = lab.ask(ANN, &sync("", most));
        assert_eq!((said.status, said.code.as_str()), (500, "ErrorSchemaValidation"));
    }
}
