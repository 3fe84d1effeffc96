//! Commands and what they come to, also those that make no sense.

use proptest::prelude::*;

use super::*;
use crate::pipeline::samples::{cases, installation};

fn command(kind: CommandKind) -> Command {
    Command { id: CommandId::new("c-1"), sequence: 9, kind }
}

fn activate() -> Command {
    command(CommandKind::Activate {
        user: UserId::new("u"),
        sealed_address: "a.jwe".into(),
        key: KeyUri::new("kms://kms.example/keys/1"),
    })
}

fn decided(command: &Command) -> Decision {
    match decide(command) {
        Need::Nothing(decision) => decision,
        Need::Open { .. } => panic!("nothing is sealed in it"),
    }
}

#[test]
fn what_needs_no_key_is_decided_at_once() {
    let user = UserId::new("u");
    let cases = [
        (CommandKind::Ping, Effect::None),
        (CommandKind::Deactivate { user: user.clone() }, Effect::Deactivate { user: user.clone() }),
        (CommandKind::Resend { user: None }, Effect::Resend { user: None }),
        (CommandKind::Resend { user: Some(user.clone()) }, Effect::Resend { user: Some(user) }),
    ];
    for (kind, effect) in cases {
        let decision = decided(&command(kind));
        assert_eq!((decision.effect, decision.outcome), (effect, Outcome::Done));
        assert_eq!((decision.id.as_str(), decision.sequence), ("c-1", 9));
    }
    let unknown = decided(&command(CommandKind::Unknown { why: Plain::new("unknown command") }));
    assert_eq!(unknown.effect, Effect::None);
    assert_eq!(unknown.outcome, Outcome::Refused("unknown command".into()));
}

#[test]
fn an_activation_is_opened_and_stashed() {
    let Need::Open { jwes, key } = decide(&activate()) else { panic!("it must be opened") };
    assert_eq!((jwes[0].as_str(), key.as_str()), ("a.jwe", "kms://kms.example/keys/1"));
    let i = installation();
    let decision = opened(&activate(), &i, Ok(vec![Plain::new(" Ada@corp.example ")])).unwrap();
    let Effect::Activate { user, address: stashed } = decision.effect else { panic!() };
    assert_eq!((user.as_str(), decision.outcome), ("u", Outcome::Done));
    assert!(!format!("{stashed:?}").contains("corp"));
    assert_eq!(address(&i, &stashed).unwrap().reveal(), "Ada@corp.example");
    // The same address twice is the same blob, so that the store sees that nothing changed.
    let again = opened(&activate(), &i, Ok(vec![Plain::new("Ada@corp.example")])).unwrap();
    assert_eq!(again.effect, Effect::Activate { user, address: stashed });
}

#[test]
fn what_will_never_open_is_refused_and_what_may_is_tried_again() {
    let i = installation();
    for next in [Next::Denied, Next::Gone, Next::Refused, Next::KeyLost] {
        let decision = opened(&activate(), &i, Err(Fault::new(next, "403"))).unwrap();
        assert_eq!(decision.effect, Effect::None);
        assert!(matches!(decision.outcome, Outcome::Refused(_)), "{next:?}");
    }
    let after = None;
    for next in [Next::Retry { after }, Next::BackOff { after }, Next::SignIn, Next::CursorLost] {
        assert!(opened(&activate(), &i, Err(Fault::new(next, "503"))).is_err(), "{next:?}");
    }
}

#[test]
fn a_refusal_never_says_what_was_sealed() {
    let decision =
        opened(&activate(), &installation(), Ok(vec![Plain::new("ada lovelace, room 5")])).unwrap();
    let Outcome::Refused(why) = decision.outcome else { panic!("that is no address") };
    assert!(!why.contains("ada") && !why.contains("room"), "{why}");
}

#[test]
fn a_command_without_a_seal_opens_nothing() {
    let decision =
        opened(&command(CommandKind::Ping), &installation(), Ok(vec![Plain::new("a@b")]));
    assert!(matches!(decision.unwrap().outcome, Outcome::Refused(_)));
}

proptest! {
    #![proptest_config(cases(300))]

    /// Whatever the cloud sealed or says: an answer comes of it, bounded and fit to be printed.
    #[test]
    fn any_text_comes_to_an_outcome(text in ".{0,400}", why in "(?s).{0,400}") {
        let i = installation();
        let unknown = decided(&command(CommandKind::Unknown { why: Plain::new(why) }));
        let sealed = opened(&activate(), &i, Ok(vec![Plain::new(text.clone())])).unwrap();
        for outcome in [&unknown.outcome, &sealed.outcome] {
            if let Outcome::Refused(why) = outcome {
                prop_assert!(why.chars().count() <= 200 && !why.chars().any(char::is_control));
            }
        }
        if let Effect::Activate { address: stashed, .. } = &sealed.effect {
            let address = address(&i, stashed).unwrap();
            prop_assert_eq!(address.reveal(), text.trim());
        } else {
            prop_assert!(Address::parse(&text).is_err());
        }
    }
}
