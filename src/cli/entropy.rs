//! Random numbers: a machine that has just started may have none yet, and a sandbox may give none.
//! Keys cannot be made without them, and the library for them ends the process where it gets none,
//! so it is asked here first.

use std::fs::File;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::io::{Errno, Result as Answer};
use rustix::rand::{GetRandomFlags, getrandom};

use super::Failure;
use crate::observe::notify;

/// How often systemd is asked for more time, and for how much: it would end a start that takes
/// longer than it was told.
const EVERY: Duration = Duration::from_secs(20);
const FOR: Duration = Duration::from_secs(90);

/// Waits until the kernel has random numbers, however long that takes, and says so.
pub(super) fn wait() -> Result<(), Failure> {
    match ask(GetRandomFlags::NONBLOCK) {
        Err(Errno::AGAIN) => {}
        answer => return judge(answer),
    }
    eprintln!(
        "calway: waiting for the kernel's random numbers (getrandom), of which a machine that has \
         just started may have none yet"
    );
    notify::status("waiting for the kernel's random numbers");
    let (done, waits) = mpsc::channel();
    // Whoever waits in the call itself makes the kernel gather some.
    thread::Builder::new()
        .spawn(move || {
            let _ = done.send(ask(GetRandomFlags::empty()));
        })
        .map_err(|error| Failure::Failed(error.to_string()))?;
    loop {
        notify::starting(FOR);
        match waits.recv_timeout(EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return judge(Err(Errno::IO)),
            Ok(answer) => return judge(answer),
        }
    }
}

fn ask(how: GetRandomFlags) -> Answer<usize> {
    loop {
        match getrandom(&mut [0; 1], how) {
            Err(Errno::INTR) => {}
            answer => return answer,
        }
    }
}

fn judge(answer: Answer<usize>) -> Result<(), Failure> {
    match answer {
        Ok(1..) => Ok(()),
        // A kernel that does not know the call has the file.
        Err(Errno::NOSYS) if File::open("/dev/urandom").is_ok() => Ok(()),
        Ok(0) => Err(refused(Errno::IO)),
        Err(error) => Err(refused(error)),
    }
}

fn refused(error: Errno) -> Failure {
    let words = format!(
        "the kernel gives no random numbers ({error}), without which no key can be made: see \
         whether a system call filter around this program leaves out getrandom (systemctl show \
         calway -p SystemCallFilter)"
    );
    notify::status(&words);
    Failure::Failed(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_kernel_says_is_waited_for_or_refused_in_words() {
        assert!(wait().is_ok());
        assert!(judge(Ok(1)).is_ok() && judge(Err(Errno::NOSYS)).is_ok());
        for answer in [Ok(0), Err(Errno::PERM), Err(Errno::IO)] {
            let Err(Failure::Failed(words)) = judge(answer) else { panic!("{answer:?}") };
            assert!(words.contains("no random numbers") && words.contains("getrandom"), "{words}");
        }
    }
}
