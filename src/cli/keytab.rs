//! The environment that a keytab needs: the Kerberos library takes it from nowhere else, and a
//! running process cannot change its own safely. So the program begins once more with it.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use super::Failure;
use crate::calendar::ews::KEYTAB_VARIABLE;
use crate::config::CalendarSettings;

/// Tickets that a keytab gave stay in memory, unless the administrator names another place.
const CACHE: (&str, &str) = ("KRB5CCNAME", "MEMORY:calway");

/// Returns at once where nothing is to be done; the same process, with the same arguments, comes
/// back here otherwise.
///
/// # Errors
/// Two keytabs, or a system that does not let the program begin again.
pub(super) fn provide(calendars: &[CalendarSettings]) -> Result<(), Failure> {
    let mut named = calendars
        .iter()
        .filter_map(|calendar| Some((calendar.keytab.as_deref()?, calendar.ews.account.as_str())));
    let Some((keytab, account)) = named.next() else { return Ok(()) };
    // The library keeps one such account's tickets.
    if named.any(|other| other != (keytab, account)) {
        return Err(Failure::Usage(
            "keytab: one account of all calendars may sign in by keytab; give the others a \
             password"
                .into(),
        ));
    }
    provide_one(keytab, &[])
}

/// The same for this keytab; `more` arguments are added to those that there are.
///
/// # Errors
/// A system that does not let the program begin again.
pub(super) fn provide_one(keytab: &Path, more: &[String]) -> Result<(), Failure> {
    if std::env::var_os(KEYTAB_VARIABLE).as_deref() == Some(keytab.as_os_str()) {
        return Ok(());
    }
    Err(Failure::Failed(format!("cannot begin again: {}", again(keytab, more))))
}

fn again(keytab: &Path, more: &[String]) -> std::io::Error {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| "calway".into());
    let mut command = Command::new("/proc/self/exe");
    command.arg0(name).args(arguments).args(more).env(KEYTAB_VARIABLE, keytab);
    if std::env::var_os(CACHE.0).is_none() {
        command.env(CACHE.0, CACHE.1);
    }
    command.exec()
}
