//! A plan, or a comparison, as markdown: tables that a reviewer reads in a pull request.

use std::fmt::Write as _;

use super::compare::{self, Change};
use super::escape::Cell;
use super::input::Rehearsal;
use super::later;
use super::words::Text;

/// A table; empty without rows.
fn table(title: &str, head: &[&str], rows: &[Vec<Cell>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!("\n### {title}\n\n| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        let cells: Vec<&str> = row.iter().map(Cell::as_str).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

/// The operations now, the later grants, and the problems.
pub fn plan(rehearsal: &Rehearsal, text: &Text) -> String {
    let operations: Vec<Vec<Cell>> = rehearsal
        .operations
        .iter()
        .map(|done| {
            let (sign, sentence) = text.sentence(done);
            let why = format!("{}: {}", done.step.reason, done.step.because);
            let sign = match sign {
                '+' => "+",
                '-' => "-",
                _ => "~",
            };
            vec![Cell::word(sign), Cell::code(&text.object(done)), Cell::code(&sentence), Cell::code(&why)]
        })
        .collect();
    let later: Vec<Vec<Cell>> = rehearsal
        .later
        .iter()
        .map(|one| {
            let conditions = one.conditions.iter().map(later::condition).collect::<Vec<_>>().join("; ");
            let partner = format!("{}/{}", one.member.namespace, one.partner);
            let share = format!("{}/{}", one.member.namespace, one.grant.share);
            [one.guest.as_str(), &partner, &later::sentence(one), &share, &conditions].map(Cell::code).into()
        })
        .collect();
    let summary = format!(
        "## guestlist plan\n\n{}, {}.\n",
        text.summary(&rehearsal.operations, " now"),
        later::count(&rehearsal.later)
    );
    summary
        + &table("Now", &["", "Object", "Operation", "Reason"], &operations)
        + &table("Later", &["Guest", "Partner", "Grant", "Share", "Once"], &later)
        + &rest(rehearsal)
}

/// The differences between two sets of files, and what is to be fixed in the second.
pub fn comparison(changes: &[Change], rehearsal: &Rehearsal) -> String {
    let rows: Vec<Vec<Cell>> = changes
        .iter()
        .map(|change| {
            let (namespace, partner, guest) = &change.subject;
            let fields = change.fields().join(", ");
            let direction = change.direction().as_str();
            let kind = if fields.is_empty() { direction.to_owned() } else { format!("{direction}: {fields}") };
            let (before, after) = change.phrases();
            let account = change.account().map_or_else(|| Cell::word("(the guest)"), Cell::code);
            let [kind, guest, partner, before, after] =
                [&kind, guest.as_str(), &format!("{namespace}/{partner}"), &before, &after].map(Cell::code);
            vec![kind, guest, partner, account, before, after]
        })
        .collect();
    let head = ["Change", "Guest", "Partner", "Account", "Before", "After"];
    format!("## guestlist plan: changes of access\n\n{}.\n", compare::count(changes))
        + &table("Access", &head, &rows)
        + &rest(rehearsal)
}

fn rest(rehearsal: &Rehearsal) -> String {
    let standings = |broken: bool| -> Vec<Vec<Cell>> {
        let those = rehearsal.standings.iter().filter(|standing| standing.broken == broken);
        those
            .map(|standing| {
                let (object, at) = (standing.key.to_string(), standing.at.as_deref().unwrap_or_default());
                [&standing.reason, &object, at, &standing.message].map(Cell::code).into()
            })
            .collect()
    };
    let left: Vec<Vec<Cell>> = rehearsal
        .left_alone
        .iter()
        .map(|left| {
            let membership = format!("{}/{}", left.namespace, left.name);
            [left.guest.as_str(), &membership, &left.message()].map(Cell::code).into()
        })
        .collect();
    let problems: Vec<Vec<Cell>> =
        rehearsal.problems.iter().chain(&rehearsal.failed).map(|problem| vec![Cell::code(problem)]).collect();
    let warnings: Vec<Vec<Cell>> = rehearsal.warnings().into_iter().map(|warning| vec![Cell::code(&warning)]).collect();
    let head = ["Reason", "Object", "Place", "Message"];
    table("Violations", &head, &standings(true))
        + &table("Problems", &["Message"], &problems)
        + &table("Warnings", &["Message"], &warnings)
        + &table("Waits", &head, &standings(false))
        + &table("Left alone", &["Guest", "Membership", "Message"], &left)
}
