"""The .deb on a booted Debian: its whole life, from the installation to the purge."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import traceback

import readme
from host import Host, wait
from lab import Lab

WORK = pathlib.Path(sys.argv[1])
ROOT = pathlib.Path(os.environ["ROOT"])
ALICE, BOB = "user00001", "user00002"
# Times of the unit that a test would wait for; everything else is as the package has it.
QUICK = "[Service]\nRestartSec=1\n"
# A call that the filter refuses ends the service here, so that none is refused unseen.
STRICT = "[Service]\nSystemCallErrorNumber=kill\n"


def package():
    (found,) = pathlib.Path(os.environ["PACKAGES"]).glob("*.deb")
    return found


def previous(host):
    """The same package with a lower version number."""
    folder = host.work / "previous"
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["dpkg-deb", "--raw-extract", package(), folder], check=True)
    control = folder / "DEBIAN/control"
    lines = control.read_text().splitlines(keepends=True)
    lines = ["Version: 0.0.9-1\n" if line.startswith("Version: ") else line for line in lines]
    control.write_text("".join(lines))
    target = host.root / "root/calway_0.0.9-1.deb"
    subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "--build", folder, target],
                   check=True, capture_output=True)
    shutil.rmtree(folder)


def files(host):
    """What lies on the host's disk, but for journals and what apt and dpkg keep for themselves."""
    apart = "/proc /sys /dev /run /tmp /opt /root /var/log /var/lib/dpkg /var/lib/apt /var/cache"
    skipped = " ".join(f"-path {path} -prune -o" for path in apart.split())
    return set(host.shell(f"find / -xdev {skipped} -print").stdout.splitlines())


def drop_in(host, name, text):
    folder = host.root / "etc/systemd/system/calway.service.d"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    host.run("systemctl", "daemon-reload")


def strictly(host):
    """In /run, which no package touches."""
    host.shell("mkdir -p /run/systemd/system/calway.service.d && "
               "cat >/run/systemd/system/calway.service.d/strict.conf", input=STRICT)
    host.run("systemctl", "daemon-reload")


def is_ready(host):
    return host.show("ActiveState") == "active" and host.show("SubState") == "running"


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


def the_process_has_nothing_that_it_does_not_need(host, lab):
    number = host.show("MainPID")
    status = host.ask("cat", f"/proc/{number}/status")
    facts = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
    for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb"):
        assert int(facts[name], 16) == 0, (name, facts[name])
    assert facts["NoNewPrivs"] == "1" and facts["Seccomp"] == "2", facts
    assert facts["Uid"].split()[0] == host.ask("id", "-u", "calway")
    limits = host.ask("cat", f"/proc/{number}/limits")
    assert "Max core file size        0                    0" in limits, limits


# What a program in the service's place can do; everything else is refused.
MAY = {"write-state", "write-run", "read-secret", "call-personality"}


def in_its_sandbox_everything_else_fails(host, lab):
    unit = host.ask("cat", "/usr/lib/systemd/system/calway.service")
    example = host.ask("cat", "/usr/share/doc/calway/examples/addresses.conf")
    shutil.copy(ROOT / "tests/real/systemd/probe.pl", host.root / "opt/lab/probe.pl")
    host.run("ip", "address", "add", "192.0.2.10/32", "dev", "lo")
    host.run("ip", "address", "add", "203.0.113.5/32", "dev", "lo")
    probe = ("[Service]\nType=oneshot\nExecStart=\nExecStart=/usr/bin/perl /opt/lab/probe.pl\n"
             "ExecReload=\nRestart=no\nWatchdogSec=0\nExecPaths=/usr/bin/perl\n"
             "RuntimeDirectoryPreserve=yes\nStandardOutput=truncate:/opt/lab/probe.out\n")
    units = host.root / "etc/systemd/system"
    for name, more in [("probe", ""), ("narrowed", example)]:
        (units / f"{name}.service").write_text(f"{unit}\n{probe}\n{more}\n")
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "start", "probe")
    lines = (host.root / "opt/lab/probe.out").read_text().splitlines()
    found = dict(line.split(" ", 1) for line in lines)
    assert len(found) > 35, found
    process = {name: found.pop(name) for name in list(found) if name[0].isupper()}
    assert process["CapEff"] == process["CapBnd"] == "0000000000000000", process
    reached = {name: found.pop(name) for name in list(found) if name.startswith("reach-")}
    well = {name for name, said in found.items() if said == "ok"}
    assert well == MAY - {"call-personality"}, (well ^ MAY, found)
    assert all(said in ("EPERM", "EACCES", "EROFS", "ENOENT", "EAFNOSUPPORT", "refused")
               for name, said in found.items() if name not in MAY), found
    for name, said in found.items():
        assert not name.startswith("call-") or said == "EPERM", (name, said)
    # Nobody listens there, but the way is open; with the drop-in only to what it allows.
    assert set(reached.values()) == {"ECONNREFUSED"}, reached
    host.run("systemctl", "start", "narrowed")
    lines = (host.root / "opt/lab/probe.out").read_text().splitlines()
    found = dict(line.split(" ", 1) for line in lines)
    assert found["reach-inside"] == "ECONNREFUSED", found
    assert found["reach-outside"] in ("EPERM", "timeout"), found
    for name in ("probe", "narrowed"):
        (units / f"{name}.service").unlink()
    host.run("systemctl", "daemon-reload")


