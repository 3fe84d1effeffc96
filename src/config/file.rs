//! A file that is replaced as a whole, so that whoever reads it meanwhile sees the old one or the
//! new one; and what is said where one cannot be read.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::Path;

/// Writes the file anew, with this mode and, where one is named, this group. It is on the disk
/// when this returns.
///
/// # Errors
/// Those of the file system; the old file is as it was then.
pub fn replace(path: &Path, bytes: &[u8], mode: u32, group: Option<u32>) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let written = write(&beside, bytes, mode, group).and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
        return written;
    }
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn write(path: &Path, bytes: &[u8], mode: u32, group: Option<u32>) -> io::Result<()> {
    // What a process of this number left behind when it was ended.
    let _ = std::fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    if group.is_some() {
        chown(path, None, group)?;
    }
    // Not by `mode` above: what this process masks is masked there.
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.sync_all()
}

/// What is said of a file of the configuration that cannot be read.
pub(super) fn unread(path: &Path, error: &std::io::Error) -> String {
    let path = path.display();
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("{path} is not there: calway setup asks what it has to know, and writes it")
        }
        _ => format!("{path}: cannot be read: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_with_its_mode_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calway.toml");
        for (text, mode) in [("first", 0o640), ("second", 0o600)] {
            replace(&path, text.as_bytes(), mode, None).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
            let found = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(found & 0o7777, mode);
        }
        assert!(replace(&folder.path().join("no/such"), b"x", 0o600, None).is_err());
        assert!(replace(Path::new("/"), b"x", 0o600, None).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
