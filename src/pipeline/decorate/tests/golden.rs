//! Bodies as clients write them. Where the block is to stand, `<!--here-->` stands in the file.

use std::path::PathBuf;

use super::*;

const HERE: &str = "<!--here-->";

fn bodies() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decorate");
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    all.sort();
    for client in ["outlook", "owa", "apple", "gmail", "thunderbird"] {
        assert!(all.iter().any(|(name, _)| name.starts_with(client)), "{client}");
    }
    all
}

#[test]
fn what_clients_write_gets_the_block_in_its_place_and_comes_back_byte_for_byte() {
    for (name, file) in bodies() {
        let (before, after) = file.split_once(HERE).unwrap_or_else(|| panic!("{name}"));
        for turn in ["\n", "\r\n"] {
            let (before, after) = (before.replace('\n', turn), after.replace('\n', turn));
            let body = html(format!("{before}{after}"));
            let with = decorated(&body);
            let text = with.text.reveal();
            let inside = text.strip_prefix(before.as_str());
            let inside = inside.and_then(|rest| rest.strip_suffix(after.as_str()));
            let inside = inside.unwrap_or_else(|| panic!("{name}: not in its place\n{text}"));
            assert!(inside.starts_with("<div id=\"calway-join\""), "{name}: {inside}");
            assert_eq!(bare(&with), (body.text.reveal().to_owned(), ONE), "{name}");
            assert_eq!(decorated(&with), with, "{name}: twice is once");
        }
    }
}

#[test]
fn every_language_can_be_put_in_and_taken_out() {
    let own = own_texts();
    for (name, file) in bodies() {
        let body = html(file.replace(HERE, ""));
        for language in Language::all() {
            let block = Block::new(&details(), language, &own);
            let (with, _) = insert(&body, &block, &own);
            let direction = language.phrases().direction.as_str();
            assert!(with.text.reveal().contains(&format!("dir=\"{direction}\"")));
            assert_eq!(remove(&with, &own), (body.clone(), ONE), "{name} {}", language.tag());
        }
    }
}
