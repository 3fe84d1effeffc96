"""The lab's control endpoint, and a plain way to count what held."""

import json
import os
import sys
import traceback
import urllib.parse
import urllib.request

FACTS = json.loads(os.environ["LAB"])
PASSWORD = os.environ["LAB_PASSWORD"]
USER = "user00001@" + FACTS["domain"]
OTHER = "user00002@" + FACTS["domain"]
ROOM = "room001@" + FACTS["domain"]

_counts = {"passed": 0, "failed": 0}


def control(method, path, **body):
    """One request to the control endpoint; the answer's JSON."""
    request = urllib.request.Request(
        FACTS["control"] + path,
        method=method,
        data=json.dumps(body).encode() if body else None,
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def view(address, start, end):
    """What the calendar of `address` holds between two datetimes, as the lab itself reads it."""
    query = urllib.parse.urlencode({"from": ms(start), "to": ms(end)})
    return control("GET", f"/mailboxes/{address}/view?{query}")


def ms(moment):
    """UTC milliseconds."""
    return int(moment.timestamp() * 1000)


def counts():
    """The access log's counts."""
    return control("GET", "/log")["counts"]


def check(name, function):
    """Runs one step; an assertion that fails is one failure, the rest goes on."""
    try:
        function()
    except Exception:
        _counts["failed"] += 1
        print(f"FAILED  {name}")
        traceback.print_exc(file=sys.stdout)
    else:
        _counts["passed"] += 1
        print(f"ok      {name}")
    sys.stdout.flush()


def same(left, right, what=""):
    """Both sides are equal, or the difference is told."""
    assert left == right, f"{what}\n    left:  {left!r}\n    right: {right!r}"


def finish():
    """The last line and the exit code."""
    print(f"{_counts['passed']} passed, {_counts['failed']} failed")
    sys.exit(1 if _counts["failed"] or not _counts["passed"] else 0)
