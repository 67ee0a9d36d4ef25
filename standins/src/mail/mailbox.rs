//! The letters that came, newest first.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::chance;
use crate::clock::rfc3339;
use crate::journal::Journal;

/// A letter as one recipient got it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Letter {
    /// Names it.
    pub id: String,
    /// The recipient's address, from the envelope.
    pub to: String,
    /// The decoded subject.
    pub subject: String,
    /// The plain part.
    pub text: String,
    /// The HTML part, empty when there is none.
    pub html: String,
    /// RFC 3339, on the stand-ins' clock.
    pub at: String,
}

/// Every letter kept.
pub struct Mailbox(Mutex<Journal<Letter>>);

impl Mailbox {
    /// A mailbox kept in `journal`.
    pub fn new(journal: Journal<Letter>) -> Self {
        Self(Mutex::new(journal))
    }

    /// Puts a letter into the box of each recipient.
    pub fn deliver(&self, now_ms: i64, recipients: &[String], raw: &[u8]) {
        let parsed = mail_parser::MessageParser::default().parse(raw);
        let body = |take: &dyn Fn(&mail_parser::Message<'_>) -> Option<String>| {
            parsed.as_ref().and_then(take).unwrap_or_default()
        };
        let html_part = |message: &mail_parser::Message<'_>| {
            message
                .html_part(0)
                .filter(|part| part.is_text_html())
                .and_then(|part| part.text_contents().map(str::to_owned))
        };
        let letter = Letter {
            id: String::new(),
            to: String::new(),
            subject: body(&|message| message.subject().map(str::to_owned)),
            text: body(&|message| message.body_text(0).map(|text| text.replace("\r\n", "\n"))),
            html: body(&html_part),
            at: rfc3339(now_ms),
        };
        let mut journal = self.lock();
        for to in recipients {
            journal.push(Letter { id: chance::id("mail_"), to: to.clone(), ..letter.clone() });
        }
    }

    /// The newest letters, of one recipient or of all.
    pub fn newest(&self, to: Option<&str>, count_max: usize) -> Vec<Letter> {
        let journal = self.lock();
        let wanted = |letter: &&Letter| to.is_none_or(|to| letter.to.eq_ignore_ascii_case(to));
        journal.entries().iter().rev().filter(wanted).take(count_max).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Journal<Letter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first run of exactly six digits: a sign-in code.
pub fn code_in(text: &str) -> Option<&str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric())
        .find(|word| word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(dir: &std::path::Path) -> Mailbox {
        Mailbox::new(Journal::open(dir.join("mail.jsonl"), 10).unwrap())
    }

    #[test]
    fn an_encoded_letter_is_read_in_full_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let raw = b"From: a@b.test\r\nTo: Mia <mia@demo.test>\r\nSubject: =?utf-8?B?R3LDvMOfZQ==?=\r\n\
            MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n\
            --x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
            Gr=C3=BC=C3=9Fe: 123456\r\n--x\r\nContent-Type: text/html\r\n\r\n<b>123456</b>\r\n--x--\r\n";
        let to = ["mia@demo.test".to_owned(), "leo@demo.test".to_owned()];
        mailbox(dir.path()).deliver(1_795_265_384_439, &to, raw);
        let again = mailbox(dir.path());
        let mine = again.newest(Some("MIA@demo.test"), 10);
        assert_eq!(mine.len(), 1);
        assert_eq!((mine[0].subject.as_str(), mine[0].text.trim()), ("Grüße", "Grüße: 123456"));
        assert_eq!((mine[0].html.trim(), mine[0].at.as_str()), ("<b>123456</b>", "2026-11-21T12:49:44.439Z"));
        assert_eq!(again.newest(None, 10)[0].to, "leo@demo.test");
    }

    #[test]
    fn a_letter_without_html_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let mailbox = mailbox(dir.path());
        mailbox.deliver(0, &["a@b.test".to_owned()], b"Subject: hi\r\n\r\nplain\r\n");
        let letter = &mailbox.newest(None, 1)[0];
        assert_eq!((letter.text.trim(), letter.html.as_str()), ("plain", ""));
    }

    #[test]
    fn a_code_is_six_digits_and_nothing_longer() {
        assert_eq!(code_in("Order 1234567, code: 048216."), Some("048216"));
        assert_eq!(code_in("on 20261121 at 12345"), None);
    }
}
