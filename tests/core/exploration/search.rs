//! Visits every reachable state, the nearest first, so that the first fault has the shortest path.

use std::collections::HashSet;
use std::collections::hash_map::Entry;
use std::fmt::Write;

use super::edits;
use super::hash::Table;
use super::operator::{Operator, Planner};
use super::rules;
use super::setup::Setup;
use super::state::{Declared, GUESTS, Mfa, State};

/// The limit of states. A larger environment takes too long.
const MOST: usize = 100_000;

/// The size of an environment.
#[derive(Default)]
pub struct Seen {
    pub states: Vec<State>,
    pub at_rest: usize,
    pub moves: usize,
    pub events: usize,
}

struct Search<'a> {
    operator: Operator<'a>,
    states: Vec<State>,
    known: Table<State, usize>,
    /// The state from which each was found first.
    parent: Vec<usize>,
    /// The operator's own moves.
    moves: Vec<Vec<usize>>,
    /// The changes of objects whose edits were checked.
    checked: HashSet<[Declared; 2]>,
}

/// Visits every state. `Err`: the fault, and the shortest path to it.
pub fn explore(setup: &Setup, planner: Planner) -> Result<Seen, String> {
    let mut search = Search::new(Operator::new(setup, planner))?;
    let mut seen = Seen::default();
    while search.moves.len() < search.states.len() {
        search.look(search.moves.len(), &mut seen)?;
        assert!(search.states.len() < MOST, "the world \"{}\" is too large", setup.name);
    }
    search.is_acyclic()?;
    Ok(Seen { states: search.states, ..seen })
}

/// The converged initial state, with joined guests if the environment starts with them.
fn begin(operator: &Operator<'_>) -> Result<State, String> {
    let mut state = rest(operator, operator.setup.start())?;
    for _ in 0..GUESTS * 2 {
        let joins = |after: &State| {
            let mut guests = state.directory.guests.iter().zip(&after.directory.guests);
            guests.any(|(old, new)| !old.joined && new.joined || old.mfa == Mfa::Off && new.mfa == Mfa::On)
        };
        let mut events = operator.setup.events(&state).into_iter().filter(|_| operator.setup.joined);
        let next = events.find(|after| after.seen.is_none() && joins(after));
        state = rest(operator, next.unwrap_or(state))?;
    }
    Ok(state)
}

fn rest(operator: &Operator<'_>, mut state: State) -> Result<State, String> {
    for _ in 0..100 {
        match operator.moves(&state)?.into_iter().next() {
            Some((_, after)) => state = after,
            None => return Ok(state),
        }
    }
    Err("the operator does not come to rest at the beginning".to_owned())
}

impl<'a> Search<'a> {
    fn new(operator: Operator<'a>) -> Result<Self, String> {
        let start = begin(&operator)?;
        let known = [(start, 0)].into_iter().collect();
        Ok(Self { operator, states: vec![start], known, parent: vec![0], moves: Vec::new(), checked: HashSet::new() })
    }

    fn look(&mut self, at: usize, seen: &mut Seen) -> Result<(), String> {
        let state = self.states[at];
        let setup = self.operator.setup;
        let at_state = |search: &Self, broken: String| format!("{broken}\n{}", search.way(at));
        rules::always(setup, &state).map_err(|broken| at_state(self, broken))?;
        let moves = self.operator.moves(&state).map_err(|broken| at_state(self, broken))?;
        if moves.is_empty() {
            seen.at_rest += 1;
            rules::at_rest(setup, &state).map_err(|broken| at_state(self, broken))?;
        }
        let to: Vec<usize> = moves.into_iter().map(|(_, after)| self.find(after, at)).collect();
        seen.moves += to.len();
        self.moves.push(to);
        for after in setup.events(&state) {
            seen.events += 1;
            self.check_edits(&state, &after).map_err(|broken| at_state(self, broken))?;
            self.find(after, at);
        }
        Ok(())
    }

    /// Checks the edits of each change of objects once.
    fn check_edits(&mut self, before: &State, after: &State) -> Result<(), String> {
        let pair = Declared::changes(before.declared, after.declared);
        if pair[0] == pair[1] || !self.checked.insert(pair) {
            return Ok(());
        }
        edits::agree(self.operator.setup, before, after)
    }

    fn find(&mut self, state: State, from: usize) -> usize {
        match self.known.entry(state) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(free) => {
                self.states.push(state);
                self.parent.push(from);
                *free.insert(self.states.len() - 1)
            }
        }
    }

    /// Whether the operator converges on every path, as long as no other event happens.
    fn is_acyclic(&self) -> Result<(), String> {
        let mut into = vec![0_usize; self.states.len()];
        for to in self.moves.iter().flatten() {
            into[*to] += 1;
        }
        let mut free: Vec<usize> = (0..into.len()).filter(|at| into[*at] == 0).collect();
        while let Some(at) = free.pop() {
            for to in &self.moves[at] {
                into[*to] -= 1;
                if into[*to] == 0 {
                    free.push(*to);
                }
            }
        }
        // The remaining states lie on a cycle or behind one: a walk backwards from there reaches it.
        let left = |at: usize| into[at] > 0;
        let Some(mut at) = (0..into.len()).find(|at| left(*at)) else { return Ok(()) };
        let mut passed = vec![false; into.len()];
        while !passed[at] {
            passed[at] = true;
            at = (0..into.len()).find(|from| left(*from) && self.moves[*from].contains(&at)).unwrap_or(at);
        }
        let mut text =
            format!("the operator does not come to rest\n{}  and from there again and again:\n", self.way(at));
        let mut here = at;
        for _ in 0..into.len() {
            let Some(from) = self.moves[here].iter().copied().find(|to| passed[*to] && left(*to)) else { break };
            let _ = writeln!(text, "  {}", self.label(here, from));
            here = from;
            if here == at {
                break;
            }
        }
        Err(text)
    }

    fn label(&self, from: usize, to: usize) -> String {
        let state = &self.states[from];
        let moves = self.operator.moves(state).unwrap_or_default();
        let after = &self.states[to];
        if let Some((label, _)) = moves.into_iter().find(|(_, state)| state == after) {
            return label;
        }
        let late = if after.seen.is_some() { ", unseen" } else { "" };
        format!("{:?}{late}", edits::between(self.operator.setup, state, after))
    }

    /// The path to a state, and the state.
    fn way(&self, at: usize) -> String {
        let mut path = vec![at];
        while let Some(last) = path.last().copied().filter(|last| *last != 0) {
            path.push(self.parent[last]);
        }
        path.reverse();
        let mut text = format!("  in the world \"{}\", after:\n", self.operator.setup.name);
        for pair in path.windows(2) {
            let _ = writeln!(text, "  {}", self.label(pair[0], pair[1]));
        }
        let _ = write!(text, "  where\n{}", self.states[at]);
        text
    }
}
