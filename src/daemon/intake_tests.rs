//! What the provider is told of mailboxes that are active no more.

use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;
use crate::model::{
    Absence, BusyWindow, Cursor, Entry, Found, FreeBusy, Hint, Home, Invitation, ItemId, KeyUri,
    Listing, NewMeeting, Notify, Page, Plain, Reach, Response, Rewrite, Time, WriteFault, Written,
};
use crate::store::sqlite::Sqlite;

/// A provider that has nothing, and tells whom it is to forget.
struct Forgetting(UnboundedSender<String>);

fn nothing<T: Send + 'static>() -> BoxFuture<'static, Result<T, Fault>> {
    async { Err(Fault::retry("not there")) }.boxed()
}

fn nowhere<T: Send + 'static>() -> BoxFuture<'static, Result<T, WriteFault>> {
    async { Err(WriteFault::NoEffect(Fault::retry("not there"))) }.boxed()
}

impl Calendar for Forgetting {
    fn forget<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, ()> {
        let _ = self.0.send(target.address.reveal().to_owned());
        async {}.boxed()
    }
    fn verify<'a>(&'a self, _: &'a Target) -> BoxFuture<'a, Result<(), Fault>> {
        nothing()
    }
    fn homes<'a>(&'a self, all: &'a [Target], _: Doubt) -> BoxFuture<'a, Vec<Result<Home, Fault>>> {
        async { vec![Err(Fault::retry("not there")); all.len()] }.boxed()
    }
    fn changes<'a>(
        &'a self,
        _: &'a Target,
        _: Option<&'a Cursor>,
    ) -> BoxFuture<'a, Result<Page, Fault>> {
        nothing()
    }
    fn items<'a>(
        &'a self,
        _: &'a Target,
        _: &'a [ItemId],
    ) -> BoxFuture<'a, Result<Vec<Found>, Fault>> {
        nothing()
    }
    fn view<'a>(
        &'a self,
        _: &'a Target,
        _: Time,
        _: Time,
    ) -> BoxFuture<'a, Result<Listing, Fault>> {
        nothing()
    }
    fn absence<'a>(&'a self, _: &'a Target) -> BoxFuture<'a, Result<Absence, Fault>> {
        nothing()
    }
    fn for_writing<'a>(
        &'a self,
        _: &'a Target,
        _: &'a ItemId,
        _: Reach,
    ) -> BoxFuture<'a, Result<Option<Invitation>, Fault>> {
        nothing()
    }
    fn rewrite<'a>(
        &'a self,
        _: &'a Target,
        _: &'a Rewrite,
    ) -> BoxFuture<'a, Result<Written, WriteFault>> {
        nowhere()
    }
    fn create<'a>(
        &'a self,
        _: &'a Target,
        _: &'a NewMeeting,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Written, WriteFault>> {
        nowhere()
    }
    fn created<'a>(
        &'a self,
        _: &'a Target,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Option<Entry>, Fault>> {
        nothing()
    }
    fn respond<'a>(
        &'a self,
        _: &'a Target,
        _: &'a Written,
        _: Response,
        _: Option<&'a Plain>,
        _: Notify,
    ) -> BoxFuture<'a, Result<(), WriteFault>> {
        nowhere()
    }
    fn free_busy<'a>(
        &'a self,
        _: &'a Target,
        _: &'a [Arc<Address>],
        _: &'a BusyWindow,
    ) -> BoxFuture<'a, Result<Vec<Result<FreeBusy, Fault>>, Fault>> {
        nothing()
    }
    fn listen<'a>(
        &'a self,
        _: Vec<Target>,
        _: mpsc::Receiver<Order>,
        _: mpsc::Sender<Hint>,
    ) -> BoxFuture<'a, ListenEnd> {
        async { ListenEnd::Failed(Fault::retry("not there")) }.boxed()
    }
}

struct NoKeys;

impl Keys for NoKeys {
    fn establish<'a>(&'a self, _: &'a UserId) -> BoxFuture<'a, Result<Bound, Fault>> {
        nothing()
    }
    fn rotate<'a>(&'a self, _: &'a ResourceUri) -> BoxFuture<'a, Result<Bound, Fault>> {
        nothing()
    }
    fn recall<'a>(
        &'a self,
        _: &'a ResourceUri,
        _: &'a KeyUri,
    ) -> BoxFuture<'a, Result<Bound, Fault>> {
        nothing()
    }
    fn open<'a>(&'a self, _: &'a KeyUri, _: &'a str) -> BoxFuture<'a, Result<Plain, Fault>> {
        nothing()
    }
}

fn parts() -> (Parts, UnboundedReceiver<String>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("store.db")).unwrap();
    let (forgets, forgotten) = unbounded_channel();
    let parts = Parts {
        name: CalendarName::new("hq"),
        calendar: Arc::new(Forgetting(forgets)),
        keys: Arc::new(NoKeys),
        disk: Disk::start(Box::new(store)).unwrap(),
        installation: Arc::new(Installation::new(&[7; 32]).unwrap()),
        rules: Rules::default(),
        showing: Arc::default(),
        announcer: Announcer::default(),
        errands: mpsc::channel(1).0,
    };
    (parts, forgotten, folder)
}

#[tokio::test]
async fn who_is_deactivated_or_gets_another_mailbox_is_forgotten_by_the_provider() {
    let (parts, mut forgotten, _folder) = parts();
    let (tell, tells) = mpsc::channel(8);
    let (seen, _) = watch::channel(Seen::default());
    let pulse = crate::daemon::pulse::Pulses::default().of("intake");
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(run(parts, (tells, mpsc::channel(1).1), (seen, pulse), stopped));
    let address = |name: &str| {
        let address = Address::parse(&format!("{name}@corp.example")).unwrap();
        Arc::new(address)
    };
    let (ada, ben) = (UserId::new("ada"), UserId::new("ben"));
    for one in [
        Tell::Add(ada.clone(), address("ada")),
        Tell::Add(ben.clone(), address("ben")),
        Tell::Add(ben.clone(), address("ben")),
        Tell::Add(ben.clone(), address("benjamin")),
        Tell::Remove(UserId::new("nobody")),
        Tell::Remove(ada),
    ] {
        tell.send(one).await.unwrap();
    }
    let patience = Duration::from_secs(60);
    for expected in ["ben@corp.example", "ada@corp.example"] {
        let told = tokio::time::timeout(patience, forgotten.recv()).await;
        assert_eq!(told.expect("somebody is to be forgotten").as_deref(), Some(expected));
    }
    stop.send(true).unwrap();
    running.await.unwrap();
    assert_eq!(forgotten.try_recv().ok(), None, "Ben's new mailbox is in use");
}
