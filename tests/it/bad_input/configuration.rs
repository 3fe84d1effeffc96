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
