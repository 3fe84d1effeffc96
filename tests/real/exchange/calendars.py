"""exchangelib set up for the lab: its trust, its account, and its times."""

import datetime as dt

import requests.adapters
from exchangelib import (
    IMPERSONATION,
    Account,
    Configuration,
    Credentials,
    EWSDateTime,
    EWSTimeZone,
    FailFast,
)
from exchangelib.protocol import BaseProtocol

import lab

UTC = EWSTimeZone("UTC")
NOW = dt.datetime.now(dt.timezone.utc).replace(minute=0, second=0, microsecond=0)
START = NOW - dt.timedelta(days=7)
END = NOW + dt.timedelta(days=31)


class Trust(requests.adapters.HTTPAdapter):
    """Trusts the lab's root and nothing else."""

    def cert_verify(self, conn, url, verify, cert):
        super().cert_verify(conn=conn, url=url, verify=lab.FACTS["ca"], cert=cert)


BaseProtocol.HTTP_ADAPTER_CLS = Trust


def moment(when, zone=UTC):
    """exchangelib's own kind of datetime."""
    return EWSDateTime.from_datetime(when.astimezone(dt.timezone.utc)).astimezone(zone)


def at(days, hour, minute=0):
    """A time of day, so many days from now."""
    day = (NOW + dt.timedelta(days=days)).replace(hour=hour, minute=minute)
    return day


def configuration(auth_type, password=None, policy=None):
    return Configuration(
        service_endpoint=lab.FACTS["url"],
        credentials=Credentials(lab.FACTS["account"], password or lab.PASSWORD),
        auth_type=auth_type,
        retry_policy=policy or FailFast(),
    )


def account(config, address=lab.USER):
    return Account(
        primary_smtp_address=address,
        config=config,
        autodiscover=False,
        access_type=IMPERSONATION,
        default_timezone=UTC,
    )


def found(address, subject, start=None, end=None):
    """What the lab holds under a subject, in order of time."""
    shown = lab.view(address, start or START, end or END)
    return sorted((i for i in shown if i["subject"] == subject), key=lambda i: i["start_ms"])


def expect(error, function):
    """The call raises this error."""
    try:
        result = function()
    except error:
        return
    raise AssertionError(f"{error.__name__} was due, not {result!r}")
