"""Join details in invitations: exchangelib asks for them by a keyword, and reads them as the
organiser and as a guest; between them is the connector's own program."""

import os

from exchangelib import NTLM, Attendee, CalendarItem, EWSDate, HTMLBody, Mailbox
from exchangelib.items import (
    SEND_ONLY_TO_ALL,
    SEND_TO_ALL_AND_SAVE_COPY,
    SEND_TO_NONE,
    MeetingRequest,
)
from exchangelib.recurrence import DailyPattern, Recurrence

import lab
from calendars import account, at, configuration, moment
from connector import Connector, wait

MEET = "https://meet.lab.example/"
PAGE = (
    "<html><head></head><body><p>Agenda &amp; more</p>\n<ul><li>Zürich<li>Łódź</ul>\n"
    '<p>--<br>Ann <img src="cid:logo@1"></p></body></html>'
)


class Decorated:
    """Ann calls, Bob is a guest; both by one account that impersonates them."""

    def __init__(self, connector):
        self.connector = connector
        config = configuration(NTLM)
        self.ann = account(config, lab.USER)
        self.bob = account(config, lab.OTHER)

    def run(self):
        for step in (
            self.gets_details_by_a_keyword,
            self.tells_the_guest_once,
            self.keeps_what_is_edited_afterwards,
            self.takes_them_out_again,
            self.decorates_a_series_as_a_whole,
            self.decorates_one_occurrence_alone,
        ):
            lab.check(f"decorated: {step.__name__.replace('_', ' ')}", step)

    def meeting(self, subject, day, **more):
        return CalendarItem(
            account=self.ann,
            folder=self.ann.calendar,
            start=moment(at(day, 11)),
            end=moment(at(day, 12)),
            subject=subject,
            required_attendees=[Attendee(mailbox=Mailbox(email_address=lab.OTHER, name="Two"))],
            **more,
        )

    def requests(self, subject):
        """The meeting requests in Bob's inbox, oldest first."""
        items = self.bob.inbox.filter(subject=subject).order_by("datetime_received")
        return [item for item in items if isinstance(item, MeetingRequest)]

    def own(self, item):
        return self.ann.calendar.get(id=item.id)

    def decorated(self, item):
        """Waits until it has details; as Ann reads it then."""
        wait("join details", lambda: MEET in (self.own(item).location or ""))
        return self.own(item)

    def gets_details_by_a_keyword(self):
        item = self.meeting("Keyword", 5, location="Room 5 @webex; 3rd floor", body=HTMLBody(PAGE))
        item.save(send_meeting_invitations=SEND_TO_ALL_AND_SAVE_COPY)
        before = str(item.body)
        own = self.decorated(item)
        url = f"{MEET}myroom/u1?pwd=p7Kq"
        lab.same(own.location, f"Room 5 {url}; 3rd floor")
        body = str(own.body)
        assert f'href="{url}"' in body and "2551 204 7312" in body, body
        # Cut out what was put in, and it is what Ann wrote.
        start = next(n for n, (a, b) in enumerate(zip(before, body)) if a != b)
        rest = before[start:]
        assert body.endswith(rest), (before, body)
        lab.same(own.subject, "Keyword")
        self.item, self.before, self.url = item, before, url

    def tells_the_guest_once(self):
        self.connector.settle()
        first, update = self.requests("Keyword")
        lab.same((first.is_out_of_date, update.is_out_of_date), (True, False))
        lab.same(update.meeting_request_type, "InformationalUpdate")
        assert self.url in str(update.body) and self.url in update.location, update.location
        (copy,) = self.bob.calendar.filter(subject="Keyword")
        own = self.own(self.item)
        lab.same((copy.location, str(copy.body)), (own.location, str(own.body)))
        lab.same(copy.my_response_type, "NoResponseReceived", "there was nothing to answer")
        sent = self.ann.sent.filter(subject="Keyword").count()
        lab.same(sent, 2, "the invitation, and one update of it, among the sent items")
        for user in ("u1", "u2"):
            (shown,) = self.connector.meetings(user, "Keyword")
            lab.same(shown["joinUrl"], self.url, f"the Join button of {user}")

    def keeps_what_is_edited_afterwards(self):
        own = self.own(self.item)
        own.body = HTMLBody(str(own.body).replace("<li>Łódź", "<li>Łódź<li>Gdańsk"))
        own.save(update_fields=["body"], send_meeting_invitations=SEND_ONLY_TO_ALL)
        lab.same(len(self.requests("Keyword")), 3)
        self.connector.settle()
        body = str(self.own(self.item).body)
        assert "Gdańsk" in body and self.url in body, body
        lab.same(len(self.requests("Keyword")), 3, "nothing of the connector's is added")
        lab.same(len(self.connector.ask("/users/u1/decorate-requests")), 1)

    def takes_them_out_again(self):
        own = self.own(self.item)
        own.location = "Room 5"
        own.save(update_fields=["location"], send_meeting_invitations=SEND_TO_NONE)
        wait("the end of it", lambda: MEET not in str(self.own(self.item).body))
        self.connector.settle()
        own = self.own(self.item)
        expected = self.before.replace("<li>Łódź", "<li>Łódź<li>Gdańsk")
        lab.same((own.location, str(own.body)), ("Room 5", expected))
        lab.same(len(self.requests("Keyword")), 4, "the guest hears that, too, once")
        (copy,) = self.bob.calendar.filter(subject="Keyword")
        lab.same(str(copy.body), expected)

    def series(self, subject, day, **more):
        day_of = at(day, 11).date()
        return self.meeting(
            subject,
            day,
            recurrence=Recurrence(
                pattern=DailyPattern(interval=1), start=EWSDate.from_date(day_of), number=3
            ),
            **more,
        )

    def occurrences(self, whose, subject):
        window = {"start": moment(at(7, 0)), "end": moment(at(20, 0))}
        return sorted(
            (one for one in whose.calendar.view(**window) if one.subject == subject),
            key=lambda one: one.start,
        )

    def decorates_a_series_as_a_whole(self):
        item = self.series("Daily", 8, location="@meet", body=HTMLBody(PAGE))
        item.save(send_meeting_invitations=SEND_TO_ALL_AND_SAVE_COPY)
        master = self.decorated(item)
        self.connector.settle()
        for whose in (self.ann, self.bob):
            shown = self.occurrences(whose, "Daily")
            lab.same([one.location for one in shown], [master.location] * 3)
            assert all(MEET in str(one.body) for one in shown), shown
        lab.same(len(self.requests("Daily")), 2, "the invitation, and one update of it")
        requests = self.connector.ask("/users/u1/decorate-requests")
        lab.same([one["keyword"] for one in requests], ["webex", "meet"])

    def decorates_one_occurrence_alone(self):
        item = self.series("Once", 12, location="Room 5", body=HTMLBody(PAGE))
        item.save(send_meeting_invitations=SEND_TO_ALL_AND_SAVE_COPY)
        second = item.occurrence(index=2)
        second.refresh()
        second.location = "@webex"
        second.save(update_fields=["location"], send_meeting_invitations=SEND_TO_NONE)

        def places(whose):
            return [one.location for one in self.occurrences(whose, "Once")]

        expected = ["Room 5", self.url, "Room 5"]
        wait("join details", lambda: places(self.ann) == expected)
        self.connector.settle()
        lab.same(places(self.bob), expected)
        lab.same([MEET in str(one.body) for one in self.occurrences(self.bob, "Once")],
                 [False, True, False])
        lab.same(len(self.requests("Once")), 2, "one mail about that occurrence")


def main():
    connector = Connector(os.environ["CONNECTOR"])
    try:
        connector.ask("/decorate-all", {})
        Decorated(connector).run()
    finally:
        connector.end()
    lab.finish()


if __name__ == "__main__":
    main()
