//! Takes letters by SMTP, on loopback, without encryption and without sign-in.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::app::App;
use crate::asked::Asked;
use crate::clock::rfc3339;
use crate::faults::{Call, Harm};
use crate::limits;

/// Takes connections for ever.
pub async fn listen(app: Arc<App>, listener: TcpListener) {
    let seats = Arc::new(Semaphore::new(limits::SMTP_CONNECTIONS_MAX));
    loop {
        let mut stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a mail connection could not be taken");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (app, seat) = (Arc::clone(&app), Arc::clone(&seats).try_acquire_owned());
        tokio::spawn(async move {
            let Ok(_seat) = seat else {
                // The guest is turned away; whether it hears why is its own affair.
                let _ = stream.write_all(b"421 4.3.2 Too many connections, come back later\r\n").await;
                return;
            };
            if let Err(error) = talk(&app, stream).await {
                tracing::debug!(%error, "a mail connection ended early");
            }
        });
    }
}

/// A letter being handed in.
#[derive(Default)]
struct Envelope {
    from: Option<String>,
    to: Vec<String>,
}

/// What to do after a command.
enum Next {
    /// Say this and listen on.
    Say(String),
    /// Take the letter's text.
    TakeText,
    /// Say this and hang up.
    Bye(&'static str),
    /// Hang up without a word.
    Drop,
}

async fn talk(app: &App, stream: TcpStream) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    say(&mut write, "220 localhost Backstage stand-in mailbox").await?;
    let mut envelope = Envelope::default();
    while let Some(line) = read_line(&mut read).await? {
        match command(app, &mut envelope, &line).await {
            Next::Say(answer) => say(&mut write, &answer).await?,
            Next::TakeText => {
                say(&mut write, "354 Send the letter, end with a line that is a single dot").await?;
                let Some(text) = read_text(&mut read).await? else { return Ok(()) };
                let harm = harm(app, "DATA").await;
                if let Some(answer) = deliver(app, &std::mem::take(&mut envelope), text, &harm) {
                    say(&mut write, &answer).await?;
                } else {
                    return Ok(());
                }
            }
            Next::Bye(answer) => return say(&mut write, answer).await,
            Next::Drop => return Ok(()),
        }
    }
    Ok(())
}

async fn command(app: &App, envelope: &mut Envelope, line: &str) -> Next {
    let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
    if verb != "DATA" {
        let harm = harm(app, &verb).await;
        if harm.drop_response {
            return Next::Drop;
        }
        if let Some(status) = harm.fail {
            note(app, &verb, Some(status), json!({"ordered": "fail"}));
            return Next::Say(format!("{status} 4.0.0 Ordered to fail"));
        }
    }
    let say = |text: &str| Next::Say(text.to_owned());
    match verb.as_str() {
        "EHLO" => {
            Next::Say(format!("250-localhost\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE {}", limits::MAIL_BYTES_MAX))
        }
        "HELO" => say("250 localhost"),
        "MAIL" => match address(line, "FROM:") {
            Some(from) => {
                *envelope = Envelope { from: Some(from), to: Vec::new() };
                say("250 2.1.0 Sender noted")
            }
            None => say("501 5.5.4 Write MAIL FROM:<address>"),
        },
        "RCPT" if envelope.from.is_none() => say("503 5.5.1 Name the sender first"),
        "RCPT" if envelope.to.len() == limits::MAIL_RECIPIENTS_MAX => say("452 4.5.3 Too many recipients"),
        "RCPT" => match address(line, "TO:").filter(|to| to.contains('@')) {
            Some(to) => {
                envelope.to.push(to);
                say("250 2.1.5 Recipient noted")
            }
            None => say("501 5.1.3 Write RCPT TO:<address>"),
        },
        "DATA" if envelope.to.is_empty() => say("503 5.5.1 Name a recipient first"),
        "DATA" => Next::TakeText,
        "RSET" => {
            *envelope = Envelope::default();
            say("250 2.0.0 Forgotten")
        }
        "NOOP" => say("250 2.0.0 Still here"),
        "VRFY" => say("252 2.1.5 Send it and see"),
        "QUIT" => Next::Bye("221 2.0.0 Goodbye"),
        _ => say("502 5.5.1 Not known here"),
    }
}

