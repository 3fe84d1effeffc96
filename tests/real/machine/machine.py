"""The connector on a machine whose clock jumps, and on one that has no random numbers yet. Ends with
its counts."""

import errno
import http.client
import json
import os
import pathlib
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from house import MAIL, USERS, Connector, play, wait  # noqa: E402
from kernel import Kernel  # noqa: E402

WORK = pathlib.Path(sys.argv[1])
FAKETIME = os.environ.get("FAKETIME_LIBRARY", "")
# What every window holds, wherever the clock is between a day ahead and a day behind.
DAYS = (5, 28)
WATCHDOG = 30
WAITS = "waiting for the kernel's random numbers"


class Manager:
    """What systemd is told, and when."""

    def __init__(self, folder):
        self.told, self.path = [], folder / "notify"
        self.path.unlink(missing_ok=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self):
        while True:
            text = self.socket.recv(4096).decode()
            self.told.append((time.monotonic(), text))

    def heard(self, what):
        return [at for at, text in list(self.told) if what in text]


class Admin(http.client.HTTPConnection):
    """The connector's own socket."""

    def __init__(self, connector):
        super().__init__("localhost", timeout=20)
        self.path = str(connector.folder / "admin.sock")

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(20)
        self.sock.connect(self.path)


def status(connector):
    admin = Admin(connector)
    admin.request("GET", "/v1/status")
    return json.load(admin.getresponse())


def under_a_manager(name):
    connector = Connector(WORK, name)
    connector.manager = Manager(connector.folder)
    connector.environment = {"NOTIFY_SOCKET": str(connector.manager.path),
                             "WATCHDOG_USEC": str(WATCHDOG * 1_000_000)}
    return connector


# ---- the clock ----

