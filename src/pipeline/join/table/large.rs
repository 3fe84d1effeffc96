//! The services that most invitations have.

use super::{Service, event, meeting, never, room, service};

const TEAMS: &[&str] = &[
    "teams.microsoft.com",
    "teams.cloud.microsoft",
    "gov.teams.microsoft.us",
    "dod.teams.microsoft.us",
    "teams.microsoftonline.cn",
];

const ZOOM: &[&str] = &[
    "zoom.us",
    "*.zoom.us",
    "zoom.com",
    "*.zoom.com",
    "zoom.com.cn",
    "*.zoom.com.cn",
    "zoom-x.de",
    "*.zoom-x.de",
];

const ZOOM_MEETINGS: &[&str] = &[
    "/j/{digits:9-12}",
    "/j/{digits:9-12}/**",
    "/w/{digits:9-12}",
    "/s/{digits:9-12}",
    "/wc/join/{digits:9-12}",
    "/wc/{digits:9-12}/join",
    "/wc/{digits:9-12}",
    "/join?confno",
];

pub(super) const ALL: &[Service] = &[
    Service {
        dials: &["webex.com", "*.webex.com"],
        ..service(
            "webex",
            "Webex",
            &[
                never(
                    &["webex.com", "www.webex.com", "help.webex.com", "signin.webex.com"],
                    &["/msteams/**", "/test-meeting.html/**", "/downloads/**"],
                ),
                meeting(
                    &["*.webex.com", "webex.com", "*.webex.com.cn", "*.webexgov.us"],
                    &[
                        "/*/j.php?MTID",
                        "/j.php?MTID",
                        "/*/k2/j.php?MTID",
                        "/wbxmjs/joinservice/**",
                        "/m/{word}",
                        "/webappng/sites/*/meeting/**",
                        "/meeting/{word}",
                        "/*/v1/talk?int",
                    ],
                ),
                event(
                    &["*.webex.com", "*.webexgov.us"],
                    &["/*/onstage/g.php?MTID", "/*/e.php?MTID"],
                ),
                room(
                    &["*.webex.com", "*.webexgov.us"],
                    &["/meet/{word}", "/join/{word}", "/webappng/sites/*/dashboard/pmr/{word}"],
                ),
            ],
        )
    },
    Service {
        dials: &["zoomcrc.com", "*.zoomcrc.com", "zmeu.us", "*.zmeu.us"],
        ..service(
            "zoom",
            "Zoom",
            &[
                meeting(ZOOM, ZOOM_MEETINGS),
                event(ZOOM, &["/ejl/**", "/wl/{word}"]),
                room(ZOOM, &["/my/{word}"]),
                room(&["*.zm.page"], &["/**"]),
            ],
        )
    },
    service(
        "zoom-gov",
        "Zoom for Government",
        &[
            meeting(&["zoomgov.com", "*.zoomgov.com"], ZOOM_MEETINGS),
            room(&["zoomgov.com", "*.zoomgov.com"], &["/my/{word}"]),
        ],
    ),
    Service {
        dials: &["t.plcm.vc", "*.onpexip.com", "m.webex.com", "teams.bjn.vc"],
        ..service(
            "teams",
            "Microsoft Teams",
            &[
                meeting(
                    TEAMS,
                    &[
                        "/l/meetup-join/*/**",
                        "/_#/l/meetup-join/*/**",
                        "/v2#/l/meetup-join/*/**",
                        "/v2#/meet/*",
                        "/meet/{digits:9-16}",
                        "/dl/launcher/launcher.html?url",
                    ],
                ),
                meeting(
                    &["teams.live.com"],
                    &["/meet/{digits:9-16}", "/l/meetup-join/*/**", "/_#/meet/{digits:9-16}"],
                ),
            ],
        )
    },
    service(
        "google-meet",
        "Google Meet",
        &[
            meeting(
                &["meet.google.com"],
                &[
                    "/{letters:3}-{letters:4}-{letters:3}",
                    "/_meet/{letters:3}-{letters:4}-{letters:3}",
                    "/lookup/{word}",
                ],
            ),
            room(&["g.co"], &["/meet/{word}"]),
            event(&["stream.meet.google.com"], &["/stream/{word}"]),
            meeting(&["duo.app.goo.gl", "meet.app.goo.gl"], &["/{word}"]),
            never(&["tel.meet"], &["/**"]),
        ],
    ),
    service(
        "hangouts",
        "Google Hangouts",
        &[
            meeting(&["hangouts.google.com"], &["/hangouts/_/**", "/call/{word}"]),
            meeting(&["plus.google.com", "talkgadget.google.com"], &["/hangouts/_/**"]),
        ],
    ),
    service(
        "goto",
        "GoTo Meeting",
        &[
            meeting(
                &["gotomeeting.com", "*.gotomeeting.com"],
                &["/join/{digits:9-11}", "/meet/{digits:9-11}"],
            ),
            meeting(&["app.gotomeeting.com"], &["/?meetingId", "/index.html?meetingId"]),
            meeting(&["app.goto.com"], &["/meeting/{word}", "/meet/{word}"]),
            meeting(&["meet.goto.com"], &["/{digits:9-11}"]),
            never(&["meet.goto.com"], &["/install/**", "/systemtest/**"]),
            room(&["meet.goto.com", "gotomeet.me", "www.gotomeet.me"], &["/{room}"]),
        ],
    ),
    Service {
        dials: &["sip.rcv.com"],
        ..service(
            "ringcentral",
            "RingCentral",
            &[
                meeting(
                    &["meetings.ringcentral.com", "webinar.ringcentral.com"],
                    &["/j/{digits:9-12}", "/w/{digits:9-12}"],
                ),
                meeting(
                    &["v.ringcentral.com", "video.ringcentral.com", "*.ringcentral.com"],
                    &["/join/{word}", "/conf/on/{word}"],
                ),
                meeting(
                    &[
                        "meetings.btcloudphone.bt.com",
                        "meetings.businessconnect.telus.com",
                        "meetings-officeathand.att.com",
                        "meetings.officeathand.att.com",
                        "video.unifyoffice.com",
                    ],
                    &["/j/{digits:9-12}", "/join/{word}"],
                ),
            ],
        )
    },
    service(
        "chime",
        "Amazon Chime",
        &[
            meeting(&["chime.aws", "*.chime.aws"], &["/{digits:10}", "/meetings/{digits:10}"]),
            never(&["chime.aws", "*.chime.aws"], &["/dialinnumbers/**"]),
            room(&["chime.aws"], &["/{room}"]),
        ],
    ),
    Service {
        dials: &["bjn.vc", "*.bjn.vc"],
        ..service(
            "bluejeans",
            "BlueJeans",
            &[
                meeting(
                    &["bluejeans.com", "*.bluejeans.com"],
                    &[
                        "/{digits:6-12}",
                        "/{digits:6-12}/{digits:3-8}",
                        "/{digits:6-12}/{digits:3-8}/{word}",
                        "/{digits:6-12}/webrtc",
                        "/{digits:6-12}/browser",
                    ],
                ),
                event(&["primetime.bluejeans.com"], &["/a2m/live-event/{word}"]),
            ],
        )
    },
    Service {
        dials: &["starleaf.com", "*.starleaf.com", "call.sl", "*.call.sl"],
        ..service(
            "starleaf",
            "StarLeaf",
            &[meeting(
                &["meet.starleaf.com"],
                &["/{digits:6-12}", "/{digits:6-12}/app", "/{digits:6-12}/{word}"],
            )],
        )
    },
    Service {
        dials: &["lifesizecloud.com", "lifesize.com"],
        ..service(
            "lifesize",
            "Lifesize",
            &[meeting(
                &["call.lifesizecloud.com", "call.lifesize.com", "webrtc.lifesizecloud.com"],
                &["/{digits:4-10}", "/otm/{word}", "/guest/{digits:4-10}"],
            )],
        )
    },
    service(
        "whereby",
        "Whereby",
        &[
            never(
                &["whereby.com", "*.whereby.com", "appear.in"],
                &["/user/**", "/information/**", "/org/**"],
            ),
            room(&["whereby.com", "*.whereby.com", "appear.in"], &["/{room}"]),
        ],
    ),
    service(
        "skype",
        "Skype",
        &[meeting(&["join.skype.com"], &["/{word}", "/invite/{word}", "/meetup/{word}"])],
    ),
    service("facetime", "FaceTime", &[meeting(&["facetime.apple.com"], &["/join#v&p", "/join#v"])]),
    service(
        "8x8",
        "8x8 Meet",
        &[
            meeting(&["8x8.vc"], &["/{word}/{room}"]),
            room(&["8x8.vc", "meet.8x8.com"], &["/{room}"]),
            meeting(&["meet.8x8.com"], &["/{word}/{room}"]),
        ],
    ),
];
