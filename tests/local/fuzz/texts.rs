//! Short texts of a field: addresses, domains, durations, times, percentages, names, versions, annotations, mails.

use guestlist::api;
use guestlist::cache::{Kind, resource_version};
use guestlist::directory::{SentMail, keycloak};
use guestlist::domain::{DisplayName, Domain, Email, time};
use guestlist::plan::annotations::ineffective;
use jiff::Timestamp;

use super::harness::{Subject, fuzz};

/// The size limit of a message about one text, in bytes.
const MESSAGE: usize = 600;

/// Checks texts of a field. The error about a text is one short line.
fn fuzz_texts<E: ToString>(
    name: &'static str,
    corpus: &[&str],
    words: &'static [&'static str],
    mut check: impl FnMut(&str) -> Result<(), E>,
) {
    let corpus = corpus.iter().map(|text| text.as_bytes().to_vec()).collect();
    // Names are checked character by character.
    let share = if name == "names" { 20 } else { 50 };
    fuzz(Subject { name, corpus, words, share }, |input| {
        if let Err(error) = check(&String::from_utf8_lossy(input)) {
            let error = error.to_string();
            assert!(error.len() <= MESSAGE && !error.contains(['\n', '\u{202e}', '\0']), "a long message: {error}");
        }
    });
}

#[test]
fn addresses() {
    let corpus =
        ["bob@acme.example", "Bob.O'Neil+tag@ACME.example", "x@xn--bcher-kva.example", "keycloak-1@address.invalid"];
    fuzz_texts("addresses", &corpus, &["@", ".", "..", "xn--", ".example", "\u{e9}"], |text| {
        let email = Email::parse(text)?;
        assert_eq!(Email::parse(email.as_str()), Ok(email.clone()));
        assert_eq!(Domain::parse(email.domain().as_str()), Ok(email.domain()));
        assert!(email.as_str().len() <= guestlist::domain::LONGEST_EMAIL && email.as_str().eq_ignore_ascii_case(text));
        Ok::<_, String>(())
    });
}

#[test]
fn domains() {
    fuzz_texts("domains", &["acme.example", "a.b.c-d.example", "xn--bcher-kva.example"], &["*.", ".", "-"], |text| {
        let domain = Domain::parse(text)?;
        assert!(domain.as_str() == text && domain.is_within(&domain));
        Ok::<_, String>(())
    });
}

#[test]
fn durations() {
    fuzz_texts("durations", &["72h", "1h30m", "90s", "0s", "999999h999999m999999s"], &["h", "m", "s", "9"], |text| {
        let duration = time::duration(text)?;
        assert_eq!(time::duration(&time::show_duration(duration)), Ok(duration));
        assert_eq!(time::positive_duration(text, "ever", "720h").is_ok(), !duration.is_zero());
        Ok::<_, String>(())
    });
}

#[test]
fn instants() {
    let corpus = ["2027-06-30T00:00:00Z", "2027-06-30T23:59:59.123456789+23:59", "0000-01-01T00:00:00-00:00"];
    fuzz_texts("instants", &corpus, &["Z", "+00:00", "-23:59", "T", "9999", "0000", "60", ".5", "[UTC]"], |text| {
        let at = time::instant(text)?;
        assert_eq!(time::instant(&at.to_string()), Ok(at));
        Ok::<_, String>(())
    });
}

#[test]
fn percentages() {
    fuzz_texts("percentages", &["25%", "1%", "100%"], &["%", "0", "100"], |text| {
        let percentage = time::percentage(text)?;
        assert_eq!(time::percentage(&format!("{percentage}%")), Ok(percentage));
        assert!((1..=100).contains(&percentage));
        Ok::<_, String>(())
    });
}

#[test]
fn names() {
    fuzz_texts(
        "names",
        &["Carol Example", "Äcme \u{1f600}", "李小龙", "a\u{202e}b", " "],
        &["\u{200d}", "\u{fe0f}", "\u{2800}"],
        |text| {
            for shown in [guestlist::domain::printable(text).into_owned(), guestlist::domain::printable_lines(text)] {
                assert!(!shown.contains(|c| c != '\n' && guestlist::domain::text::is_hidden(c)), "{shown:?}");
                assert_eq!(guestlist::domain::printable_lines(&shown), shown);
            }
            let json = serde_json::to_string(text).unwrap();
            let printed = guestlist::domain::printable_json(&json);
            assert!(!printed.contains(guestlist::domain::text::is_hidden));
            assert_eq!(serde_json::from_str::<String>(&printed).unwrap(), text);
            let name = DisplayName::parse(text)?;
            assert_eq!((&*name.to_string(), guestlist::domain::printable(text).as_ref()), (text, text));
            Ok::<_, String>(())
        },
    );
}

#[test]
fn resource_versions() {
    fuzz_texts("resource-versions", &["1", "4711", "18446744073709551615"], &["0", "9", "1"], |text| {
        let number = resource_version::parse(text)?;
        assert!(number > 0 && number.to_string() == text && resource_version::number(Some(text)) == Some(number));
        Ok::<_, resource_version::Malformed>(())
    });
}

#[test]
fn sent_mails() {
    let corpus =
        ["2027-06-30T00:00:00.000000000Z partners", "-009999-01-02T01:59:59Z a", "9999-12-30T22:00:00.999999999Z b"];
    fuzz_texts("sent-mails", &corpus, &[" ", "[UTC]", "+23:59"], |text| {
        let mail = SentMail::parse(text).ok_or("no mail")?;
        assert_eq!(SentMail::parse(&mail.to_string()), Some(mail.clone()));
        let all = SentMail::with(&[mail.clone(), mail], "partners", Timestamp::UNIX_EPOCH);
        assert!((1..=3).contains(&all.len()));
        Ok::<_, &str>(())
    });
}

#[test]
fn annotations() {
    let corpus: Vec<String> = api::ANNOTATIONS
        .iter()
        .flat_map(|known| ["true", "2027-06-30T00:00:00Z", "soon"].map(|text| format!("{}={text}", known.name)))
        .collect();
    let corpus: Vec<&str> = corpus.iter().map(String::as_str).collect();
    fuzz_texts("annotations", &corpus, &["guestlist.dev/", "=", "/"], |text| {
        let (name, text) = text.split_once('=').unwrap_or((text, ""));
        for kind in Kind::ALL {
            if let Some(problem) = ineffective(kind, name, text, Timestamp::UNIX_EPOCH) {
                return Err(problem.message);
            }
        }
        Ok(())
    });
}

#[test]
fn directory_addresses() {
    let corpus = ["keycloak:https://id.host.example/auth#workspace", "keycloak:http://[::1]:8080#w"];
    fuzz_texts("directory-addresses", &corpus, &["#", "keycloak:", "http://", "/realms/", "@", ":", "%"], |text| {
        let environment = |name: &str| (name == "GUESTLIST_KEYCLOAK_CLIENT_SECRET").then(|| "secret".to_owned());
        let settings = keycloak::Settings::read(text, environment).map_err(|fault| fault.to_string())?;
        let printed = format!("keycloak:{}#{}", settings.base, settings.realm);
        let again = keycloak::Settings::read(&printed, environment).map_err(|fault| fault.to_string())?;
        assert_eq!((again.base, again.realm), (settings.base, settings.realm));
        Ok::<_, String>(())
    });
}
