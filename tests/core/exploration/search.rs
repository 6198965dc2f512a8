//! Every state that can be reached, the nearest first, so that the first fault comes with the shortest way to it.

use std::collections::HashMap;
use std::fmt::Write;

use super::law;
use super::operator::{Operator, Planner};
use super::setup::Setup;
use super::state::{GUESTS, State};

/// More than any world here has: one that grows beyond is not small any more.
const MOST: usize = 200_000;

/// What there was to see.
#[derive(Default)]
pub struct Seen {
    pub states: usize,
    pub at_rest: usize,
    pub moves: usize,
    pub events: usize,
}

struct Search<'a> {
    operator: Operator<'a>,
    states: Vec<State>,
    known: HashMap<State, usize>,
    /// Through which state each was found first.
    parent: Vec<usize>,
    /// The operator's own moves.
    moves: Vec<Vec<usize>>,
}

/// Looks at every state. `Err`: what is wrong, and the shortest way there.
pub fn explore(setup: &Setup, planner: Planner) -> Result<Seen, String> {
    let mut search = Search::new(Operator::new(setup, planner))?;
    let mut seen = Seen::default();
    while search.moves.len() < search.states.len() {
        search.look(search.moves.len(), &mut seen)?;
        assert!(search.states.len() < MOST, "{} is not small any more", setup.name);
    }
    search.is_acyclic()?;
    Ok(Seen { states: search.states.len(), ..seen })
}

/// The states that are reached first.
pub fn nearest(setup: &Setup, planner: Planner, count: usize) -> Result<Vec<State>, String> {
    let mut search = Search::new(Operator::new(setup, planner))?;
    while search.moves.len() < search.states.len() && search.states.len() < count {
        search.look(search.moves.len(), &mut Seen::default())?;
    }
    Ok(search.states)
}

/// What is declared from the beginning has been done, and guests have joined where the world says so.
fn begin(operator: &Operator<'_>) -> Result<State, String> {
    let mut state = rest(operator, operator.setup.start())?;
    for _ in 0..GUESTS * 2 {
        let events = operator.setup.events(&state).into_iter();
        let joins = |label: &String| label.ends_with(" accepts") || label.ends_with(" turns MFA on");
        let next = events.filter(|_| operator.setup.joined).find(|(label, _)| joins(label));
        state = rest(operator, next.map_or(state, |(_, after)| after))?;
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
    Err("the operator never comes to rest at the beginning".to_owned())
}

impl<'a> Search<'a> {
    fn new(operator: Operator<'a>) -> Result<Self, String> {
        let start = begin(&operator)?;
        let known = HashMap::from([(start, 0)]);
        Ok(Self { operator, states: vec![start], known, parent: vec![0], moves: Vec::new() })
    }

    fn look(&mut self, at: usize, seen: &mut Seen) -> Result<(), String> {
        let state = self.states[at];
        let setup = self.operator.setup;
        let told = |search: &Self, broken: String| format!("{broken}\n{}", search.way(at));
        law::always(setup, &state).map_err(|broken| told(self, broken))?;
        let moves = self.operator.moves(&state).map_err(|broken| told(self, broken))?;
        if moves.is_empty() {
            seen.at_rest += 1;
            law::at_rest(setup, &state).map_err(|broken| told(self, broken))?;
        }
        let to: Vec<usize> = moves.into_iter().map(|(_, after)| self.find(after, at)).collect();
        seen.moves += to.len();
        self.moves.push(to);
        for (_, after) in setup.events(&state) {
            seen.events += 1;
            self.find(after, at);
        }
        Ok(())
    }

    fn find(&mut self, state: State, from: usize) -> usize {
        if let Some(known) = self.known.get(&state) {
            return *known;
        }
        self.states.push(state);
        self.parent.push(from);
        self.known.insert(state, self.states.len() - 1);
        self.states.len() - 1
    }

    /// Whether the operator comes to rest on every way, as long as nobody else does anything.
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
        // What is left lies on a circle or behind one: backwards from there leads onto it.
        let left = |at: usize| into[at] > 0;
        let Some(mut at) = (0..into.len()).find(|at| left(*at)) else { return Ok(()) };
        let mut passed = vec![false; into.len()];
        while !passed[at] {
            passed[at] = true;
            at = (0..into.len()).find(|from| left(*from) && self.moves[*from].contains(&at)).unwrap_or(at);
        }
        let mut text = format!("the operator never comes to rest\n{}  and from there round and round:\n", self.way(at));
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
        let events = self.operator.setup.events(state).into_iter();
        let found = moves.into_iter().chain(events).find(|(_, after)| *after == self.states[to]);
        found.map(|(label, _)| label).unwrap_or_default()
    }

    /// How a state is reached, and what it is.
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