/// Puts the letter into the boxes; what to answer, or nothing when the connection is to be dropped.
fn deliver(app: &App, envelope: &Envelope, text: Text, harm: &Harm) -> Option<String> {
    let mut detail = json!({"from": envelope.from, "to": envelope.to});
    let (status, answer) = match (harm.fail, text) {
        (Some(status), _) => (status, format!("{status} 4.0.0 Ordered to fail")),
        (None, Text::TooLarge) => (552, "552 5.3.4 The letter is too large".to_owned()),
        (None, Text::Whole(raw)) => {
            app.mailbox.deliver(app.clock.now_ms(), &envelope.to, &raw);
            (250, "250 2.0.0 Delivered".to_owned())
        }
    };
    if harm.drop_response {
        detail["ordered"] = json!("drop_response");
    }
    let told = !harm.drop_response;
    note(app, "DATA", told.then_some(status), detail);
    told.then_some(answer)
}

/// Waits as ordered, and says what else was ordered. A letter is one call, named `DATA` and judged when its text is there;
/// the other commands are hit only by orders that name them.
async fn harm(app: &App, verb: &str) -> Harm {
    let harm = app.harm(Call { provider: "mail", method: verb, path: verb, webhook: false });
    if harm.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(harm.delay_ms)).await;
    }
    harm
}

fn note(app: &App, verb: &str, status: Option<u16>, detail: serde_json::Value) {
    app.log.add(Asked {
        at: rfc3339(app.clock.now_ms()),
        provider: "mail".to_owned(),
        method: "SMTP".to_owned(),
        path: verb.to_owned(),
        status,
        detail,
    });
}

/// The address of `MAIL FROM:<…>` or `RCPT TO:<…>`.
fn address(line: &str, keyword: &str) -> Option<String> {
    let rest = line.get(5..)?.trim_start();
    let (head, rest) = rest.split_at_checked(keyword.len())?;
    let rest = rest.trim_start().strip_prefix('<')?;
    let (address, _) = rest.split_once('>')?;
    head.eq_ignore_ascii_case(keyword).then(|| address.to_owned())
}

/// The text of a letter.
enum Text {
    Whole(Vec<u8>),
    TooLarge,
}

/// Reads up to the single dot, taking doubled dots back to one; nothing when the connection ends before.
async fn read_text(read: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<Text>> {
    let (mut text, mut too_large, mut at_line_start) = (Vec::new(), false, true);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = (&mut *read).take(limits::SMTP_LINE_BYTES_MAX);
        let got = tokio::time::timeout(limits::SMTP_IDLE, bounded.read_until(b'\n', &mut line)).await??;
        if got == 0 {
            return Ok(None);
        }
        if at_line_start && (line == b".\r\n" || line == b".\n") {
            return Ok(Some(if too_large { Text::TooLarge } else { Text::Whole(text) }));
        }
        let stuffed = at_line_start && line.first() == Some(&b'.');
        at_line_start = line.last() == Some(&b'\n');
        too_large |= text.len() + line.len() > limits::MAIL_BYTES_MAX;
        if !too_large {
            text.extend_from_slice(&line[usize::from(stuffed)..]);
        }
    }
}

/// One command; nothing at the end of the connection. A line that is too long ends it.
async fn read_line(read: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut bounded = read.take(limits::SMTP_LINE_BYTES_MAX);
    tokio::time::timeout(limits::SMTP_IDLE, bounded.read_until(b'\n', &mut line)).await??;
    if line.last() != Some(&b'\n') {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()))
}

async fn say(write: &mut (impl AsyncWrite + Unpin), answer: &str) -> std::io::Result<()> {
    write.write_all(format!("{answer}\r\n").as_bytes()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_out_of_its_command() {
        assert_eq!(address("MAIL FROM:<a@b.test> SIZE=10", "FROM:").as_deref(), Some("a@b.test"));
        assert_eq!(address("rcpt to: <a@b.test>", "TO:").as_deref(), Some("a@b.test"));
        assert_eq!(address("MAIL FROM:<>", "FROM:").as_deref(), Some(""));
        assert_eq!(address("RCPT FROM:<a@b.test>", "TO:"), None);
        assert_eq!(address("RCPT", "TO:"), None);
    }

    #[tokio::test]
    async fn a_text_ends_at_the_single_dot_and_loses_its_stuffing() {
        let mut read: &[u8] = b"one\r\n..two\r\n.\r\nQUIT\r\n";
        let Some(Text::Whole(text)) = read_text(&mut read).await.unwrap() else { panic!("no text") };
        assert_eq!(text, b"one\r\n.two\r\n");
        assert_eq!(read_line(&mut read).await.unwrap().as_deref(), Some("QUIT"));
        assert!(read_text(&mut read).await.unwrap().is_none());
    }
}
