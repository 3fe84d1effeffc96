"""The specification against itself, and the lab's cloud against the specification."""

import copy
import json
import os
import re
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path

import jsonschema
import yaml
from openapi_spec_validator import validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

SPEC = Path(sys.argv[1])
BASE = "urn:relay"
DOCUMENT = yaml.safe_load((SPEC / "relay.openapi.yaml").read_text("utf-8"))
REGISTRY = Registry().with_resource(BASE, Resource(contents=DOCUMENT, specification=DRAFT202012))

passed = failed = 0


def check(name, run):
    """Runs one check; an exception is its failure."""
    global passed, failed
    try:
        run()
    except Exception as error:  # noqa: BLE001 - whatever it is, it failed
        failed += 1
        print(f"FAILED  {name}: {str(error).splitlines()[0]}")
    else:
        passed += 1
        print(f"ok      {name}")


def pointer(*parts):
    escaped = (part.replace("~", "~0").replace("/", "~1") for part in parts)
    return BASE + "#/" + "/".join(escaped)


def schema(name):
    return pointer("components", "schemas", name)


def judge(value, reference):
    """Validates `value` against the schema at `reference`."""
    validator = jsonschema.Draft202012Validator({"$ref": reference}, registry=REGISTRY)
    error = jsonschema.exceptions.best_match(validator.iter_errors(value))
    if error is not None:
        where = "/".join(str(part) for part in error.absolute_path)
        raise AssertionError(f"{where}: {error.message}")


def fits(value, reference):
    try:
        judge(value, reference)
    except AssertionError:
        return False
    return True


def examples(node, way=()):
    """Every example of the document, with the address of its schema."""
    if isinstance(node, list):
        for place, item in enumerate(node):
            yield from examples(item, (*way, str(place)))
        return
    if not isinstance(node, dict):
        return
    if "schema" in node:
        if "example" in node:
            yield node["example"], pointer(*way, "schema"), "/".join(way)
        named = node.get("examples")
        if isinstance(named, dict):
            for name, example in named.items():
                yield example["value"], pointer(*way, "schema"), "/".join((*way, name))
    elif isinstance(node.get("examples"), list):
        for example in node["examples"]:
            yield example, pointer(*way), "/".join(way)
    for name, item in node.items():
        if name not in ("example", "examples"):
            yield from examples(item, (*way, name))


def blocks():
    """Every JSON block of relay.md, with the schema that the line before it names."""
    text = (SPEC / "relay.md").read_text("utf-8")
    named = re.findall(r"<!-- schema: (\w+) -->\n```json\n(.*?)\n```", text, re.DOTALL)
    if len(named) != text.count("```json"):
        raise AssertionError("a JSON block without a schema")
    return [(name, json.loads(body)) for name, body in named]


def mutations(event):
    """Altered copies of an event that must be refused, with what was altered."""
    meeting = ("data", "calendarMeetingExternal")
    plain = "Budget"
    gone = object()
    changes = {
        ("specversion",): "0.3",
        ("source",): "/elsewhere",
        ("type",): "calendar.meeting.rename",
        ("subject",): gone,
        ("time",): "yesterday",
        ("datacontenttype",): "text/plain",
        ("sequence",): "1",
        ("traceparent",): "00-1-2-3",
        ("traceParent",): "x",
        ("data",): "x",
        ("data", "more"): 1,
        (*meeting, "id"): gone,
        (*meeting, "seriesId"): gone,
        (*meeting, "start"): "2026-01-05T10:00:00+01:00",
        (*meeting, "durationMinutes"): -1,
        (*meeting, "isRecurring"): "no",
        (*meeting, "isDeleted"): True,
        (*meeting, "meetingSensitivity"): "Normal",
        (*meeting, "encryptionKeyUrl"): "https://kms/keys/1",
        (*meeting, "subject"): plain,
        (*meeting, "encryptedSubject"): plain,
        (*meeting, "encryptedNotes"): "a.b.c.d.e",
        (*meeting, "encryptedOrganizer", "encryptedName"): gone,
        (*meeting, "encryptedOrganizer", "encryptedEmailAddress"): plain,
        (*meeting, "encryptedOrganizer", "name"): plain,
        (*meeting, "encryptedParticipants", 0, "encryptedName"): plain,
        (*meeting, "encryptedParticipants", 0, "responseType"): "maybe",
        (*meeting, "meetingJoinInfo", "meetingJoinURL"): plain,
        (*meeting, "meetingJoinInfo", "webexMeetingNumber"): plain,
        (*meeting, "meetingJoinInfo", "passcode"): plain,
    }
    for way, value in changes.items():
        altered = copy.deepcopy(event)
        node = altered
        for part in way[:-1]:
            node = node[part]
        if value is gone:
            del node[way[-1]]
        else:
            node[way[-1]] = value
        yield ".".join(str(part) for part in way), altered


class Lab:
    """The lab's cloud, over TLS."""

    def __init__(self, facts):
        self.facts = facts
        self.tls = ssl.create_default_context(cafile=facts["ca"])
        self.token = None

    def ask(self, method, path, body=None, kind="application/json", token=None):
        headers = {"content-type": kind}
        if token or self.token:
            headers["authorization"] = f"Bearer {token or self.token}"
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        base = self.facts["control"] if path.startswith("!") else self.facts["url"]
        url = base + path.removeprefix("!")
        request = urllib.request.Request(url, data, headers, method=method)
        tls = self.tls if url.startswith("https:") else None
        try:
            answer = urllib.request.urlopen(request, timeout=20, context=tls)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None, answer.headers

    def post(self, *events):
        kind = "application/cloudevents-batch+json"
        return self.ask("POST", "/v1/events", list(events), kind)


