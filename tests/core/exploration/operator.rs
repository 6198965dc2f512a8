//! What the operator may do next in a state: each object's plan as far as it comes, the sweep, and a look at what it has
//! not seen. It may stop between any two operations, and lose the answer to any.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use guestlist::directory::{Everything, Mirror, Operation, Owner, Revision};
use guestlist::index::{Index, Key, Kind};
use guestlist::plan::{Extent, Finalizer, Plan, Scope, Step, World, sweep};
use guestlist::workspace::Workspace;

use super::directory::execute;
use super::inflate::{ACCOUNT, MEMBER, PARTNER, SPACE, address, compact, everything, guest_id, index, mirror, now};
use super::law;
use super::setup::{Setup, Vary};
use super::state::{Declared, GUESTS, Object, Presence, State};

pub type Planner = fn(World<'_>, &Key) -> Plan;

const POLICY: &str = r#"
domains: [host.example]
tenants: [{namespace: partners, hostAdmins: ["*@host.example"]}]
"#;
/// The revision of a record that was seen as it is, and of one that has moved on since.
const FRESH: i64 = 2;
const STALE: i64 = 1;

pub struct Operator<'a> {
    pub setup: &'a Setup,
    pub planner: Planner,
    workspace: Workspace,
    owner: Owner,
    indexes: RefCell<BTreeMap<Declared, Rc<Index>>>,
}

/// What the operator does, and where it leads.
pub type Move = (String, State);

struct Look<'s> {
    state: &'s State,
    index: Rc<Index>,
    all: Everything,
    mirror: Mirror,
}

impl<'a> Operator<'a> {
    pub fn new(setup: &'a Setup, planner: Planner) -> Self {
        let owner = Owner { installation: "default".to_owned(), cluster: "test".to_owned() };
        let workspace = Workspace::parse(POLICY).unwrap();
        Self { setup, planner, workspace, owner, indexes: RefCell::default() }
    }

    fn index(&self, declared: &Declared) -> Rc<Index> {
        let mut indexes = self.indexes.borrow_mut();
        Rc::clone(indexes.entry(*declared).or_insert_with(|| Rc::new(index(self.setup, declared))))
    }

    fn world<'w>(&'w self, look: &'w Look<'_>) -> World<'w> {
        World {
            declared: &look.index,
            observed: &look.mirror,
            workspace: &self.workspace,
            owner: &self.owner,
            directory_available: true,
            unsent: false,
            invitations: &guestlist::plan::NO_INVITATIONS,
            scope: Scope::ALL,
            extent: Extent::Everything,
            now: now(),
        }
    }

    /// Everything that the operator may do next; `Err`: it would do what it must not.
    pub fn moves(&self, state: &State) -> Result<Vec<Move>, String> {
        let mut seen = [FRESH; GUESTS];
        if let Some((who, _)) = state.seen {
            seen[usize::from(who)] = STALE;
        }
        let all = everything(self.setup, &state.directory, [FRESH; GUESTS]);
        let view = everything(self.setup, &state.view(), seen);
        let look = Look { state, index: self.index(&state.declared), mirror: mirror(&view, state), all };
        let mut moves = Vec::new();
        for (which, object) in state.declared.partners.iter().enumerate() {
            self.pass(&look, Kind::Partner, PARTNER[which], object, &mut moves)?;
        }
        for (who, object) in state.declared.members.iter().enumerate() {
            self.pass(&look, Kind::Membership, MEMBER[who], object, &mut moves)?;
        }
        for (what, object) in state.declared.shares.iter().enumerate() {
            self.pass(&look, Kind::Share, ACCOUNT[what], object, &mut moves)?;
        }
        let sweep = sweep::plan(self.world(&look));
        for (_, steps) in &sweep.withhold {
            self.steps(&look, "sweep", steps, None, &mut moves)?;
        }
        for step in &sweep.steps {
            self.steps(&look, "sweep", std::slice::from_ref(step), None, &mut moves)?;
        }
        if state.seen.is_some() {
            moves.push(("the operator looks again".to_owned(), State { seen: None, ..*state }));
        }
        Ok(moves)
    }

    fn pass<S>(
        &self,
        look: &Look<'_>,
        kind: Kind,
        name: &str,
        object: &Object<S>,
        moves: &mut Vec<Move>,
    ) -> Result<(), String> {
        if object.presence == Presence::Absent {
            return Ok(());
        }
        let key = Key::new(kind, SPACE, name);
        let plan = (self.planner)(self.world(look), &key);
        let mut after = *look.state;
        if plan.finalizer == Finalizer::Hold && !object.held {
            hold(&mut after, &key);
            moves.push((format!("{key}: puts its finalizer on"), after));
        } else if !plan.steps.is_empty() {
            self.steps(look, &key.to_string(), &plan.steps, plan.basis, moves)?;
        } else if !plan.deletions.is_empty() {
            for deletion in &plan.deletions {
                after = delete(after, &deletion.key);
            }
            moves.push((format!("{key}: deletes what is its"), after));
        } else if plan.finalizer == Finalizer::Release && object.held {
            // The guest is looked at once more: the answer to his acceptance may have been lost.
            let late = look.state.seen.filter(|_| kind == Kind::Membership);
            if late.is_some_and(|(who, _)| MEMBER[usize::from(who)] == name) {
                after.seen = None;
                moves.push((format!("{key}: looks at the guest before it lets go"), after));
                return Ok(());
            }
            moves.push((format!("{key}: lets go"), gone(after, &key)));
        }
        Ok(())
    }

    /// Steps one after another; the operator may stop after each.
    fn steps(
        &self,
        look: &Look<'_>,
        by: &str,
        steps: &[Step],
        mut basis: Option<Revision>,
        moves: &mut Vec<Move>,
    ) -> Result<(), String> {
        let fresh = look.state.seen.is_none();
        let mut all = look.all.clone();
        let mut before = *look.state;
        for step in steps {
            let label = format!("{by}: {}", words(&step.operation));
            let who = about(&all, &step.operation);
            if execute(&mut all, &step.operation, basis, now()).is_err() {
                if fresh {
                    return Err(format!("{label} is planned on what is so, and the directory refuses it"));
                }
                // The record has moved on: it is read again and planned anew.
                moves.push((format!("{label} is refused"), State { seen: None, ..before }));
                return Ok(());
            }
            let mut after = State { directory: compact(&all, &look.state.directory), ..before };
            law::step(self.setup, &before, &after, fresh).map_err(|broken| format!("{broken}: {label}"))?;
            if let Some(who) = who {
                let index = u8::try_from(who).ok();
                let record = &all.guests.iter().find(|guest| guest.address == address(who));
                basis = basis.and(record.map(|guest| guest.revision));
                if self.setup.varies(Vary::Lost) && fresh {
                    let lost = State { seen: index.map(|index| (index, before.directory.guests[who])), ..after };
                    moves.push((format!("{label}, and its answer is lost"), lost.settled()));
                }
                if after.seen.is_some_and(|(seen, _)| Some(seen) == index) {
                    after.seen = None;
                }
            }
            moves.push((label, after));
            before = after;
        }
        Ok(())
    }
}

