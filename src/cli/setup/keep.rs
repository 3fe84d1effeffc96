//! What setup writes: the file, a copy of the one before, and the secrets.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::config::draft::Draft;
use crate::config::secrets::{CLIENT_SECRET, CLOUD_PROXY};
use crate::config::{CalendarSettings, Settings, file};

/// The group of the service, which reads the configuration.
const GROUP: &str = "calway";

/// Whether there is nothing in the way: no file, or one in which nothing is set, as packages
/// bring it.
///
/// # Errors
/// `Failed` where somebody's configuration would be written over.
pub(super) fn may_write(path: &Path, force: bool) -> Result<(), Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Failure::Failed(format!("{}: {error}", path.display()))),
    };
    if force || is_blank(&text) {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "{} is there already: --force writes a new one (the old one is kept beside it), --output \
         writes elsewhere",
        path.display()
    )))
}

/// Whether it sets nothing.
fn is_blank(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#'))
}

/// Writes the file, and names the copy of what was there before.
///
/// # Errors
/// The file system's; what was there is there still.
pub(super) fn write(path: &Path, text: &str) -> Result<Option<PathBuf>, Failure> {
    let told = |error: std::io::Error| Failure::Failed(format!("{}: {error}", path.display()));
    let group = nix::unistd::Group::from_name(GROUP).ok().flatten();
    let group = group.map(|group| group.gid.as_raw());
    let group = group.filter(|_| rustix::process::geteuid().is_root());
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
        && !folder.exists()
    {
        DirBuilder::new().recursive(true).mode(0o750).create(folder).map_err(told)?;
        if group.is_some() {
            std::os::unix::fs::chown(folder, None, group).map_err(told)?;
        }
    }
    let kept = match std::fs::read(path) {
        Ok(old) => {
            let now = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S").to_string();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let copy = path.with_file_name(format!("{name}.{now}"));
            file::replace(&copy, &old, 0o640, group).map_err(told)?;
            Some(copy)
        }
        Err(_) => None,
    };
    file::replace(path, text.as_bytes(), 0o640, group).map_err(told)?;
    Ok(kept)
}

/// Whether two configurations need the secret of this name for the same: the same account at the
/// same place. A running connector would show another one's password to the wrong server.
pub(super) fn same(old: &Settings, new: &Settings, name: &str) -> bool {
    let of_cloud = |all: &Settings| (all.cloud.url.clone(), all.cloud.client_id.clone());
    let calendar = |all: &Settings| {
        let mut named = all.calendars.iter();
        let prefix = |one: &&CalendarSettings| {
            name.strip_prefix(&format!("calendar.{}.", one.ews.name)).is_some()
        };
        named.find(prefix).map(|one| one.ews.clone())
    };
    match name {
        CLIENT_SECRET => of_cloud(old) == of_cloud(new),
        CLOUD_PROXY => old.cloud.proxy == new.cloud.proxy,
        _ => calendar(old).zip(calendar(new)).is_some_and(|(old, new)| {
            match name.ends_with(".proxy_password") {
                true => old.proxy == new.proxy,
                false => old.account == new.account && old.url == new.url,
            }
        }),
    }
}

/// Files of the configuration that the service cannot read where they are: it sees no home, and
/// is nobody's owner.
pub(super) fn out_of_reach(draft: &Draft) -> Vec<PathBuf> {
    let files = [
        Some(&draft.kms_anchors),
        draft.ca_file.as_ref(),
        draft.cloud_ca_file.as_ref(),
        draft.keytab.as_ref(),
    ];
    let group = nix::unistd::Group::from_name(GROUP).ok().flatten();
    let group = group.map(|group| group.gid.as_raw());
    let hidden = |path: &Path| {
        let homes = ["/root", "/home", "/run/user", "/tmp", "/var/tmp"];
        let open = std::fs::metadata(path).is_ok_and(|facts| {
            facts.mode() & 0o004 != 0 || facts.mode() & 0o040 != 0 && Some(facts.gid()) == group
        });
        homes.iter().any(|home| path.starts_with(home)) || !path.is_absolute() || !open
    };
    files.into_iter().flatten().filter(|path| hidden(path)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn nobodys_configuration_is_written_over_and_what_was_there_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("etc/calway/calway.toml");
        assert!(may_write(&path, false).is_ok());
        assert!(write(&path, "# nothing\n\n").ok().unwrap().is_none());
        assert!(may_write(&path, false).is_ok(), "a file that sets nothing, as packages bring it");
        assert!(write(&path, "[cloud]\n").ok().unwrap().is_some());
        assert!(may_write(&path, false).is_err() && may_write(&path, true).is_ok());
        let kept = write(&path, "[kms]\n").ok().unwrap().unwrap();
        assert_eq!(std::fs::read_to_string(kept).unwrap(), "[cloud]\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "[kms]\n");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o640);
    }
}