def no_other_program_can_be_run_in_it(host, lab):
    text = pathlib.Path(host.root / "usr/lib/systemd/system/calway.service").read_text()
    other = text.replace("ExecStart=/usr/bin/calway run --config /etc/calway/calway.toml",
                         "ExecStart=/usr/bin/perl -e 1").replace("WatchdogSec=30", "")
    (host.root / "etc/systemd/system/other.service").write_text(
        other.replace("Type=notify", "Type=oneshot").replace("Restart=on-failure", ""))
    host.run("systemctl", "daemon-reload")
    assert host.run("systemctl", "start", "other", check=False).returncode
    assert host.show("ExecMainStatus", "other.service") == "203", host.ask(
        "systemctl", "status", "other", "--no-pager")
    (host.root / "etc/systemd/system/other.service").unlink()
    host.run("systemctl", "daemon-reload")


def nobody_else_reads_its_memory(host, lab):
    number = host.show("MainPID")
    for user in ("nobody", "calway"):
        for path in ("mem", "environ", "maps"):
            done = host.run("runuser", "-u", user, "--", "head", "-c1", f"/proc/{number}/{path}",
                            check=False)
            assert "Permission denied" in done.stderr, (user, path, done)
    assert host.shell(f"exec 3</proc/{number}/mem", check=False).returncode == 0, "root alone can"


def a_loop_that_hangs_is_ended_and_begun_again(host, lab):
    # 30 s in the unit; the test waits for less.
    drop_in(host, "quick.conf", f"{QUICK}WatchdogSec=4\n")
    host.run("systemctl", "restart", "calway")
    number = host.show("MainPID")
    host.run("kill", "-STOP", number)
    wait("another process", lambda: is_ready(host) and host.show("MainPID") != number)
    assert host.show("NRestarts") == "1"
    said = host.ask("journalctl", "-u", "calway", "-o", "cat")
    assert "Watchdog timeout" in said, said[-2000:]
    lab.relays(BOB)
    assert not host.shell("ls /var/lib/systemd/coredump 2>/dev/null", check=False).stdout


def it_stops_in_order(host, lab):
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
    previous(host)
    config = host.ask("cat", "/etc/calway/calway.toml")
    newest = host.ask("dpkg-query", "-W", "-f", "${Version}", "calway")
    for name, version in [("calway_0.0.9-1.deb", "0.0.9-1"), (package().name, newest)]:
        number = host.show("MainPID")
        host.run("apt-get", "-q", "-y", "--allow-downgrades", "install", f"/root/{name}",
                 stdin=subprocess.DEVNULL, seconds=120)
        assert host.ask("dpkg-query", "-W", "-f", "${Version}", "calway") == version
        wait(f"{version} runs", lambda: is_ready(host) and host.show("MainPID") != number)
        lab.relays(ALICE)
    assert host.ask("cat", "/etc/calway/calway.toml") == config
    after = lab.ask("cloud", "/stats")
    assert after["duplicatedVisible"] == after["rejected"] == 0, after


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


def a_purge_leaves_nothing(host, lab):
    shutil.rmtree(host.root / "etc/systemd/system/calway.service.d/quick.conf", True)
    (host.root / "etc/systemd/system/calway.service.d/quick.conf").unlink(missing_ok=True)
    host.run("apt-get", "-q", "-y", "purge", "calway", seconds=120)
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
    root_is_told_how_it_is_and_others_are_not,
    the_process_has_nothing_that_it_does_not_need,
    in_its_sandbox_everything_else_fails,
    no_other_program_can_be_run_in_it,
    nobody_else_reads_its_memory,
    a_loop_that_hangs_is_ended_and_begun_again,
    it_stops_in_order,
    versions_follow_each_other_without_a_question,
    removal_keeps_what_is_the_administrators,
    a_purge_leaves_nothing,
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
                said = host.ask("journalctl", "-u", "calway", "-n", "30", "--no-pager")
                print(f"FAILED  {name}\n{traceback.format_exc()}{said}", flush=True)
    finally:
        host.end()
    print(f"{passed} passed, {failed} failed")


main()
