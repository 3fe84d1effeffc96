//! Discovery: the machine that finds where mailboxes are served, in a network with hosts that are
//! down, that are no Exchange, that redirect in circles, and that steal passwords; from a seed.
//!
//! What must hold: nothing is sent to a host that nobody vouched for, and nothing to a blocked one;
//! Microsoft 365 gets nothing although a directory names it; whoever met an unknown host says so;
//! no way is gone in circles; once the administrator has decided and the network is well, each
//! mailbox is found where it is, whatever became of others.

mod people;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use calway::calendar::ews::discover::{Endpoint, Found, Hosts, Hunt, Note, Rules, Step};
use calway::model::{Address, Fault, Next, Time, TrustEntry, Verdict};

use self::people::{Person, tell};
use super::dice::Dice;
use super::network::{DOMAIN, Network};
use super::office::{may_go, named};
use super::play::Held;

/// Seeds that failed once.
const REGRESSIONS: &[u64] = &[];

/// Steps of one hunt, and the same step again, that nothing but a circle needs: as many ways lead
/// to a place at most.
const STEPS: (usize, usize) = (160, 6);

/// The administrator, the list that he decides on, and what the last hunts found.
struct Office {
    network: Network,
    people: Vec<Person>,
    /// Nothing bad happens any more.
    calm: bool,
    trust: BTreeMap<String, Verdict>,
    /// Hosts that he will never allow.
    blocks: BTreeSet<String>,
    known: Option<Endpoint>,
    /// Hosts that a directory named, in this hunt or before.
    named: BTreeSet<String>,
    steps: usize,
    hunts: usize,
    trace: bool,
}

fn play(seed: u64, trace: bool) -> Result<String, String> {
    let mut dice = Dice::new(seed ^ 0xD15C_0FE2);
    let people = people::some(&mut dice);
    let mut office = Office {
        network: Network::new(None, &mut dice),
        people,
        calm: false,
        trust: BTreeMap::new(),
        blocks: BTreeSet::new(),
        known: None,
        named: BTreeSet::new(),
        steps: 0,
        hunts: 0,
        trace,
    };
    for _ in 0..dice.of(3..9) {
        office.mischief(&mut dice);
        office.hunt(&mut dice)?;
        if dice.one_in(2) {
            office.decide(&mut dice);
        }
    }
    (office.network.bad, office.calm) = (0, true);
    // What is unknown is met, decided on, and perhaps leads to something unknown again.
    for _ in 0..4 {
        office.hunt(&mut dice)?;
        office.decide(&mut dice);
    }
    let outcomes = office.hunt(&mut dice)?;
    office.right(&outcomes)?;
    let (people, way) = (office.people.len(), office.network.way());
    Ok(format!("{} hunts, {} steps; {people} people, by {way}", office.hunts, office.steps))
}

