//! An answer of the simulated Exchange to GetItem, and what of it is sealed.

use std::sync::Arc;

use calway::calendar::ews::get_item;
use calway::calendar::ews::soap::{Header, ServerVersion};
use calway::kms::ContentKey;
use calway::kms::jose::Octets;
use calway::model::{Address, Fault, ItemId, KeyUri, UserId};
use calway::model::{Span, Time};
use calway::pipeline::seal::{Installation, Sealer};
use calway::pipeline::window::Window;
use calway_lab::exchange::faults::Faults;
use calway_lab::exchange::service::{Answer, Call, Service, Settings};
use calway_lab::exchange::{Attendee, Draft, MailboxKind};

use crate::record;

/// A kind of meeting.
pub struct Case {
    pub name: &'static str,
    html: bool,
    body_bytes: usize,
    attendees: usize,
}

pub const CASES: [Case; 4] = [
    Case { name: "HTML 4 KB, 8 attendees", html: true, body_bytes: 4_096, attendees: 8 },
    Case { name: "text 200 B, 2 attendees", html: false, body_bytes: 200, attendees: 2 },
    Case { name: "text 4 KB, 8 attendees", html: false, body_bytes: 4_096, attendees: 8 },
    Case { name: "HTML 32 KB, 60 attendees", html: true, body_bytes: 32_768, attendees: 60 },
];

/// Everything that is needed to go the way once.
pub struct Sample {
    pub answer: Vec<u8>,
    pub ids: Vec<ItemId>,
    pub user: UserId,
    pub window: Window,
    pub installation: Arc<Installation>,
    pub sealer: Arc<dyn Sealer>,
    /// What is sealed on the way.
    pub texts: Vec<String>,
}

const OWNER: &str = "user001@corp.example";
const START_MS: i64 = 1_800_014_400_000;

impl Sample {
    pub fn new(case: &Case) -> Self {
        let service = Service::new(Settings::default(), Faults::default());
        service.calendars().add_mailbox(OWNER, "User 1", MailboxKind::User);
        let names: Vec<_> = (0..get_item::BATCH)
            .map(|n| service.calendars().create(OWNER, meeting(case, n)))
            .collect();
        let ids: Vec<_> = names.iter().map(|id| ItemId(id.to_string().as_str().into())).collect();
        let address = Address::parse(OWNER).expect("an address");
        let header = Header { version: ServerVersion::Exchange2013Sp1, impersonate: &address };
        let body = get_item::request(&header, &ids, true);
        let headers = http::HeaderMap::new();
        let call = Call {
            account: "CORP\\svc-calway",
            headers: &headers,
            back_end: 0,
            body: body.as_bytes(),
        };
        let Answer::Soap { body: answer, .. } = service.answer(&call) else {
            panic!("GetItem has one answer")
        };
        let day = Time::from_ms(START_MS);
        let octets = Octets::random().expect("randomness");
        let key = ContentKey::new(KeyUri::new("kms://kms.example/keys/1"), octets).expect("a key");
        let mut sample = Self {
            answer,
            ids,
            user: UserId::new("u-001"),
            window: Window { from: day, to: day + Span::DAY.times(30) },
            installation: Arc::new(Installation::new(&[7; 32]).expect("a secret")),
            sealer: Arc::new(key),
            texts: Vec::new(),
        };
        let ear = Arc::new(Ear { key: Arc::clone(&sample.sealer), texts: Default::default() });
        let sealer = std::mem::replace(&mut sample.sealer, Arc::clone(&ear) as Arc<dyn Sealer>);
        assert_eq!(record::seal_all(&sample).len(), sample.ids.len(), "each has its record");
        sample.sealer = sealer;
        sample.texts = std::mem::take(&mut *ear.texts.lock().expect("one thread"));
        sample
    }
}

/// Hears what is sealed.
#[derive(Debug)]
struct Ear {
    key: Arc<dyn Sealer>,
    texts: std::sync::Mutex<Vec<String>>,
}

impl Sealer for Ear {
    fn key_uri(&self) -> &KeyUri {
        self.key.key_uri()
    }

    fn seal(&self, plain: &str) -> Result<String, Fault> {
        self.texts.lock().expect("one thread").push(plain.to_owned());
        self.key.seal(plain)
    }
}

fn meeting(case: &Case, n: usize) -> Draft {
    let start_ms = START_MS + 3_600_000 * (1 + n as i64);
    let mut draft = Draft::meeting(&format!("Quarterly review of project {n}"), start_ms, 30);
    draft.location = format!("Building 7, room {}", 100 + n);
    draft.body = if case.html { page(case.body_bytes, n) } else { text(case.body_bytes, n) };
    draft.body_html = case.html;
    for seat in 0..case.attendees {
        let name = format!("Anna Fisher-Weaver {seat}");
        let address = format!("anna.fisher.weaver{seat}@partner.example");
        draft.attendees.push(match seat % 3 {
            2 => Attendee::optional(&address, &name),
            _ => Attendee::required(&address, &name),
        });
    }
    draft
}

const LINE: &str = "The numbers of the last quarter, open questions of the team & the next steps.";

fn text(bytes: usize, n: usize) -> String {
    let mut text = format!("Agenda {n}\r\n");
    while text.len() < bytes {
        text += LINE;
        text += "\r\n";
    }
    text
}

/// As Outlook writes it: a head with styles, then paragraphs.
fn page(bytes: usize, n: usize) -> String {
    let mut page = format!(
        "<html>\r\n<head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; \
         charset=utf-8\">\r\n<style type=\"text/css\">\r\np.MsoNormal {{ margin: 0cm; font-size: \
         11.0pt; font-family: Calibri, sans-serif }}\r\n</style>\r\n</head>\r\n<body \
         lang=\"EN-GB\">\r\n<div class=\"WordSection1\">\r\n<p class=\"MsoNormal\"><b>Agenda \
         {n}</b><o:p></o:p></p>\r\n"
    );
    while page.len() < bytes {
        let line = LINE.replace('&', "&amp;");
        page += &format!("<p class=\"MsoNormal\">{line}<o:p></o:p></p>\r\n");
    }
    page += "</div>\r\n</body>\r\n</html>\r\n";
    page
}
