//! Services whose rooms are always open: chats with a voice channel, offices and places to meet.

use super::{Service, event, meeting, never, room, service};

pub(super) const ALL: &[Service] = &[
    service(
        "discord",
        "Discord",
        &[
            room(&["discord.gg"], &["/{word}"]),
            room(
                &["discord.com", "www.discord.com", "canary.discord.com", "discordapp.com"],
                &["/channels/{digits:15-22}/{digits:15-22}", "/invite/{word}"],
            ),
            event(&["discord.com"], &["/events/{digits:15-22}/{digits:15-22}"]),
        ],
    ),
    service(
        "slack",
        "Slack huddle",
        &[meeting(&["app.slack.com", "*.slack.com"], &["/huddle/{word}/{word}"])],
    ),
    service(
        "gather",
        "Gather",
        &[
            never(&["gather.town", "www.gather.town", "support.gather.town"], &["/download/**"]),
            room(
                &["app.gather.town", "gather.town", "app.v2.gather.town"],
                &["/app/{word}/{word}", "/i/{word}", "/invite?token"],
            ),
        ],
    ),
    service(
        "kumospace",
        "Kumospace",
        &[
            never(
                &["kumospace.com", "www.kumospace.com"],
                &["/help/**", "/blog/**", "/virtual-office/**"],
            ),
            room(&["kumospace.com", "www.kumospace.com"], &["/{room}", "/{room}/{word}"]),
        ],
    ),
    service(
        "spatialchat",
        "SpatialChat",
        &[room(&["app.spatial.chat", "spatial.chat"], &["/s/{word}"])],
    ),
    service(
        "butter",
        "Butter",
        &[room(
            &["app.butter.us", "app.butter.com", "join.butter.us"],
            &["/{room}", "/{room}/{word}"],
        )],
    ),
    service(
        "wonder",
        "Wonder",
        &[room(&["app.wonder.me", "www.wonder.me"], &["/r?id", "/?spaceId"])],
    ),
    service("sococo", "Sococo", &[room(&["app.sococo.com"], &["/a/{word}", "/guest/{word}"])]),
    service("roam", "Roam", &[room(&["ro.am"], &["/r/**", "/{room}/{word}"])]),
    service(
        "telegram",
        "Telegram",
        &[event(
            &["t.me", "telegram.me"],
            &["/{word}?videochat=", "/{word}?livestream=", "/{word}?voicechat=", "/call/{word}"],
        )],
    ),
];
