//! A listing by offset that misses no row while other rows come and go.

use std::collections::BTreeSet;

use super::super::Error;
use super::client::ClientError;

/// The page size for complete records.
pub const PAGE: usize = 100;

/// The minimum page size, if larger pages take too long.
const SMALLEST: usize = 10;

/// The position of a listing by offset. Each page shares a row with the one before, so that no row is missed while
/// others go.
///
/// A page may be short though more follow. Keycloak takes the rows of a page first and then drops some of them. It
/// drops users that their federation has lost, and groups that were deleted at that moment. A short page is therefore
/// the last one only if the next page is empty. If Keycloak drops the whole page after a short one, the listing ends
/// early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pages {
    size: usize,
    /// A page with fewer rows is the last one, whatever follows.
    ends_below: usize,
    first: usize,
    last_seen: Vec<String>,
    is_short: bool,
    /// The next page begins before the one that was read last.
    is_back: bool,
    /// The offset of the furthest page, and the number of pages read since.
    furthest: usize,
    turns: usize,
}

/// The step after a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageStep {
    /// The next page.
    On,
    /// Rows have gone, so the page does not join the one before: go back.
    Back,
    /// That was the last page.
    End,
}

/// The fault of a listing whose pages are all the same: a proxy drops the query of the URL.
pub fn repeated_page() -> Error {
    let context = "all pages of a listing are the same, so the parameter `first` does not reach Keycloak. Configure the proxy in \
                   front of it to pass on the query of each URL";
    Error::Unavailable { context: context.to_owned() }
}

/// The fault of a listing in which page after page shares no row with the one before.
fn disjoint_pages() -> Error {
    let context = "the pages of a listing do not join: too many rows come and go while it is read";
    Error::Unavailable { context: context.to_owned() }
}

impl Default for Pages {
    /// The listing of all users, of which a federation may have lost any number.
    fn default() -> Self {
        Self { ends_below: 1, ..Self::of(PAGE) }
    }
}

impl Pages {
    /// A listing from the beginning, in pages of this size. It is for listings that lose few rows at a time: a page
    /// that is less than half full ends them without another call.
    pub fn of(size: usize) -> Self {
        let (first, furthest, turns) = (0, 0, 0);
        let (is_short, is_back) = (false, false);
        Self { size, ends_below: size / 2, first, last_seen: Vec::new(), is_short, is_back, furthest, turns }
    }

    /// Reduces the page size after a late page. Returns whether a smaller size is possible.
    pub fn shrink(&mut self) -> bool {
        let smaller = (self.size / 4).max(SMALLEST);
        let shrinks = smaller < self.size;
        self.size = self.size.min(smaller);
        self.ends_below = self.ends_below.min(self.size / 2);
        shrinks
    }

    /// The page size.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The offset of the next page.
    pub fn first(&self) -> usize {
        self.first
    }

    /// The offsets of this page and those after it, if no rows go meanwhile.
    pub fn next_offsets(&self) -> impl Iterator<Item = usize> + use<> {
        (self.first..).step_by(self.size - 1)
    }

    /// Adds a page. Fails if the listing cannot be read to its end.
    pub fn add_page(&mut self, ids: &[String]) -> Result<PageStep, Error> {
        if self.first > self.furthest {
            (self.furthest, self.turns) = (self.first, 0);
        }
        self.turns += 1;
        let is_behind = ids.is_empty() && self.is_short;
        let last_seen: BTreeSet<&String> = self.last_seen.iter().collect();
        let joins = self.first == 0 || is_behind || ids.iter().any(|id| last_seen.contains(id));
        if !joins {
            // Each step back reads half a page again, so a listing of few changes takes at most a few times its pages.
            if self.turns > 20 + 10 * (self.furthest / self.size) {
                return Err(disjoint_pages());
            }
            self.first = self.first.saturating_sub(self.size / 2);
            self.is_back = true;
            return Ok(PageStep::Back);
        }
        let is_short = ids.len() < self.size;
        let is_repeated = !self.is_back && ids == self.last_seen;
        if is_short && (ids.len() < self.ends_below || is_repeated) {
            return Ok(PageStep::End);
        }
        if is_repeated {
            return Err(repeated_page());
        }
        self.is_back = false;
        self.first += self.size - 1;
        self.is_short = is_short;
        self.last_seen = ids.to_vec();
        Ok(PageStep::On)
    }
}

