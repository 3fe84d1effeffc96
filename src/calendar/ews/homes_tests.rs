//! When a home is asked for anew, and what a restart gives back.

use super::*;
use crate::model::Verdict;

const START: Time = Time::from_ms(1_800_000_000_000);

fn ann() -> Address {
    Address::parse("Ann@corp.example").unwrap()
}

fn place(host: &str) -> Place {
    let ews = format!("https://{host}/EWS/Exchange.asmx").parse().unwrap();
    Place { ews, group: GroupKey::new(host) }
}

fn host(homes: &Homes) -> String {
    homes.get(&ann()).unwrap().place.ews.host().unwrap().to_owned()
}

fn berlin() -> Zone {
    let shift = |bias_minutes, month| Shift {
        bias_minutes,
        second: 7_200,
        month,
        order: 5,
        weekday: 0,
        year: None,
    };
    Zone::new(-60, Some(shift(0, 10)), Some(shift(-60, 3)))
}

#[test]
fn an_answer_is_good_for_a_day_and_a_failure_lets_it_alone_for_an_hour() {
    let mut homes = Homes::default();
    assert!(homes.is_due(START, &ann(), Doubt::None));
    homes.learn(START, &ann(), place("a"), true);
    assert!(!homes.is_due(START + Span::MINUTE.times(23 * 60 - 1), &ann(), Doubt::None));
    let day = START + Span::HOUR.times(23);
    assert!(homes.is_due(day, &ann(), Doubt::None));
    homes.missed(day, &ann(), None);
    assert!(!homes.is_due(day + Span::MINUTE.times(59), &ann(), Doubt::None));
    assert!(homes.is_due(day + Span::HOUR, &ann(), Doubt::None));
    assert_eq!(host(&homes), "a", "the old answer is kept");
}

#[test]
fn a_mailbox_that_moved_is_asked_for_at_once_but_not_twice_in_seconds() {
    let mut homes = Homes::default();
    homes.learn(START, &ann(), place("a"), true);
    assert!(!homes.is_due(START + Span::SECOND, &ann(), Doubt::Moved));
    let later = START + Span::from_secs(5);
    assert!(homes.is_due(later, &ann(), Doubt::Moved));
    homes.learn(later, &ann(), place("b"), true);
    assert!(!homes.is_due(later, &ann(), Doubt::Moved));
    assert_eq!(host(&homes), "b");
}

#[test]
fn who_was_said_to_be_gone_is_gone_until_something_else_is_said() {
    let mut homes = Homes::default();
    let why = |homes: &Homes| homes.get(&ann()).unwrap().gone().map(|why| why.cause.code.clone());
    let gone = Fault::new(Next::Gone, "mailbox moved to Microsoft 365");
    homes.learn(START, &ann(), place("a"), true);
    homes.missed(START, &ann(), Some(&gone));
    assert!(!homes.is_due(START, &ann(), Doubt::Moved), "it is not asked for again,");
    assert_eq!(why(&homes), Some(gone.cause.code.clone()), "and not sent to its server either");
    assert_eq!(host(&homes), "a", "the old answer is kept");
    homes.learn(START, &ann(), place("a"), true);
    assert_eq!(why(&homes), None, "it is back where it was");
    homes.missed(START, &ann(), Some(&gone));
    homes.missed(START, &ann(), Some(&Fault::retry("no answer")));
    assert_eq!(why(&homes), None, "only the last word counts");
    homes.missed(START, &ann(), Some(&gone));
    homes.learn(START, &ann(), place("b"), true);
    assert_eq!(why(&homes), None, "it is elsewhere");
}

#[test]
fn a_check_asks_after_minutes_and_writes_nothing_where_all_is_as_it_was() {
    let mut homes = Homes::default();
    assert!(homes.learn(START, &ann(), place("a"), true).is_some());
    let mut lines = 0;
    for nth in 1..=23 * 15 {
        let now = START + Span::MINUTE.times(4 * nth);
        assert!(!homes.is_due(now - Span::SECOND, &ann(), Doubt::Routine));
        assert!(homes.is_due(now, &ann(), Doubt::Routine));
        lines += usize::from(homes.learn(now, &ann(), place("a"), true).is_some());
    }
    assert_eq!(lines, 1, "in a day");
    let soon = START + Span::DAY;
    assert!(homes.learn(soon, &ann(), place("b"), true).is_some(), "a move is kept at once");
}

