"""exchangelib against the simulated Exchange.

Every step asserts on contents, and what exchangelib wrote is read back through the lab's control
endpoint, which does not go through EWS.
"""

import socket
import sys

from exchangelib import (
    BASIC,
    IMPERSONATION,
    NTLM,
    Account,
    Credentials,
    FaultTolerance,
    autodiscover,
)
from exchangelib.autodiscover import Autodiscovery
from exchangelib.errors import (
    ErrorImpersonateUserDenied,
    ErrorNonExistentMailbox,
    ErrorServerBusy,
    UnauthorizedError,
)
from exchangelib.protocol import Protocol

import lab
from calendars import END, START, UTC, account, configuration, expect, moment
from office import Office
from story import Story


def autodiscovers():
    """Through the mail domain alone, with the names of the domain leading to the lab."""
    plain = socket.getaddrinfo
    host, port = lab.FACTS["url"].split("/")[2].split(":")
    asked = []

    def to_the_lab(name, service, *arguments, **named):
        if isinstance(name, str) and name.endswith(lab.FACTS["domain"]):
            asked.append(name)
            if not name.startswith("autodiscover."):
                raise socket.gaierror(socket.EAI_NONAME, "no web site at the domain itself")
            return plain(host, int(port), *arguments, **named)
        return plain(name, service, *arguments, **named)

    autodiscover.clear_cache()
    socket.getaddrinfo = to_the_lab
    kept = Autodiscovery._ensure_valid_hostname
    Autodiscovery._ensure_valid_hostname = lambda self, url: None
    try:
        answer, protocol = autodiscover.discover(
            lab.USER, credentials=Credentials(lab.FACTS["account"], lab.PASSWORD)
        )
        lab.same(answer.autodiscover_smtp_address, lab.USER)
        lab.same(answer.ews_url, lab.FACTS["url"])
        assert answer.user_settings["grouping_information"], answer.user_settings
        lab.same(answer.user_settings["user_display_name"], "User 1")
        found_account = Account(
            primary_smtp_address=lab.USER,
            credentials=Credentials(lab.FACTS["account"], lab.PASSWORD),
            autodiscover=True,
            access_type=IMPERSONATION,
            default_timezone=UTC,
        )
        assert list(found_account.calendar.view(start=moment(START), end=moment(END)))
    finally:
        socket.getaddrinfo = plain
        Autodiscovery._ensure_valid_hostname = kept
    assert lab.FACTS["domain"] in asked, "the domain itself is asked first"
    assert "autodiscover." + lab.FACTS["domain"] in asked, "and then its autodiscover host"
    assert lab.counts()["operations"].get("GetUserSettings", 0) >= 1


def is_refused_with_a_wrong_password():
    for auth_type in (BASIC, NTLM):
        before = sum(lab.counts()["refusals"].values())
        Protocol.clear_cache()
        config = configuration(auth_type, password="wrong")
        expect(UnauthorizedError, lambda: list(account(config).calendar.all()[:1]))
        assert sum(lab.counts()["refusals"].values()) > before


def is_denied_impersonation_where_it_is_denied():
    config = configuration(NTLM)
    path = f"/mailboxes/{lab.OTHER}/impersonation"
    lab.control("POST", path, denied=True)
    try:
        expect(
            ErrorImpersonateUserDenied,
            lambda: list(account(config, lab.OTHER).calendar.all()[:1]),
        )
    finally:
        lab.control("POST", path, denied=False)
    list(account(config, lab.OTHER).calendar.all()[:1])


def meets_no_mailbox_where_there_is_none():
    config = configuration(NTLM)
    address = "nobody@" + lab.FACTS["domain"]
    expect(ErrorNonExistentMailbox, lambda: list(account(config, address).calendar.all()[:1]))


def hears_that_the_server_is_busy():
    config = configuration(BASIC)
    mailbox = account(config)
    assert mailbox.calendar.id
    for inner in (False, True):
        busy = {"fault": "server-busy", "back_off_ms": 100, "inner": inner}
        lab.control("POST", "/faults", operation="FindItem", **busy)
        expect(ErrorServerBusy, lambda: list(mailbox.calendar.all()[:1]))
    Protocol.clear_cache()
    patient = configuration(BASIC, policy=FaultTolerance(max_wait=30))
    mailbox = account(patient)
    assert mailbox.calendar.id
    lab.control("POST", "/faults", fault="server-busy", operation="FindItem", back_off_ms=100)
    assert list(mailbox.calendar.all()[:1]), "the patient client comes through"


def main():
    """Everything, or (with the argument `ntlm`) only the story under NTLM."""
    if sys.argv[1:] == ["ntlm"]:
        Story(NTLM).run()
        lab.finish()
    for auth_type in (BASIC, NTLM):
        Story(auth_type).run()
        Office(configuration(auth_type), auth_type).run()
    for step in (
        autodiscovers,
        is_refused_with_a_wrong_password,
        is_denied_impersonation_where_it_is_denied,
        meets_no_mailbox_where_there_is_none,
        hears_that_the_server_is_busy,
    ):
        lab.check(step.__name__.replace("_", " "), step)
    lab.finish()


if __name__ == "__main__":
    main()
