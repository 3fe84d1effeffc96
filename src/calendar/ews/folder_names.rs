//! The language that a mailbox's own folders are named in: all that EWS tells of its language.
//!
//! A mailbox's regional settings are shown by PowerShell alone (Get-MailboxRegionalConfiguration).
//! But Exchange names the folders that every mailbox has in the language in which it was opened
//! first (Microsoft KB 820501), or that was chosen since with Outlook's `/resetfoldernames`, in
//! Outlook on the web or by `Set-MailboxRegionalConfiguration -LocalizeDefaultFolderName`.
//!
//! **Promise.** A language is told where at least two folders agree on it and no other has as
//! many; else none is, and the organisation's default counts. The names are those of Outlook and
//! Exchange as others have collected them from mailboxes (`tests/golden/language/folder-names.txt`
//! says who); where versions differ all stand here.

/// The folders that are asked about, by their distinguished names; the calendar is the first.
pub(super) const FOLDERS: [&str; 5] = ["calendar", "inbox", "sentitems", "deleteditems", "drafts"];

/// The names of one language, in the order of [`FOLDERS`], other versions' behind a `|`.
type Row = (&'static str, [&'static str; FOLDERS.len()]);

/// By BCP 47. Galician has no phrases of ours, but is not to be taken for Spanish.
#[rustfmt::skip]
const NAMES: &[Row] = &[
    ("ar", ["التقويم", "علبة الوارد", "العناصر المرسلة", "العناصر المحذوفة", "المسودات"]),
    ("cs", ["Kalendář", "Doručená pošta", "Odeslaná pošta", "Odstraněná pošta", "Koncepty"]),
    ("da", ["Kalender", "Indbakke", "Sendt post", "Slettet post", "Kladder"]),
    ("de", ["Kalender", "Posteingang", "Gesendete Elemente|Gesendete Objekte",
        "Gelöschte Elemente|Gelöschte Objekte", "Entwürfe"]),
    ("el", ["Ημερολόγιο", "Εισερχόμενα", "Απεσταλμένα", "Διαγραμμένα", "Πρόχειρα"]),
    ("en", ["Calendar", "Inbox", "Sent Items", "Deleted Items", "Drafts"]),
    ("es", ["Calendario", "Bandeja de entrada", "Elementos enviados", "Elementos eliminados",
        "Borradores|Borrador"]),
    ("fi", ["Kalenteri", "Saapuneet", "Lähetetyt", "Poistetut", "Luonnokset"]),
    ("fr", ["Calendrier", "Boîte de réception", "Éléments envoyés", "Éléments supprimés",
        "Brouillons"]),
    ("gl", ["Calendario", "Caixa de entrada", "Elementos enviados", "Elementos eliminados",
        "Esbozos"]),
    ("he", ["לוח שנה", "תיבת דואר נכנס|דואר נכנס", "פריטים שנשלחו", "פריטים שנמחקו", "טיוטות"]),
    ("hu", ["Naptár", "Beérkezett üzenetek", "Elküldött elemek", "Törölt elemek",
        "Piszkozatok"]),
    ("it", ["Calendario", "Posta in arrivo", "Posta inviata", "Posta eliminata", "Bozze"]),
    ("ja", ["予定表", "受信トレイ", "送信済みアイテム", "削除済みアイテム", "下書き"]),
    ("ko", ["일정", "받은 편지함", "보낸 편지함", "지운 편지함", "임시 보관함"]),
    ("nb", ["Kalender", "Innboks", "Sendte elementer|Sende element",
        "Slettede elementer|Sletta element", "Kladd|Kladdar|Utkast"]),
    ("nl", ["Agenda", "Postvak IN", "Verzonden items", "Verwijderde items", "Concepten"]),
    ("pl", ["Kalendarz", "Skrzynka odbiorcza", "Elementy wysłane", "Elementy usunięte",
        "Wersje robocze|Kopie robocze"]),
    ("pt-BR", ["Calendário", "Caixa de Entrada", "Itens Enviados", "Itens Excluídos",
        "Rascunhos"]),
    ("pt-PT", ["Calendário", "Caixa de Entrada|A Receber", "Itens Enviados", "Itens Eliminados",
        "Rascunhos"]),
    ("ro", ["Calendar", "Inbox", "Elemente trimise", "Elemente șterse", "Schițe|Ciorne"]),
    ("ru", ["Календарь", "Входящие", "Отправленные", "Удаленные", "Черновики"]),
    ("sk", ["Kalendár", "Doručená pošta", "Odoslaná pošta",
        "Odstránené položky|Odstránená pošta", "Koncepty"]),
    ("sv", ["Kalender", "Inkorg|Inkorgen", "Skickat|Skickade objekt",
        "Borttagna objekt|Borttaget", "Utkast"]),
    ("th", ["ปฏิทิน", "กล่องจดหมายเข้า", "รายการที่ส่ง", "รายการที่ถูกลบ", "แบบร่าง"]),
    ("tr", ["Takvim", "Gelen Kutusu", "Gönderilmiş Öğeler", "Silinmiş Öğeler", "Taslaklar"]),
    ("uk", ["Календар", "Вхідні", "Надіслані", "Видалені", "Чернетки"]),
    ("vi", ["Lịch", "Hộp thư đến", "Mục đã Gửi", "Mục đã xóa bỏ|Mục đã Xóa", "Bản nháp"]),
    ("zh-Hans", ["日历", "收件箱", "已发送邮件", "已删除邮件", "草稿"]),
    ("zh-Hant", ["行事曆", "收件匣", "寄件備份", "刪除的郵件", "草稿"]),
];

