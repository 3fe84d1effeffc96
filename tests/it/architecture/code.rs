//! A text of Rust without its comments, strings and tests: what is left are names.

/// The code alone. What is cut becomes blanks, so that lines keep their numbers.
pub fn bare(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        let end = match (chars[at], chars.get(at + 1)) {
            ('/', Some('/')) => until(&chars, at, &['\n']),
            ('/', Some('*')) => block(&chars, at),
            ('"', _) => string(&chars, at + 1),
            ('r', Some('"' | '#')) if !continues(&chars, at) => raw(&chars, at),
            ('\'', _) => character(&chars, at),
            _ => at,
        };
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            let cut = &chars[at..end];
            out.extend(cut.iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// The code without its test modules, which may do what tests do.
pub fn shipped(text: &str) -> String {
    let code = bare(text);
    match code.find("#[cfg(test)]\nmod tests {") {
        Some(at) => code.get(..at).unwrap_or_default().to_owned(),
        None => code,
    }
}

/// Whether this is a file of tests beside the code.
pub fn is_test(path: &str) -> bool {
    path.ends_with("_tests.rs")
        || path.ends_with("/tests.rs")
        || path.contains("/tests/")
        || path.contains("/testdata/")
        || !path.starts_with("src/")
}

/// The names in a code, each with its line.
pub fn names(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.lines().enumerate().flat_map(|(at, line)| {
        line.split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|name| !name.is_empty())
            .map(move |name| (at + 1, name))
    })
}

fn continues(chars: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|at| chars.get(at));
    before.is_some_and(|c| c.is_alphanumeric() || *c == '_')
}

fn until(chars: &[char], from: usize, ends: &[char]) -> usize {
    (from..chars.len()).find(|at| ends.contains(&chars[*at])).unwrap_or(chars.len())
}

fn block(chars: &[char], from: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = from;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth.saturating_sub(1), at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(chars: &[char], from: usize) -> usize {
    let mut at = from;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

fn raw(chars: &[char], from: usize) -> usize {
    let quote = until(chars, from, &['"']);
    let hashes = quote - from - 1;
    if chars[from + 1..quote].iter().any(|c| *c != '#') {
        return from;
    }
    let mut at = quote + 1;
    while at < chars.len() {
        let closing = chars.iter().skip(at + 1).take(hashes).filter(|c| **c == '#').count();
        if chars[at] == '"' && closing == hashes {
            return at + 1 + hashes;
        }
        at += 1;
    }
    chars.len()
}

/// `'a'` and `'\n'` are characters, `'a` is a lifetime.
fn character(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => until(chars, at + 3, &['\'']) + 1,
        (Some(_), Some('\'')) => at + 3,
        _ => at,
    }
    .min(chars.len())
}

#[test]
fn strings_comments_and_tests_are_cut_and_code_is_not() {
    let text = r##"use a::b; // use c::d
/* e /* nested */ f */ let s = "g \" h"; let r = r#"i "j" k"#; let c = '"'; fn l<'m>(n: &'m str) {}
let q = '\''; let o = b"p";
#[cfg(test)]
mod tests { use t::u; }
"##;
    let code = shipped(text);
    let names: Vec<_> = names(&code).map(|(line, name)| format!("{line}{name}")).collect();
    assert_eq!(
        names.join(" "),
        "1use 1a 1b 2let 2s 2let 2r 2let 2c 2fn 2l 2m 2n 2m 2str 3let 3q 3let 3o 3b"
    );
}
