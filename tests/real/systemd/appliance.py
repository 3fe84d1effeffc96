"""The packages on a booted Debian: the .deb's life until the purge, and then the .rpm's."""

import json
import os
import pathlib
import shutil
import sys
import time
import traceback

import layouts
import readme
import redhat
import sandbox
from host import Host, wait
from lab import ALICE, BOB, Lab
from unit import (PREVIOUS, QUICK, drop_in, install, is_ready, package, previous, ready_anew,
                  strictly, version_of, without_drop_in)

WORK = pathlib.Path(sys.argv[1])
ROOT = pathlib.Path(os.environ["ROOT"])


def files(host):
    """What lies on the host's disk, but for journals and what apt and dpkg keep for themselves."""
    apart = "/proc /sys /dev /run /tmp /opt /root /var/log /var/lib/dpkg /var/lib/apt /var/cache"
    skipped = " ".join(f"-path {path} -prune -o" for path in apart.split())
    return set(host.shell(f"find / -xdev {skipped} -print").stdout.splitlines())


def installing_it_starts_nothing(host, lab):
    said = host.run("apt-get", "-q", "-y", "install", f"/root/{package().name}", seconds=120)
    assert "Setting up calway" in said.stdout and "Failed" not in said.stdout + said.stderr, said
    assert host.ask("systemctl", "is-enabled", "calway") == "disabled"
    assert host.show("ActiveState") == "inactive"
    for path, owner in [("/etc/calway", "750 root calway"), ("/var/lib/calway", "700 calway calway"),
                        ("/etc/calway/calway.toml", "640 root calway"),
                        ("/etc/calway/calway.d", "750 root calway")]:
        assert host.ask("stat", "--format=%a %U %G", path) == owner, path
    assert "/usr/sbin/nologin" in host.ask("getent", "passwd", "calway")
    assert "calway run" in host.shell("zcat /usr/share/man/man1/calway-run.1.gz").stdout.replace(
        "\\-", "-").replace("calway-run", "calway run")
    completed = host.shell("set +u; . /usr/share/bash-completion/completions/calway; complete -p calway")
    assert "_calway" in completed.stdout, completed
    assert host.ask("calway", "completions", "bash").startswith("_calway()")


def unconfigured_it_says_what_is_missing_and_is_not_started_again(host, lab):
    assert host.run("systemctl", "start", "calway", check=False).returncode
    assert host.show("ExecMainStatus") == "2" and host.show("NRestarts") == "0"
    assert host.show("ActiveState") == "failed", "nobody starts it before somebody configures it"
    said = host.ask("journalctl", "-u", "calway", "-o", "cat")
    assert "/etc/calway/calway.toml" in said and "[[calendar]]" in said, said
    host.run("systemctl", "reset-failed", "calway")


def from_the_readme_alone_to_the_first_sealed_record(host, lab):
    lab.start()
    shutil.copy(host.root / "opt/lab/corp-ca.pem", host.root / "root/corp-ca.pem")
    shutil.copy(host.root / "opt/lab/kms-anchor.pem", host.root / "root/kms-anchor.pem")
    script = readme.commands(ROOT / "README.md")
    assert readme.number_of(script) <= 12, script
    strictly(host)
    cloud = lab.facts["cloud"]
    said = readme.typed(host, script, [("Password of", "lab-password"),
                                       ("Client secret", cloud["clientSecret"])])
    assert " 0 failed" in said and "No condition is open." in said, said
    assert "lab-password" not in said and cloud["clientSecret"] not in said, said
    wait("READY", lambda: is_ready(host))
    # The cloud's administrator does that.
    for user in (ALICE, BOB):
        lab.activate(user)
    lab.relays(ALICE)
    stored = lab.ask("cloud", "/stats")
    assert stored["stored"] > 0 and stored["rejected"] == 0, stored
    for name in ("store.key", "calendar.hq.password", "cloud.client_secret"):
        path = f"/etc/credstore.encrypted/{name}"
        assert host.ask("stat", "--format=%a %U", path) == "600 root", name
        assert "lab-" not in host.ask("cat", path)


