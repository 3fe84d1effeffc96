//! When a new secret is taken and when an old one stays, and how often one is shown to its judge.

use std::collections::VecDeque;
use std::sync::Mutex as Lock;

use super::*;

const NAME: &str = "calendar.hq.password";

/// Answers as it is told to, and remembers what it was shown.
#[derive(Clone)]
struct Told(Arc<Lock<(VecDeque<Tried>, Vec<String>)>>, watch::Sender<Option<Tried>>);

impl Default for Told {
    fn default() -> Self {
        Self(Arc::default(), watch::channel(None).0)
    }
}

impl Told {
    fn shown(&self) -> Vec<String> {
        self.0.lock().unwrap().1.clone()
    }

    /// For one that hangs.
    fn answer(&self, tried: Tried) {
        self.1.send_replace(Some(tried));
    }

    fn says(&self, tried: &[Tried]) {
        self.0.lock().unwrap().0.extend(tried.iter().cloned());
    }
}

impl Judge for Told {
    fn try_once<'a>(&'a self, secret: &'a Secret) -> BoxFuture<'a, Tried> {
        let mut told = self.0.lock().unwrap();
        told.1.push(secret.reveal().to_owned());
        let tried = told.0.pop_front();
        let mut later = self.1.subscribe();
        async move {
            match tried {
                Some(tried) => tried,
                None => match later.changed().await {
                    Ok(()) => later.borrow().clone().unwrap(),
                    Err(_) => std::future::pending().await,
                },
            }
        }
        .boxed()
    }

    fn forget<'a>(&'a self, secret: &'a Secret) -> BoxFuture<'a, Result<(), Fault>> {
        self.0.lock().unwrap().1.push(format!("forget {}", secret.reveal()));
        ready(Ok(())).boxed()
    }
}

fn untold() -> Tried {
    Tried::Untold(Fault::retry("no connection in time"))
}

fn refusal() -> Tried {
    Tried::Refused(Fault::new(Next::SignIn, "sign-in was refused"))
}

struct Bench {
    folder: tempfile::TempDir,
    told: Told,
    rotation: Arc<Rotation>,
    stop: watch::Sender<bool>,
}