/// Reads a whole listing, each row once.
pub async fn all<T, F>(
    size: usize,
    id: impl Fn(&T) -> &str,
    mut page: impl FnMut(usize, usize) -> F,
) -> Result<Vec<T>, ClientError>
where
    F: Future<Output = Result<Vec<T>, ClientError>>,
{
    let (mut all, mut seen, mut pages) = (Vec::new(), BTreeSet::new(), Pages::of(size));
    loop {
        let items = match page(pages.first(), pages.size()).await {
            Err(ClientError::Late { .. }) if pages.shrink() => continue,
            read => read?,
        };
        let step = pages
            .add_page(&items.iter().map(|item| id(item).to_owned()).collect::<Vec<_>>())
            .map_err(ClientError::Fault)?;
        all.extend(items.into_iter().filter(|item| seen.insert(id(item).to_owned())));
        if step == PageStep::End {
            return Ok(all);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use super::*;

    /// The limit of pages in a test, to detect endless listings.
    const MOST_PAGES: usize = 1000;

    /// Reads all rows while some of them go after each page.
    fn read(mut everybody: Vec<String>, mut going: impl FnMut(usize, &mut Vec<String>)) -> BTreeSet<String> {
        let (mut seen, mut pages) = (BTreeSet::new(), Pages::default());
        for turn in 0..MOST_PAGES {
            let page: Vec<String> = everybody.iter().skip(pages.first()).take(PAGE).cloned().collect();
            let step = pages.add_page(&page).unwrap();
            seen.extend(page);
            if step == PageStep::End {
                return seen;
            }
            going(turn, &mut everybody);
        }
        panic!("an endless listing");
    }

    #[test]
    fn smaller_pages_read_everybody_wherever_they_begin() {
        for late_at in 0..6 {
            let (everybody, mut pages) = (people(500), Pages::default());
            let mut seen = BTreeSet::new();
            for turn in 0..MOST_PAGES {
                if turn == late_at || turn == late_at + 2 {
                    assert!(pages.shrink());
                }
                let page: Vec<String> = everybody.iter().skip(pages.first()).take(pages.size()).cloned().collect();
                let step = pages.add_page(&page).unwrap();
                seen.extend(page);
                if step == PageStep::End {
                    break;
                }
            }
            assert_eq!(seen.len(), 500, "late at page {late_at}");
        }
    }

    #[tokio::test]
    async fn listing_whose_pages_are_all_the_same_fails() {
        let page = async |_: usize, max: usize| Ok(people(max));
        assert_eq!(all(PAGE, |id: &String| id, page).await, Err(ClientError::Fault(repeated_page())));
    }

    #[test]
    fn shrunk_listing_ends_at_a_page_that_is_less_than_half_full() {
        for (rows, ends) in [(12, false), (11, true)] {
            let mut pages = Pages::of(100);
            assert!(pages.shrink() && pages.size() == 25);
            let end = pages.add_page(&people(rows)).unwrap() == PageStep::End;
            assert_eq!(end, ends, "{rows} rows of 25");
        }
    }

    #[test]
    fn pages_that_never_join_fail_in_proportion_to_the_listing() {
        for read in [1, 10, 40] {
            let mut pages = Pages::of(10);
            let mut fresh = (0..).map(|number| format!("fresh-{number}"));
            for _ in 0..read {
                let page: Vec<String> = people(1000).into_iter().skip(pages.first()).take(10).collect();
                assert_eq!(pages.add_page(&page), Ok(PageStep::On));
            }
            let allowed = 20 + 10 * (pages.first() / 10);
            let mut step = || pages.add_page(&fresh.by_ref().take(10).collect::<Vec<_>>());
            let failed = (1..MOST_PAGES).find(|_| step() == Err(disjoint_pages())).unwrap();
            // The first page joins whatever it contains, so the last one of the limit may be the next but one.
            assert!((allowed + 1..allowed + 3).contains(&failed), "after {read} pages: {failed} of {allowed}");
        }
    }

    #[test]
    fn offsets_of_further_pages_are_those_of_the_listing() {
        let mut pages = Pages::of(10);
        let ahead: Vec<usize> = pages.next_offsets().take(4).collect();
        let read: Vec<usize> = (0..4)
            .map(|_| {
                let first = pages.first();
                let page: Vec<String> = people(1000).into_iter().skip(first).take(10).collect();
                pages.add_page(&page).unwrap();
                first
            })
            .collect();
        assert_eq!(ahead, read);
        assert_eq!(pages.next_offsets().next(), Some(pages.first()));
    }

    #[test]
    fn pages_have_a_smallest_size() {
        let mut pages = Pages::default();
        let sizes: Vec<_> = std::iter::from_fn(|| pages.shrink().then(|| pages.size())).collect();
        assert_eq!(sizes, [25, SMALLEST]);
    }

    #[tokio::test]
    async fn late_pages_shrink_the_listing_until_the_smallest_fails() {
        let late = || ClientError::Late { endpoint: "GET users", after: std::time::Duration::from_mins(2) };
        let everybody = people(130);
        let page = async |first: usize, max: usize| {
            if max > 25 { Err(late()) } else { Ok(everybody.iter().skip(first).take(max).cloned().collect()) }
        };
        let read: Vec<String> = all(PAGE, |id: &String| id, page).await.unwrap();
        assert_eq!(read, everybody);
        let never = async |_: usize, _: usize| Err::<Vec<String>, _>(late());
        assert_eq!(all(PAGE, |id: &String| id, never).await, Err(late()));
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

    /// Reads a listing of which Keycloak drops some rows. The number of users read, or the fault.
    fn read_dropping(everybody: &[String], mut pages: Pages, drops: impl Fn(usize) -> bool) -> Result<usize, Error> {
        let mut seen = BTreeSet::new();
        for _ in 0..MOST_PAGES {
            let rows = everybody.iter().enumerate().skip(pages.first()).take(pages.size());
            let page: Vec<String> = rows.filter(|(row, _)| !drops(*row)).map(|(_, id)| id.clone()).collect();
            let step = pages.add_page(&page)?;
            seen.extend(page);
            if step == PageStep::End {
                return Ok(seen.len());
            }
        }
        panic!("an endless listing");
    }

    #[test]
    fn short_page_in_the_middle_does_not_end_a_listing() {
        for (make, widths) in [(Pages::of as fn(usize) -> Pages, [1, 20, 40]), (|_| Pages::default(), [1, 40, 99])] {
            for (width, from) in widths.into_iter().flat_map(|width| (0..=300).map(move |from| (width, from))) {
                let gap = from..from + width;
                let read = read_dropping(&people(300), make(PAGE), |row| gap.contains(&row));
                let whole = read == Ok(300 - gap.filter(|row| *row < 300).count());
                // A gap that no page reaches across is an error, never the end.
                assert!(whole || (width > 40 && read == Err(disjoint_pages())), "{width} from {from}: {read:?}");
            }
        }
    }

    #[test]
    fn has_ended_out_when_others_go_between_two_pages() {
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
    fn has_ended_out_when_others_come_between_two_pages() {
        let seen = read(people(500), |turn, everybody| {
            if turn < 5 {
                everybody.insert(0, format!("a-new-one-{turn}"));
            }
        });
        assert!(people(500).iter().all(|id| seen.contains(id)));
    }
}
