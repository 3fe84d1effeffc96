//! What a reader expects of every file.

use super::code;

/// Characters of a line (style, rustfmt's `max_width`).
const LINE: usize = 100;

/// Lines of a file before it asks to be split.
const LINES: usize = 500;

/// Files that stay long, with the most they may have. Only shorten this list.
const LONG: &[(&str, usize)] = &[("tests/lab/src/cloud/tests.rs", 530)];

/// Names that say nothing.
const NAMES: &[&str] = &["utils", "util", "common", "manager", "handler", "helper", "helpers"];

/// What is wrong with a file.
pub fn untidy(path: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if !text.starts_with("//! ") {
        wrong.push(format!("{path}: does not open with a `//!` sentence"));
    }
    let code = code::bare(text);
    let bare: Vec<&str> = code.lines().collect();
    for (at, line) in text.lines().enumerate() {
        let width = line.chars().count();
        // The inside of a text that spans lines is as long as it is.
        let inside = bare.get(at).is_some_and(|bare| bare.trim().is_empty())
            && !line.trim_start().starts_with("//");
        if width > LINE && !inside {
            wrong.push(format!("{path}:{}: {width} characters", at + 1));
        }
        if line.contains('\t') || line.ends_with(' ') {
            wrong.push(format!("{path}:{}: a tab, or a blank at the end", at + 1));
        }
    }
    let lines = text.lines().count();
    if lines > allowed(path) {
        wrong.push(format!("{path}: {lines} lines"));
    }
    if path.split(['/', '.']).any(|part| NAMES.contains(&part)) {
        wrong.push(format!("{path}: the name says nothing"));
    }
    let left = ["dbg!", "todo!", "unimplemented!", "thread::sleep"];
    for (at, line) in code.lines().enumerate() {
        if let Some(what) = left.iter().find(|what| line.contains(*what)) {
            wrong.push(format!("{path}:{}: {what}", at + 1));
        }
    }
    wrong
}

fn allowed(path: &str) -> usize {
    LONG.iter().find(|(long, _)| *long == path).map_or(LINES, |(_, most)| *most)
}

/// Exceptions that are not needed any more.
pub fn needless_exceptions<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let long: Vec<&str> =
        files.filter(|(_, text)| text.lines().count() > LINES).map(|(path, _)| path).collect();
    let needless = LONG.iter().filter(|(path, _)| !long.contains(path));
    needless.map(|(path, _)| format!("{path}: is short now, take it off the list")).collect()
}

/// Whether the manifests forbid unsafe code.
pub fn lints(root: &str, members: &[String]) -> Vec<String> {
    let section = |text: &str, name: &str| -> String {
        let rest = text.split_once(&format!("[{name}]\n")).map_or("", |(_, rest)| rest);
        rest.split("\n[").next().unwrap_or_default().to_owned()
    };
    let mut wrong = Vec::new();
    let rust = section(root, "workspace.lints.rust");
    if !rust.lines().any(|line| line.trim() == "unsafe_code = \"forbid\"") {
        wrong.push("Cargo.toml: unsafe_code is not forbidden".to_owned());
    }
    for manifest in std::iter::once(root).chain(members.iter().map(String::as_str)) {
        if !section(manifest, "lints").contains("workspace = true") {
            wrong.push("a member does not take over the workspace's lints".to_owned());
        }
    }
    wrong
}

/// Unsafe code, and what would allow it.
pub fn unsafe_code(path: &str, text: &str) -> Vec<String> {
    let code = code::bare(text);
    let named = code::names(&code).filter(|(_, name)| *name == "unsafe");
    named.map(|(line, _)| format!("{path}:{line}: unsafe")).collect()
}

#[test]
fn an_untidy_file_is_found() {
    let wrong = |text: &str| untidy("src/model/x.rs", text).len();
    assert_eq!(wrong("//! What it is for.\nfn f() {}\n"), 0);
    assert_eq!(wrong("fn f() {}\n"), 1);
    assert_eq!(wrong(&format!("//! A{}\n", "ä".repeat(97))), 1, "101 characters");
    assert_eq!(wrong(&format!("//! A{}\n", "ä".repeat(95))), 0, "100 characters, more bytes");
    let text = format!("//! A\nfn f() {{ g(r#\"\n{}\n\"#) }}\n", "x".repeat(200));
    assert_eq!(wrong(&text), 0, "a text");
    assert_eq!(wrong(&format!("//! A\nfn f() {{ g(\"{}\"); }}\n", "x".repeat(100))), 1);
    assert_eq!(wrong("//! A\nfn f() {} \n"), 1);
    assert_eq!(wrong("//! A\nfn f() { dbg!(1); }\n"), 1);
    assert_eq!(wrong("//! A\n// dbg!(1)\n"), 0);
    assert_eq!(wrong(&format!("//! A\n{}", "fn f() {}\n".repeat(500))), 1);
    assert_eq!(untidy("src/net/utils.rs", "//! A\n").len(), 1);
}

#[test]
fn a_missing_lint_and_unsafe_code_are_found() {
    let root = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n\n[lints]\nworkspace = true\n";
    let member = "[lints]\nworkspace = true\n".to_owned();
    assert_eq!(lints(root, std::slice::from_ref(&member)).len(), 0);
    assert_eq!(lints(&root.replace("forbid", "allow"), &[member]).len(), 1);
    assert_eq!(lints(root, &["[package]\n".to_owned()]).len(), 1);
    assert_eq!(unsafe_code("x", "fn f() { unsafe { g() } }").len(), 1);
    assert_eq!(unsafe_code("x", "// unsafe\n#![forbid(unsafe_code)]").len(), 0);
}
