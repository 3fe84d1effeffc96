//! The pages of `docs/reference` that are made from the code say what the code says.

mod configuration;

use std::path::Path;

/// Compares a page with what it is made from; `CALWAY_WRITE=1` writes it anew.
pub fn holds(name: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference").join(name);
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