#[test]
fn what_the_ledger_did_not_take_is_given_to_it_again_as_it_is_then() {
    let mut homes = Homes::default();
    let url: Uri = "https://h/autodiscover/autodiscover.svc".parse().unwrap();
    let endpoint = Endpoint { url, form: Form::Soap, via: Via::Redirect };
    let bob = Address::parse("bob@corp.example").unwrap();
    let keys = [
        homes.learn(START, &ann(), place("a"), true).unwrap().0,
        homes.learn(START, &bob, place("a"), true).unwrap().0,
        homes.answered(START, "corp.example", endpoint.clone(), false).unwrap().0,
    ];
    assert_eq!(homes.owed(), [], "nobody said that it was not taken");
    homes.kept(&keys, false);
    homes.learn_zone(START, &ann(), Some(Some(berlin())));
    homes.forget(&bob);
    // Checks find nothing new all day, or nothing at all.
    let later = START + Span::HOUR;
    assert_eq!(homes.learn(later, &ann(), place("a"), true), None);
    assert_eq!(homes.answered(later, "corp.example", endpoint.clone(), true), None);
    homes.missed(later, &ann(), None);

    let owed = homes.owed();
    assert_eq!(owed, homes.owed(), "until it is taken");
    assert!(owed.contains(&(keys[1].clone(), None)), "who left leaves the disk, too");
    let mut again = Homes::default();
    let lines: Vec<_> = owed.into_iter().filter_map(|(_, line)| line).collect();
    again.recall(later, &lines, None);
    assert_eq!((host(&again).as_str(), again.get(&ann()).unwrap().zone), ("a", Some(berlin())));
    assert_eq!(again.endpoint(later, "corp.example").unwrap().0, endpoint);
    homes.kept(&keys, true);
    assert_eq!(homes.owed(), []);
}

#[test]
fn a_disk_that_takes_again_is_not_asked_for_everything_in_one_go() {
    let mut homes = Homes::default();
    for n in 0..1_200 {
        let address = Address::parse(&format!("p{n}@corp.example")).unwrap();
        let (key, _) = homes.learn(START, &address, place("a"), true).unwrap();
        homes.kept(&[key], false);
    }
    let calls = std::iter::from_fn(|| {
        let keys: Vec<_> = homes.owed().into_iter().map(|(key, _)| key).collect();
        homes.kept(&keys, true);
        (!keys.is_empty()).then_some(keys.len())
    });
    assert_eq!(calls.collect::<Vec<_>>(), [500, 500, 200]);
}

#[test]
fn what_was_only_guessed_is_asked_for_after_an_hour() {
    let mut homes = Homes::default();
    homes.learn(START, &ann(), place("a"), false);
    assert!(!homes.is_due(START + Span::MINUTE, &ann(), Doubt::None));
    assert!(homes.is_due(START + Span::HOUR, &ann(), Doubt::None));
}

#[test]
fn a_clock_that_was_set_back_does_not_make_answers_good_for_ever() {
    let mut homes = Homes::default();
    homes.learn(START + Span::DAY.times(400), &ann(), place("a"), true);
    homes.missed(START - Span::HOUR, &ann(), None);
    assert!(homes.is_due(START, &ann(), Doubt::None));
}

#[test]
fn a_restart_gives_back_homes_zones_and_places() {
    let mut homes = Homes::default();
    let url: Uri = "https://h/autodiscover/autodiscover.svc".parse().unwrap();
    let endpoint = Endpoint { url, form: Form::Soap, via: Via::Redirect };
    homes.learn(START, &ann(), place("a"), true);
    let lines = [
        homes.learn_zone(START, &ann(), Some(Some(berlin()))).unwrap(),
        homes.answered(START, "corp.example", endpoint.clone(), false).unwrap(),
    ];
    let same = homes.learn_zone(START, &ann(), Some(Some(berlin())));
    assert_eq!(same, None, "nothing new");
    assert_eq!(homes.answered(START, "corp.example", endpoint.clone(), false), None);
    let mut lines: Vec<_> = lines.into_iter().filter_map(|(_, line)| line).collect();
    lines.push(Plain::new("{\"home\":{}}"));
    lines.push(Plain::new("nonsense"));

    let later = START + Span::MINUTE;
    let mut again = Homes::default();
    again.recall(later, &lines, None);
    assert_eq!((host(&again).as_str(), again.get(&ann()).unwrap().zone), ("a", Some(berlin())));
    assert_eq!(again.endpoint(later, "corp.example"), Some((endpoint, true)));
    assert!(!again.is_due(later, &ann(), Doubt::None));
    assert!(
        again.is_due(START + Span::DAY, &ann(), Doubt::None),
        "old answers are asked for at once"
    );

    let fixed: Uri = "https://b/EWS/Exchange.asmx".parse().unwrap();
    let mut elsewhere = Homes::default();
    elsewhere.recall(later, &lines, Some(&fixed));
    assert!(elsewhere.get(&ann()).is_none(), "another server is configured now");
    let mut much_later = Homes::default();
    let gone = much_later.recall(START + Span::DAY.times(31), &lines, None);
    assert_eq!(gone, [(Plain::new("ann@corp.example"), None)], "nor kept on the disk for ever");
    assert!(much_later.get(&ann()).is_none());
}

