"""What DavMail shows over CalDAV is what stands in the lab's calendar."""

import datetime
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "exchange"))

import caldav  # noqa: E402
from lab import FACTS, PASSWORD, USER, check, control, counts, finish, ms, same, view  # noqa: E402

UTC = datetime.timezone.utc
CALENDAR = caldav.Calendar(int(os.environ["CALDAV_PORT"]), USER, os.environ["LOGIN"], PASSWORD)
MIDNIGHT = datetime.datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
FROM, TO = MIDNIGHT - datetime.timedelta(days=10), MIDNIGHT + datetime.timedelta(days=120)


def at(days, hours):
    """A time so many days and hours from the last midnight."""
    return MIDNIGHT + datetime.timedelta(days=days, hours=hours)


def make(subject, start, **more):
    """A meeting in the calendar of the lab; its id."""
    return control("POST", "/items", mailbox=USER, subject=subject, start_ms=ms(start), **more)["id"]


def change(path, **more):
    """As its owner, in another program."""
    control("POST", f"/items/{path}", mailbox=USER, **more)


def shown():
    """What DavMail shows: series as their events, each event by UID."""
    return CALENDAR.events(FROM, TO)


def of(subject):
    """The one event with this subject."""
    (event,) = [event for event in shown() if event.text("SUMMARY") == subject]
    return event


def in_lab(subject):
    """What the lab shows under this subject, by start."""
    items = [item for item in view(USER, FROM, TO) if item["subject"] == subject]
    return sorted(items, key=lambda item: item["start_ms"])


def the_calendar_is_one():
    itself = CALENDAR.itself()
    same(itself[f"{caldav.DAV}displayname"].text, "Calendar")
    kinds = [kind.tag for kind in itself[f"{caldav.DAV}resourcetype"]]
    assert f"{caldav.CALDAV}calendar" in kinds, kinds


def meetings_are_listed_with_title_and_times():
    singles = [item for item in view(USER, FROM, TO) if not item["recurring"]]
    assert len(singles) >= 5, singles
    expected = sorted((i["uid"], i["subject"], i["start_ms"], i["end_ms"]) for i in singles)
    found = [event for event in shown() if not event.text("RRULE")]
    found = [
        (e.text("UID"), e.text("SUMMARY"), ms(e.time("DTSTART")), ms(e.time("DTEND")))
        for e in found
    ]
    same(sorted(found), expected)
    same(len(CALENDAR.members()), len({item["uid"] for item in view(USER, FROM, TO)}))


def every_part_of_a_meeting_is_there():
    subject = 'Größe; "x", & <y> 日本'
    make(
        subject,
        at(1, 9),
        minutes=45,
        location="Building 7, upstairs, left",
        body="First line\nsecond, & third",
        attendees=[{"address": "guest@partner.example", "name": "Guest, Ms"}],
        sensitivity="private",
    )
    event = of(subject)
    same(event.text("LOCATION"), "Building 7, upstairs, left")
    same(event.text("DESCRIPTION").strip(), "First line\nsecond, & third")
    same(event.text("CLASS"), "PRIVATE")
    same(event.text("ORGANIZER").lower(), f"mailto:{USER}".lower())
    attendees = [value.lower() for _, value in event.properties["ATTENDEE"]]
    assert "mailto:guest@partner.example" in attendees, attendees


def a_series_is_listed_with_its_occurrences():
    (event,) = [event for event in shown() if event.text("SUMMARY").startswith("Series ")]
    expected = [item["start_ms"] for item in in_lab(event.text("SUMMARY"))]
    assert len(expected) == 20, expected
    same([ms(start) for start in event.starts()], expected)


def a_series_in_a_zone_keeps_its_hour_over_a_clock_change():
    zone = "W. Europe Standard Time"
    first = at(2, 8)
    item = make("Berlin daily", first, minutes=30, daily=True, count=110, time_zone=zone)
    originals = [item["start_ms"] for item in in_lab("Berlin daily")]
    same([ms(start) for start in of("Berlin daily").starts()], originals)
    change("delete", id=item, occurrence_ms=originals[3])
    moved = originals[5] + 3_600_000
    change("update", id=item, occurrence_ms=originals[5], start_ms=moved, subject="Moved once")
    event, once = of("Berlin daily"), of("Moved once")
    same([ms(start) for start in event.starts()], originals[:3] + originals[4:])
    same(ms(once.time("RECURRENCE-ID")), originals[5])
    same((ms(once.time("DTSTART")), once.text("UID")), (moved, event.text("UID")))


def a_whole_day_is_a_date():
    make("Holiday", at(4, 0), minutes=24 * 60, all_day=True)
    event = of("Holiday")
    same(event.time("DTSTART"), at(4, 0).date())
    same(event.time("DTEND"), at(5, 0).date())


def what_changes_shows():
    item = make("Before", at(3, 10), minutes=30)
    before = CALENDAR.ctag()
    of("Before")
    change("update", id=item, subject="After", start_ms=ms(at(3, 12)))
    same(ms(of("After").time("DTSTART")), ms(at(3, 12)))
    same([event.text("UID") for event in shown() if event.text("SUMMARY") == "Before"], [])
    change("delete", id=item)
    same([event.text("UID") for event in shown() if event.text("SUMMARY") == "After"], [])
    # Times of whole seconds: what happens within one leaves the mark as it is.
    assert before <= CALENDAR.ctag(), "a mark that goes back"


def nothing_was_refused():
    codes = counts()["codes"]
    unknown = {code for code in codes if code.startswith("Error")}
    # Nobody chose a time zone in Outlook on the web; DavMail does without.
    same(unknown - {"ErrorItemNotFound"}, set(), FACTS["url"])


if __name__ == "__main__":
    check("the calendar is one", the_calendar_is_one)
    check("meetings are listed with title and times", meetings_are_listed_with_title_and_times)
    check("every part of a meeting is there", every_part_of_a_meeting_is_there)
    check("a series is listed with its occurrences", a_series_is_listed_with_its_occurrences)
    check(
        "a series in a zone keeps its hour over a clock change",
        a_series_in_a_zone_keeps_its_hour_over_a_clock_change,
    )
    check("a whole day is a date", a_whole_day_is_a_date)
    check("what changes shows", what_changes_shows)
    check("nothing was refused", nothing_was_refused)
    finish()
