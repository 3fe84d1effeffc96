//! What the folders that every mailbox has are called in languages other than English, as Exchange
//! names them where a mailbox was opened first in one, or was told to rename them.

/// By the distinguished name: the calendar, inbox, sent and deleted items, drafts.
type Names = [&'static str; 5];

const IDS: Names = ["calendar", "inbox", "sentitems", "deleteditems", "drafts"];

/// By the beginning of a culture.
const NAMES: &[(&str, Names)] = &[
    ("de", ["Kalender", "Posteingang", "Gesendete Elemente", "Gelöschte Elemente", "Entwürfe"]),
    (
        "fr",
        [
            "Calendrier",
            "Boîte de réception",
            "Éléments envoyés",
            "Éléments supprimés",
            "Brouillons",
        ],
    ),
    ("he", ["לוח שנה", "תיבת דואר נכנס", "פריטים שנשלחו", "פריטים שנמחקו", "טיוטות"]),
    ("ja", ["予定表", "受信トレイ", "送信済みアイテム", "削除済みアイテム", "下書き"]),
    ("nl", ["Agenda", "Postvak IN", "Verzonden items", "Verwijderde items", "Concepten"]),
    ("pt-BR", ["Calendário", "Caixa de Entrada", "Itens Enviados", "Itens Excluídos", "Rascunhos"]),
];

/// The name of a folder in the language of its mailbox; nothing where it is the English one.
pub(super) fn localized(id: &str, culture: &str) -> Option<&'static str> {
    let at = IDS.iter().position(|known| *known == id)?;
    let (_, names) = NAMES.iter().find(|(language, _)| culture.starts_with(language))?;
    names.get(at).copied()
}
