"""What the service's sandbox lets through, on a booted system: proven by what fails inside it."""

import os
import pathlib
import shutil

import unit

ROOT = pathlib.Path(os.environ["ROOT"])
# What a program in the service's place can do; everything else is refused.
MAY = {"write-state", "write-run", "read-secret"}
REFUSED = {"EPERM", "EACCES", "EROFS", "ENOENT", "EAFNOSUPPORT", "refused"}
PROBE = """[Service]
Type=oneshot
ExecStart=
ExecStart=/usr/bin/perl /opt/lab/probe.pl
ExecReload=
Restart=no
WatchdogSec=0
ExecPaths=/usr/bin/perl
RuntimeDirectoryPreserve=yes
StandardOutput=truncate:/opt/lab/probe.out
"""


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
    assert host.show("MemorySwapMax") == "0"


def this_systemd_too_finds_it_exposed_by_no_more_than_1_2(host, lab):
    told = host.run("systemd-analyze", "security", "--threshold=12", "--no-pager", "calway.service",
                    check=False)
    assert told.returncode == 0 and "Overall exposure level" in told.stdout, told.stdout


def probed(host, name, *more):
    """What a program in the service's place can do: each thing, and `ok` or why not."""
    text = host.ask("cat", "/usr/lib/systemd/system/calway.service")
    file = host.root / f"etc/systemd/system/{name}.service"
    file.write_text("\n".join([text, PROBE, *more]))
    shutil.copy(ROOT / "tests/real/systemd/probe.pl", host.root / "opt/lab/probe.pl")
    # What everybody else sees.
    host.shell("touch /tmp/planted /var/tmp/planted")
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "start", name)
    lines = (host.root / "opt/lab/probe.out").read_text().splitlines()
    file.unlink()
    host.shell("rm /var/tmp/planted && systemctl daemon-reload")
    return dict(line.split(" ", 1) for line in lines)


def in_its_sandbox_everything_else_fails(host, lab):
    host.run("ip", "address", "add", "192.0.2.10/32", "dev", "lo")
    host.run("ip", "address", "add", "203.0.113.5/32", "dev", "lo")
    found = probed(host, "probe")
    assert len(found) > 35, found
    process = {name: found.pop(name) for name in list(found) if name[0].isupper()}
    assert process["CapEff"] == process["CapBnd"] == "0000000000000000", process
    reached = {name: found.pop(name) for name in list(found) if name.startswith("reach-")}
    well = {name for name, said in found.items() if said == "ok"}
    assert well == MAY, (well ^ MAY, found)
    assert all(said in REFUSED for name, said in found.items() if name not in MAY), found
    for name, said in found.items():
        assert not name.startswith("call-") or said == "EPERM", (name, said)
    # By the sandbox, and not only since the files are somebody else's.
    for name in ("etc", "etc-systemd", "usr", "var", "log"):
        assert found[f"write-{name}"] == "EROFS", found
    # Nobody listens there, but the way is open; with the drop-in only to what it allows.
    assert set(reached.values()) == {"ECONNREFUSED"}, reached


def where_it_may_connect_to_is_narrowed_by_the_drop_in_that_is_shipped(host, lab):
    example = host.ask("cat", "/usr/share/doc/calway/examples/addresses.conf")
    found = probed(host, "narrowed", example)
    assert found["reach-inside"] == "ECONNREFUSED", found
    assert found["reach-outside"] in ("EPERM", "timeout"), found


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
        # As a debugger would (ptrace, PTRACE_SEIZE): 1 is EPERM.
        seize = f"exit(syscall(101, 0x4206, {number}, 0, 0) == -1 ? $! + 0 : 0)"
        done = host.run("runuser", "-u", user, "--", "perl", "-e", seize, check=False)
        assert done.returncode == 1, (user, done)
    assert host.shell(f"exec 3</proc/{number}/mem", check=False).returncode == 0, "root alone can"
    # Any other process of that user is open to it.
    plain = "sleep 9 & head -c1 /proc/$!/environ && head -c1 /proc/$!/maps; kill $!"
    assert host.run("runuser", "-u", "calway", "--", "sh", "-c", plain).stdout


def an_abort_leaves_no_core(host, lab):
    unit.drop_in(host, "quick.conf", unit.QUICK)
    number = host.show("MainPID")
    host.shell("touch /opt/lab/before-abort")
    host.run("kill", "-ABRT", number)
    unit.ready_anew(host, "begun again", number)
    said = host.ask("journalctl", "-u", "calway", "-o", "cat")
    assert "code=killed, status=6/ABRT" in said and "code=dumped" not in said, said[-2000:]
    left = host.ask("find", "/", "-xdev", "-newer", "/opt/lab/before-abort", "-name", "*core*",
                    "-type", "f", "-not", "-path", "/proc/*", "-not", "-path", "/sys/*")
    assert not left, left
    unit.without_drop_in(host, "quick.conf")


TESTS = [
    the_process_has_nothing_that_it_does_not_need,
    this_systemd_too_finds_it_exposed_by_no_more_than_1_2,
    in_its_sandbox_everything_else_fails,
    where_it_may_connect_to_is_narrowed_by_the_drop_in_that_is_shipped,
    no_other_program_can_be_run_in_it,
    nobody_else_reads_its_memory,
    an_abort_leaves_no_core,
]
