//! Join details, sound and not.

use super::*;

fn parse(json: &str) -> Result<JoinDetails, Wrong> {
    JoinDetails::parse(&Plain::new(json))
}

fn with(members: &str) -> Result<JoinDetails, Wrong> {
    parse(&format!(r#"{{"kind": "space", "url": "https://meet.example/1", {members}}}"#))
}

#[test]
fn everything_that_the_cloud_says_arrives() {
    let found = parse(
        r#"{"kind": "MyRoom", "url": "https://meet.example.com/ada", "later": {"x": 1},
            "uri": "sip:ada@meet.example.com", "number": " 2551 204 7312 ", "password": "p7<Kq",
            "phones": [{"number": "+49 (30) 5550-1234", "label": "Germany", "tollFree": true},
                       {"number": "0800 55"}],
            "accessCode": "255 12#", "host": "Ada", "title": ""}"#,
    )
    .unwrap();
    let text = |text: &str| Some(Plain::new(text));
    assert_eq!(
        found,
        JoinDetails {
            kind: Some(Mode::MyRoom),
            url: text("https://meet.example.com/ada"),
            uri: text("sip:ada@meet.example.com"),
            number: text("2551 204 7312"),
            password: text("p7<Kq"),
            phones: vec![
                Phone {
                    number: Plain::new("+49 (30) 5550-1234"),
                    label: text("Germany"),
                    toll_free: true,
                },
                Phone { number: Plain::new("0800 55"), label: None, toll_free: false },
            ],
            access_code: text("255 12#"),
            host: text("Ada"),
            title: None,
        }
    );
    assert!(parse(r#"{"kind": null, "uri": "SIPS:1@meet.example"}"#).unwrap().kind.is_none());
}

#[test]
fn what_is_wrong_is_named_and_not_repeated() {
    for (members, member) in [
        (r#""url": "http://meet.example/1""#, "url"),
        (r#""url": "https://""#, "url"),
        (r#""url": "https:///x""#, "url"),
        (r#""url": "https://ada:secret@meet.example/1""#, "url"),
        (r#""url": "https://meet.example/\"onclick=x""#, "url"),
        (r#""url": "https://meet.example/a b""#, "url"),
        (r#""url": "https://meet.example/ä""#, "url"),
        (r#""url": "javascript:alert(1)""#, "url"),
        (r#""url": " javascript:https://meet.example""#, "url"),
        (r#""url": 5"#, "url"),
        (r#""uri": "tel:5""#, "uri"),
        (r#""uri": "sip:""#, "uri"),
        (r#""uri": "sip:a b""#, "uri"),
        (r#""uri": "sip:v-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-v@a""#, "uri"),
        (r#""url": "https://a/v-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-v""#, "url"),
        (r#""title": "v-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-v""#, "title"),
        (r#""host": "^-=-=-=-=-=-=-=-0123abcd-=-=-=-=-=-^""#, "host"),
        (r#""number": "12a4""#, "number"),
        (r#""number": "123""#, "number"),
        (r#""password": "a\nb""#, "password"),
        (r#""password": "a\u202eb""#, "password"),
        (r#""title": "a\u2028b""#, "title"),
        (r#""host": ["a"]"#, "host"),
        (r#""accessCode": "please ask""#, "accessCode"),
        (r#""phones": {}"#, "phones"),
        (r#""phones": [5]"#, "phones[0]"),
        (r#""phones": [{}]"#, "phones[0].number"),
        (r#""phones": [{"number": "555 1"}, {"number": "call me"}]"#, "phones[1].number"),
        (r#""phones": [{"number": "5551", "tollFree": "yes"}]"#, "phones[0].tollFree"),
        (r#""kind": "room""#, "kind"),
        (r#""kind": 5"#, "kind"),
    ] {
        let wrong = with(members).unwrap_err();
        assert_eq!(wrong.member, member, "{members}");
        let told = wrong.to_string();
        for canary in ["secret", "javascript", "please", "call me", "12a4"] {
            assert!(!told.contains(canary), "{told}");
        }
    }
    assert_eq!(parse(r#"{"kind": "space"}"#).unwrap_err().member, "url");
    for whole in ["", "[]", "null", "{", "\u{0}"] {
        assert_eq!(parse(whole).unwrap_err().member, "", "{whole}");
    }
}

#[test]
fn limits_hold() {
    let long = |name: &str, text: String| with(&format!("\"{name}\": {text:?}"));
    assert!(long("title", "ä".repeat(255)).is_ok());
    assert_eq!(long("title", "ä".repeat(256)).unwrap_err().member, "title");
    assert!(long("password", "x".repeat(128)).is_ok());
    assert_eq!(long("password", "x".repeat(129)).unwrap_err().member, "password");
    let url = |length: usize| format!("https://meet.example/{}", "x".repeat(length - 21));
    assert!(long("url", url(2_048)).is_ok());
    assert_eq!(long("url", url(2_049)).unwrap_err().member, "url");
    let phones =
        |count| format!("\"phones\": [{}]", vec![r#"{"number": "5551"}"#; count].join(","));
    assert_eq!(with(&phones(20)).unwrap().phones.len(), 20);
    assert_eq!(with(&phones(21)).unwrap_err().member, "phones");
    assert_eq!(with(&format!("\"x\": \"{}\"", "x".repeat(DETAILS_BYTES))).unwrap_err().member, "");
}

#[test]
fn nothing_of_it_is_shown_by_accident() {
    let details = with(r#""password": "hunter2", "title": "Merger""#).unwrap();
    let shown = format!("{details:?}");
    for canary in ["hunter2", "Merger", "meet.example"] {
        assert!(!shown.contains(canary), "{shown}");
    }
}
