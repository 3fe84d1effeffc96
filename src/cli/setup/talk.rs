//! Questions to whoever sits at the terminal: each with a default and a sentence of why.

use std::io::{BufRead, Write};

use crate::calendar::ews::{self, Auth};
use crate::cli::Failure;
use crate::model::Address;

/// No answer is longer than this many bytes.
const LONGEST: u64 = 4096;

/// Both sides of a conversation.
pub(super) struct Talk<'a> {
    pub(super) input: &'a mut dyn BufRead,
    pub(super) output: &'a mut dyn Write,
}

/// A question.
pub(super) struct Question<'a> {
    /// What is asked for.
    pub(super) what: &'a str,
    /// Why, and what an answer looks like.
    pub(super) why: &'a str,
    /// What counts where nothing is answered; empty: nothing does, where `needed` allows that.
    pub(super) default: &'a str,
    /// Whether an answer is needed.
    pub(super) needed: bool,
}

impl Talk<'_> {
    /// Asks until the answer fits.
    ///
    /// # Errors
    /// The other side has gone.
    pub(super) fn ask(
        &mut self,
        question: &Question<'_>,
        fits: impl Fn(&str) -> Result<(), String>,
    ) -> Result<String, Failure> {
        let Question { what, why, default, needed } = *question;
        self.say(&format!("\n{why}\n"))?;
        loop {
            let shown = match (default, needed) {
                ("", true) => String::new(),
                ("", false) => " [none]".to_owned(),
                (default, _) => format!(" [{default}]"),
            };
            self.say(&format!("{what}{shown}: "))?;
            let answer = self.line()?;
            let answer = if answer.is_empty() { default } else { &answer };
            if answer.is_empty() && needed {
                self.say("  An answer is needed here.\n")?;
                continue;
            }
            // None is one where none is needed.
            let checked = if answer.is_empty() { Ok(()) } else { fits(answer) };
            match checked {
                Ok(()) => return Ok(answer.to_owned()),
                Err(why) => self.say(&format!("  {why}\n"))?,
            }
        }
    }

    /// Asks for one of some letters; the first is the default.
    ///
    /// # Errors
    /// The other side has gone.
    pub(super) fn choose(&mut self, what: &str, letters: &[char]) -> Result<char, Failure> {
        let first = letters.first().copied().unwrap_or('n');
        loop {
            let all: Vec<_> = letters.iter().map(char::to_string).collect();
            self.say(&format!("{what} ({}) [{first}]: ", all.join("/")))?;
            let answer = self.line()?.to_lowercase();
            let Some(letter) = answer.chars().next() else { return Ok(first) };
            if letters.contains(&letter) {
                return Ok(letter);
            }
        }
    }

    /// Says something.
    ///
    /// # Errors
    /// The other side has gone.
    pub(super) fn say(&mut self, text: &str) -> Result<(), Failure> {
        let said = self.output.write_all(text.as_bytes()).and_then(|()| self.output.flush());
        said.map_err(|error| Failure::Failed(error.to_string()))
    }

    fn line(&mut self) -> Result<String, Failure> {
        use std::io::Read as _;
        let mut line = String::new();
        let read = self.input.take(LONGEST).read_line(&mut line);
        let read = read.map_err(|error| Failure::Failed(error.to_string()))?;
        if read == 0 {
            return Err(Failure::Failed("nothing was written".into()));
        }
        Ok(line.trim().to_owned())
    }
}

/// A plain name, as a calendar has.
pub(super) fn name(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match text.chars().all(plain) {
        true => Ok(()),
        false => Err("Letters, digits, - and _ are allowed.".into()),
    }
}

/// `DOMAIN\user` or `user@domain`.
pub(super) fn account(text: &str) -> Result<(), String> {
    let parts = text.split_once('\\').or_else(|| text.split_once('@'));
    match parts.is_some_and(|(a, b)| !a.is_empty() && !b.is_empty()) {
        true => Ok(()),
        false => Err(r"Write it as CORP\svc-calway or svc-calway@corp.example.".into()),
    }
}

/// An address that begins with this scheme and has a host.
pub(super) fn address(scheme: &str) -> impl Fn(&str) -> Result<(), String> {
    let scheme = scheme.to_owned();
    move |text| {
        let uri = text.parse::<http::Uri>().ok();
        let uri = uri.filter(|uri| uri.scheme_str() == Some(&scheme) && uri.host().is_some());
        match uri {
            Some(_) => Ok(()),
            None => Err(format!("An address that begins with {scheme}:// is needed.")),
        }
    }
}

