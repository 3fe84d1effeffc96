//! A secret from whoever types it, or from standard input.

use std::io::{IsTerminal as _, Read as _};

use zeroize::Zeroizing;

use crate::cli::Failure;
use crate::config::secrets::LONGEST;
use crate::model::Secret;

/// A person may mistype so often.
const ATTEMPTS: usize = 3;

/// Asks for `what` twice without showing it, or reads it from standard input where nobody types.
pub(in crate::cli) fn secret(what: &str, stdin: bool) -> Result<Secret, Failure> {
    if stdin || !std::io::stdin().is_terminal() {
        return from_stdin();
    }
    for left in (0..ATTEMPTS).rev() {
        let first = typed(&format!("{}: ", upper(what)))?;
        if let Err(why) = fits(&first) {
            eprintln!("calway: {why}");
            continue;
        }
        let second = typed("Once more, so that it is not mistyped: ")?;
        if first == second {
            return Ok(Secret::new(first.as_str()));
        }
        if left > 0 {
            eprintln!("calway: the two are not the same; once more from the beginning");
        }
    }
    Err(Failure::Failed("nothing was changed".into()))
}

fn typed(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|error| {
        Failure::Failed(format!("the terminal cannot be asked ({error}); use --stdin"))
    })
}

fn from_stdin() -> Result<Secret, Failure> {
    // Room for the whole from the beginning: what grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
    let read = std::io::stdin().lock().take(LONGEST + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::Failed(format!("standard input: {error}")))?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Failure::Usage("standard input: a secret is UTF-8 text".into()))?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.trim_end_matches('\r'));
    fits(text).map_err(|why| Failure::Usage(format!("standard input: {why}")))?;
    Ok(Secret::new(text))
}

/// Whether this can be a secret at all.
pub(in crate::cli) fn fits(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() as u64 > LONGEST {
        return Err("it is longer than 64 KiB");
    }
    if text.contains(|c: char| c.is_control()) {
        return Err("it has more than one line, or a control character in it");
    }
    if text.starts_with(' ') || text.ends_with(' ') {
        eprintln!("calway: note that it begins or ends with a space, which is kept");
    }
    Ok(())
}

fn upper(what: &str) -> String {
    let mut letters = what.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_secret_is_said_before_anybody_is_asked_with_it() {
        for bad in ["", "a\nb", "a\0", "a\r"] {
            assert!(fits(bad).is_err(), "{bad:?}");
        }
        assert!(fits("ä €'\"\\ $x").is_ok());
        assert_eq!(upper("password of CORP\\svc"), "Password of CORP\\svc");
    }
}
