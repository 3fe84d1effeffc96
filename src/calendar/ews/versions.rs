//! Which version of the protocol a server is asked in: negotiated, and remembered for each server.
//!
//! **Promise.** The newest version that all later servers take comes first; one that refuses it is
//! asked in the old version from then on. What a server reports of itself is never asked for, as
//! it reports versions that it refuses: a build that was not seen before is only a reason to try
//! the newest version once more. So is the next day. A farm of old and new servers behind one name
//! costs one refused request a day, and one for each new build.

use super::homes::elapsed;
use super::soap::{Build, ServerVersion};
use crate::model::{Span, Time};

/// A server that refused the newest version is asked in it again after so long: it may have been
/// replaced by another one of the same build number, or behind a gateway that hides it.
const TRY_AGAIN: Span = Span::DAY;

/// What is known of one server.
#[derive(Debug, Default)]
pub(super) struct Versions {
    old: Option<Old>,
    /// The latest build that was a reason to try the newest version.
    tried_for: Option<Build>,
}

/// It refused the newest version.
#[derive(Debug)]
struct Old {
    /// When it was asked in it last.
    tried: Time,
    /// The latest build that it reported since.
    seen: Option<Build>,
}

impl Versions {
    /// The version to ask in now.
    pub(super) fn ask_in(&mut self, now: Time) -> ServerVersion {
        match &mut self.old {
            None => ServerVersion::Exchange2013Sp1,
            // One tries, and the others go on as they were until it is through.
            Some(old) if elapsed(now, old.tried) >= TRY_AGAIN => {
                old.tried = now;
                ServerVersion::Exchange2013Sp1
            }
            Some(_) => ServerVersion::Exchange2010Sp2,
        }
    }

    /// It refused this version: whether an older one is left to ask in.
    pub(super) fn refused(&mut self, now: Time, version: ServerVersion) -> bool {
        if version == ServerVersion::Exchange2010Sp2 {
            return false;
        }
        match &mut self.old {
            Some(old) => old.tried = now,
            None => self.old = Some(Old { tried: now, seen: None }),
        }
        true
    }

    /// It answered in this version, with no word against it.
    pub(super) fn accepted(&mut self, version: ServerVersion) {
        if version == ServerVersion::Exchange2013Sp1 {
            self.old = None;
        }
    }

    /// Whether the build that it reports is of interest.
    pub(super) fn is_old(&self) -> bool {
        self.old.is_some()
    }

    /// It reports this build.
    pub(super) fn reports(&mut self, build: Build) {
        let Some(old) = &mut self.old else { return };
        let before = old.seen.replace(old.seen.map_or(build, |seen| seen.max(build)));
        let newer = before.is_some_and(|before| build > before);
        if newer && self.tried_for.is_none_or(|tried| build > tried) {
            self.tried_for = Some(build);
            old.tried = Time::from_ms(i64::MIN / 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ServerVersion::{Exchange2010Sp2 as Old2010, Exchange2013Sp1 as Newest};

    const START: Time = Time::from_ms(1_800_000_000_000);
    const OF_2010: Build = (14, 3, 123, 4);
    const OF_2016: Build = (15, 1, 225, 42);

    fn old_server() -> Versions {
        let mut server = Versions::default();
        assert_eq!(server.ask_in(START), Newest);
        assert!(server.refused(START, Newest));
        server.accepted(Old2010);
        server
    }

    #[test]
    fn a_server_that_refuses_the_newest_version_is_asked_in_the_old_one() {
        let mut server = old_server();
        for minute in 0..60 * 23 {
            let now = START + Span::MINUTE.times(minute);
            server.reports(OF_2010);
            assert_eq!(server.ask_in(now), Old2010);
            server.accepted(Old2010);
        }
        assert!(!server.refused(START, Old2010), "nothing older is left");
    }

    #[test]
    fn an_upgraded_server_is_asked_in_the_newest_version_again() {
        let mut server = old_server();
        server.reports(OF_2010);
        server.reports(OF_2016);
        assert_eq!(server.ask_in(START + Span::SECOND), Newest);
        server.accepted(Newest);
        assert_eq!(server.ask_in(START + Span::SECOND), Newest, "and stays so");
    }

    #[test]
    fn one_that_reports_nothing_is_tried_once_a_day_by_one() {
        let mut server = old_server();
        let day = START + Span::DAY;
        assert_eq!(server.ask_in(day), Newest);
        assert_eq!(server.ask_in(day), Old2010, "the others do not wait for it");
        assert!(server.refused(day, Newest));
        assert_eq!(server.ask_in(day + Span::HOUR), Old2010);
        assert_eq!(server.ask_in(day + Span::DAY), Newest);
        server.accepted(Newest);
        assert_eq!(server.ask_in(day + Span::DAY), Newest);
    }

    #[test]
    fn old_and_new_servers_behind_one_name_do_not_make_it_change_to_and_fro() {
        let mut server = old_server();
        let mut tried = 0;
        for minute in 0..60 * 24 * 10 {
            let now = START + Span::MINUTE.times(minute);
            let version = server.ask_in(now);
            tried += usize::from(version == Newest);
            match minute % 2 {
                0 if version == Newest => assert!(server.refused(now, version)),
                0 => server.reports(OF_2010),
                _ => {
                    server.accepted(version);
                    server.reports(OF_2016);
                }
            }
        }
        assert!((10..=24).contains(&tried), "{tried} times in ten days");
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_keep_the_old_version_for_years() {
        let mut server = old_server();
        assert!(server.refused(START + Span::DAY.times(400), Newest));
        assert_eq!(server.ask_in(START), Newest);
    }
}
