//! The SMTP client.

use futures_util::{FutureExt, future::BoxFuture};
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp,
};

use super::{Letter, Post, PostFault};
use crate::limits::SMTP_TIMEOUT;

/// Speaks to one mail server; `smtps://` is TLS from the first byte.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

/// A mail configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SmtpSetup {
    /// `mail.url` is wrong.
    #[error("mail.url: must be smtp://host:port or smtps://user:password@host")]
    Url(#[source] smtp::Error),
    /// `mail.from` is wrong.
    #[error("mail.from: must be an address, as in \"Name <a@b.example>\"")]
    From(#[source] lettre::address::AddressError),
}

impl Smtp {
    /// A client for the server at `url` that sends as `from`. Connects with the first letter.
    ///
    /// # Errors
    /// When one of the two cannot be understood.
    pub fn new(url: &str, from: &str) -> Result<Self, SmtpSetup> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(SmtpSetup::Url)?
            .timeout(Some(SMTP_TIMEOUT))
            .build();
        Ok(Self { transport, from: from.parse().map_err(SmtpSetup::From)? })
    }

    fn message(&self, letter: &Letter) -> Result<Message, PostFault> {
        let refused = |wrong: &dyn std::fmt::Display| PostFault::Refused(wrong.to_string());
        let to: Address = letter.to.parse().map_err(|e: lettre::address::AddressError| refused(&e))?;
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(letter.subject.clone())
            .message_id(Some(format!("<{}@{}>", letter.id, self.from.email.domain())))
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text.clone())
            .map_err(|e| refused(&e))
    }
}

impl Post for Smtp {
    fn send<'p>(&'p self, letter: &'p Letter) -> BoxFuture<'p, Result<(), PostFault>> {
        async move {
            let message = self.message(letter)?;
            match self.transport.send(message).await {
                Ok(_) => Ok(()),
                Err(refused) if refused.is_permanent() => Err(PostFault::Refused(refused.to_string())),
                Err(away) => Err(PostFault::Away(away.to_string())),
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_letter_goes_out_as_plain_text_to_one_person_alone() {
        let smtp = Smtp::new("smtp://127.0.0.1:1", "Backstage Pass <no-reply@backstage.example>").unwrap();
        let letter = Letter {
            id: "job_1".into(),
            to: "ann@example.com".into(),
            subject: "Hello\r\nBcc: eve@evil.example".into(),
            text: "One line.\n".into(),
        };
        let sent = String::from_utf8(smtp.message(&letter).unwrap().formatted()).unwrap();
        assert!(!sent.lines().any(|line| line.to_ascii_lowercase().starts_with("bcc:")), "{sent}");
        assert!(sent.contains("Message-ID: <job_1@backstage.example>"), "{sent}");
        let two = Letter { to: "ann@example.com, eve@evil.example".into(), ..letter };
        assert!(matches!(smtp.message(&two), Err(PostFault::Refused(_))));
    }

    #[tokio::test]
    async fn a_server_that_is_away_is_tried_again() {
        let smtp = Smtp::new("smtp://127.0.0.1:1", "no-reply@backstage.example").unwrap();
        let letter = Letter { id: "1".into(), to: "a@b.example".into(), subject: "s".into(), text: "t".into() };
        assert!(matches!(smtp.send(&letter).await, Err(PostFault::Away(_))));
    }
}
