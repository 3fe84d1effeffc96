//! The mailboxes' languages: seen when a mailbox is verified, and asked for at most once a day.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::http::Route;
use super::turns::Lane;
use super::{Ews, get_folder, homes};
use crate::model::{Address, Fault, Span, Target, Time};

/// A language is good for so long. Hardly anybody's changes.
const FRESH_FOR: Span = Span::DAY;

/// By mailbox: when it was looked at, and what was found.
type Known = HashMap<Box<str>, (Time, Option<&'static str>)>;

/// What is known of them; of a mailbox that is forgotten, nothing.
#[derive(Default)]
pub(super) struct Languages(Mutex<Known>);

impl fmt::Debug for Languages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Languages({} known)", self.lock().len())
    }
}

impl Languages {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen within the day; the inner is nothing where no language was recognised.
    fn get(&self, now: Time, address: &Address) -> Option<Option<&'static str>> {
        let (at, language) = *self.lock().get(&*key(address))?;
        (homes::elapsed(now, at) < FRESH_FOR).then_some(language)
    }

    fn learn(&self, now: Time, address: &Address, language: Option<&'static str>) {
        self.lock().insert(key(address), (now, language));
    }

    /// Nobody is to ask for it any more.
    pub(super) fn forget(&self, address: &Address) {
        self.lock().remove(&*key(address));
    }
}

fn key(address: &Address) -> Box<str> {
    address.reveal().to_ascii_lowercase().into()
}

/// Whether the calendar is there and may be read; the same question tells the language.
pub(super) async fn verify(ews: &Ews, target: &Target) -> Result<(), Fault> {
    let (request, read) = (get_folder::language_request, get_folder::read_language);
    // That it cannot be told just now is no fault of the calendar's.
    if let Ok(language) = ews.ask_home(target, request, read).await? {
        ews.languages.learn(ews.discovery.now(), &target.address, language);
    }
    Ok(())
}

/// The mailbox's language, where its folders tell it.
pub(super) async fn of(ews: &Ews, target: &Target) -> Result<Option<Arc<str>>, Fault> {
    let now = ews.discovery.now();
    if let Some(known) = ews.languages.get(now, &target.address) {
        return Ok(known.map(Arc::from));
    }
    let anchor = Some(Arc::clone(&target.address));
    let route = Route { anchor, lane: Lane::Errand, ..Route::default() };
    let (request, read) = (get_folder::language_request, get_folder::read_language);
    let language = match ews.ask(target, &route, request, read).await?.0 {
        Ok(language) => language,
        Err(fault) => return Err(ews.met(target, fault).await),
    };
    ews.languages.learn(now, &target.address, language);
    Ok(language.map(Arc::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_known_for_a_day_and_no_longer_than_its_mailbox() {
        let languages = Languages::default();
        let [ann, bob] = ["Ann@corp.example", "bob@corp.example"].map(Address::parse);
        let (ann, bob) = (ann.unwrap(), bob.unwrap());
        let now = Time::from_ms(1_800_000_000_000);
        languages.learn(now, &ann, Some("de"));
        languages.learn(now, &bob, None);
        let shouted = Address::parse("ANN@corp.example").unwrap();
        assert_eq!(languages.get(now + Span::HOUR, &shouted), Some(Some("de")));
        assert_eq!(languages.get(now + Span::HOUR, &bob), Some(None));
        assert_eq!(languages.get(now + Span::DAY, &ann), None);
        languages.forget(&shouted);
        assert_eq!(languages.get(now, &ann), None);
        assert!(!format!("{languages:?}").contains("bob"));
    }
}
