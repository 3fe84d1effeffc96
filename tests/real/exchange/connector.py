"""The connector's own program between the lab's Exchange and a lab's cloud, for two users."""

import base64
import json
import os
import pathlib
import secrets
import signal
import subprocess
import sys
import time
import urllib.request

import lab

USERS = {"u1": lab.USER, "u2": lab.OTHER}


def wait(what, holds, seconds=60.0):
    """Until something holds that nobody tells; answers what it holds."""
    until = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > until:
            raise AssertionError(f"in vain: {what}")
        time.sleep(0.05)
    return found


class Connector:
    """The cloud, and `calway run` with its files in a folder."""

    def __init__(self, folder):
        # Who stops this stops what it started.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        self.folder = pathlib.Path(folder)
        self.log = self.folder / "connector.log"
        credentials = self.folder / "credentials"
        credentials.mkdir(parents=True, exist_ok=True)
        for old in self.folder.glob("calway.db*"):
            old.unlink()
        self.cloud = subprocess.Popen(
            [os.environ["CALWAY_LAB"], "cloud", "--json"]
            + ["--ca-out", self.folder / "cloud.pem", "--anchor-out", self.folder / "anchor.pem"],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.facts = json.loads(self.cloud.stdout.readline())
        key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        (credentials / "calendar.hq.password").write_text(lab.PASSWORD)
        (credentials / "cloud.client_secret").write_text(self.facts["clientSecret"])
        (credentials / "store.key").write_text(key)
        config = self.folder / "calway.toml"
        config.write_text(self.configuration())
        environment = os.environ | {"CREDENTIALS_DIRECTORY": str(credentials)}
        for name in ("NOTIFY_SOCKET", "JOURNAL_STREAM"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            [os.environ["CALWAY"], "run", "--config", config],
            env=environment,
            stderr=open(self.log, "w"),
        )
        for user, address in USERS.items():
            command = self.ask("/activate", {"user": user, "address": address})["command"]
            lab.same(self.ask(f"/commands/{command}")["outcome"], "done")

    def configuration(self):
        return f"""log = "debug"
[[calendar]]
name = "hq"
account = '{lab.FACTS["account"]}'
url = "{lab.FACTS["url"]}"
autodiscover = "{lab.FACTS["autodiscover"]}"
ca_file = "{lab.FACTS["ca"]}"
system_trust = false
[cloud]
url = "{self.facts["url"]}"
connector = "{self.facts["connector"]}"
auth = {{ kind = "oauth", client_id = "{self.facts["clientId"]}" }}
ca_file = "{self.folder}/cloud.pem"
system_trust = false
[kms]
url = "{self.facts["kms"]}"
anchors_file = "{self.folder}/anchor.pem"
[store]
path = "{self.folder}/calway.db"
"""

    def ask(self, path, body=None):
        """One request to the cloud's control endpoint; the answer's JSON."""
        request = urllib.request.Request(self.facts["control"] + path)
        request.data = json.dumps(body).encode() if body is not None else None
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def meetings(self, user, subject):
        """What the user's app shows under a title."""
        shown = self.ask(f"/users/{user}/meetings")
        return [one for one in shown if one["subject"] == subject]

    def settle(self):
        """Everything that happened so far has been read, and dealt with."""
        for number, (user, address) in enumerate(USERS.items()):
            title = f"Milestone {time.monotonic_ns()}"
            start = int(time.time() // 60 * 60_000) + (300 + number) * 3_600_000
            lab.control(
                "POST", "/items", mailbox=address, subject=title, start_ms=start, minutes=5
            )
            wait(f"{title} at the cloud", lambda: self.meetings(user, title))
            nothing = {"user": user, "id": "nothing", "start": "2030-01-01T00:00:00Z"}
            command = self.ask("/meetings/respond", nothing | {"response": "ACCEPTED"})["command"]
            lab.same(self.ask(f"/commands/{command}/result")["outcome"], "refused")

    def end(self):
        for program in (self.process, self.cloud):
            program.kill()
            program.wait()
