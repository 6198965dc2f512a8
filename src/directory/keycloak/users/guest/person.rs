//! A user as a person: the name and the data of the workspace.

use crate::directory::UserRecord;
use crate::directory::keycloak::representations::User;
use crate::directory::keycloak::users::guest::is_created;
use crate::domain::Email;

/// A workspace user, adopted or not. `None`: a guest that guestlist created, or a user without a valid address.
pub fn workspace_user(user: &User) -> Option<UserRecord> {
    if is_created(user) {
        return None;
    }
    person(user)
}

/// The workspace's data about a user, guest or not.
pub fn person(user: &User) -> Option<UserRecord> {
    let last = if user.last_name == NO_NAME { "" } else { user.last_name.as_str() };
    let name = format!("{} {last}", user.first_name).trim().to_owned();
    let email = Email::parse(&user.email).ok()?;
    Some(UserRecord { email, name, enabled: user.enabled, verified: user.email_verified })
}

/// The last name of a person with a single name.
const NO_NAME: &str = "-";

/// The maximum length of a name, in UTF-16 units.
const LONGEST_NAME: usize = 255;

/// First and last name. If one is missing, Keycloak asks the user for both and for the address. Characters that
/// Keycloak's own user profile refuses in names are removed.
pub fn names(display_name: &str) -> (String, String) {
    let refused = |c: char| c.is_ascii_control() || r#"<>&"$%!#?§;*~/\|^=[]{}()"#.contains(c);
    let kept: String = display_name.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let kept = kept.replace(refused, "");
    let words: Vec<&str> = kept.split(' ').filter(|word| !word.is_empty()).collect();
    let name = |words: &[&str]| {
        if words.is_empty() {
            NO_NAME.to_owned()
        } else {
            shortened(&words.join(" "), LONGEST_NAME).trim_end().to_owned()
        }
    };
    match words.split_last() {
        Some((last, first)) if !first.is_empty() => (name(first), name(&[*last])),
        Some(_) | None => (name(&words), NO_NAME.to_owned()),
    }
}

/// The longest beginning of a text within a length in UTF-16 units, as Keycloak counts.
pub fn shortened(text: &str, longest: usize) -> String {
    let mut length = 0;
    let fits = |c: &char| {
        length += c.len_utf16();
        length <= longest
    };
    text.chars().take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_what_keycloak_refuses_and_nothing_else() {
        let pair = |first: &str, last: &str| (first.to_owned(), last.to_owned());
        assert_eq!(names("Ana  Maria\tde la Cruz"), pair("Ana Maria de la", "Cruz"));
        assert_eq!(names("Ana"), pair("Ana", "-"));
        assert_eq!(names("<>"), pair("-", "-"));
        assert_eq!(names("A\u{7}na <Cruz> O'Neil-Źródło"), pair("Ana Cruz", "O'Neil-Źródło"));
        for refused in r#"<>&"$%!#?§;*~/\|^=[]{}()"#.chars() {
            assert_eq!(names(&format!("Ana{refused} Cruz")), pair("Ana", "Cruz"), "{refused}");
        }
    }
}
