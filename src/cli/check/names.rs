//! The names that Kubernetes accepts: of objects, labels, annotations and finalizers.

use crate::domain::is_dns_name_part;

/// Whether a text is a valid object name: a DNS subdomain in lower case.
pub fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_dns_name_part)
}

/// Whether a text is a valid name of a label, an annotation or a finalizer: `name`, or `domain/name`.
pub fn is_qualified(name: &str) -> bool {
    match name.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_word(name),
        None => is_word(name),
    }
}

/// Whether a text is a valid label value.
pub fn is_label_value(value: &str) -> bool {
    value.is_empty() || is_word(value)
}

fn is_word(word: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let ends = |c: char| c.is_ascii_alphanumeric();
    word.len() <= 63 && word.chars().all(fits) && word.starts_with(ends) && word.ends_with(ends)
}