def systemctl_status_says_how_many_mailboxes_stream(host, lab):
    wait("both stream", lambda: "2 mailboxes: 2 streaming, 0 polling, 0 failing" in
         host.show("StatusText"))
    assert "2 streaming" in host.ask("systemctl", "status", "calway", "--no-pager")
    assert host.show("User") == "calway" and host.show("WatchdogUSec") == "30s"


def the_journal_has_each_condition_with_its_fields(host, lab):
    lab.activate("nobody-there")
    found = wait("a condition", lambda: host.journal("CONDITION=mailbox-failing"))[0]
    assert found["_SYSTEMD_UNIT"] == "calway.service" and found["_UID"].isdigit(), found
    for field in ("MESSAGE_ID", "SEVERITY", "PRIORITY", "USER_ID", "CALENDAR"):
        assert found.get(field), f"{field} in {sorted(found)}"
    assert found["USER_ID"] == "nobody-there" and found["CALENDAR"] == "hq", found
    assert "@" not in found["MESSAGE"], "no address"
    (ready,) = host.journal("CONDITION=ready")
    assert len(ready["MESSAGE_ID"]) == 32, ready


def journalctl_says_what_to_do(host, lab):
    said = host.ask("journalctl", "--no-pager", "-x", "CONDITION=mailbox-failing")
    assert "Why: " in said and "What to do: " in said, said
    # The remedy has the command to paste.
    assert "Get-Mailbox" in said or "New-ManagementRoleAssignment" in said, said


def a_reload_is_applied_without_dropping_a_stream(host, lab):
    version = int(host.ask("systemctl", "--version").split()[1])
    assert host.show("Type") == ("notify-reload" if version >= 253 else "notify"), version
    subscribed, number = lab.operations("Subscribe"), host.show("MainPID")
    (host.root / "etc/calway/calway.d/20-window.toml").write_text("[window]\nfuture_days = 32\n")
    host.run("systemctl", "reload", "calway")
    wait("it is told", lambda: host.journal("CONDITION=reloaded"))
    lab.relays(ALICE)
    assert host.show("MainPID") == number and is_ready(host)
    assert lab.operations("Subscribe") == subscribed, "no stream is opened anew"


def a_reload_that_is_refused_fails_and_the_old_configuration_counts_on(host, lab):
    number, file = host.show("MainPID"), host.root / "etc/calway/calway.d/20-window.toml"
    began = host.ask("date", "+%s.%N")
    file.write_text("[window]\nfuture_days = 0\n")
    told = host.run("systemctl", "reload", "calway", check=False)
    assert told.returncode and "calway.service" in told.stderr, told
    assert is_ready(host) and host.show("MainPID") == number, "the service goes on"
    said = host.ask("journalctl", "-u", "calway", "-o", "cat", f"--since=@{began}")
    assert "20-window.toml: window.future_days: 1 to 366" in said and "(line 2)" in said, said
    assert "read anew" not in said, said
    wait("it is told", lambda: "refused" in host.show("StatusText"))
    lab.relays(ALICE)
    file.write_text("[window]\nfuture_days = 32\n")
    host.run("systemctl", "reload", "calway")
    assert is_ready(host) and host.show("MainPID") == number
    wait("it counts", lambda: "refused" not in host.show("StatusText"))
    # A file of certificates that holds none is found by the service alone.
    anchors = host.root / "etc/calway/calway.d/25-trust.toml"
    anchors.write_text("[cloud]\nca_file = \"/etc/hostname\"\n")
    assert host.run("systemctl", "reload", "calway", check=False).returncode
    anchors.unlink()
    host.run("systemctl", "reload", "calway")


def root_is_told_how_it_is_and_others_are_not(host, lab):
    # A mailbox that is not there stands open, so not all is well.
    told = host.run("calway", "status", "--json", check=False)
    assert told.returncode == 1 and json.loads(told.stdout)["ready"] is True, told
    other = host.run("runuser", "-u", "nobody", "--", "calway", "status", check=False)
    assert other.returncode == 4 and not other.stdout, other
    (host.root / "etc/calway/calway.d/30-admin.toml").write_text("[admin]\nusers = ['backup']\n")
    host.run("systemctl", "restart", "calway")
    for user, code in [("backup", 1), ("nobody", 4), ("root", 1)]:
        told = host.run("runuser", "-u", user, "--", "calway", "status", check=False)
        assert told.returncode == code, (user, told)
    assert "@" not in host.run("calway", "status", check=False).stdout


