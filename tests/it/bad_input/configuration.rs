//! Configurations that only a mistake, or mischief, writes.

use calway::config;

use super::soon;

#[test]
fn a_key_that_is_a_path_is_unknown_and_makes_no_room() {
    for key in ["calendar[999999999999]", "a[9223372036854775807]", "a[-9223372036854775808]"] {
        let mistake = soon(key, || config::parse(&format!("\"{key}\" = 1")).unwrap_err());
        assert!(mistake.contains(key), "{mistake}");
    }
}

#[test]
fn deep_and_long_configurations_are_refused() {
    for text in [
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}", "{a=".repeat(100_000)),
        format!("a{} = 1", ".a".repeat(100_000)),
        format!("[a{}]", ".a".repeat(100_000)),
        format!("a = \"{}", "x".repeat(10 << 20)),
    ] {
        let start: String = text.chars().take(12).collect();
        let mistake = soon(&start, || config::parse(&text).unwrap_err());
        assert!(!mistake.is_empty() && mistake.len() < 10_000, "{start}: {} bytes", mistake.len());
    }
}

/// The blocks of a document that are configuration.
fn blocks(document: &str) -> impl Iterator<Item = &str> {
    document.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next())
}

#[test]
fn what_the_documents_show_is_a_configuration() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for (file, least) in
        [("README.md", 1), ("docs/guide/exchange.md", 2), ("docs/guide/keywords.md", 1)]
    {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let mut found = 0;
        for block in blocks(&text) {
            assert_eq!(config::parse(block), Ok(()), "{file}: {block}");
            found += 1;
        }
        assert!(found >= least, "{file}: {found} blocks");
    }
}

#[test]
fn the_guide_names_every_key_of_a_calendar() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = std::fs::read_to_string(root.join("docs/guide/exchange.md")).unwrap();
    // An unknown key is answered with those that there are.
    let mistake = config::parse("[[calendar]]\nnonsense = 1\n").unwrap_err();
    let keys = mistake.split('`').skip(1).step_by(2);
    let keys: Vec<_> = keys.filter(|key| !key.contains('[') && *key != "nonsense").collect();
    assert!(keys.contains(&"account") && keys.len() > 10, "{mistake}");
    for key in keys.iter().filter(|key| **key != "kind") {
        assert!(guide.contains(&format!("`{key}`")), "the guide does not name {key}");
    }
}