#[test]
fn a_zone_is_asked_for_once_a_day_and_kept_where_it_cannot_be_told() {
    let mut homes = Homes::default();
    assert!(!homes.is_zone_due(START, &ann()), "nobody knows where to ask");
    homes.learn(START, &ann(), place("a"), true);
    assert!(homes.is_zone_due(START, &ann()));
    homes.learn_zone(START, &ann(), Some(Some(berlin())));
    homes.learn(START, &ann(), place("b"), true);
    assert!(!homes.is_zone_due(START + Span::HOUR, &ann()));
    let day = START + Span::DAY;
    assert!(homes.is_zone_due(day, &ann()));
    homes.learn_zone(day, &ann(), None);
    assert_eq!(homes.get(&ann()).unwrap().zone, Some(berlin()));
    assert!(!homes.is_zone_due(day + Span::MINUTE, &ann()));
    assert!(homes.is_zone_due(day + Span::MINUTE.times(5), &ann()), "nor are days late for long");
    homes.learn_zone(day, &ann(), Some(None));
    assert!(!homes.is_zone_due(day + Span::HOUR, &ann()));
}

#[test]
fn a_place_is_kept_while_it_works_and_a_lesser_form_for_an_hour() {
    let url: Uri = "https://h/autodiscover/autodiscover.svc".parse().unwrap();
    for (form, kept) in [(Form::Soap, true), (Form::Pox, false), (Form::Json, false)] {
        let endpoint = Endpoint { url: url.clone(), form, via: Via::Host };
        let mut homes = Homes::default();
        homes.answered(START, "corp.example", endpoint.clone(), false);
        let later = START + Span::MINUTE.times(59);
        assert_eq!(homes.endpoint(later, "corp.example"), Some((endpoint.clone(), true)));
        homes.answered(later, "corp.example", endpoint.clone(), false);
        assert_eq!(homes.endpoint(later, "corp.example"), Some((endpoint.clone(), true)));
        let hour = START + Span::HOUR;
        assert_eq!(homes.endpoint(hour, "corp.example").is_some(), kept, "{form:?}");
        homes.answered(hour, "corp.example", endpoint.clone(), false);
        assert_eq!(homes.endpoint(hour, "corp.example"), Some((endpoint.clone(), true)));
        let day = START + Span::DAY;
        let soap = kept.then_some((endpoint, false));
        assert_eq!(homes.endpoint(day, "corp.example"), soap, "it works, or is looked for anew");
    }
}

#[test]
fn a_forgotten_mailbox_is_forgotten_in_the_ledger_too() {
    let mut homes = Homes::default();
    let (key, _) = homes.learn(START, &ann(), place("a"), true).unwrap();
    assert_eq!(homes.forget(&ann()), Some((key, None)));
    assert_eq!(homes.forget(&ann()), None);
}

#[test]
fn a_failed_hunt_is_not_begun_again_unless_somebody_decided() {
    let mut homes = Homes::default();
    let why = Fault::retry("x");
    let entry =
        |verdict| TrustEntry { host: "h".into(), verdict, via: "redirect".into(), since: START };
    let pending = vec![entry(Verdict::Pending)];
    homes.failed(START, "corp.example", &pending, why.clone());
    let soon = START + Span::from_secs(29);
    assert_eq!(homes.pause(soon, "corp.example", &pending, Doubt::Moved), Some(why));
    assert_eq!(homes.pause(soon, "corp.example", &[entry(Verdict::Allowed)], Doubt::Moved), None);
    assert_eq!(homes.pause(soon, "other.example", &pending, Doubt::Moved), None);
    assert_eq!(
        homes.pause(START + Span::from_secs(30), "corp.example", &pending, Doubt::Moved),
        None
    );
}

#[test]
fn mailboxes_of_one_place_share_it() {
    let mut homes = Homes::default();
    let bob = Address::parse("bob@corp.example").unwrap();
    homes.learn(START, &ann(), place("a"), true);
    homes.learn(START, &bob, place("a"), true);
    let both = [&ann(), &bob].map(|address| Arc::clone(&homes.get(address).unwrap().place));
    assert!(Arc::ptr_eq(&both[0], &both[1]));
}

