//! What organisations run on hosts of their own, known by the shape of the address. Each has its
//! own hosts as well, which stand before.

use super::{Service, meeting, never, room, service};

pub(super) const ALL: &[Service] = &[
    service(
        "jitsi",
        "Jitsi Meet",
        &[
            meeting(
                &["meet.jit.si", "beta.meet.jit.si", "alpha.jitsi.net"],
                &["/{room}", "/{room}/{room}"],
            ),
            meeting(&["moderated.jitsi.net"], &["/{word}"]),
            meeting(
                &[
                    "fairmeeting.net",
                    "meet.ffmuc.net",
                    "meet.freifunk.net",
                    "framatalk.org",
                    "meet.systemli.org",
                    "kmeet.infomaniak.net",
                    "meet.hostpoint.ch",
                ],
                &["/{room}"],
            ),
            meeting(&["jitsi.*", "*.jitsi.*", "jitsi-meet.*"], &["/{room}"]),
        ],
    ),
    service(
        "bigbluebutton",
        "BigBlueButton",
        &[
            meeting(
                &["*"],
                &[
                    "/b/{alnum:3}-{alnum:3}-{alnum:3}",
                    "/b/{alnum:3}-{alnum:3}-{alnum:3}-{alnum:3}",
                    "/gl/{alnum:3}-{alnum:3}-{alnum:3}",
                    "/gl/{alnum:3}-{alnum:3}-{alnum:3}-{alnum:3}",
                    "/rooms/{alnum:3}-{alnum:3}-{alnum:3}/join",
                    "/rooms/{alnum:3}-{alnum:3}-{alnum:3}-{alnum:3}/join",
                    "/rooms/{alnum:3}-{alnum:3}-{alnum:3}-{alnum:3}",
                    "/bigbluebutton/api/join?meetingID&checksum",
                ],
            ),
            never(&["*"], &["/playback/presentation/**"]),
            meeting(&["senfcall.de", "www.senfcall.de"], &["/{room}"]),
            meeting(&["bbb.*", "*.bbb.*", "bigbluebutton.*"], &["/b/{word}", "/rooms/{word}/join"]),
        ],
    ),
    Service {
        dials: &["pexip.me", "*.pexip.me"],
        ..service(
            "pexip",
            "Pexip",
            &[
                never(&["pexip.me"], &["/teams/**"]),
                meeting(&["pexip.me", "*.pexip.me"], &["/meet/{word}", "/{room}"]),
                meeting(
                    &["*"],
                    &[
                        "/webapp#/?conference",
                        "/webapp?conference",
                        "/webapp/home?conference",
                        "/webapp/conference/{word}",
                        "/webapp/conference?name",
                        "/webapp/m/{word}",
                        "/webapp2/m/{word}",
                        "/webapp2/conference/{word}",
                        "/webapp3/m/{word}",
                        "/webapp3/*/m/{word}",
                        "/webapp3/m/{word}/**",
                    ],
                ),
            ],
        )
    },
    service(
        "skype-for-business",
        "Skype for Business",
        &[
            meeting(
                &["meet.lync.com"],
                &["/{word}/{word}/{word}", "/onmicrosoft/{word}/{word}/{word}"],
            ),
            meeting(
                &["meet.*", "join.*", "lync.*", "skype.*", "sfb.*", "*.lync.*"],
                &[
                    "/{word}/{caps:5-10}",
                    "/meet/{word}/{caps:5-10}",
                    "/{word}/meet/{word}/{caps:5-10}",
                ],
            ),
            never(&["dialin.*", "dialin.lync.com"], &["/**"]),
        ],
    ),
    service(
        "nextcloud-talk",
        "Nextcloud Talk",
        &[
            meeting(&["*"], &["/index.php/call/{alnum:4-32}", "/call/{token:8}"]),
            meeting(
                &["cloud.*", "nextcloud.*", "*.nextcloud.*", "nc.*", "talk.*", "files.*"],
                &["/call/{alnum:4-32}"],
            ),
        ],
    ),
    service(
        "trueconf",
        "TrueConf",
        &[
            meeting(
                &["trueconf.com", "*.trueconf.com", "trueconf.ru", "*.trueconf.ru"],
                &["/c/{word}", "/webrtc/{word}"],
            ),
            meeting(&["trueconf.*", "*.trueconf.*"], &["/c/{word}", "/webrtc/{word}"]),
            meeting(&["*.trueconf.net", "*.trueconf.name"], &["/c/{word}", "/webrtc/{word}"]),
        ],
    ),
    service(
        "opentalk",
        "OpenTalk",
        &[meeting(
            &["meet.opentalk.eu", "opentalk.*", "*.opentalk.*"],
            &["/room/{word}", "/invite/{word}"],
        )],
    ),
    service(
        "element-call",
        "Element Call",
        &[
            meeting(&["call.element.io"], &["/{room}", "/room#/{word}", "/room#/?roomId"]),
            meeting(&["call.element.*"], &["/{room}", "/room#/{word}"]),
        ],
    ),
    Service {
        dials: &["*.vidyocloud.com"],
        ..service(
            "vidyo",
            "Vidyo",
            &[
                meeting(&["*.vidyocloud.com", "*.vidyoconnect.com"], &["/join/{word}"]),
                meeting(&["*"], &["/flex.html?key"]),
            ],
        )
    },
    Service {
        dials: &[],
        ..service(
            "cisco-meeting-server",
            "Cisco Meeting Server",
            &[meeting(
                &["*"],
                &["/meeting/{digits:4-12}?secret", "/invited.sf?secret&id", "/invited.sf?id"],
            )],
        )
    },
    service(
        "3cx",
        "3CX",
        &[
            meeting(
                &["*.3cx.net", "*.3cx.eu", "*.3cx.us", "*.3cx.asia", "*.my3cx.de", "*.my3cx.com"],
                &["/meet/{word}", "/join/{word}", "/webmeeting/{word}", "/open/{word}"],
            ),
            meeting(&["mcu.3cx.net", "*.mcu.3cx.net"], &["/{word}"]),
        ],
    ),
    service(
        "wire",
        "Wire",
        &[room(&["account.wire.com", "app.wire.com"], &["/conversation-join?key&code"])],
    ),
];
