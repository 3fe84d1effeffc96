//! Who has a mailbox, where it is, and what an honest Autodiscover says of it.

use calway::calendar::ews::get_user_settings::{Settings, Told};
use calway::model::{Address, Fault, Plain};
use http::Uri;

use super::super::dice::Dice;
use super::super::network::{DOMAIN, OTHER, nobody};

/// Where somebody's mailbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seat {
    Server(u64),
    /// There, under another address.
    Renamed(u64),
    Cloud,
    Nowhere,
}

/// Somebody with a mailbox.
#[derive(Clone, Debug)]
pub struct Person {
    pub address: String,
    seat: Seat,
}

impl Person {
    /// Where it is, if it is here.
    pub fn ews(&self) -> Option<Uri> {
        match self.seat {
            Seat::Server(n) | Seat::Renamed(n) => {
                format!("https://ex{n}.corp.example/EWS/Exchange.asmx").parse().ok()
            }
            Seat::Cloud | Seat::Nowhere => None,
        }
    }
}

/// Some people.
pub fn some(dice: &mut Dice) -> Vec<Person> {
    let person = |n: u64| Person { address: format!("kanari{n}@{DOMAIN}"), seat: Seat::Server(0) };
    (0..dice.of(1..7)).map(person).collect()
}

/// Some of them move.
pub fn move_some(people: &mut [Person], dice: &mut Dice) {
    for person in people {
        if dice.one_in(3) {
            person.seat = match dice.of(0..8) {
                0 => Seat::Cloud,
                1 => Seat::Nowhere,
                2 => Seat::Renamed(2),
                n => Seat::Server(n % 3),
            };
        }
    }
}

/// What is said of a mailbox.
pub fn tell(people: &[Person], user: &Address) -> Result<Told, Fault> {
    let name = |address: &str| address.split('@').next().map(str::to_owned);
    let asked = name(user.reveal());
    let person = people.iter().find(|person| name(&person.address) == asked);
    let person = person.ok_or_else(nobody)?;
    match person.seat {
        Seat::Renamed(_) if user.domain() == DOMAIN => {
            let address = asked.map(|name| format!("{name}@{OTHER}"));
            Ok(Told::Address(Plain::new(address.unwrap_or_default())))
        }
        Seat::Server(n) | Seat::Renamed(n) => Ok(Told::Settings(Settings {
            grouping: Some(format!("site-{n}")),
            internal_ews_url: person.ews().map(|ews| ews.to_string()),
            external_ews_url: None,
        })),
        Seat::Cloud => Ok(Told::Address(Plain::new("kanari@corp.mail.onmicrosoft.com"))),
        Seat::Nowhere => Err(nobody()),
    }
}
