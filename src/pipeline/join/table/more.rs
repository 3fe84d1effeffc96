//! Services for meetings and calls between people.

use super::{Service, event, meeting, never, room, service};

pub(super) const ALL: &[Service] = &[
    service(
        "teamviewer",
        "TeamViewer Meeting",
        &[meeting(
            &["go.teamviewer.com", "meeting.teamviewer.com"],
            &[
                "/v{digits}/m{digits}",
                "/m{digits}",
                "/meet/{word}",
                "/join/{word}",
                "/join?meetingId",
            ],
        )],
    ),
    service(
        "blizz",
        "Blizz",
        &[meeting(
            &["go.blizz.com"],
            &["/join/{word}", "/m{digits}", "/v{digits}/m{digits}", "/meet/{word}"],
        )],
    ),
    service(
        "dialpad",
        "Dialpad Meetings",
        &[room(
            &["meetings.dialpad.com", "meetings.dialpadbeta.com"],
            &["/room/{word}", "/{room}"],
        )],
    ),
    service(
        "uberconference",
        "UberConference",
        &[room(&["uberconference.com", "www.uberconference.com"], &["/{room}", "/room/{word}"])],
    ),
    service(
        "join-me",
        "join.me",
        &[
            meeting(&["join.me"], &["/{digits:3}-{digits:3}-{digits:3}", "/{digits:9}"]),
            room(&["join.me", "secure.join.me"], &["/{room}"]),
        ],
    ),
    service(
        "vonage",
        "Vonage Meetings",
        &[meeting(&["meetings.vonage.com"], &["/?room_token", "/{digits:9}", "/join/{word}"])],
    ),
    service(
        "vsee",
        "VSee",
        &[
            never(&["my.vsee.com", "help.vsee.com", "api.vsee.com"], &["/**"]),
            room(&["vsee.com", "*.vsee.com"], &["/c/{word}", "/u/{word}"]),
            room(&["vsee.me", "*.vsee.me"], &["/{room}", "/u/{word}"]),
        ],
    ),
    service(
        "eyeson",
        "eyeson",
        &[meeting(
            &["app.eyeson.team", "app.eyeson.com"],
            &["/?guest", "/r/{word}", "/{room}?guest"],
        )],
    ),
    service("signal", "Signal", &[meeting(&["signal.link", "www.signal.link"], &["/call#key"])]),
    service(
        "whatsapp",
        "WhatsApp",
        &[meeting(&["call.whatsapp.com"], &["/video/{word}", "/voice/{word}"])],
    ),
    service(
        "messenger",
        "Messenger",
        &[
            meeting(&["m.me"], &["/j/{word}"]),
            meeting(&["messenger.com", "www.messenger.com", "msngr.com"], &["/groupcall/**"]),
        ],
    ),
    service(
        "workplace",
        "Workplace",
        &[meeting(&["workplace.com", "*.workplace.com"], &["/groupcall/**"])],
    ),
    service("around", "Around", &[meeting(&["meet.around.co", "around.co"], &["/r/{word}"])]),
    service("tuple", "Tuple", &[meeting(&["tuple.app"], &["/c/{word}"])]),
    service("coscreen", "CoScreen", &[meeting(&["join.coscreen.co"], &["/{word}", "/{word}/**"])]),
    service("pop", "Pop", &[meeting(&["pop.com"], &["/j/{word}"])]),
    service(
        "daily",
        "Daily",
        &[
            never(
                &[
                    "www.daily.co",
                    "docs.daily.co",
                    "dashboard.daily.co",
                    "api.daily.co",
                    "help.daily.co",
                    "status.daily.co",
                ],
                &["/**"],
            ),
            room(&["*.daily.co"], &["/{room}"]),
        ],
    ),
    service(
        "doxy-me",
        "Doxy.me",
        &[
            never(&["help.doxy.me", "status.doxy.me"], &["/**"]),
            never(&["doxy.me"], &["/en/**", "/account/**"]),
            room(&["doxy.me", "*.doxy.me"], &["/{room}"]),
        ],
    ),
    service(
        "meetecho",
        "Meetecho",
        &[meeting(
            &["meetings.conf.meetecho.com"],
            &["/{room}", "/{room}/**", "/interim?group", "/onsite{digits}?group"],
        )],
    ),
    service("livekit", "LiveKit Meet", &[meeting(&["meet.livekit.io"], &["/rooms/{word}"])]),
    service("calcom", "Cal Video", &[meeting(&["app.cal.com", "cal.com"], &["/video/{word}"])]),
    service("pumble", "Pumble", &[meeting(&["meet.pumble.com"], &["/{room}"])]),
    service("fuze", "Fuze", &[meeting(&["fuze.me", "www.fuze.me"], &["/{digits:5-12}"])]),
    service(
        "anymeeting",
        "AnyMeeting",
        &[
            meeting(
                &["anymeeting.com", "*.anymeeting.com"],
                &[
                    "/{digits:3}-{digits:3}-{digits:3}",
                    "/{digits:3}-{digits:3}-{digits:3}/{word}",
                    "/{digits:9}",
                ],
            ),
            room(&["anymeeting.com", "*.anymeeting.com"], &["/{room}"]),
        ],
    ),
    service(
        "globalmeet",
        "GlobalMeet",
        &[
            never(&["www.globalmeet.com", "help.globalmeet.com"], &["/**"]),
            room(
                &["*.globalmeet.com", "*.pgimeet.com", "pgimeet.com"],
                &["/{room}", "/join/{word}", "/go/{word}"],
            ),
        ],
    ),
    service(
        "highfive",
        "Highfive",
        &[
            never(&["www.highfive.com", "support.highfive.com"], &["/**"]),
            room(&["*.highfive.com"], &["/{room}"]),
        ],
    ),
    service("loopup", "LoopUp", &[meeting(&["meet.loopup.com"], &["/{word}", "/{word}/{word}"])]),
    service(
        "avaya-spaces",
        "Avaya Spaces",
        &[meeting(
            &["spaces.avayacloud.com"],
            &["/spaces/{alnum:24}", "/u/{word}", "/spaces/invites/{word}"],
        )],
    ),
    service(
        "freeconferencecall",
        "FreeConferenceCall.com",
        &[
            room(&["join.freeconferencecall.com"], &["/{room}"]),
            room(&["freeconferencecall.com", "www.freeconferencecall.com"], &["/wall/{word}"]),
            never(&["freeconferencecall.com", "www.freeconferencecall.com"], &["/wall/{word}/**"]),
        ],
    ),
    service(
        "vowel",
        "Vowel",
        &[meeting(&["vowel.com", "*.vowel.com"], &["/#/g/{word}", "/#/g/**", "/g/{word}"])],
    ),
    service(
        "preply",
        "Preply",
        &[meeting(
            &["preply.com"],
            &["/*/lesson/{word}", "/lesson/{word}", "/*/classroom/{word}", "/*/lesson-room/{word}"],
        )],
    ),
    service(
        "demodesk",
        "Demodesk",
        &[
            never(&["www.demodesk.com", "help.demodesk.com", "developers.demodesk.com"], &["/**"]),
            meeting(
                &["demodesk.com", "*.demodesk.com"],
                &["/meet/{word}", "/join/{word}", "/{token:6-40}", "/{room}/{token:4-40}"],
            ),
        ],
    ),
    service(
        "veeting",
        "Veeting",
        &[meeting(&["*.veeting.com", "rooms.veeting.com"], &["/j/{word}", "/m/{word}"])],
    ),
    service("jam", "Jam", &[meeting(&["jam.systems"], &["/{room}"])]),
    service("userzoom", "UserZoom", &[event(&["go.userzoom.com"], &["/participate/{word}"])]),
];
