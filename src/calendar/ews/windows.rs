//! Time zones by the names that Windows has for them, from those of the IANA database, as the
//! Unicode CLDR relates them (`windowsZones`).

/// Windows' name, and the IANA names that CLDR or a link of the database lead there. Zones that
/// nobody lives in are left out.
const ZONES: &[(&str, &str)] = &[
    ("Dateline Standard Time", "Etc/GMT+12"),
    ("UTC-11", "Pacific/Pago_Pago Pacific/Niue Pacific/Midway Pacific/Samoa US/Samoa Etc/GMT+11"),
    ("Aleutian Standard Time", "America/Adak America/Atka US/Aleutian"),
    (
        "Hawaiian Standard Time",
        "Pacific/Honolulu Pacific/Rarotonga Pacific/Tahiti Pacific/Johnston US/Hawaii HST \
         Etc/GMT+10",
    ),
    ("Marquesas Standard Time", "Pacific/Marquesas"),
    (
        "Alaskan Standard Time",
        "America/Anchorage America/Juneau America/Metlakatla America/Nome America/Sitka \
         America/Yakutat US/Alaska",
    ),
    ("UTC-09", "Pacific/Gambier Etc/GMT+9"),
    (
        "Pacific Standard Time (Mexico)",
        "America/Tijuana America/Ensenada America/Santa_Isabel Mexico/BajaNorte",
    ),
    ("UTC-08", "Pacific/Pitcairn Etc/GMT+8"),
    (
        "Pacific Standard Time",
        "America/Los_Angeles America/Vancouver US/Pacific Canada/Pacific PST8PDT",
    ),
    (
        "US Mountain Standard Time",
        "America/Phoenix America/Creston America/Dawson_Creek America/Fort_Nelson \
         America/Hermosillo US/Arizona MST Etc/GMT+7",
    ),
    ("Mountain Standard Time (Mexico)", "America/Mazatlan Mexico/BajaSur"),
    (
        "Mountain Standard Time",
        "America/Denver America/Edmonton America/Boise America/Cambridge_Bay America/Inuvik \
         America/Ciudad_Juarez America/Yellowknife America/Shiprock US/Mountain Canada/Mountain \
         Navajo MST7MDT",
    ),
    ("Yukon Standard Time", "America/Whitehorse America/Dawson Canada/Yukon"),
    (
        "Central America Standard Time",
        "America/Guatemala America/Belize America/Costa_Rica America/El_Salvador \
         America/Managua America/Tegucigalpa Pacific/Galapagos Etc/GMT+6",
    ),
    (
        "Central Standard Time",
        "America/Chicago America/Winnipeg America/Indiana/Knox America/Indiana/Tell_City \
         America/Matamoros America/Menominee America/North_Dakota/Beulah \
         America/North_Dakota/Center America/North_Dakota/New_Salem America/Ojinaga \
         America/Rainy_River America/Rankin_Inlet America/Resolute US/Central Canada/Central \
         CST6CDT",
    ),
    ("Easter Island Standard Time", "Pacific/Easter Chile/EasterIsland"),
    (
        "Central Standard Time (Mexico)",
        "America/Mexico_City America/Bahia_Banderas America/Chihuahua America/Merida \
         America/Monterrey Mexico/General",
    ),
    ("Canada Central Standard Time", "America/Regina America/Swift_Current Canada/Saskatchewan"),
    (
        "SA Pacific Standard Time",
        "America/Bogota America/Lima America/Cayman America/Coral_Harbour America/Atikokan \
         America/Eirunepe America/Guayaquil America/Jamaica America/Panama America/Rio_Branco \
         Jamaica EST Etc/GMT+5",
    ),
    ("Eastern Standard Time (Mexico)", "America/Cancun"),
    (
        "Eastern Standard Time",
        "America/New_York America/Toronto America/Detroit America/Nassau America/Iqaluit \
         America/Montreal America/Nipigon America/Pangnirtung America/Thunder_Bay \
         America/Indiana/Petersburg America/Indiana/Vincennes America/Indiana/Winamac \
         America/Kentucky/Louisville America/Kentucky/Monticello America/Louisville US/Eastern \
         US/Michigan Canada/Eastern EST5EDT",
    ),
    ("Haiti Standard Time", "America/Port-au-Prince"),
    ("Cuba Standard Time", "America/Havana Cuba"),
    (
        "US Eastern Standard Time",
        "America/Indianapolis America/Indiana/Indianapolis America/Indiana/Marengo \
         America/Indiana/Vevay America/Fort_Wayne US/East-Indiana",
    ),
    ("Turks And Caicos Standard Time", "America/Grand_Turk"),
    ("Paraguay Standard Time", "America/Asuncion"),
    (
        "Atlantic Standard Time",
        "America/Halifax Atlantic/Bermuda America/Glace_Bay America/Goose_Bay America/Moncton \
         America/Thule Canada/Atlantic",
    ),
    ("Venezuela Standard Time", "America/Caracas"),
    ("Central Brazilian Standard Time", "America/Cuiaba America/Campo_Grande"),
    (
        "SA Western Standard Time",
        "America/La_Paz America/Anguilla America/Antigua America/Aruba America/Barbados \
         America/Blanc-Sablon America/Boa_Vista America/Curacao America/Dominica \
         America/Grenada America/Guadeloupe America/Guyana America/Kralendijk \
         America/Lower_Princes America/Manaus America/Marigot America/Martinique \
         America/Montserrat America/Port_of_Spain America/Porto_Velho America/Puerto_Rico \
         America/Santo_Domingo America/St_Barthelemy America/St_Kitts America/St_Lucia \
         America/St_Thomas America/St_Vincent America/Tortola America/Virgin Brazil/West \
         Etc/GMT+4",
    ),
    ("Pacific SA Standard Time", "America/Santiago Chile/Continental"),
    ("Newfoundland Standard Time", "America/St_Johns Canada/Newfoundland"),
    ("Tocantins Standard Time", "America/Araguaina"),
    ("E. South America Standard Time", "America/Sao_Paulo Brazil/East"),
    (
        "SA Eastern Standard Time",
        "America/Cayenne America/Belem America/Fortaleza America/Maceio America/Paramaribo \
         America/Recife America/Santarem Antarctica/Palmer Antarctica/Rothera Atlantic/Stanley \
         America/Coyhaique Etc/GMT+3",
    ),
    (
        "Argentina Standard Time",
        "America/Buenos_Aires America/Argentina/Buenos_Aires America/Argentina/Catamarca \
         America/Argentina/Cordoba America/Argentina/Jujuy America/Argentina/La_Rioja \
         America/Argentina/Mendoza America/Argentina/Rio_Gallegos America/Argentina/Salta \
         America/Argentina/San_Juan America/Argentina/San_Luis America/Argentina/Tucuman \
         America/Argentina/Ushuaia America/Catamarca America/Cordoba America/Jujuy \
         America/Mendoza America/Rosario",
    ),
    ("Greenland Standard Time", "America/Godthab America/Nuuk America/Scoresbysund"),
    ("Montevideo Standard Time", "America/Montevideo"),
    ("Magallanes Standard Time", "America/Punta_Arenas"),
    ("Saint Pierre Standard Time", "America/Miquelon"),
    ("Bahia Standard Time", "America/Bahia"),
    ("UTC-02", "America/Noronha Atlantic/South_Georgia Brazil/DeNoronha Etc/GMT+2"),
    ("Azores Standard Time", "Atlantic/Azores"),
    ("Cape Verde Standard Time", "Atlantic/Cape_Verde Etc/GMT+1"),
    (
        "UTC",
        "UTC Etc/UTC Etc/UCT Etc/GMT Etc/Greenwich Etc/Universal Etc/Zulu GMT UCT Universal \
         Zulu Greenwich America/Danmarkshavn",
    ),
    (
        "GMT Standard Time",
        "Europe/London Europe/Dublin Europe/Lisbon Europe/Belfast Europe/Guernsey \
         Europe/Isle_of_Man Europe/Jersey Atlantic/Canary Atlantic/Faeroe Atlantic/Faroe \
         Atlantic/Madeira GB GB-Eire Eire Portugal WET",
    ),
    (
        "Greenwich Standard Time",
        "Atlantic/Reykjavik Africa/Abidjan Africa/Accra Africa/Bamako Africa/Banjul \
         Africa/Bissau Africa/Conakry Africa/Dakar Africa/Freetown Africa/Lome \
         Africa/Monrovia Africa/Nouakchott Africa/Ouagadougou Africa/Timbuktu \
         Atlantic/St_Helena Iceland",
    ),
    ("Sao Tome Standard Time", "Africa/Sao_Tome"),
    ("Morocco Standard Time", "Africa/Casablanca Africa/El_Aaiun"),
    (
        "W. Europe Standard Time",
        "Europe/Berlin Europe/Amsterdam Europe/Andorra Europe/Busingen Europe/Gibraltar \
         Europe/Luxembourg Europe/Malta Europe/Monaco Europe/Oslo Europe/Rome \
         Europe/San_Marino Europe/Stockholm Europe/Vaduz Europe/Vatican Europe/Vienna \
         Europe/Zurich Arctic/Longyearbyen Atlantic/Jan_Mayen CET MET",
    ),
    (
        "Central Europe Standard Time",
        "Europe/Budapest Europe/Belgrade Europe/Bratislava Europe/Ljubljana Europe/Podgorica \
         Europe/Prague Europe/Tirane",
    ),
    (
        "Romance Standard Time",
        "Europe/Paris Europe/Brussels Europe/Copenhagen Europe/Madrid Africa/Ceuta",
    ),
    (
        "Central European Standard Time",
        "Europe/Warsaw Europe/Sarajevo Europe/Skopje Europe/Zagreb Poland",
    ),
    (
        "W. Central Africa Standard Time",
        "Africa/Lagos Africa/Algiers Africa/Bangui Africa/Brazzaville Africa/Douala \
         Africa/Kinshasa Africa/Libreville Africa/Luanda Africa/Malabo Africa/Ndjamena \
         Africa/Niamey Africa/Porto-Novo Africa/Tunis Etc/GMT-1",
    ),
    ("Jordan Standard Time", "Asia/Amman"),
    (
        "GTB Standard Time",
        "Europe/Bucharest Europe/Athens Asia/Nicosia Asia/Famagusta Europe/Nicosia EET",
    ),
    ("Middle East Standard Time", "Asia/Beirut"),
    ("Egypt Standard Time", "Africa/Cairo Egypt"),
    ("E. Europe Standard Time", "Europe/Chisinau Europe/Tiraspol"),
    ("Syria Standard Time", "Asia/Damascus"),
    ("West Bank Standard Time", "Asia/Hebron Asia/Gaza"),
    (
        "South Africa Standard Time",
        "Africa/Johannesburg Africa/Blantyre Africa/Bujumbura Africa/Gaborone Africa/Harare \
         Africa/Kigali Africa/Lubumbashi Africa/Lusaka Africa/Maputo Africa/Maseru \
         Africa/Mbabane Etc/GMT-2",
    ),
    (
        "FLE Standard Time",
        "Europe/Kiev Europe/Kyiv Europe/Helsinki Europe/Mariehamn Europe/Riga Europe/Sofia \
         Europe/Tallinn Europe/Uzhgorod Europe/Vilnius Europe/Zaporozhye",
    ),
    ("Israel Standard Time", "Asia/Jerusalem Asia/Tel_Aviv Israel"),
    ("South Sudan Standard Time", "Africa/Juba"),
    ("Kaliningrad Standard Time", "Europe/Kaliningrad"),
    ("Sudan Standard Time", "Africa/Khartoum"),
    ("Libya Standard Time", "Africa/Tripoli Libya"),
    ("Namibia Standard Time", "Africa/Windhoek"),
    ("Arabic Standard Time", "Asia/Baghdad"),
    ("Turkey Standard Time", "Europe/Istanbul Asia/Istanbul Turkey"),
    ("Arab Standard Time", "Asia/Riyadh Asia/Aden Asia/Bahrain Asia/Kuwait Asia/Qatar"),
    ("Belarus Standard Time", "Europe/Minsk"),
    ("Russian Standard Time", "Europe/Moscow Europe/Simferopol Europe/Kirov W-SU"),
    (
        "E. Africa Standard Time",
        "Africa/Nairobi Africa/Addis_Ababa Africa/Asmera Africa/Asmara Africa/Dar_es_Salaam \
         Africa/Djibouti Africa/Kampala Africa/Mogadishu Antarctica/Syowa Indian/Antananarivo \
         Indian/Comoro Indian/Mayotte Etc/GMT-3",
    ),
    ("Iran Standard Time", "Asia/Tehran Iran"),
    ("Arabian Standard Time", "Asia/Dubai Asia/Muscat Etc/GMT-4"),
    ("Astrakhan Standard Time", "Europe/Astrakhan Europe/Ulyanovsk"),
    ("Azerbaijan Standard Time", "Asia/Baku"),
    ("Russia Time Zone 3", "Europe/Samara"),
    ("Mauritius Standard Time", "Indian/Mauritius Indian/Mahe Indian/Reunion"),
    ("Saratov Standard Time", "Europe/Saratov"),
    ("Georgian Standard Time", "Asia/Tbilisi"),
    ("Volgograd Standard Time", "Europe/Volgograd"),
    ("Caucasus Standard Time", "Asia/Yerevan"),
    ("Afghanistan Standard Time", "Asia/Kabul"),
    (
        "West Asia Standard Time",
        "Asia/Tashkent Asia/Ashgabat Asia/Ashkhabad Asia/Dushanbe Asia/Samarkand \
         Antarctica/Mawson Indian/Kerguelen Indian/Maldives Etc/GMT-5",
    ),
    ("Ekaterinburg Standard Time", "Asia/Yekaterinburg"),
    ("Pakistan Standard Time", "Asia/Karachi"),
    (
        "Qyzylorda Standard Time",
        "Asia/Qyzylorda Asia/Almaty Asia/Aqtau Asia/Aqtobe Asia/Atyrau Asia/Oral Asia/Qostanay",
    ),
    ("India Standard Time", "Asia/Kolkata Asia/Calcutta"),
    ("Sri Lanka Standard Time", "Asia/Colombo"),
    ("Nepal Standard Time", "Asia/Kathmandu Asia/Katmandu"),
    (
        "Central Asia Standard Time",
        "Asia/Bishkek Asia/Urumqi Asia/Kashgar Antarctica/Vostok Indian/Chagos Etc/GMT-6",
    ),
    ("Bangladesh Standard Time", "Asia/Dhaka Asia/Dacca Asia/Thimphu Asia/Thimbu"),
    ("Omsk Standard Time", "Asia/Omsk"),
    ("Myanmar Standard Time", "Asia/Yangon Asia/Rangoon Indian/Cocos"),
    (
        "SE Asia Standard Time",
        "Asia/Bangkok Asia/Ho_Chi_Minh Asia/Saigon Asia/Jakarta Asia/Phnom_Penh \
         Asia/Pontianak Asia/Vientiane Antarctica/Davis Indian/Christmas Etc/GMT-7",
    ),
    ("Altai Standard Time", "Asia/Barnaul"),
    ("W. Mongolia Standard Time", "Asia/Hovd"),
    ("North Asia Standard Time", "Asia/Krasnoyarsk Asia/Novokuznetsk"),
    ("N. Central Asia Standard Time", "Asia/Novosibirsk"),
    ("Tomsk Standard Time", "Asia/Tomsk"),
    (
        "China Standard Time",
        "Asia/Shanghai Asia/Hong_Kong Asia/Macau Asia/Macao Asia/Chongqing Asia/Chungking \
         Asia/Harbin Hongkong PRC",
    ),
    ("North Asia East Standard Time", "Asia/Irkutsk"),
    (
        "Singapore Standard Time",
        "Asia/Singapore Asia/Brunei Asia/Kuala_Lumpur Asia/Kuching Asia/Makassar \
         Asia/Ujung_Pandang Asia/Manila Singapore Etc/GMT-8",
    ),
    ("W. Australia Standard Time", "Australia/Perth Australia/West Antarctica/Casey"),
    ("Taipei Standard Time", "Asia/Taipei ROC"),
    ("Ulaanbaatar Standard Time", "Asia/Ulaanbaatar Asia/Ulan_Bator Asia/Choibalsan"),
    ("Aus Central W. Standard Time", "Australia/Eucla"),
    ("Transbaikal Standard Time", "Asia/Chita"),
    ("Tokyo Standard Time", "Asia/Tokyo Asia/Dili Asia/Jayapura Pacific/Palau Japan Etc/GMT-9"),
    ("North Korea Standard Time", "Asia/Pyongyang"),
    ("Korea Standard Time", "Asia/Seoul ROK"),
    ("Yakutsk Standard Time", "Asia/Yakutsk Asia/Khandyga"),
    (
        "Cen. Australia Standard Time",
        "Australia/Adelaide Australia/Broken_Hill Australia/South Australia/Yancowinna",
    ),
    ("AUS Central Standard Time", "Australia/Darwin Australia/North"),
    ("E. Australia Standard Time", "Australia/Brisbane Australia/Lindeman Australia/Queensland"),
    (
        "AUS Eastern Standard Time",
        "Australia/Sydney Australia/Melbourne Australia/ACT Australia/Canberra Australia/NSW \
         Australia/Victoria Antarctica/Macquarie",
    ),
    (
        "West Pacific Standard Time",
        "Pacific/Port_Moresby Pacific/Guam Pacific/Saipan Pacific/Truk Pacific/Chuuk \
         Pacific/Yap Antarctica/DumontDUrville Etc/GMT-10",
    ),
    ("Tasmania Standard Time", "Australia/Hobart Australia/Currie Australia/Tasmania"),
    ("Vladivostok Standard Time", "Asia/Vladivostok Asia/Ust-Nera"),
    ("Lord Howe Standard Time", "Australia/Lord_Howe Australia/LHI"),
    ("Bougainville Standard Time", "Pacific/Bougainville"),
    ("Russia Time Zone 10", "Asia/Srednekolymsk"),
    ("Magadan Standard Time", "Asia/Magadan"),
    ("Norfolk Standard Time", "Pacific/Norfolk"),
    ("Sakhalin Standard Time", "Asia/Sakhalin"),
    (
        "Central Pacific Standard Time",
        "Pacific/Guadalcanal Pacific/Efate Pacific/Kosrae Pacific/Noumea Pacific/Ponape \
         Pacific/Pohnpei Etc/GMT-11",
    ),
    ("Russia Time Zone 11", "Asia/Kamchatka Asia/Anadyr"),
    ("New Zealand Standard Time", "Pacific/Auckland Antarctica/McMurdo Antarctica/South_Pole NZ"),
    (
        "UTC+12",
        "Pacific/Tarawa Pacific/Funafuti Pacific/Kwajalein Pacific/Majuro Pacific/Nauru \
         Pacific/Wake Pacific/Wallis Kwajalein Etc/GMT-12",
    ),
    ("Fiji Standard Time", "Pacific/Fiji"),
    ("Chatham Islands Standard Time", "Pacific/Chatham NZ-CHAT"),
    ("UTC+13", "Pacific/Enderbury Pacific/Kanton Pacific/Fakaofo Etc/GMT-13"),
    ("Tonga Standard Time", "Pacific/Tongatapu"),
    ("Samoa Standard Time", "Pacific/Apia"),
    ("Line Islands Standard Time", "Pacific/Kiritimati Etc/GMT-14"),
];