def a_loop_that_hangs_is_ended_and_begun_again(host, lab):
    # 30 s in the unit; the test waits for less.
    drop_in(host, "quick.conf", f"{QUICK}WatchdogSec=4\n")
    host.run("systemctl", "restart", "calway")
    number, restarts = host.show("MainPID"), int(host.show("NRestarts"))
    host.run("kill", "-STOP", number)
    ready_anew(host, "another process", number)
    assert int(host.show("NRestarts")) == restarts + 1
    said = host.ask("journalctl", "-u", "calway", "-o", "cat")
    assert "Watchdog timeout" in said, said[-2000:]
    lab.relays(BOB)
    assert not host.shell("ls /var/lib/systemd/coredump 2>/dev/null", check=False).stdout


def it_stops_in_order(host, lab):
    wait("both stream", lambda: ": 2 streaming" in host.show("StatusText"))
    before = lab.operations("Unsubscribe")
    began = time.monotonic()
    host.run("systemctl", "stop", "calway")
    # The promise that somebody waits for, not a measurement.
    assert time.monotonic() - began < 10
    assert host.show("Result") == "success" and host.show("ExecMainStatus") == "0"
    assert lab.operations("Unsubscribe") > before, "what was subscribed is given back"
    assert host.journal("CONDITION=stopping")
    told = host.run("calway", "status", check=False)
    assert told.returncode == 3 and "not running" in told.stderr, told
    title = lab.meet(ALICE)
    host.run("systemctl", "start", "calway")
    wait(f"{title}, made meanwhile", lambda: lab.shown(ALICE, title))


def versions_follow_each_other_without_a_question(host, lab):
    config = host.ask("cat", "/etc/calway/calway.toml")
    newest = version_of(host)
    for name, version in [(previous(host), PREVIOUS), (package().name, newest)]:
        number = host.show("MainPID")
        install(host, name)
        assert version_of(host) == version
        ready_anew(host, f"{version} runs", number)
        lab.relays(ALICE)
    assert host.ask("cat", "/etc/calway/calway.toml") == config
    lab.has_all_once()


def without_network_at_the_start_it_waits_and_says_so(host, lab):
    host.run("systemctl", "stop", "calway")
    title = lab.meet(ALICE)
    drop_in(host, "impatient.conf", "[Service]\nTimeoutStartSec=4\n")
    # A rule before all routes; the interface itself systemd 252 sets up for every service.
    host.shell("ip rule add pref 1 unreachable && ip rule del pref 0")
    began = time.monotonic()
    try:
        host.run("systemctl", "start", "--no-block", "calway")
        wait("it says so", lambda: host.show("StatusText").startswith("starting: ")
             and "no connection to the cloud yet" in host.show("StatusText"))
        number = host.show("MainPID")
        for condition in ("exchange-waits", "channel-closed"):
            wait(condition, lambda: host.journal(f"CONDITION={condition}", f"_PID={number}"))
        restarts = host.show("NRestarts")
        wait("more than systemd waits for others", lambda: time.monotonic() > began + 6)
        assert host.show("ActiveState") == "activating" and host.show("NRestarts") == restarts
        assert host.show("MainPID") == number
    finally:
        host.shell("ip rule add pref 0 lookup local && ip rule del pref 1")
        without_drop_in(host, "impatient.conf")
    wait("READY", lambda: is_ready(host))
    assert host.show("MainPID") == number, "by the same process"
    wait(f"{title}, made meanwhile", lambda: lab.shown(ALICE, title))


def a_secret_that_is_missing_is_named_and_the_start_heals_when_it_is_there(host, lab):
    file = host.root / "etc/credstore.encrypted/calendar.hq.password"
    away = host.root / "root/away"
    drop_in(host, "quick.conf", QUICK)
    shutil.move(file, away)
    try:
        assert host.run("systemctl", "restart", "calway", check=False).returncode
        words = "secret calendar.hq.password is missing"
        wait("it is named", lambda: any(words in one["MESSAGE"]
                                        for one in host.journal("CONDITION=start-fails")), 20)
        wait("its status says it", lambda: words in host.ask(
            "systemctl", "status", "calway", "--no-pager", "--full"), 20)
    finally:
        shutil.move(away, file)
    wait("READY", lambda: is_ready(host))
    lab.relays(BOB)
    without_drop_in(host, "quick.conf")


