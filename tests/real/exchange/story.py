"""The life of a calendar as exchangelib tells it, under one way to sign in."""

import datetime as dt
import threading

from exchangelib import (
    NTLM,
    Attendee,
    CalendarItem,
    EWSDate,
    EWSDateTime,
    EWSTimeZone,
    HTMLBody,
    Mailbox,
)
from exchangelib.errors import ErrorItemNotFound
from exchangelib.items import SEND_TO_ALL_AND_SAVE_COPY, SEND_TO_NONE
from exchangelib.properties import (
    AlternateId,
    DaylightTime,
    FreeBusyViewOptions,
    MailboxData,
    StandardTime,
    TimeWindow,
    TimeZone,
)
from exchangelib.protocol import Protocol
from exchangelib.recurrence import Recurrence, WeeklyPattern
from exchangelib.services import GetUserAvailability

import lab
from calendars import END, NOW, START, account, at, configuration, expect, found, moment

BERLIN = EWSTimeZone("Europe/Berlin")


class Story:
    """All steps with one way to sign in."""

    def __init__(self, auth_type):
        self.auth_type = auth_type
        self.tag = auth_type
        # Protocols are kept by address and credentials, whatever the scheme.
        Protocol.clear_cache()
        self.config = configuration(auth_type)
        self.account = account(self.config)
        self.items = {}

    def run(self):
        for step in (
            self.signs_in,
            self.lists,
            self.creates,
            self.updates,
            self.answers_conflicts,
            self.deletes,
            self.makes_a_series,
            self.changes_one_occurrence,
            self.deletes_one_occurrence,
            self.keeps_all_day_events,
            self.keeps_a_zone_over_the_change_of_clocks,
            self.syncs,
            self.hears_a_stream,
            self.hears_a_stream_in_pieces,
            self.hears_a_stream_of_joined_envelopes,
            self.asks_free_busy,
            self.reads_out_of_office,
            self.converts_ids,
        ):
            lab.check(f"{self.tag}: {step.__name__.replace('_', ' ')}", step)

    def signs_in(self):
        version = self.account.protocol.version
        assert version.build is not None, version
        assert version.build.major_version == 15, version
        folder = self.account.calendar
        same_class = folder.folder_class
        lab.same(same_class, "IPF.Appointment", "class of the calendar folder")
        log = lab.control("GET", "/log")
        lab.same(log["counts"]["refusals"], {}, "no credentials were refused")
        # A channel binding and an integrity code come from pyspnego, under NTLM.
        scheme = {"Ntlm": {"bound": True, "mic": True}} if self.auth_type == NTLM else "Basic"
        lab.same(log["entries"][-1]["scheme"], scheme)

    def lists(self):
        seen = {
            (i.uid, lab.ms(i.start), lab.ms(i.end), i.subject, i.location, i.text_body)
            for i in self.account.calendar.view(start=moment(START), end=moment(END))
            if "Meeting" in i.subject
        }
        held = {
            (i["uid"], i["start_ms"], i["end_ms"], i["subject"], i["location"], i["body"])
            for i in lab.view(lab.USER, START, END)
            if "Meeting" in i["subject"]
        }
        assert len(held) == 5, held
        lab.same(seen, held)
        item = self.account.calendar.get(subject="Meeting 0 of user 1")
        lab.same(item.organizer.email_address, lab.USER)
        assert item.required_attendees[0].mailbox.email_address == "guest@partner.example"

    def creates(self):
        subject = f"Plan <&> Zürich 🗓 {self.tag}"
        item = CalendarItem(
            account=self.account,
            folder=self.account.calendar,
            start=moment(at(2, 13)),
            end=moment(at(2, 13, 45)),
            subject=subject,
            location="Lake side",
            body=HTMLBody("<html><body>Bring <b>maps</b> &amp; pens</body></html>"),
            required_attendees=[Attendee(mailbox=Mailbox(email_address=lab.OTHER, name="Two"))],
            optional_attendees=[Attendee(mailbox=Mailbox(email_address="x@partner.example"))],
            resources=[Attendee(mailbox=Mailbox(email_address=lab.ROOM))],
        )
        item.save(send_meeting_invitations=SEND_TO_ALL_AND_SAVE_COPY)
        assert item.id and item.changekey
        for address in (lab.USER, lab.OTHER, lab.ROOM):
            (held,) = found(address, subject)
            lab.same(held["start_ms"], lab.ms(at(2, 13)), address)
            lab.same(held["end_ms"], lab.ms(at(2, 13, 45)), address)
            lab.same(held["location"], "Lake side", address)
            assert "<b>maps</b>" in held["body"], held["body"]
            lab.same(held["organizer"]["address"].lower(), lab.USER)
            invited = {(a["address"].lower(), a["kind"]) for a in held["attendees"]}
            lab.same(
                invited,
                {
                    (lab.OTHER, "Required"),
                    ("x@partner.example", "Optional"),
                    (lab.ROOM, "Resource"),
                },
            )
        again = self.account.calendar.get(id=item.id)
        lab.same(again.subject, subject)
        assert "pens" in str(again.text_body)
        copy = account(self.config, lab.OTHER).calendar.get(subject=subject)
        lab.same(copy.uid, again.uid, "one UID in both calendars")
        assert copy.id != again.id, "an id of its own in each mailbox"
        self.items["single"] = again

    def updates(self):
        item = self.items["single"]
        before = item.changekey
        item.subject += " later"
        item.start = moment(at(3, 15))
        item.end = moment(at(3, 16))
        item.save(
            update_fields=["subject", "start", "end"],
            send_meeting_invitations=SEND_TO_ALL_AND_SAVE_COPY,
        )
        assert item.changekey != before, "a change gives a new ChangeKey"
        for address in (lab.USER, lab.OTHER):
            (held,) = found(address, item.subject)
            lab.same((held["start_ms"], held["end_ms"]), (lab.ms(at(3, 15)), lab.ms(at(3, 16))))
            lab.same(held["location"], "Lake side", "what was not named stays")
        lab.same(self.account.calendar.get(id=item.id).changekey, item.changekey)

    def answers_conflicts(self):
        item = self.items["single"]
        one, other = (self.account.calendar.get(id=item.id) for _ in range(2))
        one.location = "First floor"
        one.save(update_fields=["location"], send_meeting_invitations=SEND_TO_NONE)
        other.subject = item.subject + " still"
        other.save(update_fields=["subject"], send_meeting_invitations=SEND_TO_NONE)
        merged = self.account.calendar.get(id=item.id)
        lab.same((merged.location, merged.subject), ("First floor", item.subject + " still"))
        self.items["single"] = merged

    def deletes(self):
        item = self.items.pop("single")
        kept = item.id
        item.delete(send_meeting_cancellations=SEND_TO_ALL_AND_SAVE_COPY)
        lab.same(found(lab.USER, item.subject), [])
        for held in found(lab.OTHER, item.subject):
            assert held["cancelled"], held
        expect(ErrorItemNotFound, lambda: self.account.calendar.get(id=kept))

    def makes_a_series(self):
        monday = at(0, 9) - dt.timedelta(days=NOW.weekday())
        subject = f"Weekly {self.tag}"
        item = CalendarItem(
            account=self.account,
            folder=self.account.calendar,
            start=moment(monday),
            end=moment(monday + dt.timedelta(minutes=30)),
            subject=subject,
            recurrence=Recurrence(
                pattern=WeeklyPattern(interval=1, weekdays=["Monday", "Wednesday"]),
                start=EWSDate.from_date(monday.date()),
                number=6,
            ),
        )
        item.save(send_meeting_invitations=SEND_TO_NONE)
        wanted = [monday + dt.timedelta(days=d) for d in (0, 2, 7, 9, 14, 16)]
        lab.same([h["start_ms"] for h in self.series(subject)], [lab.ms(w) for w in wanted])
        seen = self.seen(subject)
        lab.same([lab.ms(i.start) for i in seen], [lab.ms(w) for w in wanted])
        lab.same({i.type for i in seen}, {"Occurrence"})
        lab.same(len({i.id for i in seen}), 6, "each occurrence has an id of its own")
        lab.same(len({i.uid for i in seen}), 1, "and all share the UID")
        master = self.account.calendar.get(id=item.id)
        lab.same(master.type, "RecurringMaster")
        lab.same(master.recurrence.boundary.number, 6)
        lab.same(master.recurrence.pattern.weekdays, [1, 3])
        lab.same(lab.ms(master.first_occurrence.start), lab.ms(wanted[0]))
        lab.same(lab.ms(master.last_occurrence.start), lab.ms(wanted[-1]))
        self.items.update(series=item, wanted=wanted, subject=subject)

    def series(self, subject):
        return found(lab.USER, subject, START - dt.timedelta(days=7))

    def seen(self, subject):
        start = moment(START - dt.timedelta(days=7))
        items = self.account.calendar.view(start=start, end=moment(END))
        return sorted((i for i in items if i.subject.startswith(subject)), key=lambda i: i.start)

    def changes_one_occurrence(self):
        series, wanted = self.items["series"], self.items["wanted"]
        occurrence = series.occurrence(index=3)
        occurrence.refresh()
        lab.same(lab.ms(occurrence.start), lab.ms(wanted[2]), "index 3 is the third")
        occurrence.start = moment(wanted[2] + dt.timedelta(hours=4))
        occurrence.end = moment(wanted[2] + dt.timedelta(hours=5))
        occurrence.subject = self.items["subject"] + " moved"
        occurrence.save(
            update_fields=["start", "end", "subject"], send_meeting_invitations=SEND_TO_NONE
        )
        (held,) = found(lab.USER, self.items["subject"] + " moved")
        lab.same(held["start_ms"], lab.ms(wanted[2] + dt.timedelta(hours=4)))
        lab.same(held["original_start_ms"], lab.ms(wanted[2]))
        lab.same(len(self.series(self.items["subject"])), 5)
        kinds = [i.type for i in self.seen(self.items["subject"])]
        lab.same(kinds.count("Exception"), 1)
        master = self.account.calendar.get(id=series.id)
        (modified,) = master.modified_occurrences
        lab.same(lab.ms(modified.original_start), lab.ms(wanted[2]))
        lab.same(lab.ms(modified.start), lab.ms(wanted[2] + dt.timedelta(hours=4)))
        exception = next(i for i in self.seen(self.items["subject"]) if i.type == "Exception")
        back = exception.recurring_master()
        back.refresh()
        lab.same(back.id, master.id, "an occurrence leads to its master")

    def deletes_one_occurrence(self):
        series, wanted = self.items["series"], self.items["wanted"]
        occurrence = series.occurrence(index=5)
        occurrence.refresh()
        occurrence.delete(send_meeting_cancellations=SEND_TO_NONE)
        starts = [h["start_ms"] for h in self.series(self.items["subject"])]
        left = [lab.ms(w) for i, w in enumerate(wanted) if i not in (2, 4)]
        lab.same(starts, left)
        master = self.account.calendar.get(id=series.id)
        (deleted,) = master.deleted_occurrences
        lab.same(lab.ms(deleted.start), lab.ms(wanted[4]))
        lab.same(len(self.seen(self.items["subject"])), 5)

    def keeps_all_day_events(self):
        day = (NOW + dt.timedelta(days=4)).date()
        subject = f"Holiday {self.tag}"
        item = CalendarItem(
            account=self.account,
            folder=self.account.calendar,
            start=EWSDate.from_date(day),
            end=EWSDate.from_date(day),
            is_all_day=True,
            subject=subject,
        )
        item.save(send_meeting_invitations=SEND_TO_NONE)
        again = self.account.calendar.get(id=item.id)
        lab.same((again.start, again.end, again.is_all_day), (day, day, True))
        (held,) = found(lab.USER, subject)
        assert held["all_day"], held
        lab.same(held["end_ms"] - held["start_ms"], 24 * 3600 * 1000)

    def keeps_a_zone_over_the_change_of_clocks(self):
        # Both sides of the last Sunday in October 2027.
        first = dt.datetime(2027, 10, 25, 10, 0)
        subject = f"Clocks {self.tag}"
        start = EWSDateTime(first.year, first.month, first.day, 10, 0, tzinfo=BERLIN)
        item = CalendarItem(
            account=self.account,
            folder=self.account.calendar,
            start=start,
            end=EWSDateTime(first.year, first.month, first.day, 11, 0, tzinfo=BERLIN),
            subject=subject,
            recurrence=Recurrence(
                pattern=WeeklyPattern(interval=1, weekdays=["Monday"]),
                start=EWSDate(2027, 10, 25),
                number=2,
            ),
        )
        item.save(send_meeting_invitations=SEND_TO_NONE)
        window = [dt.datetime(2027, m, 20, tzinfo=dt.timezone.utc) for m in (10, 11)]
        held = found(lab.USER, subject, *window)
        starts = [dt.datetime.fromtimestamp(h["start_ms"] / 1000, dt.timezone.utc) for h in held]
        hours = [start.hour for start in starts]
        lab.same(hours, [8, 9], "ten o'clock in Berlin on both sides")
        again = self.account.calendar.get(id=item.id)
        lab.same(again.start.astimezone(BERLIN).hour, 10)
        item.delete(send_meeting_cancellations=SEND_TO_NONE)

    def syncs(self):
        calendar = self.account.calendar
        calendar.item_sync_state = None
        first = list(calendar.sync_items(only_fields=["subject", "type"]))
        state = calendar.item_sync_state
        assert state, "a state to go on from"
        lab.same({kind for kind, _ in first}, {"create"})
        masters = [i for _, i in first if i.type == "RecurringMaster"]
        assert masters, "the series comes as its master"
        assert not [i for _, i in first if i.type in ("Occurrence", "Exception")], "and only so"
        lab.same(list(calendar.sync_items(sync_state=state)), [], "nothing has changed since")
        made = lab.control(
            "POST",
            "/items",
            mailbox=lab.USER,
            subject=f"Synced {self.tag}",
            start_ms=lab.ms(at(5, 10)),
            minutes=20,
        )
        ((kind, item),) = calendar.sync_items(sync_state=state)
        lab.same((kind, item.subject, item.id), ("create", f"Synced {self.tag}", made["id"]))
        state = calendar.item_sync_state
        lab.control("POST", "/items/update", mailbox=lab.USER, id=made["id"], location="There")
        ((kind, item),) = calendar.sync_items(sync_state=state)
        lab.same((kind, item.location, item.id), ("update", "There", made["id"]))
        series = self.items["series"]
        wanted = self.items["wanted"]
        lab.control(
            "POST",
            "/items/update",
            mailbox=lab.USER,
            id=series.id,
            occurrence_ms=lab.ms(wanted[1]),
            location="Elsewhere",
        )
        state = calendar.item_sync_state
        ((kind, item),) = calendar.sync_items(sync_state=state)
        lab.same((kind, item.id), ("update", series.id), "an occurrence shows as its master")
        state = calendar.item_sync_state
        lab.control("POST", "/items/delete", mailbox=lab.USER, id=made["id"])
        ((kind, item),) = calendar.sync_items(sync_state=state)
        lab.same((kind, item.id), ("delete", made["id"]))

    def hears_a_stream(self):
        calendar = self.account.calendar
        subject = f"Streamed {self.tag}"
        with calendar.streaming_subscription() as subscription:
            opened = lab.counts()["operations"].get("GetStreamingEvents", 0)

            def act():
                # The stream hears only what happens after it was opened.
                while lab.counts()["operations"].get("GetStreamingEvents", 0) == opened:
                    pass
                made = lab.control(
                    "POST",
                    "/items",
                    mailbox=lab.USER,
                    subject=subject,
                    start_ms=lab.ms(at(6, 10)),
                    minutes=20,
                )
                self.items["streamed"] = made["id"]

            actor = threading.Thread(target=act, daemon=True)
            actor.start()
            events = []
            for notification in calendar.get_streaming_events(
                subscription, connection_timeout=1, max_notifications_returned=1
            ):
                lab.same(notification.subscription_id, subscription)
                events.extend(notification.events)
                break
            actor.join(timeout=30)
            kinds = {event.ELEMENT_NAME for event in events}
            assert "CreatedEvent" in kinds, kinds
            ids = {event.item_id.id for event in events if getattr(event, "item_id", None)}
            assert self.items["streamed"] in ids, (ids, self.items["streamed"])
        lab.control("POST", "/items/delete", mailbox=lab.USER, id=self.items["streamed"])

    def hears_a_stream_in_pieces(self):
        self.faulty("split", bytes=7)

    def hears_a_stream_of_joined_envelopes(self):
        self.faulty("join")

    def faulty(self, fault, **how):
        lab.control("POST", "/faults", fault=fault, operation="GetStreamingEvents", **how)
        played = lab.control("GET", "/state")["faultsPlayed"]
        self.hears_a_stream()
        lab.same(lab.control("GET", "/state")["faultsPlayed"], played + 1, "the fault was played")

    def asks_free_busy(self):
        lab.control(
            "POST",
            "/items",
            mailbox=lab.USER,
            subject=f"Busy {self.tag}",
            start_ms=lab.ms(at(9, 3)),
            minutes=60,
        )
        last_sunday = {"time": dt.time(3), "occurrence": 5, "weekday": "Sunday"}
        # Sixty minutes west of UTC and never another time, so that local times differ from UTC.
        zone = TimeZone(
            bias=60,
            standard_time=StandardTime(bias=0, iso_month=10, **last_sunday),
            daylight_time=DaylightTime(bias=0, iso_month=3, **last_sunday),
        )
        west = EWSTimeZone("Etc/GMT+1")
        (free_busy,) = GetUserAvailability(self.account.protocol).call(
            tzinfo=west,
            mailbox_data=[
                MailboxData(email=lab.USER, attendee_type="Organizer", exclude_conflicts=False)
            ],
            timezone=zone,
            free_busy_view_options=FreeBusyViewOptions(
                time_window=TimeWindow(
                    start=moment(at(9, 1), west), end=moment(at(10, 1), west)
                ),
                merged_free_busy_interval=30,
                requested_view="DetailedMerged",
            ),
        )
        spans = {(lab.ms(e.start), lab.ms(e.end), e.busy_type) for e in free_busy.calendar_events}
        assert (lab.ms(at(9, 3)), lab.ms(at(9, 4)), "Busy") in spans, (spans, lab.ms(at(9, 3)))
        # Two hours after the window's start: the fifth and sixth half hour.
        lab.same(free_busy.merged[4:6], "22", free_busy.merged)

    def reads_out_of_office(self):
        settings = self.account.oof_settings
        lab.same(settings.state, "Disabled")

    def converts_ids(self):
        item = self.account.calendar.get(subject="Meeting 0 of user 1")
        ids = [AlternateId(id=item.id, format="EwsId", mailbox=lab.USER)]
        (hex_id,) = self.account.protocol.convert_ids(ids, destination_format="HexEntryId")
        assert all(c in "0123456789abcdefABCDEF" for c in hex_id.id), hex_id
        ids = [AlternateId(id=hex_id.id, format="HexEntryId", mailbox=lab.USER)]
        (back,) = self.account.protocol.convert_ids(ids, destination_format="EwsId")
        lab.same(back.id, item.id)
