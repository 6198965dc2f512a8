//! A mail server on loopback without delivery: it stores Keycloak's mails by recipient. Tests can make it refuse mails
//! or not answer.
#![allow(dead_code, reason = "each test file uses what it needs")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The behaviour of the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Accepts the mail.
    Takes,
    /// Refuses the recipient.
    Refuses,
    /// Never answers, not even with a greeting, until the client gives up.
    Hangs,
    /// Accepts the mail, and confirms it only after the behaviour changes.
    Holds,
}

struct Kept {
    mood: Mood,
    /// Recipient and mail, in the order of arrival.
    mails: Vec<(String, String)>,
}

/// A running mail server. It ends with the process.
#[derive(Clone)]
pub struct Mail {
    pub port: u16,
    kept: Arc<Mutex<Kept>>,
}

impl Mail {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let kept = Arc::new(Mutex::new(Kept { mood: Mood::Takes, mails: Vec::new() }));
        let mails = kept.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mails = mails.clone();
                std::thread::spawn(move || take(stream, &mails));
            }
        });
        Self { port, kept }
    }

    pub fn set(&self, mood: Mood) {
        self.kept.lock().unwrap().mood = mood;
    }

    /// The number of mails to an address.
    pub fn count(&self, address: &str) -> usize {
        self.kept.lock().unwrap().mails.iter().filter(|(recipient, _)| recipient == address).count()
    }

    /// The number of all mails.
    pub fn total(&self) -> usize {
        self.kept.lock().unwrap().mails.len()
    }

    /// The newest mail to an address, in its raw form.
    pub fn newest(&self, address: &str) -> String {
        let kept = self.kept.lock().unwrap();
        let newest = kept.mails.iter().rev().find(|(recipient, _)| recipient == address);
        newest.unwrap_or_else(|| panic!("no mail came for {address}")).1.clone()
    }

    /// The text of the newest mail to an address.
    pub fn text_for(&self, address: &str) -> String {
        plain(&self.newest(address))
    }

    /// The link in the newest mail to an address.
    pub fn link_for(&self, address: &str) -> String {
        let text = self.text_for(address);
        let begin = text.find("http").unwrap_or_else(|| panic!("no link in: {text}"));
        unescape(text[begin..].split_whitespace().next().unwrap())
    }
}

/// Serves one connection to its end.
fn take(stream: TcpStream, kept: &Mutex<Kept>) {
    let mood = kept.lock().unwrap().mood;
    let mut answers = stream.try_clone().unwrap();
    let mut say = |text: &str| mood == Mood::Hangs || answers.write_all(format!("{text}\r\n").as_bytes()).is_ok();
    say("220 ready");
    let (mut recipients, mut data): (Vec<String>, Option<String>) = (Vec::new(), None);
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        if let Some(mail) = &mut data {
            if line == "." {
                let mail = data.take().unwrap();
                let mails = recipients.drain(..).map(|recipient| (recipient, mail.clone()));
                kept.lock().unwrap().mails.extend(mails);
                while kept.lock().unwrap().mood == Mood::Holds {
                    std::thread::sleep(Duration::from_millis(5));
                }
                say("250 kept");
            } else {
                mail.push_str(line.strip_prefix('.').unwrap_or(&line));
                mail.push('\n');
            }
            continue;
        }
        let word = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer = match word.as_str() {
            "RCPT" if mood == Mood::Refuses => "550 nobody here",
            "RCPT" => {
                let address = line.split(['<', '>']).nth(1).unwrap_or_default();
                recipients.push(address.to_ascii_lowercase());
                "250 fine"
            }
            "DATA" => {
                data = Some(String::new());
                "354 go on"
            }
            "QUIT" => "221 bye",
            _ => "250 fine",
        };
        if !say(answer) {
            return;
        }
    }
}

/// The plain text of a mail: its first part, or all of it.
fn plain(mail: &str) -> String {
    let part = mail.split("Content-Type: text/plain").nth(1).unwrap_or(mail);
    let (head, body) = part.split_once("\n\n").unwrap();
    let body = body.split("\n--").next().unwrap();
    if head.contains("quoted-printable") { unquote(body) } else { body.to_owned() }
}

/// Decodes quoted-printable.
fn unquote(text: &str) -> String {
    let joined = text.replace("=\n", "");
    let mut pieces = joined.split('=');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(&piece[..2], 16).unwrap());
        bytes.extend(&piece.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

/// Decodes the HTML escapes that Keycloak writes.
pub fn unescape(text: &str) -> String {
    let mut plain = text.to_owned();
    for (escape, character) in [
        ("&#61;", "="),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&quot;", "\""),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ] {
        plain = plain.replace(escape, character);
    }
    plain
}

#[test]
fn a_link_is_read_whichever_way_its_mail_is_written() {
    let link = "http://127.0.0.1:1/r/action-token?key=ey.J_x-&tab=é";
    for (coding, body) in [
        ("7bit", "Click.\n\nhttp://127.0.0.1:1/r/action-token?key&#61;ey.J_x-&amp;tab&#61;é\n"),
        ("quoted-printable", "Click.\n\nhttp://127.0.0.1:1/r/action-=\ntoken?key=3Dey.J_x-&tab=3D=C3=A9\n"),
    ] {
        let mail =
            format!("To: a\n\n--x\nContent-Type: text/plain\nContent-Transfer-Encoding: {coding}\n\n{body}\n--x");
        let sink = Mail { port: 0, kept: Arc::new(Mutex::new(Kept { mood: Mood::Takes, mails: Vec::new() })) };
        sink.kept.lock().unwrap().mails.push(("bob@acme.example".to_owned(), mail));
        assert_eq!(sink.link_for("bob@acme.example"), link);
    }
}