#[test]
fn a_clock_that_is_set_back_stops_no_question() {
    let mut homes = Homes::default();
    homes.learn(START, &ann(), place("a"), true);
    let why = Fault::retry("connection refused");
    homes.failed(START, "corp.example", &[], why);
    let url = "https://corp.example/autodiscover/autodiscover.svc".parse().unwrap();
    let endpoint = Endpoint { url, form: Form::Soap, via: Via::Domain };
    homes.answered(START, "hq.example", endpoint, false);
    let before = START - Span::DAY;
    assert!(
        homes.is_due(before, &ann(), Doubt::Moved) && homes.is_due(before, &ann(), Doubt::None)
    );
    assert!(homes.pause(before, "corp.example", &[], Doubt::Moved).is_none());
    assert!(homes.endpoint(before, "hq.example").is_some_and(|(_, young)| !young));
    // Two clocks that differ by seconds are no reason.
    assert!(!homes.is_due(START - Span::SECOND, &ann(), Doubt::Moved));
}

#[test]
fn homes_do_not_show_whose_they_are_nor_where() {
    let mut homes = Homes::default();
    homes.learn(START, &ann(), place("mail.corp.example"), true);
    let shown = format!("{homes:?} {:?}", homes.get(&ann()));
    let shown = shown.replace("Place(mail.corp.example)", "the key, which is a hash elsewhere");
    assert!(!shown.contains("corp") && !shown.contains("ann"), "{shown}");
}

#[test]
fn what_the_directory_named_is_asked_about_again_each_day_also_over_restarts() {
    let url: Uri = "https://h/autodiscover/autodiscover.svc".parse().unwrap();
    let endpoint = Endpoint { url, form: Form::Soap, via: Via::Directory };
    let mut homes = Homes::default();
    let line = homes.answered(START, "corp.example", endpoint.clone(), false).unwrap().1.unwrap();
    let (hours, domain) = (|n| START + Span::HOUR.times(n), "corp.example");
    // It works all the time, which does not make the directory name it.
    assert_eq!(homes.answered(hours(22), domain, endpoint.clone(), true), None);
    assert!(homes.endpoint(hours(22), domain).is_some());
    let mut again = Homes::default();
    again.recall(hours(25), &[line], None);
    for homes in [&homes, &again] {
        assert_eq!(homes.endpoint(hours(25), domain), None);
        assert_eq!(homes.named_last(hours(22), domain), None);
        assert_eq!(homes.named_last(hours(25), domain), Some(endpoint.clone()));
        assert_eq!(homes.named_last(hours(24 * 7), domain), None, "the directory is gone");
    }
    homes.answered(hours(25), domain, endpoint.clone(), true);
    assert_eq!(homes.endpoint(hours(25), domain), None);
    assert!(homes.answered(hours(25), domain, endpoint, false).is_some(), "kept with its new time");
    assert!(homes.endpoint(hours(47), domain).is_some());
}

#[test]
fn people_who_come_and_go_for_years_do_not_fill_the_memory() {
    let mut homes = Homes::default();
    let mut gone = 0;
    for day in 0..400 {
        let now = START + Span::DAY.times(day);
        for n in 0..20 {
            let address = Address::parse(&format!("p{day}-{n}@corp.example")).unwrap();
            let group = format!("{day}-{n}");
            let place =
                Place { ews: "https://h/EWS".parse().unwrap(), group: GroupKey::new(group) };
            homes.learn(now, &address, place, true);
        }
        homes.learn(now, &ann(), place("a"), true);
        gone += homes.sweep(now).len();
    }
    assert!(homes.known.len() < 3_000 && homes.places.len() < 3_000, "{homes:?}");
    assert_eq!(gone + homes.known.len(), 400 * 20 + 1, "what is forgotten leaves the disk, too");
    assert_eq!(host(&homes), "a", "who is asked for stays");
}

#[test]
fn domains_without_end_do_not_fill_the_memory() {
    let mut homes = Homes::default();
    let url: Uri = "https://h/autodiscover/autodiscover.svc".parse().unwrap();
    let mut gone = Vec::new();
    for n in 0..2_000 {
        let (now, domain) = (START + Span::SECOND.times(n), format!("d{n}.example"));
        let endpoint = Endpoint { url: url.clone(), form: Form::Soap, via: Via::Domain };
        homes.answered(now, &domain, endpoint, false);
        homes.failed(now, &domain, &[], Fault::retry("x"));
        gone.extend(homes.sweep(now));
    }
    assert!(homes.endpoints.len() <= MOST_DOMAINS && homes.failures.len() <= MOST_DOMAINS);
    assert_eq!(gone.first(), Some(&(Plain::new("endpoint d0.example"), None)), "the oldest first");
    assert_eq!(gone.len() + homes.endpoints.len(), 2_000);
}
