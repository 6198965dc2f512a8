//! A listing by offset, read so that nobody is left out when others come and go meanwhile.

use std::collections::BTreeSet;

use super::client::Failed;

/// How many are read at once, where each is told in full.
pub const PAGE: usize = 100;

/// Where a listing by offset goes on, so that nobody is left out when others go meanwhile: each page shares somebody with
/// the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pages {
    size: usize,
    first: usize,
    last_seen: BTreeSet<String>,
}

/// What comes after a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The next page.
    On,
    /// It went too far: rows are gone. Further back.
    Back,
    /// That was the last.
    End,
}

impl Default for Pages {
    fn default() -> Self {
        Self::of(PAGE)
    }
}

impl Pages {
    /// From the beginning, by so many.
    pub fn of(size: usize) -> Self {
        Self { size, first: 0, last_seen: BTreeSet::new() }
    }

    /// Where the next page begins.
    pub fn first(&self) -> usize {
        self.first
    }

    /// Where this page and those after it begin, if nobody goes meanwhile.
    pub fn ahead(&self) -> impl Iterator<Item = usize> + use<> {
        (self.first..).step_by(self.size - 1)
    }

    /// Takes in a page.
    pub fn turn(&mut self, ids: &[String]) -> Step {
        let joins = self.first == 0 || ids.iter().any(|id| self.last_seen.contains(id));
        if !joins {
            self.first = self.first.saturating_sub(self.size / 2);
            return Step::Back;
        }
        if ids.len() < self.size {
            return Step::End;
        }
        self.first += self.size - 1;
        self.last_seen = ids.iter().cloned().collect();
        Step::On
    }
}

/// All of a listing, each once.
pub async fn all<T, F>(size: usize, id: impl Fn(&T) -> &str, mut page: impl FnMut(usize) -> F) -> Result<Vec<T>, Failed>
where
    F: Future<Output = Result<Vec<T>, Failed>>,
{
    let (mut all, mut seen, mut pages) = (Vec::new(), BTreeSet::new(), Pages::of(size));
    loop {
        let items = page(pages.first()).await?;
        let step = pages.turn(&items.iter().map(|item| id(item).to_owned()).collect::<Vec<_>>());
        all.extend(items.into_iter().filter(|item| seen.insert(id(item).to_owned())));
        if step == Step::End {
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads everybody while some go after each page.
    fn read(mut everybody: Vec<String>, mut going: impl FnMut(usize, &mut Vec<String>)) -> BTreeSet<String> {
        let (mut seen, mut pages, mut turn) = (BTreeSet::new(), Pages::default(), 0);
        loop {
            let page: Vec<String> = everybody.iter().skip(pages.first()).take(PAGE).cloned().collect();
            let step = pages.turn(&page);
            seen.extend(page);
            if step == Step::End {
                return seen;
            }
            going(turn, &mut everybody);
            turn += 1;
        }
    }

    fn people(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("user-{number:05}")).collect()
    }

    #[test]
    fn a_full_last_page_ends_the_listing() {
        for count in [0, 1, 99, 100, 101, 198, 199, 200, 1000] {
            assert_eq!(read(people(count), |_, _| {}).len(), count);
        }
    }

    #[test]
    fn nobody_is_left_out_when_others_go_between_two_pages() {
        for gone in [1, 2, 50, 99, 100, 150] {
            let seen = read(people(500), |turn, everybody| {
                if turn == 1 {
                    everybody.drain(..gone);
                }
            });
            let stayed = people(500).split_off(gone);
            assert!(stayed.iter().all(|id| seen.contains(id)), "{gone} gone");
        }
    }

    #[test]
    fn nobody_is_left_out_when_others_come_between_two_pages() {
        let seen = read(people(500), |turn, everybody| {
            if turn < 5 {
                everybody.insert(0, format!("a-new-one-{turn}"));
            }
        });
        assert!(people(500).iter().all(|id| seen.contains(id)));
    }
}
