"""The .rpm's scripts, run by rpm itself on the booted system: what dnf has them do."""

import os
import pathlib
import shutil

import readme
import unit

ROOT = pathlib.Path(os.environ["ROOT"])
# Whom nobody relayed before: the other store was another installation's.
CAROL = "user00003"


def rpm(host, *words):
    """Its own database knows no package of this distribution, which patched an older one to warn."""
    patched = ["--force-debian"] if "--force-debian" in host.ask("rpm", "--help") else []
    return host.run("rpm", *patched, "--nodeps", *words, "/root/calway.rpm", seconds=120)


def an_rpm_brings_the_user_and_the_folders_and_starts_nothing(host, lab):
    # As on a machine that never had it.
    host.run("userdel", "calway")
    shutil.copy(unit.package("rpm"), host.root / "root/calway.rpm")
    done = rpm(host, "--install")
    assert not done.stdout + done.stderr, done
    assert host.ask("systemctl", "is-enabled", "calway") == "disabled"
    assert host.show("ActiveState") == "inactive"
    for path, owner in [("/etc/calway", "750 root calway"),
                        ("/etc/calway/calway.toml", "640 root calway"),
                        ("/etc/calway/calway.d", "750 root calway"),
                        ("/var/lib/calway", "700 calway calway")]:
        assert host.ask("stat", "--format=%a %U %G", path) == owner, path
    assert "nologin" in host.ask("getent", "passwd", "calway")
    assert "What to do: " in host.ask("journalctl", "--no-pager", "-x", "CONDITION=ready")


def configured_by_the_readme_it_relays(host, lab):
    script = readme.commands(ROOT / "README.md")
    first, *rest, last = script.splitlines()
    assert first.startswith("apt install") and "dnf install ./calway-" in first, first
    assert last == "calway status", "which says that a mailbox is not there"
    secret = lab.facts["cloud"]["clientSecret"]
    readme.typed(host, "\n".join(rest), [("Password of", "lab-password"),
                                         ("Client secret", secret)])
    lab.activate(CAROL)
    lab.relays(CAROL)


def the_next_one_carries_on_and_keeps_the_configuration(host, lab):
    config, number = host.ask("cat", "/etc/calway/calway.toml"), host.show("MainPID")
    # Once more the same: to the scripts that is an upgrade.
    rpm(host, "--upgrade", "--force")
    unit.ready_anew(host, "the new program", number)
    assert host.ask("systemctl", "is-enabled", "calway") == "enabled"
    assert host.ask("cat", "/etc/calway/calway.toml") == config
    lab.relays(CAROL)


def taken_away_it_stops_and_keeps_what_is_the_administrators(host, lab):
    config = host.ask("cat", "/etc/calway/calway.toml")
    host.run("rpm", "--erase", "calway", seconds=120)
    assert not host.ask("pgrep", "-x", "calway")
    assert "could not be found" in host.run("systemctl", "status", "calway", check=False).stderr
    assert not (host.root / "usr/bin/calway").exists()
    wants = host.root / "etc/systemd/system/multi-user.target.wants/calway.service"
    assert not wants.is_symlink(), "nothing is left enabled"
    assert host.ask("cat", "/etc/calway/calway.toml.rpmsave") == config
    for path in ("var/lib/calway/calway.db", "etc/credstore.encrypted/store.key"):
        assert (host.root / path).exists(), path
    said = host.ask("journalctl", "--no-pager", "-x", "CONDITION=ready")
    assert "What to do: " not in said, "the catalog is taken away, too"


TESTS = [
    an_rpm_brings_the_user_and_the_folders_and_starts_nothing,
    configured_by_the_readme_it_relays,
    the_next_one_carries_on_and_keeps_the_configuration,
    taken_away_it_stops_and_keeps_what_is_the_administrators,
]