def removal_keeps_what_is_the_administrators(host, lab):
    host.run("apt-get", "-q", "-y", "remove", "calway", seconds=120)
    assert host.show("ActiveState") in ("inactive", "")
    assert not host.ask("pgrep", "-x", "calway")
    for path in ("/etc/calway/calway.toml", "/var/lib/calway/calway.db",
                 "/etc/credstore.encrypted/store.key"):
        assert (host.root / path[1:]).exists(), path
    host.run("apt-get", "-q", "-y", "install", f"/root/{package().name}", seconds=120)
    host.run("systemctl", "start", "calway")
    lab.relays(BOB)


def a_purge_leaves_nothing_of_ours_and_all_of_others(host, lab):
    store = host.root / "etc/credstore.encrypted"
    others = {"calendar.other.sync.password", "calendar.password", "backup.key"}
    for name in others | {".calendar.hq.password.4711.new"}:
        (store / name).write_text("sealed")
    (host.root / "etc/systemd/system/calway.service.d/quick.conf").unlink(missing_ok=True)
    host.run("apt-get", "-q", "-y", "purge", "calway", seconds=120)
    assert {one.name for one in store.iterdir()} == others
    shutil.rmtree(store)
    left = files(host) - BEFORE[0]
    # Keys and lists that the system makes when it is first asked.
    own = ("/var/lib/systemd/", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-",
           "/etc/ssl/", "/usr/local/share/ca-certificates/", "/etc/.pwd.lock", "/etc/subuid",
           "/etc/subgid")
    assert not [path for path in left if not path.startswith(own)], left
    assert "calway" in host.ask("getent", "passwd", "calway"), "the user stays"
    assert "could not be found" in host.run("systemctl", "status", "calway", check=False).stderr
    said = host.ask("journalctl", "--no-pager", "-x", "CONDITION=mailbox-failing")
    assert "What to do: " not in said, "the catalog is taken away, too"


TESTS = [
    installing_it_starts_nothing,
    unconfigured_it_says_what_is_missing_and_is_not_started_again,
    from_the_readme_alone_to_the_first_sealed_record,
    systemctl_status_says_how_many_mailboxes_stream,
    the_journal_has_each_condition_with_its_fields,
    journalctl_says_what_to_do,
    a_reload_is_applied_without_dropping_a_stream,
    a_reload_that_is_refused_fails_and_the_old_configuration_counts_on,
    root_is_told_how_it_is_and_others_are_not,
    *sandbox.TESTS,
    a_loop_that_hangs_is_ended_and_begun_again,
    it_stops_in_order,
    without_network_at_the_start_it_waits_and_says_so,
    a_secret_that_is_missing_is_named_and_the_start_heals_when_it_is_there,
    versions_follow_each_other_without_a_question,
    *layouts.TESTS,
    removal_keeps_what_is_the_administrators,
    a_purge_leaves_nothing_of_ours_and_all_of_others,
    *redhat.TESTS,
]
BEFORE = []


def main():
    passed = failed = 0
    host = Host(WORK, "appliance")
    try:
        lab = Lab(host, os.environ["CALWAY_LAB"])
        shutil.copy(package(), host.root / "root")
        host.boot()
        BEFORE.append(files(host))
        for test in TESTS:
            began = time.monotonic()
            name = test.__name__.replace("_", " ")
            try:
                test(host, lab)
                passed += 1
                print(f"ok      {name} ({time.monotonic() - began:.1f} s)", flush=True)
            except Exception:  # noqa: BLE001 - whatever it is, it failed
                failed += 1
                said = host.ask("journalctl", "-u", "calway", "-n", "12", "--no-pager")
                print(f"FAILED  {name}\n{traceback.format_exc()}{said}", flush=True)
    finally:
        host.end()
    print(f"{passed} passed, {failed} failed")


main()