/// Whom an operation is about, whether he is there or not.
fn about(all: &Everything, operation: &Operation) -> Option<usize> {
    if let Operation::Admit { address: admitted, .. } = operation {
        return (0..GUESTS).find(|who| address(*who) == *admitted);
    }
    let id = operation.guest()?;
    let there = |who: &usize| all.guests.iter().any(|guest| guest.id == *id && guest.address == address(*who));
    (0..GUESTS).find(|who| guest_id(*who) == *id || there(who))
}

fn words(operation: &Operation) -> String {
    let kind = format!("{operation:?}");
    let kind = kind.split(' ').next().unwrap_or_default();
    match operation {
        Operation::Withhold { accounts, .. } => format!("{kind} {}", accounts.join(", ")),
        Operation::Give { grants, .. } | Operation::Lower { grants, .. } => {
            let grants: Vec<_> = grants.iter().map(|grant| format!("{} as {}", grant.account, grant.role)).collect();
            format!("{kind} {}", grants.join(", "))
        }
        _ => match about(&Everything::default(), operation) {
            Some(who) => format!("{kind} {}", MEMBER[who]),
            None => kind.to_owned(),
        },
    }
}

fn place(list: &[&str], key: &Key) -> usize {
    list.iter().position(|name| **name == *key.name).unwrap()
}

fn hold(state: &mut State, key: &Key) {
    match key.kind {
        Kind::Partner => state.declared.partners[place(&PARTNER, key)].held = true,
        Kind::Membership => state.declared.members[place(&MEMBER, key)].held = true,
        Kind::Share => state.declared.shares[place(&ACCOUNT, key)].held = true,
    }
}

fn gone(state: State, key: &Key) -> State {
    match key.kind {
        Kind::Partner => state.without_partner(place(&PARTNER, key)),
        Kind::Membership => state.without_member(place(&MEMBER, key)),
        Kind::Share => state.without_share(place(&ACCOUNT, key)),
    }
}

fn delete(mut state: State, key: &Key) -> State {
    let (held, presence) = match key.kind {
        Kind::Partner => return state,
        Kind::Membership => {
            let object = &mut state.declared.members[place(&MEMBER, key)];
            (object.held, &mut object.presence)
        }
        Kind::Share => {
            let object = &mut state.declared.shares[place(&ACCOUNT, key)];
            (object.held, &mut object.presence)
        }
    };
    if held {
        *presence = Presence::Leaving;
        state
    } else {
        gone(state, key)
    }
}
