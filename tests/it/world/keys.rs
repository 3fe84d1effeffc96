//! The simulated key server, and a seal that a test can read.
//!
//! Faults it plays: busy, refusing, resources that are lost, slow answers (by the play).

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use calway::model::{Fault, KeyUri, Next, ResourceUri, UserId};
use calway::pipeline::fleet::Want;
use calway::pipeline::seal::Sealer;

/// Looks like a compact JWE; holds the key's name and the text, bent so that neither shows.
#[derive(Debug)]
pub struct Mark(KeyUri);

impl Mark {
    /// Seals under this name.
    pub fn new(uri: &str) -> Self {
        Self(KeyUri::new(uri))
    }
}

impl Sealer for Mark {
    fn key_uri(&self) -> &KeyUri {
        &self.0
    }

    fn seal(&self, plain: &str) -> Result<String, Fault> {
        let text = format!("{}\n{plain}", self.0);
        let bent: Vec<u8> = text.bytes().rev().map(|byte| byte ^ 0xA5).collect();
        Ok(format!("eyJhbGciOiJkaXIifQ..aXY.{}.dGFn", BASE64.encode(bent)))
    }
}

/// The name of the key and the text, if [`Mark`] made it.
pub fn open(jwe: &str) -> Option<(String, String)> {
    let bent = BASE64.decode(jwe.split('.').nth(3)?).ok()?;
    let text: Vec<u8> = bent.into_iter().rev().map(|byte| byte ^ 0xA5).collect();
    let text = String::from_utf8(text).ok()?;
    let (key, plain) = text.split_once('\n')?;
    Some((key.into(), plain.into()))
}

/// The key server.
#[derive(Debug, Default)]
pub struct Kms {
    serial: u64,
    /// Resource to its user; absent once it is lost.
    resources: BTreeMap<String, UserId>,
    /// Key to its user and resource.
    keys: BTreeMap<String, (UserId, String)>,
}

impl Kms {
    /// Answers as the real one does while it is well.
    pub fn answer(
        &mut self,
        user: &UserId,
        want: &Want,
    ) -> Result<(ResourceUri, Arc<dyn Sealer>), Fault> {
        let lost = || Fault::new(Next::KeyLost, "405005");
        let resource = match want {
            Want::Establish => {
                self.serial += 1;
                let resource = format!("kms://kms.example/resources/{}", self.serial);
                self.resources.insert(resource.clone(), user.clone());
                resource
            }
            Want::Rotate(resource) => resource.to_string(),
            Want::Recall(resource, key) => {
                let Some((_, of)) = self.keys.get(key.as_str()) else { return Err(lost()) };
                if of != resource.as_str() || !self.resources.contains_key(of) {
                    return Err(lost());
                }
                return Ok((resource.clone(), Arc::new(Mark(key.clone()))));
            }
        };
        if self.resources.get(&resource) != Some(user) {
            return Err(lost());
        }
        self.serial += 1;
        let key = format!("kms://kms.example/keys/{}", self.serial);
        self.keys.insert(key.clone(), (user.clone(), resource.clone()));
        Ok((ResourceUri::new(resource), Arc::new(Mark::new(&key))))
    }

    /// How many resources each user has.
    pub fn resources_of_users(&self) -> BTreeMap<UserId, usize> {
        let mut count = BTreeMap::new();
        for user in self.resources.values() {
            *count.entry(user.clone()).or_default() += 1;
        }
        count
    }

    /// Withdraws every resource of a user.
    pub fn lose(&mut self, user: &UserId) {
        self.resources.retain(|_, of| of != user);
    }

    /// Whether this user's resource was authorised for the key.
    pub fn opens_for(&self, key: &str, user: &UserId) -> bool {
        self.keys.get(key).is_some_and(|(of, _)| of == user)
    }
}
