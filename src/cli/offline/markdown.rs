//! Renders a plan or a comparison as markdown: tables for the review of a pull request.

use super::compare::{self, AccessDifference};
use super::escape::Cell;
use super::later;
use super::manifests::Rehearsal;
use super::render::Text;

/// The longest markdown, in bytes: a comment on GitHub holds 65,536 characters.
const LONGEST: usize = 60_000;

/// A table. Without rows it is not written.
struct Table {
    title: &'static str,
    head: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
}

impl Table {
    fn new(title: &'static str, head: &'static [&'static str], rows: Vec<Vec<Cell>>) -> Self {
        Self { title, head, rows }
    }

    fn heading(&self) -> String {
        format!("\n### {}\n\n| {} |\n|{}\n", self.title, self.head.join(" | "), "---|".repeat(self.head.len()))
    }
}

/// The number of rows that a table does not show.
fn note(omitted: usize) -> String {
    format!("\nRows left out: {omitted}. The formats `text` and `json` (`-o`) have all rows.\n")
}

/// Tables, the most important first, within the longest markdown: each row that still fits is written whole.
fn document(mut text: String, mut tables: Vec<Table>) -> String {
    tables.retain(|table| !table.rows.is_empty());
    let fixed: usize = tables.iter().map(|table| table.heading().len() + note(table.rows.len()).len()).sum();
    let mut free = LONGEST.saturating_sub(text.len() + fixed);
    for table in tables {
        text += &table.heading();
        let mut omitted = 0;
        for row in &table.rows {
            let cells: Vec<&str> = row.iter().map(Cell::as_str).collect();
            let row = format!("| {} |\n", cells.join(" | "));
            if row.len() <= free {
                free -= row.len();
                text += &row;
            } else {
                omitted += 1;
            }
        }
        if omitted > 0 {
            text += &note(omitted);
        }
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
            let why = format!("{}: {}", done.step.reason, done.step.message);
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
    let tables = vec![
        Table::new("Now", &["", "Object", "Operation", "Reason"], operations),
        Table::new("Later", &["Guest", "Partner", "Grant", "Share", "Once"], later),
    ];
    document(summary, in_order(tables, rehearsal))
}

/// The differences between two sets of files, and the problems of the second.
pub fn comparison(changes: &[AccessDifference], rehearsal: &Rehearsal) -> String {
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
    let access = Table::new("Access", &["Change", "Guest", "Partner", "Account", "Before", "After"], rows);
    let summary = format!("## guestlist plan: changes of access\n\n{}.\n", compare::count(changes));
    document(summary, in_order(vec![access], rehearsal))
}

/// All tables in the order of their importance; `planned`: the operations and grants, or the changes of access.
fn in_order(planned: Vec<Table>, rehearsal: &Rehearsal) -> Vec<Table> {
    let unready = |broken: bool| -> Vec<Vec<Cell>> {
        let those = rehearsal.unready.iter().filter(|unready| unready.broken == broken);
        those
            .map(|unready| {
                let (object, at) = (unready.key.to_string(), unready.at.as_deref().unwrap_or_default());
                [&unready.reason, &object, at, &unready.message].map(Cell::code).into()
            })
            .collect()
    };
    let left: Vec<Vec<Cell>> = rehearsal
        .unmanaged
        .iter()
        .map(|left| {
            let membership = format!("{}/{}", left.namespace, left.name);
            [left.guest.as_str(), &membership, &left.message()].map(Cell::code).into()
        })
        .collect();
    let problems: Vec<Vec<Cell>> =
        rehearsal.problems.iter().chain(&rehearsal.failed).map(|problem| vec![Cell::code(problem)]).collect();
    let warnings: Vec<Vec<Cell>> = rehearsal.warnings().into_iter().map(|warning| vec![Cell::code(&warning)]).collect();
    let head = &["Reason", "Object", "Place", "Message"];
    let mut tables = vec![
        Table::new("Violations", head, unready(true)),
        Table::new("Problems", &["Message"], problems),
        Table::new("Warnings", &["Message"], warnings),
    ];
    tables.extend(planned);
    tables.push(Table::new("Waits", head, unready(false)));
    tables.push(Table::new("Unmanaged", &["Guest", "Membership", "Message"], left));
    tables
}

#[cfg(test)]
mod tests {
    use super::{Cell, LONGEST, Table, document};

    fn rows(count: usize, length: usize) -> Vec<Vec<Cell>> {
        (0..count).map(|_| vec![Cell::code(&"x".repeat(length))]).collect()
    }

    #[test]
    fn markdown_over_size_limit_keeps_whole_rows_and_counts_omitted() {
        let head = &["Message"];
        let few = [(1, 1, 1), (700, 700, 700), (5_000, 1, 0), (0, 5_000, 5_000)];
        for (first, second, third) in few.into_iter().chain((580..610).map(|first| (first, 1, 1))) {
            let mut all = rows(1, LONGEST);
            all.extend(rows(first, 94));
            let tables = vec![
                Table::new("A", head, all),
                Table::new("B", head, rows(second, 30)),
                Table::new("C", head, rows(third, 0)),
            ];
            let text = document("# Plan\n".to_owned(), tables);
            assert!(text.len() <= LONGEST, "{}", text.len());
            let mut omitted = 0;
            let mut shown = 0;
            for line in text.lines() {
                if let Some((_, count)) = line.split_once("Rows left out: ") {
                    omitted += count.split_once('.').unwrap().0.parse::<usize>().unwrap();
                } else if line.starts_with("| `") || line == "|  |" {
                    assert!(line.ends_with(" |"), "{line}");
                    shown += 1;
                }
            }
            assert_eq!(shown + omitted, 1 + first + second + third);
            // Rows are left out only if they do not fit.
            assert!(omitted == 1 || text.len() > LONGEST - 500, "{first} {second}: {omitted}");
            assert_eq!(text.contains("### C"), third > 0);
        }
    }
}