def with_a_clock(name):
    """Its time of day is what a file says; what it measures durations by is left alone, as the
    kernel does it when a clock is set."""
    if not FAKETIME:
        print("NOT HERE: no libfaketime")
        return None
    connector = under_a_manager(name)
    connector.clock = connector.folder / "clock"
    set_clock(connector, 0)
    connector.environment |= {
        "LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(connector.clock),
        "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
    return connector


def set_clock(connector, days):
    new = connector.clock.with_suffix(".new")
    new.write_text(f"{days:+d}d\n")
    new.rename(connector.clock)


def jump(connector, days):
    """Sets the clock, and waits until the connector has it."""
    set_clock(connector, days)

    def has_it():
        off = status(connector)["time_ms"] - time.time() * 1000
        return abs(off - days * 86_400_000) < 3_600_000

    wait(f"the clock is {days:+d} days off", has_it)


def asked(connector):
    """How often Exchange was asked for anything but subscriptions and streams."""
    counts = connector.ask("exchange", "/log")["counts"]["operations"]
    return sum(number for name, number in counts.items()
               if name not in ("Subscribe", "Unsubscribe", "GetStreamingEvents"))


def records(connector):
    """Every meeting that a user sees, by its title, as the cloud has it."""
    found = {}
    for user in USERS:
        shown = connector.ask("cloud", f"/users/{user}/meetings")
        stored = {one["id"]: one for one in connector.ask("cloud", f"/users/{user}/records")}
        found |= {one["subject"]: stored[one["id"]] for one in shown}
    return found


def edits(connector, life):
    """A new meeting for everybody, one that was there is renamed, one is deleted."""
    made = {user: connector.meet(user) for user in USERS}
    renamed, gone = life.pop(), life.pop()
    words = {"subject": f"{renamed} anew"}
    connector.ask("exchange", "/items/update", connector.items[renamed] | words)
    connector.ask("exchange", "/items/delete", connector.items[gone])
    wait("the new name", lambda: f"{renamed} anew" in records(connector))
    wait("what was deleted is gone", lambda: gone not in records(connector))
    assert records(connector)[f"{renamed} anew"]["versions"] == 2
    return made


def is_exact(connector):
    return connector.is_exact(DAYS)


def quiet(connector, seconds=12):
    """Nothing more comes of it: how often Exchange was asked, until that was so."""
    time.sleep(seconds)
    return asked(connector)


def a_clock_that_jumps_by_a_day_and_back_by_two_loses_nothing_and_doubles_nothing(connector):
    connector.begin()
    life = [connector.meet(USERS[0]) for _ in range(8)]
    wait("the first meetings", lambda: is_exact(connector))
    wait("READY", lambda: connector.manager.heard("READY=1"))
    before = connector.ask("cloud", "/stats")
    keys = []
    for days in (0, 1, -1, 0):
        jump(connector, days)
        had = asked(connector)
        made = edits(connector, life)
        wait(f"every meeting, {days:+d} days off", lambda: is_exact(connector))
        there = records(connector)
        assert all(there[title]["versions"] == 1 for title in made.values()), there
        keys.append(there[made[USERS[0]]]["record"]["encryptionKeyUrl"])
        # A day that begins is a listing of each mailbox, and no more than that.
        often = quiet(connector) - had
        assert often <= 12 * len(USERS) + 12, f"{often} requests, {days:+d} days off"
        assert status(connector)["well"], status(connector)["conditions"]
    after = connector.ask("cloud", "/stats")
    assert after["duplicatedVisible"] == after["rejected"] == after["stale"] == 0, after
    assert after["channelsOpened"] == before["channelsOpened"], "it stayed connected"
    assert connector.process.poll() is None and len(connector.manager.heard("READY=1")) == 1
    fed = [*connector.manager.heard("READY=1"), *connector.manager.heard("WATCHDOG=1"),
           time.monotonic()]
    gaps = [later - one for one, later in zip(fed, fed[1:])]
    assert max(gaps) < WATCHDOG, gaps
    assert not connector.lines("loop-hangs")
    assert len(set(keys)) == len(keys), "a key is of its day, and no day's is taken for another's"
    assert connector.stop() == 0
    connector.start()
    last = connector.meet(USERS[0])
    wait(f"{last} at the cloud", lambda: is_exact(connector))
    assert records(connector)[last]["versions"] == 1


def what_a_user_asked_for_is_done_once_though_the_clock_jumps_while_exchange_is_away(connector):
    connector.begin()
    wait("READY", lambda: connector.manager.heard("READY=1"))
    done = []
    for days in (1, -1):
        connector.ask("exchange", "/cut", {})
        title = f"asked for {days:+d}"
        start = time.strftime("%Y-%m-%dT%H:00:00Z", time.gmtime(time.time() + 7_200))
        words = {"user": USERS[0], "subject": title, "start": start, "minutes": 30}
        command = connector.ask("cloud", "/meetings/create", words)["command"]
        wait("it is on the disk",
             lambda: connector.ask("cloud", f"/commands/{command}")["outcome"] == "done")
        jump(connector, days)
        # It is tried in vain with the new time of day.
        time.sleep(6)
        connector.ask("exchange", "/restore", {})
        result = wait("its result", lambda: result_of(connector, command), 90)
        assert result["outcome"] == "done", result
        done.append(title)
        wait("it is shown", lambda: all(one in records(connector) for one in done), 90)
    there = [one["subject"] for one in connector.calendar(USERS[0], DAYS)]
    assert all(there.count(title) == 1 for title in done), there


def result_of(connector, command):
    try:
        return connector.ask("cloud", f"/commands/{command}/result")
    except OSError:
        return None


# ---- random numbers ----

def on_a_kernel(**words):
    def make(name):
        if not Kernel.is_there():
            print("NOT HERE: no filter that asks (seccomp, user notification)")
            return None
        connector = under_a_manager(name)
        connector.kernel = Kernel(**words)
        connector.preexec = connector.kernel.enter
        return connector
    return make


def begin(connector):
    connector.start()
    connector.kernel.watch()


def random_numbers_that_come_late_are_waited_for_and_the_manager_is_asked_for_time(connector):
    begin(connector)
    manager = connector.manager
    wait("a word", lambda: WAITS in connector.log.read_text())
    wait("a word in the status", lambda: manager.heard(f"STATUS={WAITS}"))
    # As long as it takes: each time for longer than until the next.
    wait("more time, again", lambda: len(manager.heard("EXTEND_TIMEOUT_USEC=")) >= 2)
    assert connector.process.poll() is None and not manager.heard("READY=1")
    assert connector.kernel.waited == 1, "somebody waits in the call, or none would be gathered"
    connector.kernel.give()
    wait("READY", lambda: manager.heard("READY=1"))
    for user in USERS:
        connector.ask("cloud", "/activate", {"user": user, "address": f"{user}@{MAIL}"})
    wait("every meeting", connector.is_exact)
    assert connector.log.read_text().count(WAITS) == 1


def without_random_numbers_it_says_what_is_wrong_and_ends(connector):
    begin(connector)
    assert connector.process.wait(30) == 1
    said = connector.log.read_text()
    assert "no random numbers" in said and "getrandom" in said, said
    assert "panicked" not in said and len(said.splitlines()) == 1, said
    assert connector.manager.heard("STATUS=the kernel gives no random numbers")


def a_kernel_that_does_not_know_the_call_has_the_file(connector):
    begin(connector)
    wait("READY", lambda: connector.manager.heard("READY=1"))


if __name__ == "__main__":
    def nothing():
        pass

    play([
        (with_a_clock,
         a_clock_that_jumps_by_a_day_and_back_by_two_loses_nothing_and_doubles_nothing, nothing),
        (with_a_clock,
         what_a_user_asked_for_is_done_once_though_the_clock_jumps_while_exchange_is_away, nothing),
        (on_a_kernel(),
         random_numbers_that_come_late_are_waited_for_and_the_manager_is_asked_for_time, nothing),
        (on_a_kernel(error=errno.EPERM),
         without_random_numbers_it_says_what_is_wrong_and_ends, nothing),
        (on_a_kernel(error=errno.ENOSYS),
         a_kernel_that_does_not_know_the_call_has_the_file, nothing),
    ])
