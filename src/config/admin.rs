//! `[admin]`: where the admin socket is, and who may look.

use std::path::{Path, PathBuf};

use super::written::WrittenAdmin;

/// Where the admin socket is unless the configuration says otherwise.
pub const SOCKET: &str = "/run/calway/admin.sock";

/// The longest path that a Unix socket can have, in bytes (unix(7), `sun_path` less its end).
const LONGEST: usize = 107;

/// `[admin]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminSettings {
    /// Where the socket is.
    pub socket: PathBuf,
    /// Users of the system who may look, beside the administrator and the service itself: names,
    /// or numbers.
    pub users: Vec<String>,
}

pub(super) fn admin(written: &WrittenAdmin, wrong: &mut Vec<String>) -> AdminSettings {
    let socket = written.socket.clone().unwrap_or_else(|| SOCKET.into());
    if !fits(&socket) {
        wrong.push(format!(
            "admin.socket: an absolute path of at most {LONGEST} bytes is needed, as {SOCKET}"
        ));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-@\\".contains(c);
    let is_user = |user: &String| !user.is_empty() && user.len() <= 256 && user.chars().all(plain);
    if !written.users.iter().all(is_user) {
        wrong.push("admin.users: names or numbers of users of this system are allowed".into());
    }
    AdminSettings { socket, users: written.users.clone() }
}

pub(super) fn fits(socket: &Path) -> bool {
    socket.is_absolute() && socket.as_os_str().len() <= LONGEST
}
