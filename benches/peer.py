"""The peer: what calway does, written with exchangelib as well as its documentation teaches.

It reads the same window of the same mailboxes with the same account, seals the same texts in the
same way and sends the same events to the same cloud. Where there was a choice it was made in
exchangelib's favour:

- One process, one configuration, so one pool of connections that stay signed in (NTLM signs in
  once for a connection); as many connections for reading as calway opens by default (10) and as
  many threads. More processes would finish sooner on a machine with idle cores, but use no less
  CPU.
- A view of the window for the first reading: exchangelib asks FindItem for ids only, then GetItem
  for 100 items at a time, and only for the properties that a record needs.
- Notes are the text of the invitation. The server makes it from HTML for exchangelib (TextBody);
  calway fetches the HTML and makes it itself.
- Pages of 512 changes; ids only, as every changed item is fetched anyway.
- One stream for each mailbox, in a thread of its own that does nothing but ring; a mailbox that
  rang while it is being read is read once more, not once for each ring.
- Texts are sealed with `cryptography`, whose AES-GCM is that of OpenSSL. Each event is made JSON
  once. Events go out in batches, over a connection for each thread.
- No disk, no key server, no outbox: a crash loses what was not sent. calway pays for those.

Facts come as one line of JSON on stdin, then `sync`, then `listen`; the end of stdin ends it.
"""

import base64
import datetime as dt
import hashlib
import hmac
import json
import os
import queue
import sys
import threading
import time
import traceback
import uuid
from concurrent.futures import ThreadPoolExecutor

import requests
import requests.adapters
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from exchangelib import (
    IMPERSONATION,
    NTLM,
    Account,
    Configuration,
    Credentials,
    EWSDateTime,
    EWSTimeZone,
    FaultTolerance,
)
from exchangelib.protocol import BaseProtocol

UTC = EWSTimeZone("UTC")
CONNECTIONS = 10
# The relay's limits: 500 events, 1 MiB.
BATCH_EVENTS = 500
BATCH_BYTES = 768 * 1024
FIELDS = [
    "subject",
    "location",
    "text_body",
    "start",
    "end",
    "original_start",
    "uid",
    "type",
    "is_cancelled",
    "sensitivity",
    "last_modified_time",
    "organizer",
    "required_attendees",
    "optional_attendees",
    "resources",
]
RESPONSES = {
    "Unknown": "UNKNOWN_RESPONSE",
    "Organizer": "ORGANIZER",
    "Tentative": "TENTATIVE",
    "Accept": "ACCEPTED",
    "Decline": "DECLINED",
    "NoResponseReceived": "NO_RESPONSE",
}


def b64(data):
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


HEADER = b64(b'{"alg":"dir","enc":"A256GCM"}')
HEADER_BYTES = HEADER.encode("ascii")
INSTALLATION = os.urandom(32)


class Cloud:
    """The relay: a token, and batches of events."""

    def __init__(self, facts):
        self.url = facts["cloud"]
        self.ca = facts["cloud_ca"]
        self.kept = threading.local()
        answer = self.session().post(
            self.url + "/oauth/token",
            data={
                "grant_type": "client_credentials",
                "client_id": facts["client_id"],
                "client_secret": facts["client_secret"],
            },
        )
        answer.raise_for_status()
        self.bearer = "Bearer " + answer.json()["access_token"]

    def session(self):
        """This thread's own, so that its connection is kept."""
        if not hasattr(self.kept, "session"):
            self.kept.session = requests.Session()
            self.kept.session.verify = self.ca
            # Proxies and .netrc are not looked for at each request.
            self.kept.session.trust_env = False
        return self.kept.session

    def send(self, events):
        """One batch of events that are JSON already; all of them have to be taken."""
        answer = self.session().post(
            self.url + "/v1/events",
            data=("[" + ",".join(events) + "]").encode(),
            headers={
                "Authorization": self.bearer,
                "Content-Type": "application/cloudevents-batch+json",
            },
        )
        answer.raise_for_status()
        for result in answer.json()["results"]:
            if result["outcome"] != "stored":
                raise RuntimeError(result)


