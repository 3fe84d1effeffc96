//! What a mailbox answers while its owner is away.

use super::item::now_ms;

/// `OofState`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OofState {
    /// Here.
    #[default]
    Disabled,
    /// Away until it is switched off.
    Enabled,
    /// Away for the duration.
    Scheduled,
}

/// `ExternalAudience`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OofAudience {
    /// Nobody outside of the organisation hears it.
    None,
    /// Only those who are in the owner's contacts.
    Known,
    /// Everybody.
    #[default]
    All,
}

/// Out-of-office settings ([MS-OXWOOF] 2.2.4.3); times are UTC in milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Oof {
    /// Whether it is on.
    pub state: OofState,
    /// Who outside hears of it.
    pub audience: OofAudience,
    /// From when to when; Exchange keeps it in every state, and makes one up where there is none.
    pub duration_ms: Option<(i64, i64)>,
    /// What colleagues are answered, as HTML or text.
    pub internal: String,
    /// What others are answered.
    pub external: String,
}

impl Oof {
    /// Away until it is switched off.
    pub fn enabled(reply: &str) -> Self {
        let (internal, external) = (reply.to_owned(), reply.to_owned());
        Self { state: OofState::Enabled, internal, external, ..Self::default() }
    }

    /// Away from then to then.
    pub fn scheduled(from_ms: i64, to_ms: i64, reply: &str) -> Self {
        let duration_ms = Some((from_ms, to_ms));
        Self { state: OofState::Scheduled, duration_ms, ..Self::enabled(reply) }
    }

    /// What is told where nobody set one: from the next full hour on, a day.
    pub(super) fn duration(&self) -> (i64, i64) {
        let hour = now_ms() - now_ms().rem_euclid(3_600_000) + 3_600_000;
        self.duration_ms.unwrap_or((hour, hour + 86_400_000))
    }
}

impl OofState {
    pub(super) const NAMES: [(&'static str, Self); 3] =
        [("Disabled", Self::Disabled), ("Enabled", Self::Enabled), ("Scheduled", Self::Scheduled)];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Disabled => "Disabled",
            Self::Enabled => "Enabled",
            Self::Scheduled => "Scheduled",
        }
    }
}

impl OofAudience {
    pub(super) const NAMES: [(&'static str, Self); 3] =
        [("None", Self::None), ("Known", Self::Known), ("All", Self::All)];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Known => "Known",
            Self::All => "All",
        }
    }
}