/// The language (BCP 47) of a mailbox whose [`FOLDERS`] have these names; an empty one where a
/// folder's is not known.
pub(super) fn language(names: &[String; FOLDERS.len()]) -> Option<&'static str> {
    let names = names.each_ref().map(|name| folded(name));
    let (mut best, mut most, mut tie) = (None, 1, false);
    for (tag, known) in NAMES {
        let fits = |(name, known): &(&String, &&str)| {
            !name.is_empty() && known.split('|').any(|known| folded(known) == **name)
        };
        let count = names.iter().zip(known).filter(fits).count();
        if count > most {
            (best, most, tie) = (Some(*tag), count, false);
        } else if count == most && best.is_some() {
            let same = best.and_then(primary) == primary(tag);
            tie |= !same;
            // What only its region would tell apart is told without it.
            best = if same { primary(tag) } else { best };
        }
    }
    best.filter(|_| !tie)
}

fn primary(tag: &'static str) -> Option<&'static str> {
    tag.split('-').next()
}

/// Versions differ in capitals, in spaces, and in how Romanian and Russian letters are written; a
/// number stands behind a name that was taken already.
fn folded(name: &str) -> String {
    let letter = |c: char| match c {
        'ş' | 'Ş' | 'Ș' => 'ș',
        'ţ' | 'Ţ' | 'Ț' => 'ț',
        'ё' | 'Ё' => 'е',
        c => c,
    };
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c.is_whitespace());
    let letters = name.chars().filter(|c| !c.is_whitespace() && !is_mark(*c));
    letters.map(letter).flat_map(char::to_lowercase).collect()
}

/// Marks of direction, which no one sees.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/language/folder-names.txt"
    ));

    /// `tag: calendar | inbox | sent | deleted | drafts`, as mailboxes have them.
    fn cases() -> impl Iterator<Item = (&'static str, [String; 5])> {
        let lines = GOLDEN.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(|line| {
            let (tag, names) = line.split_once(": ").unwrap_or_else(|| panic!("{line}"));
            let names: Vec<_> = names.split('|').map(|name| name.trim().to_owned()).collect();
            (tag, names.try_into().unwrap_or_else(|_| panic!("{line}")))
        })
    }

    #[test]
    fn a_mailbox_has_the_language_that_its_folders_are_named_in() {
        for (tag, names) in cases() {
            assert_eq!(language(&names), Some(tag).filter(|tag| *tag != "none"), "{names:?}");
        }
    }

    #[test]
    fn no_language_that_invitations_are_written_in_is_forgotten() {
        use crate::pipeline::decorate::Language;
        let known: Vec<_> = cases().filter_map(|(tag, _)| Language::find(tag)).collect();
        for language in Language::all() {
            assert!(known.contains(&language), "{} has no line", language.tag());
            let own = NAMES.iter().any(|(tag, _)| *tag == language.tag());
            assert!(own, "{} has no row", language.tag());
        }
    }

    #[test]
    fn one_name_proves_nothing_and_two_that_differ_prove_nothing_either() {
        for (tag, names) in NAMES {
            for (at, name) in names.iter().enumerate() {
                let mut one: [String; 5] = Default::default();
                one[at] = name.split('|').next().unwrap().to_owned();
                assert_eq!(language(&one), None, "{tag} {one:?}");
            }
        }
        let half = ["Calendar", "Posteingang", "", "", ""].map(String::from);
        assert_eq!(language(&half), None);
    }
}
