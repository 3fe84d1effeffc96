//! The house: layers, purity and tidiness are tests, so that a wrong import fails a build.
//!
//! Everything is a function from a file's path and text to what is wrong with it; each has a test
//! on a text that breaks it.

mod code;
mod layers;
mod pure;
mod tidy;

use std::path::{Path, PathBuf};

/// A file of the repository: its path from the root, with `/`, and its text.
struct File {
    path: String,
    text: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below this folder whose name ends so.
fn files(folder: &str, ending: &str) -> Vec<File> {
    let mut found = Vec::new();
    walk(&root().join(folder), folder, ending, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn walk(folder: &Path, path: &str, ending: &str, found: &mut Vec<File>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{path}/{name}");
        if entry.path().is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                walk(&entry.path(), &path, ending, found);
            }
        } else if name.ends_with(ending)
            && let Ok(text) = std::fs::read_to_string(entry.path())
        {
            found.push(File { path, text });
        }
    }
}

/// Every Rust file that we wrote.
fn ours() -> Vec<File> {
    let folders = ["src", "tests", "benches", "fuzz"];
    folders.iter().flat_map(|folder| files(folder, ".rs")).collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_default()
}

/// Fails with all that was found, a line each.
fn none(rule: &str, wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{rule}\n  {}", wrong.join("\n  "));
}

#[test]
fn a_module_imports_from_lower_layers_only() {
    let src = files("src", ".rs");
    assert!(src.len() > 30, "the sources were not found: {}", src.len());
    none(
        "A module imports from lower layers; parts of one layer never import each other. A new \
         edge needs a decision record (docs/decisions).",
        src.iter().flat_map(|file| layers::imports(&file.path, &file.text)).collect(),
    );
}

#[test]
fn paths_begin_with_the_crate() {
    none(
        "Write `crate::…`; `super` stays in its folder.",
        files("src", ".rs")
            .iter()
            .flat_map(|file| layers::relative(&file.path, &file.text))
            .collect(),
    );
}

#[test]
fn lib_names_the_modules_in_the_order_of_their_layers() {
    none("src/lib.rs lists layers from 0 up.", layers::order(&read("src/lib.rs")));
}

#[test]
fn pure_files_stay_pure() {
    none(
        "Decisions and parsers have no clock, socket, file or thread: time is an argument, and \
         what is to be done is an output.",
        files("src", ".rs").iter().flat_map(|file| pure::impure(&file.path, &file.text)).collect(),
    );
}

#[test]
fn store_and_cloud_can_name_only_what_is_sealed() {
    none(
        "Plain meetings end at `pipeline::seal`.",
        files("src", ".rs").iter().flat_map(|file| pure::plain(&file.path, &file.text)).collect(),
    );
}

#[test]
fn the_lab_never_imports_calway() {
    let mut wrong: Vec<String> = files("tests/lab", ".rs")
        .iter()
        .flat_map(|file| layers::names_calway(&file.path, &file.text))
        .collect();
    wrong.extend(layers::depends_on_calway(&read("tests/lab/Cargo.toml")));
    none("The lab speaks bytes, so that a wrong belief cannot hide on both sides.", wrong);
}

#[test]
fn unsafe_is_forbidden() {
    let manifests = ["Cargo.toml", "tests/lab/Cargo.toml"].map(read);
    let mut wrong = tidy::lints(&manifests[0], &manifests[1..]);
    wrong.extend(ours().iter().flat_map(|file| tidy::unsafe_code(&file.path, &file.text)));
    none("No unsafe code.", wrong);
}

#[test]
fn files_are_tidy() {
    let all = ours();
    let mut wrong: Vec<String> =
        all.iter().flat_map(|file| tidy::untidy(&file.path, &file.text)).collect();
    wrong.extend(tidy::needless_exceptions(all.iter().map(|f| (f.path.as_str(), f.text.as_str()))));
    none("See docs/style.md.", wrong);
}
