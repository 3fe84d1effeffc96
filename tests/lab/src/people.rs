//! People of the lab: the apps in which users read, with their own keys, what the connector sealed.

mod keys;
pub(crate) mod web;

use std::sync::Arc;

use serde_json::Value;

pub use self::keys::Denied;
use self::keys::{Keys, Way};
use self::web::Web;
use crate::jose::{self, Key};
use crate::kms::Kms;

/// Someone in a meeting, opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// The address.
    pub address: String,
    /// The name.
    pub name: String,
    /// `PERSON` or `ROOM`; empty for an organiser.
    pub kind: String,
    /// `REQUIRED`, `OPTIONAL` or `RESOURCE`; empty for an organiser.
    pub role: String,
    /// How they answered; empty for an organiser.
    pub response: String,
}

/// A meeting as its user reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// The record's id.
    pub id: String,
    /// What its occurrences have in common.
    pub series: String,
    /// The title.
    pub subject: String,
    /// The place.
    pub location: String,
    /// The body.
    pub notes: String,
    /// RFC 3339, UTC.
    pub start: String,
    /// How long it lasts.
    pub minutes: u64,
    /// Who called it.
    pub organizer: Option<Contact>,
    /// Who is invited.
    pub participants: Vec<Contact>,
    /// The address behind the Join button, as an URL.
    pub join_url: String,
    /// The same as a SIP URI.
    pub join_uri: String,
    /// What a video device needs: Teams' conference id and tenant key, Webex' meeting number.
    pub device: [String; 3],
    /// Whether it is one of several.
    pub recurring: bool,
    /// As the calendar says.
    pub sensitivity: String,
    /// RFC 3339, UTC.
    pub last_modified: String,
    /// The key it is sealed with.
    pub key: String,
    /// The fields that did not open. An app shows "This message cannot be decrypted" for them.
    pub unreadable: Vec<String>,
}

/// A user's app.
pub struct Person {
    user: String,
    cloud: String,
    web: Arc<Web>,
    bearer: Arc<dyn Fn() -> String + Send + Sync>,
    /// For reading: over HTTP, as any app.
    keys: Keys,
    /// For what the lab itself arranges: past the faults, if the key server is in this process.
    own: Option<Keys>,
}

impl Person {
    /// The app of `user` beside a key server in the same process. It reads over HTTP all the same.
    pub(crate) fn at(
        user: &str,
        cloud: &str,
        ca_pem: &str,
        kms: &Kms,
        bearer: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        let mut person = Self::connect(user, cloud, ca_pem, &kms.url(), &kms.anchor_pem(), bearer)
            .expect("the lab's own roots");
        let near = Way::Near(kms.clone());
        person.own = Some(Keys::new(user, near, kms.anchor_pem(), person.bearer.clone()));
        person
    }

    /// The app of `user` for a cloud at `cloud` and a key server at `kms`, wherever they run.
    pub fn connect(
        user: &str,
        cloud: &str,
        ca_pem: &str,
        kms: &str,
        anchor_pem: &str,
        bearer: impl Fn() -> String + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let bearer: Arc<dyn Fn() -> String + Send + Sync> = Arc::new(bearer);
        let far = Way::Far(Arc::new(Web::new(ca_pem)?), kms.trim_end_matches('/').into());
        Ok(Self {
            user: user.into(),
            cloud: cloud.trim_end_matches('/').into(),
            web: Arc::new(Web::new(ca_pem)?),
            keys: Keys::new(user, far, anchor_pem.into(), bearer.clone()),
            own: None,
            bearer,
        })
    }

    /// The user's id.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Seals `text` with a new key that `reader` may read too; answers the JWE and the key.
    pub async fn seal_for(&self, text: &str, reader: &str) -> Result<(String, String), Denied> {
        let keys = self.own.as_ref().unwrap_or(&self.keys);
        let (uri, key) = keys.new_key(&[reader]).await?;
        Ok((jose::seal(&key, None, text.as_bytes()), uri))
    }

