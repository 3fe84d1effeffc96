//! Pages and files that are made from the code, and committed so that a change shows in review.

mod command_line;
mod conditions;
mod configuration;
mod metrics;
mod relay;

use std::path::Path;

/// Compares a page of `docs/reference` with what it is made from; `CALWAY_WRITE=1` writes it anew.
pub fn holds(name: &str, page: &str) {
    file_holds(&format!("docs/reference/{name}"), page);
}

/// The same of any file of the repository.
pub fn file_holds(name: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("CALWAY_WRITE").is_some() {
        std::fs::write(&path, page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let renew = "CALWAY_WRITE=1 cargo test --test it reference writes it anew";
    for (at, (is, ought)) in written.lines().zip(page.lines()).enumerate() {
        assert_eq!(is, ought, "{name}, line {}; {renew}", at + 1);
    }
    assert_eq!(written.len(), page.len(), "{name}; {renew}");
}
