//! What is told of a server that was left alone ends for that server, and for no other.

use super::*;

fn server(key: &str) -> Side {
    Side::Server(ServerKey::new(key))
}

/// Those that are told to be left alone, and to be well again or left.
fn told(desk: &mut Desk) -> (Vec<Side>, Vec<Side>) {
    let (mut waits, mut ends) = (Vec::new(), Vec::new());
    for note in desk.noted() {
        match note {
            Note::ServerWaits(side, ..) => waits.push(side),
            Note::ServerWell(side) | Note::ServerLeft(side) => ends.push(side),
            _ => {}
        }
    }
    (waits, ends)
}

/// Both servers said that they are busy.
fn both_busy() -> Desk {
    let mut desk = spread(&["one", "two"], 2);
    for n in 0..2 {
        desk.put(Input::Stirred(user(n)));
    }
    for (ticket, _) in desk.all_asked() {
        desk.put(Input::Got(ticket, Err(busy(60))));
    }
    assert_eq!(told(&mut desk), (vec![server("one"), server("two")], vec![]));
    desk.later(Span::from_secs(120));
    desk
}

#[test]
fn a_server_that_answers_again_is_named_and_no_other() {
    let mut desk = both_busy();
    let open = desk.all_asked();
    let (ticket, _) = open.iter().find(|(_, of)| *of == user(1)).unwrap();
    desk.put(Input::Got(*ticket, nothing_new()));
    assert_eq!(told(&mut desk), (vec![], vec![server("two")]));
    let (ticket, _) = open.iter().find(|(_, of)| *of == user(0)).unwrap();
    desk.put(Input::Got(*ticket, Err(busy(60))));
    assert_eq!(told(&mut desk), (vec![server("one")], vec![]));
}

#[test]
fn a_server_that_everybody_left_while_it_was_away_is_told_to_be_over() {
    let mut desk = both_busy();
    desk.put(Input::Removed(user(0)));
    for (ticket, of) in desk.all_asked() {
        let answer = if of == user(0) { Err(busy(60)) } else { nothing_new() };
        desk.put(Input::Got(ticket, answer));
    }
    desk.later(Span::HOUR);
    let (_, ends) = told(&mut desk);
    assert_eq!(ends, [server("one"), server("two")], "left, and well");
}

#[test]
fn a_directory_that_answers_again_is_told_and_signs_nobody_in() {
    let mut desk = Desk::new(4, 4);
    desk.put(Input::Added(user(0)));
    desk.house_each(|_| Err(busy(60)));
    assert_eq!(told(&mut desk), (vec![Side::Directory], vec![]));
    desk.later(Span::from_secs(120));
    desk.house_each(|_| Ok(home_at("one", None)));
    let notes = desk.noted();
    assert!(notes.contains(&Note::ServerWell(Side::Directory)), "{notes:?}");
    assert!(!notes.contains(&Note::SignedIn), "{notes:?}");
    let (ticket, _) = desk.until_asked().unwrap();
    desk.put(Input::Got(ticket, Err(Fault::new(Next::SignIn, "HTTP 401"))));
    desk.put(Input::SecretChanged);
    let (ticket, _) = desk.until_asked().unwrap();
    desk.put(Input::Got(ticket, nothing_new()));
    assert!(desk.noted().contains(&Note::SignedIn));
}