    /// Seals several texts with one new key that `reader` may read too; answers the JWEs and the
    /// key.
    pub async fn seal_all_for(
        &self,
        texts: &[&str],
        reader: &str,
    ) -> Result<(Vec<String>, String), Denied> {
        let keys = self.own.as_ref().unwrap_or(&self.keys);
        let (uri, key) = keys.new_key(&[reader]).await?;
        Ok((texts.iter().map(|text| jose::seal(&key, None, text.as_bytes())).collect(), uri))
    }

    /// Opens a sealed text under the key at `uri`; nothing if it does not open for this user.
    pub async fn open_text(&self, uri: &str, sealed: &str) -> Option<String> {
        let key = self.keys.key(uri).await.ok()?;
        String::from_utf8(jose::open(&key, sealed).ok()?).ok()
    }

    /// One request to the key server as this user, for a test of the key server.
    pub async fn ask_kms(&self, request: Value) -> Result<Value, Denied> {
        self.keys.request(request).await
    }

    /// The key at `uri`, if this user may read it.
    pub async fn key(&self, uri: &str) -> Result<Key, Denied> {
        self.keys.key(uri).await
    }

    /// The user's list as the cloud has it, sealed.
    pub async fn sealed_meetings(&self) -> Result<Vec<Value>, String> {
        let url = format!("{}/v1/users/{}/meetings", self.cloud, self.user);
        let (status, body) = self.web.ask("GET", &url, &(self.bearer)(), None).await?;
        if status != 200 {
            return Err(format!("the list is refused with {status}"));
        }
        let list: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        list["items"].as_array().cloned().ok_or_else(|| "a list without items".into())
    }

    /// The user's list, opened.
    pub async fn meetings(&self) -> Result<Vec<Opened>, String> {
        let mut opened = Vec::new();
        for item in self.sealed_meetings().await? {
            opened.push(self.open(&item).await);
        }
        Ok(opened)
    }

    /// One record, opened as far as it opens.
    pub async fn open(&self, item: &Value) -> Opened {
        let uri = text(item, "encryptionKeyUrl");
        let key = self.keys.key(&uri).await.ok();
        let mut reader = Reader { key, unreadable: Vec::new() };
        let organizer = &item["encryptedOrganizer"];
        let participants = item["encryptedParticipants"].as_array();
        Opened {
            id: text(item, "id"),
            series: text(item, "seriesId"),
            subject: reader.open(item, "encryptedSubject"),
            location: reader.open(item, "encryptedLocation"),
            notes: reader.open(item, "encryptedNotes"),
            start: text(item, "start"),
            minutes: item["durationMinutes"].as_u64().unwrap_or(0),
            organizer: organizer.is_object().then(|| reader.contact(organizer)),
            participants: participants
                .map(|list| list.iter().map(|one| reader.contact(one)).collect())
                .unwrap_or_default(),
            join_url: reader.open(&item["meetingJoinInfo"], "meetingJoinURL"),
            join_uri: reader.open(&item["meetingJoinInfo"], "meetingJoinURI"),
            device: ["teamsConferenceId", "teamsTenantKey", "webexMeetingNumber"]
                .map(|name| reader.open(&item["meetingJoinInfo"], name)),
            recurring: item["isRecurring"] == true,
            sensitivity: text(item, "meetingSensitivity"),
            last_modified: text(item, "lastModified"),
            key: uri,
            unreadable: reader.unreadable,
        }
    }
}

fn text(item: &Value, name: &str) -> String {
    item[name].as_str().unwrap_or_default().into()
}

struct Reader {
    key: Option<Key>,
    unreadable: Vec<String>,
}

impl Reader {
    /// The plain text of a field; an absent one is empty.
    fn open(&mut self, item: &Value, name: &str) -> String {
        let Some(sealed) = item[name].as_str() else {
            return String::new();
        };
        let plain = self.key.as_ref().and_then(|key| jose::open(key, sealed).ok());
        plain.and_then(|plain| String::from_utf8(plain).ok()).unwrap_or_else(|| {
            self.unreadable.push(name.into());
            String::new()
        })
    }

    fn contact(&mut self, item: &Value) -> Contact {
        Contact {
            address: self.open(item, "encryptedEmailAddress"),
            name: self.open(item, "encryptedName"),
            kind: text(item, "type"),
            role: text(item, "participantType"),
            response: text(item, "responseType"),
        }
    }
}
