"""Invitations with their mail, absence, marks of others: two people, each with exchangelib."""

import datetime as dt

from exchangelib import Attendee, CalendarItem, ExtendedProperty, HTMLBody, Mailbox, OofSettings
from exchangelib.errors import (
    ErrorAccessDenied,
    ErrorCalendarIsOrganizerForAccept,
    ErrorInvalidScheduledOofDuration,
    ErrorIrresolvableConflict,
    ErrorMailRecipientNotFound,
    TransportError,
)
from exchangelib.items import (
    NEVER_OVERWRITE,
    SEND_ONLY_TO_ALL,
    SEND_TO_ALL_AND_SAVE_COPY,
    SEND_TO_NONE,
    MeetingRequest,
    MeetingResponse,
)
from exchangelib.properties import (
    DaylightTime,
    FreeBusyViewOptions,
    MailboxData,
    StandardTime,
    TimeWindow,
    TimeZone,
)
from exchangelib.services import GetUserAvailability, GetUserOofSettings

import lab
from calendars import UTC, account, at, expect, found, moment


class CalwayMark(ExtendedProperty):
    """What a program keeps with a meeting, under a property set of its own."""

    property_set_id = "0d6d8f9c-5ca5-4c4e-bd84-5a2e0c4e7f11"
    property_name = "CalwayMark"
    property_type = "String"


CalendarItem.register("calway_mark", CalwayMark)


class Careless(OofSettings):
    """Settings that exchangelib does not check, so that the server has to."""

    def clean(self, version=None):
        pass


