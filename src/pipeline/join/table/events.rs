//! Services for webinars, events and studios.

use super::{Service, event, never, room, service};

pub(super) const ALL: &[Service] = &[
    service(
        "gotowebinar",
        "GoTo Webinar",
        &[
            event(
                &["*.gotowebinar.com"],
                &["/join/{digits:9-20}", "/join/{digits:9-20}/{digits:6-20}"],
            ),
            never(&["*.gotowebinar.com"], &["/register/**", "/recording/**", "/webinar/**"]),
        ],
    ),
    service(
        "clickmeeting",
        "ClickMeeting",
        &[
            never(
                &[
                    "www.clickmeeting.com",
                    "account-panel.clickmeeting.com",
                    "knowledge.clickmeeting.com",
                    "help.clickmeeting.com",
                    "blog.clickmeeting.com",
                ],
                &["/**"],
            ),
            never(&["*.clickmeeting.com"], &["/*/register", "/webinar-recording/**"]),
            room(&["*.clickmeeting.com"], &["/{room}", "/{room}/{word}"]),
        ],
    ),
    service(
        "adobe-connect",
        "Adobe Connect",
        &[
            never(&["*.adobeconnect.com"], &["/common/help/**", "/system/**", "/admin/**"]),
            room(&["*.adobeconnect.com"], &["/{room}", "/{room}/event/login.html"]),
        ],
    ),
    service(
        "livestorm",
        "Livestorm",
        &[event(
            &["app.livestorm.co", "app.livestorm.com"],
            &["/p/{word}/live", "/p/{word}", "/*/*/live?s", "/*/*/live"],
        )],
    ),
    service("demio", "Demio", &[event(&["event.demio.com"], &["/ref/{word}", "/{word}?token"])]),
    service(
        "bigmarker",
        "BigMarker",
        &[
            never(&["www.bigmarker.com"], &["/conferences/*/recording", "/recordings/**"]),
            event(
                &["bigmarker.com", "www.bigmarker.com"],
                &["/conferences/{word}/{word}", "/conferences/{word}", "/conference_room/{word}"],
            ),
        ],
    ),
    service(
        "livewebinar",
        "LiveWebinar",
        &[event(
            &["app.livewebinar.com", "embed.archiebot.com"],
            &[
                "/{digits:3}-{digits:3}-{digits:3}",
                "/{digits:3}-{digits:3}-{digits:3}/{word}",
                "/{digits:6-12}",
            ],
        )],
    ),
    service(
        "webinarjam",
        "WebinarJam",
        &[event(
            &["event.webinarjam.com"],
            &["/go/live/**", "/t/click/**", "/*/go/live/**", "/{word}/go/{word}"],
        )],
    ),
    service(
        "airmeet",
        "Airmeet",
        &[event(
            &["airmeet.com", "www.airmeet.com"],
            &["/e/{word}", "/event/{word}", "/*/join/{word}"],
        )],
    ),
    service(
        "hopin",
        "Hopin",
        &[event(
            &["hopin.com", "app.hopin.com", "events.ringcentral.com"],
            &["/events/{word}", "/events/{word}/**"],
        )],
    ),
    service(
        "remo",
        "Remo",
        &[event(&["live.remo.co", "*.remo.co"], &["/e/{word}", "/event/{word}"])],
    ),
    service(
        "crowdcast",
        "Crowdcast",
        &[event(
            &["crowdcast.io", "www.crowdcast.io"],
            &["/e/{word}", "/e/{word}/{digits:1-4}", "/c/{word}"],
        )],
    ),
    service("luma", "Luma", &[event(&["lu.ma", "luma.com"], &["/join/{word}", "/join/**"])]),
    service(
        "streamyard",
        "StreamYard",
        &[event(
            &["streamyard.com", "www.streamyard.com"],
            &["/{token:8-13}", "/guest/{alnum:8-13}", "/watch/{word}"],
        )],
    ),
    service(
        "riverside",
        "Riverside",
        &[event(&["riverside.fm", "riverside.com", "www.riverside.fm"], &["/studio/{word}"])],
    ),
    service(
        "on24",
        "ON24",
        &[event(
            &["event.on24.com", "*.on24.com"],
            &["/wcc/r/**", "/eventRegistration/EventLobbyServlet?eventid", "/view/**?eventid"],
        )],
    ),
    service("venue", "Venue", &[event(&["app.venue.live"], &["/app/{word}"])]),
    service(
        "goldcast",
        "Goldcast",
        &[event(&["events.goldcast.io"], &["/series/{word}/**?token", "/live-event/{word}"])],
    ),
    service(
        "zoho-webinar",
        "Zoho Webinar",
        &[event(
            &["webinar.zoho.com", "webinar.zoho.eu", "webinar.zoho.in"],
            &["/webinar/join?key", "/meeting/attendee?key", "/join/{word}"],
        )],
    ),
    service(
        "webinar-ru",
        "MTS Link",
        &[event(
            &["events.webinar.ru", "my.mts-link.ru", "events.mts-link.ru"],
            &[
                "/j/{digits:4-12}/{digits:4-14}",
                "/j/{digits:4-12}/{digits:4-14}/**",
                "/{word}/{digits:4-14}",
            ],
        )],
    ),
    service(
        "ovice",
        "oVice",
        &[
            never(&["www.ovice.com", "ovice.com", "help.ovice.com", "www.ovice.in"], &["/**"]),
            room(&["*.ovice.in", "*.ovice.com"], &["/{room}", "/@{word}", "/"]),
        ],
    ),
    service("teemyco", "Teemyco", &[room(&["app.teemyco.com"], &["/room/{word}"])]),
];