/// A file of certificates that is there.
pub(super) fn certificates(text: &str) -> Result<(), String> {
    match std::fs::read(text) {
        Ok(bytes) if String::from_utf8_lossy(&bytes).contains("-----BEGIN CERTIFICATE-----") => {
            Ok(())
        }
        Ok(_) => Err(
            "It is no PEM file (it would begin with -----BEGIN CERTIFICATE-----); of a .cer file \
             Windows makes one: certutil -encode corp-ca.cer corp-ca.pem"
                .into(),
        ),
        Err(error) => Err(format!("It cannot be read: {error}")),
    }
}

/// The ways to sign in that are tried where none is configured.
pub(super) fn usual_ways() -> String {
    let names = ews::DEFAULT_WAYS.iter().map(|way| match way {
        Auth::Negotiate => "negotiate",
        Auth::Ntlm => "ntlm",
        Auth::Basic => "basic",
    });
    names.collect::<Vec<_>>().join(" ")
}

/// Ways to sign in.
pub(super) fn ways(text: &str) -> Result<(), String> {
    let known = |way: &String| ["negotiate", "ntlm", "basic"].contains(&way.as_str());
    match domains(text).iter().all(known) {
        true => Ok(()),
        false => Err("negotiate, ntlm and basic are allowed, with spaces between.".into()),
    }
}

/// The address of a mailbox.
pub(super) fn mailbox(text: &str) -> Result<(), String> {
    Address::parse(text).map(drop).map_err(|why| format!("{why}: as alice@corp.example."))
}

/// A keytab that is there, in the format that all have (MIT Kerberos, "The keytab file format").
pub(super) fn keytab_file(text: &str) -> Result<(), String> {
    if !text.starts_with('/') {
        return Err("A path from / on is needed.".into());
    }
    match std::fs::read(text) {
        Ok(bytes) if bytes.starts_with(&[5, 2]) => Ok(()),
        Ok(_) => Err("It is no keytab.".into()),
        Err(error) => Err(format!("It cannot be read: {error}")),
    }
}

/// Domains with spaces or commas between.
pub(super) fn domains(text: &str) -> Vec<String> {
    let all = text.split([' ', ',']).filter(|one| !one.is_empty());
    all.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(answers: &str, question: &Question<'_>) -> (Option<String>, String) {
        let (mut input, mut output) = (answers.as_bytes(), Vec::new());
        let mut talk = Talk { input: &mut input, output: &mut output };
        let answer = talk.ask(question, name).ok();
        (answer, String::from_utf8(output).unwrap())
    }

    #[test]
    fn a_question_is_asked_until_its_answer_fits() {
        let needed = Question { what: "Name", why: "It names it.", default: "", needed: true };
        let (answer, said) = ask("\na b\nhq\n", &needed);
        assert_eq!(answer.as_deref(), Some("hq"));
        assert_eq!(
            said,
            "\nIt names it.\nName:   An answer is needed here.\nName:   Letters, digits, - and _ \
             are allowed.\nName: "
        );
        let usual = Question { default: "hq", ..needed };
        assert_eq!(ask("\n", &usual).0.as_deref(), Some("hq"));
        let none = Question { default: "", needed: false, ..usual };
        assert_eq!(ask("\n", &none).0.as_deref(), Some(""));
        assert_eq!(ask("", &none).0, None, "who has gone answers nothing");
    }

    #[test]
    fn answers_that_cannot_work_are_told_apart() {
        for good in [r"CORP\svc", "svc@corp.example"] {
            assert_eq!(account(good), Ok(()));
        }
        for bad in ["svc", r"\svc", "svc@", ""] {
            assert!(account(bad).is_err(), "{bad}");
        }
        assert!(address("https")("https://mail.corp.example/EWS/Exchange.asmx").is_ok());
        for bad in ["http://mail.corp.example", "mail.corp.example", "https://", ""] {
            assert!(address("https")(bad).is_err(), "{bad}");
        }
        assert_eq!(
            domains("a.example, b.example  c.example"),
            ["a.example", "b.example", "c.example"]
        );
        assert!(certificates("/nowhere/ca.pem").unwrap_err().contains("cannot be read"));
        assert!(certificates("/etc/hostname").is_err());
        assert!(ways(&usual_ways()).is_ok() && ways("kerberos").is_err());
        assert!(mailbox("ann@corp.example").is_ok() && mailbox("ann").is_err());
        assert!(keytab_file("/etc/hostname").is_err() && keytab_file("calway.keytab").is_err());
    }
}