/// Windows' name of a zone that the IANA database, or Windows itself, calls so; case does not
/// matter. Nothing for one that is not known.
pub(super) fn name(zone: &str) -> Option<&'static str> {
    let zone = zone.trim();
    let known = |(windows, iana): &&(&str, &str)| {
        let mut iana = iana.split_whitespace();
        windows.eq_ignore_ascii_case(zone) || iana.any(|own| own.eq_ignore_ascii_case(zone))
    };
    ZONES.iter().find(known).map(|(windows, _)| *windows)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn zones_have_the_names_that_windows_gives_them() {
        for (iana, windows) in [
            ("Europe/Berlin", Some("W. Europe Standard Time")),
            ("europe/london", Some("GMT Standard Time")),
            (" America/Argentina/Buenos_Aires ", Some("Argentina Standard Time")),
            ("Asia/Calcutta", Some("India Standard Time")),
            ("Etc/UTC", Some("UTC")),
            ("Pacific/Chatham", Some("Chatham Islands Standard Time")),
            ("tokyo standard time", Some("Tokyo Standard Time")),
            ("Europe/Atlantis", None),
            ("", None),
        ] {
            assert_eq!(name(iana), windows, "{iana}");
        }
    }

    #[test]
    fn no_zone_stands_under_two_names() {
        let all = || ZONES.iter().flat_map(|(_, iana)| iana.split_whitespace());
        let once: HashSet<&str> = all().collect();
        assert_eq!(once.len(), all().count());
    }

    /// The clocks of a zone and of the one that Windows names after it never differ by more than an
    /// hour: a slip of a line in the table would.
    #[test]
    fn zones_of_one_name_show_nearly_the_same_time() {
        for (windows, iana) in ZONES {
            let zones: Vec<TimeZone> =
                iana.split_whitespace().filter_map(|name| TimeZone::get(name).ok()).collect();
            for month in 0..12 {
                let at = Timestamp::from_second(1_767_225_600 + month * 2_630_000).unwrap();
                let offsets = zones.iter().map(|zone| zone.to_offset(at).seconds());
                let (least, most) = (offsets.clone().min(), offsets.max());
                let apart = most.zip(least).map_or(0, |(most, least)| most - least);
                assert!(apart <= 3_600, "{windows}: {apart} s");
            }
        }
    }
}