impl Office {
    fn say(&self, words: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{}", words());
        }
    }

    fn rules(&self, dice: &mut Dice) -> Rules {
        let own = [DOMAIN.to_owned(), format!("autodiscover.{DOMAIN}")];
        let entry = |(host, verdict): (&String, &Verdict)| TrustEntry {
            host: host.clone(),
            verdict: *verdict,
            via: "redirect".into(),
            since: Time::default(),
        };
        Rules {
            domains: vec![DOMAIN.into()],
            directory: true,
            directories: vec![DOMAIN.into()],
            services: true,
            last: None,
            first: self.known.clone(),
            only_first: false,
            hosts: Hosts::new(own, self.trust.iter().map(entry)),
            seed: dice.roll(),
        }
    }

    /// Something changes.
    fn mischief(&mut self, dice: &mut Dice) {
        self.network.bad = if dice.one_in(2) { 0 } else { dice.of(0..400) };
        people::move_some(&mut self.people, dice);
        if dice.one_in(3) {
            self.network.rebuild(dice);
        }
    }

    /// One hunt for everybody.
    fn hunt(&mut self, dice: &mut Dice) -> Held<Vec<Result<Found, Fault>>> {
        let people = self.people.clone();
        let address = |person: &Person| Address::parse(&person.address).ok().map(Arc::new);
        let addresses: Vec<_> = people.iter().filter_map(address).collect();
        let mut hunt = Hunt::new(self.rules(dice), addresses);
        self.hunts += 1;
        self.say(|| format!("hunt {}, known {:?}", self.hunts, self.known));
        let (mut steps, mut met, mut asked) = (0, BTreeSet::new(), BTreeMap::new());
        while let Some(step) = hunt.step() {
            self.allowed(&step)?;
            steps += 1;
            let whom = match &step {
                Step::Pox(_, user) | Step::Json(_, user) => user.reveal().to_owned(),
                Step::Settings(_, users) => users.iter().map(|user| user.reveal()).collect(),
                _ => String::new(),
            };
            let times = asked.entry(format!("{step:?} {whom}")).or_insert(0);
            *times += 1;
            if steps > STEPS.0 || *times > STEPS.1 {
                return Err(format!("it goes in circles: {steps} steps, {times} times {step:?}"));
            }
            let tells = |user: &Address| tell(&people, user);
            let answer = self.network.answer(&step, &tells, dice);
            self.say(|| format!("  {step:?}\n    {answer:?}"));
            self.named.extend(named(&answer));
            hunt.answer(answer);
            self.note(hunt.notes(), &mut met)?;
        }
        self.note(hunt.notes(), &mut met)?;
        self.steps += steps;
        let outcome = hunt.finish();
        if outcome.homes.len() != people.len() {
            return Err(format!("{} answers for {} mailboxes", outcome.homes.len(), people.len()));
        }
        let own = outcome.endpoints.into_iter().find(|(domain, _)| domain == DOMAIN);
        self.known = own.map(|(_, endpoint)| endpoint).or(self.known.take());
        Ok(outcome.homes)
    }

    /// Who may be sent this: the second, stupid opinion.
    fn allowed(&self, step: &Step) -> Held {
        may_go(step, |host| {
            let own = host == DOMAIN || host == format!("autodiscover.{DOMAIN}");
            let verdict = self.trust.get(host);
            let vouched = own || self.named.contains(host) || verdict == Some(&Verdict::Allowed);
            vouched && verdict != Some(&Verdict::Blocked)
        })
    }

    fn note(&mut self, notes: Vec<Note>, met: &mut BTreeSet<String>) -> Held {
        for note in notes {
            self.say(|| format!("  note {note:?}"));
            if let Note::Unknown { host, .. } = note {
                if self.trust.get(&host) == Some(&Verdict::Allowed) {
                    return Err(format!("{host} was allowed and is called unknown"));
                }
                met.insert(host.clone());
                self.trust.entry(host).or_insert(Verdict::Pending);
            }
        }
        Ok(())
    }

    /// The administrator looks at what is pending. He is no fool.
    fn decide(&mut self, dice: &mut Dice) {
        for (host, verdict) in &mut self.trust {
            if *verdict == Verdict::Allowed && dice.one_in(15) {
                self.blocks.insert(host.clone());
                *verdict = Verdict::Blocked;
            }
            if *verdict != Verdict::Pending || dice.one_in(4) && !self.calm {
                continue;
            }
            *verdict = match self.network.is_honest(host) && !self.blocks.contains(host) {
                true if dice.one_in(12) => {
                    self.blocks.insert(host.clone());
                    Verdict::Blocked
                }
                true => Verdict::Allowed,
                false if dice.one_in(2) => Verdict::Blocked,
                false => Verdict::Pending,
            };
        }
        self.say(|| format!("trust {:?}", self.trust));
    }

    /// All is well and decided: everybody is found where he is, or it is said why not.
    fn right(&self, outcomes: &[Result<Found, Fault>]) -> Held {
        let barred = self.network.leads().iter().any(|host| self.blocks.contains(host));
        for (person, outcome) in self.people.iter().zip(outcomes) {
            let expected = person.ews();
            match (outcome, expected) {
                (Ok(found), Some(ews)) if found.ews == ews => {}
                (Err(fault), None) if fault.next == Next::Gone => {}
                (Err(fault), _) if barred && fault.next != Next::SignIn => {}
                (other, expected) => {
                    let word = other.as_ref().map(|found| found.ews.to_string());
                    return Err(format!("{} is at {expected:?}, found {word:?}", person.address));
                }
            }
        }
        Ok(())
    }
}

#[test]
fn discovery() {
    super::play_all(REGRESSIONS, "world::discovery", play);
}