class Mailbox:
    """One user's calendar, read and relayed."""

    def __init__(self, relay, user, address):
        self.relay = relay
        self.user = user
        self.address = address
        self.key = AESGCM(os.urandom(32))
        self.key_url = f"kms://kms.lab.example/keys/{uuid.uuid4()}"
        self.sequence = int(time.time() * 1000) * 1000
        self.known = set()
        self.state = None
        self.calendar = None
        self.reading = threading.Lock()
        self.rang = threading.Event()

    def open(self):
        self.account = Account(
            primary_smtp_address=self.address,
            config=self.relay.configuration,
            autodiscover=False,
            access_type=IMPERSONATION,
            default_timezone=UTC,
        )
        self.calendar = self.account.calendar

    def synchronise(self):
        """The first reading: a mark to go on from, then the window."""
        self.open()
        for _ in self.changes():
            pass
        start, end = self.relay.window
        return self.send(self.calendar.view(start=start, end=end).only(*FIELDS))

    def changes(self):
        """What changed since the mark, by id; the mark moves on once all is read."""
        yield from self.calendar.sync_items(
            sync_state=self.state, only_fields=["id"], max_changes_returned=512
        )
        self.state = self.calendar.item_sync_state

    def catch_up(self):
        """Reads and relays what changed. Deletions and series do not occur in this comparison."""
        with self.reading:
            self.rang.clear()
            ids = [item for kind, item in self.changes() if kind in ("create", "update")]
            if ids:
                self.send(self.account.fetch(ids, folder=self.calendar, only_fields=FIELDS))

    def send(self, items):
        """Seals and sends items as they come, in batches; how many."""
        count, size, batch = 0, 0, []
        start, end = self.relay.window
        for item in items:
            if isinstance(item, Exception):
                raise item
            if item.is_cancelled or item.start >= end or item.end <= start:
                continue
            event = json.dumps(self.event(item), separators=(",", ":"))
            if batch and (len(batch) == BATCH_EVENTS or size + len(event) > BATCH_BYTES):
                self.relay.cloud.send(batch)
                size, batch = 0, []
            batch.append(event)
            size += len(event)
            count += 1
        if batch:
            self.relay.cloud.send(batch)
        return count

    def event(self, item):
        record = self.record(item)
        self.sequence += 1
        sequence = f"{self.sequence:020}"
        known = record["id"] in self.known
        self.known.add(record["id"])
        return {
            "specversion": "1.0",
            "id": f"{self.user}.{sequence}",
            "source": self.relay.source,
            "type": "calendar.meeting.update" if known else "calendar.meeting.create",
            "subject": self.user,
            "time": dt.datetime.now(dt.timezone.utc).isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "sequence": sequence,
            "data": {"calendarMeetingExternal": record},
        }

    def record(self, item):
        recurs = item.type in ("Occurrence", "Exception")
        original = moment(item.original_start or item.start) if recurs else ""
        name = hmac.digest(INSTALLATION, f"{item.uid}\0{original}".encode(), hashlib.sha256)
        series = hmac.digest(INSTALLATION, f"{item.uid}\0".encode(), hashlib.sha256)
        record = {
            "id": b64(name),
            "seriesId": b64(series),
            "start": moment(item.start),
            "durationMinutes": int((item.end - item.start).total_seconds() // 60),
            "isRecurring": recurs,
            "isDeleted": False,
            "lastModified": moment(item.last_modified_time),
            "meetingSensitivity": item.sensitivity.upper(),
            "encryptionKeyUrl": self.key_url,
            "encryptedOrganizer": self.person(item.organizer),
        }
        for member, text in (
            ("encryptedSubject", item.subject),
            ("encryptedLocation", item.location),
            ("encryptedNotes", item.text_body),
        ):
            if text:
                record[member] = self.seal(str(text)[: 64 * 1024])
        participants = [
            dict(
                self.person(attendee.mailbox),
                type="ROOM" if kind == "RESOURCE" else "PERSON",
                participantType=kind,
                responseType=RESPONSES.get(attendee.response_type, "UNKNOWN_RESPONSE"),
            )
            for kind, attendees in (
                ("REQUIRED", item.required_attendees),
                ("OPTIONAL", item.optional_attendees),
                ("RESOURCE", item.resources),
            )
            for attendee in attendees or ()
        ]
        if participants:
            record["encryptedParticipants"] = participants
        return record

    def person(self, mailbox):
        return {
            "encryptedEmailAddress": self.seal(mailbox.email_address or ""),
            "encryptedName": self.seal(mailbox.name or ""),
        }

    def seal(self, text):
        """A compact JWE, `dir` with A256GCM."""
        nonce = os.urandom(12)
        sealed = self.key.encrypt(nonce, text.encode(), HEADER_BYTES)
        return f"{HEADER}..{b64(nonce)}.{b64(sealed[:-16])}.{b64(sealed[-16:])}"

    def listen(self, opened):
        """Rings whenever the stream says something; no more than once until it is read."""
        with self.calendar.streaming_subscription() as subscription:
            self.catch_up()
            opened.release()
            while True:
                for _ in self.calendar.get_streaming_events(subscription, connection_timeout=30):
                    if not self.rang.is_set():
                        self.rang.set()
                        self.relay.rings.put(self)


def moment(when):
    """RFC 3339 in UTC."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Relay:
    """All mailboxes of one run."""

    def __init__(self, facts):
        ca = facts["exchange_ca"]

        class Trust(requests.adapters.HTTPAdapter):
            """Trusts the lab's root and nothing else."""

            def cert_verify(self, conn, url, verify, cert):
                super().cert_verify(conn=conn, url=url, verify=ca, cert=cert)

        BaseProtocol.HTTP_ADAPTER_CLS = Trust
        self.source = "/connectors/" + facts["connector"]
        self.window = tuple(
            EWSDateTime.from_datetime(dt.datetime.fromtimestamp(ms / 1000, dt.timezone.utc))
            for ms in facts["window_ms"]
        )
        self.configuration = Configuration(
            service_endpoint=facts["exchange"],
            credentials=Credentials(facts["account"], facts["password"]),
            auth_type=NTLM,
            retry_policy=FaultTolerance(max_wait=600),
            # A stream holds its connection for as long as it lasts.
            max_connections=CONNECTIONS + len(facts["mailboxes"]),
        )
        self.rings = queue.SimpleQueue()
        self.cloud = Cloud(facts)
        self.mailboxes = [Mailbox(self, user, address) for user, address in facts["mailboxes"]]

    def synchronise(self):
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            return sum(pool.map(Mailbox.synchronise, self.mailboxes))

    def listen(self):
        opened = threading.Semaphore(0)
        for mailbox in self.mailboxes:
            start(mailbox.listen, opened)
        for _ in range(CONNECTIONS):
            start(self.answer_rings)
        for _ in self.mailboxes:
            opened.acquire()
        return len(self.mailboxes)

    def answer_rings(self):
        while True:
            self.rings.get().catch_up()


def start(function, *arguments):
    """A thread whose failure ends the program."""

    def run():
        try:
            function(*arguments)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)

    threading.Thread(target=run, daemon=True).start()


def say(**what):
    print(json.dumps(what), flush=True)


def main():
    relay = Relay(json.loads(sys.stdin.readline()))
    say(ready=True)
    for line in sys.stdin:
        if line.strip() == "sync":
            say(synced=relay.synchronise())
        elif line.strip() == "listen":
            say(listening=relay.listen())
    # Streams would be waited for.
    os._exit(0)


if __name__ == "__main__":
    main()