def answer_fits(lab, expected, name, method, path, body=None, kind="application/json", token=None):
    status, answer, headers = lab.ask(method, path, body, kind, token)
    assert status == expected, f"status {status}: {answer}"
    assert headers["relay-version"] == DOCUMENT["info"]["version"]
    if name is None:
        assert answer is None
    else:
        judge(answer, schema(name))
    return answer


def with_lab(lab, event):
    form = "application/x-www-form-urlencoded"
    good = f"grant_type=client_credentials&client_id={lab.facts['clientId']}" \
        f"&client_secret={lab.facts['clientSecret']}"
    batch = "application/cloudevents-batch+json"
    status = {"version": "0.1.0", "state": "operational", "outbox": 0,
              "mailboxes": {"active": 1, "streaming": 1, "polling": 0, "failing": 0}}

    def sign_in():
        answer = answer_fits(lab, 200, "Token", "POST", "/oauth/token", good.encode(), form)
        lab.token = answer["access_token"]

    cases = [
        (401, "OAuthError", "POST", "/oauth/token", good.encode() + b"x", form),
        (400, "OAuthError", "POST", "/oauth/token", b"grant_type=password", form),
        (400, "Error", "POST", "/v1/events", b"[]", batch),
        (415, "Error", "POST", "/v1/events", b"[]", "text/plain"),
        (413, "Error", "POST", "/v1/events", b" " * ((1 << 20) + 1), batch),
        (401, "Error", "POST", "/v1/events", b"[]", batch, "guess"),
        (426, "Error", "GET", "/v1/channel"),
        (204, None, "PUT", f"/v1/connectors/{lab.facts['connector']}", status),
        (204, None, "PUT", f"/v1/connectors/{lab.facts['connector']}",
         {**status, "state": "outage", "conditions": ["store-fails"], "severity": "critical"}),
        (400, "Error", "PUT", f"/v1/connectors/{lab.facts['connector']}",
         {**status, "severity": "dreadful"}),
        (404, "Error", "PUT", "/v1/connectors/other", status),
        (400, "Error", "PUT", f"/v1/connectors/{lab.facts['connector']}", {}),
        (403, "Error", "GET", "/v1/users/u-17/meetings"),
        (200, "StaticKey", "GET", "/v1/kms/hq-1"),
        (200, "KmsAnswer", "POST", "/v1/kms/messages",
         {"destination": lab.facts["kmsAddress"], "kmsMessages": ["eyJhIjoxfQ.AA.AA.AA.AA"]}),
        (400, "Error", "POST", "/v1/kms/messages", {"kmsMessages": []}),
        (404, "Error", "POST", "/v1/kms/messages",
         {"destination": "kms://other", "kmsMessages": ["a.b.c.d.e"]}),
    ]
    check("lab: the token fits", sign_in)
    for case in cases:
        name = f"lab: {case[2]} {case[3]} answers {case[0]} and fits"
        check(name, lambda case=case: answer_fits(lab, *case))

    lab.ask("POST", "!/activate", {"user": "u-17", "address": "alice@corp.example"})
    commands = lab.ask("GET", "!/commands")[1]

    def command_fits():
        shown = commands[0]
        frame = {"specversion": "1.0", "source": "/relay", "datacontenttype": "application/json",
                 "id": shown["id"], "type": shown["type"], "subject": shown["subject"],
                 "data": shown["data"], "sequence": f"{shown['sequence']:020}"}
        judge(frame, schema("Command"))

    check("lab: its command fits", command_fits)

    def outcome(candidate):
        status, answer, _ = lab.post(candidate)
        assert status == 200, f"status {status}: {answer}"
        judge(answer, schema("EventResults"))
        return answer["results"][0]["outcome"]

    def stored():
        assert outcome(event) == "stored"
        assert outcome(event) == "duplicate"

    check("lab: the example of the text is stored", stored)
    for name, altered in mutations(event):
        def rejected(altered=altered):
            assert outcome(altered) == "rejected"

        check(f"lab: an event with another {name} is rejected", rejected)

    def listed():
        token = lab.ask("POST", "!/users/u-17/token")[1]["token"]
        path = "/v1/users/u-17/meetings"
        answer = answer_fits(lab, 200, "MeetingList", "GET", path, token=token)
        assert answer["items"] == [event["data"]["calendarMeetingExternal"]]

    check("lab: the user's list fits, and is what was sent", listed)


def main():
    check("relay.openapi.yaml is OpenAPI 3.1", lambda: validate(DOCUMENT))
    found = list(examples(DOCUMENT))
    for value, reference, name in found:
        check(f"example {name}", lambda value=value, at=reference: judge(value, at))
    texts = blocks()
    for place, (name, value) in enumerate(texts, 1):
        check(f"relay.md, block {place}, is a {name}",
              lambda value=value, name=name: judge(value, schema(name)))
    check("there are examples enough", lambda: (found[14], texts[7]))

    event = next(v for n, v in texts if n == "EventBatch")[0]
    for name, altered in mutations(event):
        def refused(altered=altered):
            assert not fits([altered], schema("EventBatch")), "the schema lets it pass"

        check(f"the schema refuses another {name}", refused)
    if "LAB" in os.environ:
        with_lab(Lab(json.loads(os.environ["LAB"])), event)
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


sys.exit(main())
