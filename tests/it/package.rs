//! What packages bring beside the program: the configuration as shipped, and the unit's generator.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use calway::config;

fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn the_configuration_as_shipped_starts_nothing_and_says_what_is_missing() {
    let wrong = config::read(&shipped("etc/calway.toml")).expect_err("nothing in it");
    assert!(wrong.to_string().contains("[[calendar]]"), "{wrong}");
}

#[test]
fn without_its_marks_the_configuration_as_shipped_is_one() {
    let text = fs::read_to_string(shipped("etc/calway.toml")).unwrap();
    let bare: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with("# ") && *line != "#")
        .map(|line| line.strip_prefix('#').unwrap_or(line))
        .collect();
    assert!(bare.contains(&"[[calendar]]") && bare.contains(&"[kms]"), "{bare:?}");
    config::parse(&bare.join("\n")).expect("known keys with values of their kinds");
}

/// What the generator writes where `systemctl --version` says this.
fn generated(says: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let fake = folder.path().join("systemctl");
    crate::house::program(&fake, &format!("#!/bin/sh\necho '{says}'\n"));
    let units = folder.path().join("normal");
    fs::create_dir(&units).unwrap();
    let done = Command::new("sh")
        .arg(shipped("systemd/calway.generator"))
        .args([&units, &units, &units])
        .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
        .status()
        .unwrap();
    assert!(done.success(), "{done}");
    fs::read_to_string(units.join("calway.service.d/50-notify-reload.conf")).ok()
}

#[test]
fn a_reload_is_waited_for_where_systemd_knows_how() {
    for new in ["systemd 253 (253.5-1ubuntu6)", "systemd 257 (257.7-1)", "systemd 1000~rc1 (x)"] {
        let drop_in = generated(new).expect(new);
        assert!(drop_in.ends_with("[Service]\nType=notify-reload\n"), "{drop_in}");
    }
}

#[test]
fn an_older_systemd_is_told_no_type_that_it_does_not_know() {
    for old in ["systemd 252 (252.39-1~deb12u2)", "systemd 249 (249.11)", ""] {
        assert_eq!(generated(old), None, "{old}");
    }
    let unit = fs::read_to_string(shipped("systemd/calway.service")).unwrap();
    assert!(unit.contains("\nType=notify\n"), "{unit}");
}

#[test]
fn a_reload_is_a_command_that_the_sandbox_lets_through_and_that_knows_a_refusal() {
    let unit = fs::read_to_string(shipped("systemd/calway.service")).unwrap();
    let reload = unit.lines().find_map(|line| line.strip_prefix("ExecReload="));
    let words: Vec<_> = reload.unwrap().split(' ').collect();
    assert_eq!(words[0], "/usr/bin/calway", "nothing else may be run: ExecPaths=");
    let read = calway::cli::manual::command_line().try_get_matches_from(&words);
    let read = read.unwrap_or_else(|error| panic!("{error}"));
    let (name, config) = read.subcommand().unwrap();
    assert_eq!((name, config.subcommand_name()), ("config", Some("reload")));
}
