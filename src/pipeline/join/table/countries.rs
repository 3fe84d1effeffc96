//! Services that one part of the world uses most.

use super::{Service, event, meeting, never, service};

pub(super) const ALL: &[Service] = &[
    service(
        "tencent",
        "Tencent Meeting",
        &[
            meeting(&["meeting.tencent.com"], &["/dm/{word}", "/p/{digits:9-12}", "/s/{word}"]),
            meeting(
                &["meeting.tencent.com"],
                &["/dw/{word}", "/l/{word}", "/u-download/**?meeting_code"],
            ),
            never(&["meeting.tencent.com"], &["/crm/**", "/v2/cloud-record/**", "/cw/**"]),
        ],
    ),
    service(
        "voov",
        "VooV Meeting",
        &[meeting(
            &["voovmeeting.com", "www.voovmeeting.com", "meeting.voovmeeting.com"],
            &["/dm/{word}", "/dw/{word}", "/p/{digits:9-12}", "/s/{word}", "/l/{word}"],
        )],
    ),
    service(
        "dingtalk",
        "DingTalk",
        &[meeting(&["meeting.dingtalk.com"], &["/j/{word}", "/m/{word}"])],
    ),
    service(
        "feishu",
        "Feishu",
        &[meeting(&["vc.feishu.cn", "*.vc.feishu.cn"], &["/j/{digits:9-10}", "/p/{word}"])],
    ),
    service(
        "lark",
        "Lark",
        &[meeting(
            &["vc.larksuite.com", "*.vc.larksuite.com", "vc-jp.larksuite.com"],
            &["/j/{digits:9-10}", "/p/{word}"],
        )],
    ),
    service(
        "huawei",
        "Huawei Cloud Meeting",
        &[
            meeting(
                &["meeting.huaweicloud.com", "*.meeting.huaweicloud.com", "welink.huaweicloud.com"],
                &["/#/j/**", "/**#/j/**", "/j/{word}"],
            ),
            meeting(&["bmeeting.huaweicloud.com"], &["/#/j/**", "/j/**"]),
        ],
    ),
    service(
        "zhumu",
        "Zhumu",
        &[meeting(&["welink.zhumu.com", "*.zhumu.com"], &["/j/{digits:9-11}"])],
    ),
    service(
        "telemost",
        "Yandex Telemost",
        &[
            meeting(
                &[
                    "telemost.yandex.ru",
                    "telemost.yandex.com",
                    "telemost.360.yandex.ru",
                    "telemost.360.yandex.com",
                ],
                &["/j/{digits:6-20}"],
            ),
            event(&["telemost.yandex.ru"], &["/live/{word}"]),
        ],
    ),
    service(
        "sberjazz",
        "SberJazz",
        &[meeting(
            &["jazz.sber.ru", "salutejazz.ru", "*.salutejazz.ru"],
            &[
                "/{room}?psw",
                "/calls/{word}",
                "/call/{word}/{word}",
                "/#/calls/{word}",
                "/{token:6-10}",
            ],
        )],
    ),
    service(
        "vk-calls",
        "VK Calls",
        &[meeting(
            &["vk.com", "m.vk.com", "vk.ru", "calls.vk.com", "vk.me"],
            &["/call/join/{word}", "/call/{digits:6-20}"],
        )],
    ),
    service(
        "kontur-talk",
        "Kontur Talk",
        &[
            never(&["ktalk.ru", "*.ktalk.ru", "talk.kontur.ru"], &["/recordings/**", "/system/**"]),
            meeting(&["ktalk.ru", "*.ktalk.ru", "talk.kontur.ru"], &["/{room}"]),
        ],
    ),
    service("kmeet", "kMeet", &[meeting(&["kmeet.infomaniak.com"], &["/{room}"])]),
    service(
        "bbcollaborate",
        "Blackboard Collaborate",
        &[
            never(&["*.bbcollab.com"], &["/recording/**", "/collab/ui/session/playback/**"]),
            meeting(
                &["*.bbcollab.com", "bbcollab.com"],
                &[
                    "/guest/{word}",
                    "/invite/{word}",
                    "/launch/{word}",
                    "/collab/ui/session/guest/{word}",
                    "/collab/ui/session/join/{word}",
                ],
            ),
        ],
    ),
    service(
        "rainbow",
        "Rainbow",
        &[meeting(
            &["meet.openrainbow.com", "web.openrainbow.com", "meet.openrainbow.net"],
            &["/{alnum:20-40}", "/#/join/{word}"],
        )],
    ),
    service(
        "wildix",
        "Wildix",
        &[
            meeting(&["wizyconf.com", "*.wizyconf.com"], &["/{room}", "/kite/{word}"]),
            meeting(
                &["*.wildixin.com"],
                &["/conference/{word}", "/kite/{word}", "/web-conference/{word}"],
            ),
        ],
    ),
    service(
        "unify-circuit",
        "Circuit",
        &[meeting(
            &["eu.yourcircuit.com", "na.yourcircuit.com", "beta.circuit.com"],
            &["/guest?token", "/#/conversation/{word}"],
        )],
    ),
    service(
        "jiomeet",
        "JioMeet",
        &[meeting(
            &["jiomeetpro.jio.com", "jiomeet.jio.com"],
            &["/shortener?meetingId", "/shortener", "/guest?meetingId", "/conference?meetingId"],
        )],
    ),
    service(
        "zoho",
        "Zoho Meeting",
        &[
            meeting(
                &[
                    "meet.zoho.com",
                    "meet.zoho.eu",
                    "meet.zoho.in",
                    "meet.zoho.com.au",
                    "meet.zoho.jp",
                ],
                &["/{word}", "/{word}/{word}"],
            ),
            meeting(
                &[
                    "meeting.zoho.com",
                    "meeting.zoho.eu",
                    "meeting.zoho.in",
                    "meeting.zoho.com.au",
                    "meeting.zoho.jp",
                ],
                &["/meeting/join?key", "/join?key", "/meeting/{digits:6-12}", "/join/{word}"],
            ),
            meeting(&["cliq.zoho.com", "cliq.zoho.eu", "cliq.zoho.in"], &["/meetings/{word}"]),
        ],
    ),
];