class Office:
    """Ann asks, Bob is asked; both by one account that impersonates them."""

    def __init__(self, config, tag):
        self.tag = tag
        self.ann = account(config, lab.USER)
        self.bob = account(config, lab.OTHER)
        self.items = {}

    def run(self):
        for step in (
            self.invites,
            self.accepts_by_mail,
            self.tells_of_an_update_once,
            self.does_not_overwrite_what_it_has_not_seen,
            self.keeps_a_mark_and_finds_it_again,
            self.may_not_answer_its_own,
            self.is_away_and_back,
            self.asks_for_two_and_somebody_unknown,
            self.loses_an_answer_but_not_the_effect,
        ):
            lab.check(f"{self.tag}: {step.__name__.replace('_', ' ')}", step)

    def meeting(self, subject, day, **more):
        return CalendarItem(
            account=self.ann,
            folder=self.ann.calendar,
            start=moment(at(day, 11)),
            end=moment(at(day, 12)),
            subject=f"{subject} {self.tag}",
            **more,
        )

    def requests(self, subject):
        """The meeting requests in Bob's inbox, oldest first."""
        items = self.bob.inbox.filter(subject=subject).order_by("datetime_received")
        return [item for item in items if isinstance(item, MeetingRequest)]

    def invites(self):
        item = self.meeting(
            "Invited",
            5,
            location="@webex",
            body=HTMLBody("<html><body><p>Agenda</p></body></html>"),
            required_attendees=[Attendee(mailbox=Mailbox(email_address=lab.OTHER, name="Two"))],
        )
        item.save(send_meeting_invitations=SEND_TO_ALL_AND_SAVE_COPY)
        (request,) = self.requests(item.subject)
        lab.same(request.item_class, "IPM.Schedule.Meeting.Request")
        lab.same(request.meeting_request_type, "NewMeetingRequest")
        lab.same(request.sender.email_address, lab.USER)
        lab.same(request.location, "@webex")
        assert "Agenda" in str(request.body), request.body
        copy = self.bob.calendar.get(id=request.associated_calendar_item_id.id)
        lab.same(copy.uid, self.ann.calendar.get(id=item.id).uid)
        lab.same(copy.culture, "en-US")
        sent = list(self.ann.sent.filter(subject=item.subject))
        lab.same(len(sent), 1, "a copy among the sent items")
        self.items["item"] = item
        self.items["request"] = request

    def accepts_by_mail(self):
        item = self.items["item"]
        self.items["request"].accept(body="See you")
        attendee = self.ann.calendar.get(id=item.id).required_attendees[0]
        lab.same(attendee.response_type, "Accept")
        (copy,) = self.bob.calendar.filter(subject=item.subject)
        lab.same(copy.my_response_type, "Accept")
        (answer,) = self.ann.inbox.filter(subject=f"Accepted: {item.subject}")
        assert isinstance(answer, MeetingResponse), answer
        lab.same((answer.response_type, str(answer.text_body)), ("Accept", "See you"))

    def tells_of_an_update_once(self):
        item = self.ann.calendar.get(id=self.items["item"].id)
        item.body = HTMLBody("<html><body><p>Agenda</p><p>Join here</p></body></html>")
        item.location = "Online"
        item.save(
            update_fields=["body", "location"],
            conflict_resolution=NEVER_OVERWRITE,
            send_meeting_invitations=SEND_ONLY_TO_ALL,
        )
        first, update = self.requests(item.subject)
        lab.same(first.is_out_of_date, True)
        lab.same(update.meeting_request_type, "InformationalUpdate")
        assert "Join here" in str(update.body), update.body
        (copy,) = self.bob.calendar.filter(subject=item.subject)
        lab.same((copy.location, copy.my_response_type), ("Online", "Accept"))
        item.reminder_is_set = False
        item.save(update_fields=["reminder_is_set"], send_meeting_invitations=SEND_TO_NONE)
        lab.same(len(self.requests(item.subject)), 2, "nobody hears of that")

    def does_not_overwrite_what_it_has_not_seen(self):
        one, other = (self.ann.calendar.get(id=self.items["item"].id) for _ in range(2))
        one.location = "First"
        one.save(update_fields=["location"], send_meeting_invitations=SEND_TO_NONE)
        other.location = "Second"
        expect(
            ErrorIrresolvableConflict,
            lambda: other.save(
                update_fields=["location"],
                conflict_resolution=NEVER_OVERWRITE,
                send_meeting_invitations=SEND_TO_NONE,
            ),
        )
        lab.same(self.ann.calendar.get(id=one.id).location, "First")

    def keeps_a_mark_and_finds_it_again(self):
        item = self.meeting("Marked", 6, calway_mark=f"one {self.tag}")
        item.save(send_meeting_invitations=SEND_TO_NONE)
        self.meeting("Marked", 7, calway_mark=f"two {self.tag}").save(
            send_meeting_invitations=SEND_TO_NONE
        )
        (again,) = self.ann.calendar.filter(calway_mark=f"one {self.tag}")
        lab.same((again.id, again.calway_mark), (item.id, f"one {self.tag}"))
        lab.same(list(self.ann.calendar.filter(calway_mark="three")), [])
        held = lab.control("POST", "/items/read", mailbox=lab.USER, id=item.id)["item"]
        (own,) = held["extended"]
        lab.same((own["set"], own["values"]), (CalwayMark.property_set_id, [f"one {self.tag}"]))
        again.calway_mark = None
        again.save(update_fields=["calway_mark"], send_meeting_invitations=SEND_TO_NONE)
        lab.same(list(self.ann.calendar.filter(calway_mark=f"one {self.tag}")), [])

    def may_not_answer_its_own(self):
        item = self.ann.calendar.get(id=self.items["item"].id)
        expect(ErrorCalendarIsOrganizerForAccept, item.accept)

    def is_away_and_back(self):
        start, end = at(3, 8), at(5, 18)
        self.ann.oof_settings = OofSettings(
            state=OofSettings.SCHEDULED,
            external_audience="Known",
            start=moment(start),
            end=moment(end),
            internal_reply="Away & far",
            external_reply="Away",
        )
        settings = self.ann.oof_settings
        lab.same((settings.state, settings.external_audience), ("Scheduled", "Known"))
        lab.same((lab.ms(settings.start), lab.ms(settings.end)), (lab.ms(start), lab.ms(end)))
        lab.same((settings.internal_reply, settings.external_reply), ("Away & far", "Away"))
        held = lab.control("GET", f"/mailboxes/{lab.USER}/oof")
        lab.same((held["state"], held["from_ms"]), ("scheduled", lab.ms(start)))
        lab.control(
            "POST", f"/mailboxes/{lab.USER}/oof", state="enabled", internal="In", external="Out"
        )
        lab.same(self.ann.oof_settings.state, "Enabled")

        def backwards():
            self.ann.oof_settings = Careless(
                state=OofSettings.SCHEDULED,
                external_audience="All",
                start=moment(at(-9, 8)),
                end=moment(at(-8, 8)),
                internal_reply="x",
                external_reply="x",
            )

        expect(ErrorInvalidScheduledOofDuration, backwards)
        expect(
            ErrorAccessDenied,
            lambda: list(
                GetUserOofSettings(account=self.ann).call(mailbox=Mailbox(email_address=lab.OTHER))
            ),
        )
        self.ann.oof_settings = OofSettings(
            state=OofSettings.DISABLED,
            external_audience="None",
            internal_reply="",
            external_reply="",
        )
        lab.same(self.ann.oof_settings.state, "Disabled")

    def asks_for_two_and_somebody_unknown(self):
        subject = f"Both {self.tag}"
        day = 12 if self.tag == "NTLM" else 13
        item = CalendarItem(
            account=self.ann,
            folder=self.ann.calendar,
            start=moment(at(day, 11)),
            end=moment(at(day, 12)),
            subject=subject,
            required_attendees=[Attendee(mailbox=Mailbox(email_address=lab.OTHER))],
        )
        item.save(send_meeting_invitations=SEND_ONLY_TO_ALL)
        never = {"time": dt.time(3), "occurrence": 5, "weekday": "Sunday"}
        zone = TimeZone(
            bias=0,
            standard_time=StandardTime(bias=0, iso_month=10, **never),
            daylight_time=DaylightTime(bias=0, iso_month=3, **never),
        )
        addresses = (lab.USER, lab.OTHER, "nobody@" + lab.FACTS["domain"])
        answers = list(
            GetUserAvailability(self.ann.protocol).call(
                tzinfo=UTC,
                mailbox_data=[
                    MailboxData(email=one, attendee_type="Required", exclude_conflicts=False)
                    for one in addresses
                ],
                timezone=zone,
                free_busy_view_options=FreeBusyViewOptions(
                    time_window=TimeWindow(start=moment(at(day, 10)), end=moment(at(day, 13))),
                    merged_free_busy_interval=60,
                    requested_view="MergedOnly",
                ),
            )
        )
        ann, bob, nobody = answers
        lab.same((ann.merged[1], bob.merged[1]), ("2", "1"), "busy, and not answered yet")
        assert isinstance(nobody, ErrorMailRecipientNotFound), nobody
        touched = lab.control("GET", "/touched")
        assert touched[lab.OTHER]["GetUserAvailability"] >= 1, touched

    def loses_an_answer_but_not_the_effect(self):
        item = self.meeting("Lost", 8)
        lab.control("POST", "/faults", fault="lose-answer", operation="CreateItem")
        expect(TransportError, lambda: item.save(send_meeting_invitations=SEND_TO_NONE))
        lab.same(len(found(lab.USER, item.subject)), 1, "it is there, and once")
