//! What is not the same in two configurations, by its places: calendars are known by their names,
//! wherever they stand.

use crate::config::Settings;
use crate::config::explain::{self, Line};
use crate::config::reference::{Reload, key_of};
use crate::model::CalendarName;

/// The values in force, with each calendar's by its name: `calendar[hq].url`.
pub(super) struct InForce {
    lines: Vec<Line>,
    names: Vec<CalendarName>,
}

/// What is not the same, in the order of the reference; places as in the new configuration.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// A reload applies it.
    pub(super) applied: Vec<String>,
    /// It counts after a restart.
    pub(super) needs_restart: Vec<String>,
}

impl InForce {
    pub(super) fn new(settings: &Settings) -> Self {
        let names = names(settings);
        Self { lines: by_name(&settings.lines, &names), names }
    }

    /// What a reload of `new` changes.
    pub(super) fn against(&self, new: &Settings) -> Changes {
        let now = names(new);
        let lines = by_name(&new.lines, &now);
        let stays = |line: &&Line| self.stays(&line.key, &now);
        let before: Vec<_> = self.lines.iter().filter(stays).cloned().collect();
        let after: Vec<_> = lines.iter().filter(stays).cloned().collect();
        let mut changes = Changes::default();
        for key in explain::changed(&before, &after) {
            match is_applied(&key, &before, &after) {
                true => changes.applied.push(by_number(&key, &now)),
                false => changes.needs_restart.push(by_number(&key, &now)),
            }
        }
        let others = |all: &[CalendarName], not: &[CalendarName], word: &str| -> Vec<String> {
            let others = all.iter().filter(|name| !not.contains(name));
            others.map(|name| format!("calendar {name} ({word})")).collect()
        };
        changes.needs_restart.extend(others(&now, &self.names, "new"));
        changes.needs_restart.extend(others(&self.names, &now, "gone"));
        changes
    }

    /// From now on the values of `new` that a reload applies are in force.
    pub(super) fn take(&mut self, new: &Settings) {
        let now = names(new);
        let lines = by_name(&new.lines, &now);
        let applied = |line: &&Line| {
            self.stays(&line.key, &now) && is_applied(&line.key, &self.lines, &lines)
        };
        let kept = self.lines.iter().filter(|line| !applied(line));
        self.lines = kept.chain(lines.iter().filter(applied)).cloned().collect();
    }

    /// Whether what stands there belongs to no calendar, or to one of both.
    fn stays(&self, key: &str, now: &[CalendarName]) -> bool {
        let named = |all: &[CalendarName], name| all.iter().any(|one| one.as_str() == name);
        name_of(key).is_none_or(|name| named(&self.names, name) && named(now, name))
    }
}

fn names(settings: &Settings) -> Vec<CalendarName> {
    settings.calendars.iter().map(|one| one.ews.name.clone()).collect()
}

/// Whether a reload applies what stands at this place. Where servers are looked for at all, the
/// start decides.
fn is_applied(key: &str, before: &[Line], after: &[Line]) -> bool {
    let there =
        |lines: &[Line], section: &str| lines.iter().any(|one| one.key.starts_with(section));
    let begun = match key.split_once(".discover.") {
        Some((calendar, _)) => {
            let section = format!("{calendar}.discover.");
            there(before, &section) && there(after, &section)
        }
        None => true,
    };
    begun && key_of(key).is_some_and(|key| key.reload == Reload::Applied)
}

const LIST: &str = "calendar[";

/// The calendar that a place belongs to, by what stands in its brackets.
fn name_of(key: &str) -> Option<&str> {
    key.strip_prefix(LIST)?.split_once(']').map(|(name, _)| name)
}

fn by_name(lines: &[Line], names: &[CalendarName]) -> Vec<Line> {
    let named = |line: &Line| {
        let number = name_of(&line.key).and_then(|number| number.parse::<usize>().ok());
        let name = number.and_then(|number| names.get(number)).map_or("", CalendarName::as_str);
        Line { key: replaced(&line.key, name), ..line.clone() }
    };
    lines.iter().map(named).collect()
}

fn by_number(key: &str, names: &[CalendarName]) -> String {
    let known = name_of(key).and_then(|name| names.iter().position(|one| one.as_str() == name));
    known.map_or_else(|| key.to_owned(), |at| replaced(key, &at.to_string()))
}

fn replaced(key: &str, with: &str) -> String {
    match key.strip_prefix(LIST).and_then(|rest| rest.split_once(']')) {
        Some((_, rest)) => format!("{LIST}{with}]{rest}"),
        None => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HQ: &str = "[[calendar]]\nname = \"hq\"\naccount = 'CORP\\svc'\n\
        url = \"https://hq.example/EWS/Exchange.asmx\"\n";
    const WEST: &str = "[[calendar]]\nname = \"west\"\naccount = 'WEST\\svc'\n\
        domains = [\"west.example\"]\ndiscover = {}\n";

    fn read(calendars: &str) -> Settings {
        let folder = tempfile::tempdir().unwrap();
        let (file, anchors) = (folder.path().join("calway.toml"), folder.path().join("kms.pem"));
        std::fs::write(&anchors, "PEM").unwrap();
        let anchors = anchors.display();
        let text = format!(
            "{calendars}\n[cloud]\nurl = \"https://cloud.example\"\n\
             auth = {{ kind = \"oauth\", client_id = \"hq-1\" }}\n\
             [kms]\nanchors_file = '/dev/null'\n# {anchors}\n"
        );
        std::fs::write(&file, text).unwrap();
        crate::config::read(&file).unwrap()
    }

    #[test]
    fn a_calendar_that_comes_goes_or_moves_is_named_and_no_other_is_said_to_change() {
        let mut known = InForce::new(&read(&format!("{HQ}{WEST}")));
        let changes = |known: &InForce, text: &str| known.against(&read(text));
        assert_eq!(changes(&known, &format!("{WEST}{HQ}")), Changes::default(), "only moved");
        let gone = changes(&known, &format!("{WEST}connections = 5\n"));
        assert_eq!(gone.needs_restart, ["calendar hq (gone)"]);
        assert_eq!(gone.applied, ["calendar[0].connections"]);
        let renamed = HQ.replace("hq", "main");
        let renamed = changes(&known, &format!("{renamed}{WEST}"));
        assert_eq!(renamed.needs_restart, ["calendar main (new)", "calendar hq (gone)"]);
        known.take(&read(&format!("{WEST}connections = 5\n")));
        assert_eq!(changes(&known, &format!("{WEST}connections = 5\n{HQ}")), Changes::default());
    }

    #[test]
    fn what_needs_a_restart_is_told_until_there_was_one() {
        let mut known = InForce::new(&read(HQ));
        let other = read(&HQ.replace("CORP", "NEW").replace("name", "connections = 3\nname"));
        for applied in [vec!["calendar[0].connections"], vec![]] {
            let changes = known.against(&other);
            assert_eq!(changes.applied, applied);
            assert_eq!(changes.needs_restart, ["calendar[0].account"]);
            known.take(&other);
        }
        let found = read(&format!("{HQ}discover = {{ domains = [\"a.example\"], srv = false }}"));
        let changes = known.against(&found);
        let of_discover = |place: &String| place.starts_with("calendar[0].discover.");
        assert!(!changes.applied.iter().any(of_discover), "{changes:?}");
        assert!(changes.needs_restart.iter().any(of_discover), "{changes:?}");
    }
}