impl Bench {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let secrets = Arc::new(Secrets::open(Some(folder.path().into())));
        let told = Told::default();
        let judges = Judges::from([(NAME.to_owned(), Box::new(told.clone()) as Box<dyn Judge>)]);
        let rotation = Arc::new(Rotation::new(secrets, judges));
        Self { folder, told, rotation, stop: watch::channel(false).0 }
    }

    fn run(&self) {
        tokio::spawn(self.rotation.clone().run(self.stop.subscribe()));
    }

    async fn give(&self, text: &str) -> Given {
        self.rotation.give(NAME, Secret::new(text), false).await
    }

    fn in_use(&self) -> String {
        self.rotation.secrets.get(NAME).unwrap().reveal().to_owned()
    }

    /// Lets the loop do what is due within so long.
    async fn within(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_old_one_stays_in_use_until_the_new_one_has_worked() {
    let bench = Bench::new(&[(NAME, "old")]);
    bench.run();
    bench.told.says(&[refusal(), untold(), untold(), untold(), Tried::Works]);
    assert!(matches!(bench.give("wrong").await, Given::Refused(_)));
    assert_eq!(bench.in_use(), "old");
    assert!(matches!(bench.give("new").await, Given::Later(_)));
    assert_eq!(bench.in_use(), "old");
    bench.within(FIRST_AGAIN * 2).await;
    assert_eq!((bench.in_use().as_str(), bench.told.shown().len()), ("old", 3), "seldom");
    bench.within(LAST_AGAIN).await;
    assert_eq!(bench.in_use(), "new");
    assert_eq!(bench.told.shown(), ["wrong", "new", "new", "new", "new"]);
    bench.within(LAST_AGAIN * 10).await;
    assert_eq!(bench.told.shown().len(), 5, "what is settled is not tried again");
}

#[tokio::test(start_paused = true)]
async fn one_that_waited_and_is_refused_then_is_sent_no_more() {
    let bench = Bench::new(&[(NAME, "old")]);
    bench.run();
    bench.told.says(&[untold(), refusal()]);
    assert!(matches!(bench.give("wrong").await, Given::Later(_)));
    bench.within(LAST_AGAIN * 10).await;
    assert_eq!(bench.in_use(), "old");
    assert_eq!(bench.told.shown(), ["wrong", "wrong"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_gives_one_does_not_wait_for_a_server_that_hangs() {
    let bench = Bench::new(&[(NAME, "old")]);
    assert!(matches!(bench.give("new").await, Given::Later(_)));
    assert_eq!(bench.in_use(), "old");
    bench.told.says(&[Tried::Works]);
    assert_eq!(bench.give("newer").await, Given::Works);
    assert_eq!(bench.in_use(), "newer");
    assert!(bench.rotation.secrets.next(NAME).is_none(), "the one that waited is forgotten");
    assert_eq!(bench.rotation.give("store.key", Secret::new("x"), false).await, Given::NotNeeded);
}

#[tokio::test(start_paused = true)]
async fn a_start_goes_back_to_the_one_before_where_the_new_one_is_refused() {
    let previous = format!("{NAME}.previous");
    let files = [(NAME, "new"), (previous.as_str(), "old")];
    let bench = Bench::new(&files);
    assert_eq!(bench.in_use(), "new");
    bench.told.says(&[untold(), refusal()]);
    bench.run();
    bench.within(FIRST_AGAIN / 2).await;
    assert_eq!(bench.in_use(), "new");
    bench.within(LAST_AGAIN).await;
    assert_eq!(bench.in_use(), "old");

    let bench = Bench::new(&files);
    bench.told.says(&[Tried::Works]);
    bench.run();
    bench.within(LAST_AGAIN * 10).await;
    assert_eq!((bench.in_use().as_str(), bench.told.shown().len()), ("new", 1));
    assert!(!bench.rotation.secrets.has_previous(NAME));
}

#[tokio::test(start_paused = true)]
async fn what_the_store_has_later_takes_the_place_of_what_was_given() {
    let bench = Bench::new(&[(NAME, "old")]);
    bench.told.says(&[Tried::Works]);
    assert_eq!(bench.give("new").await, Given::Works);
    std::fs::write(bench.folder.path().join(NAME), "another").unwrap();
    assert_eq!(bench.in_use(), "another");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_given_while_another_is_on_its_way_is_not_forgotten() {
    let bench = Bench::new(&[(NAME, "old")]);
    bench.run();
    // The second try of `new` hangs until something is told of it.
    bench.told.says(&[untold()]);
    assert!(matches!(bench.give("new").await, Given::Later(_)));
    bench.within(FIRST_AGAIN * 2).await;
    assert_eq!(bench.told.shown(), ["new", "new"]);
    assert!(matches!(bench.give("newest").await, Given::Later(_)), "it is not its turn");
    assert_eq!(bench.told.shown(), ["new", "new"], "nobody breaks into a look");
    bench.told.answer(Tried::Works);
    bench.within(Duration::from_millis(1)).await;
    assert_eq!(bench.in_use(), "new");
    bench.told.says(&[Tried::Works]);
    bench.within(LAST_AGAIN * 2).await;
    assert_eq!(bench.in_use(), "newest");
    assert_eq!(bench.told.shown(), ["new", "new", "newest"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_was_refused_is_tried_once_more_where_that_is_wanted() {
    let bench = Bench::new(&[(NAME, "old")]);
    bench.told.says(&[Tried::Works]);
    let given = bench.rotation.give(NAME, Secret::new("new"), true).await;
    assert_eq!(given, Given::Works);
    assert_eq!(bench.told.shown(), ["forget new", "new"]);
}
