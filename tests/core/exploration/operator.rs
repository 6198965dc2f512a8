//! The possible next moves of the operator in a state: a prefix of each object's plan, garbage collection, and a read
//! of the record that it has not seen. It may stop between any two operations, and lose the answer to any.

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::rc::Rc;

use guestlist::cache::{ALL_NAMESPACES, ObjectCache, ObjectRef};
use guestlist::directory::{DirectoryCache, GuestChange, NewGuest, Operation, Owner, Revision};
use guestlist::plan::{AvailableFacts, Finalizer, Inputs, Plan, PruneScope, Step, gc, plan};
use guestlist::workspace_policy::WorkspacePolicy;

use super::directory::{Double, execute};
use super::hash::Table;
use super::inflate::{MEMBER, address, compact, directory_cache, double, guest_id, instant};
use super::objects::{Item, index};
use super::rules;
use super::setup::{Setup, Vary};
use super::state::{Declared, Directory, GUESTS, Presence, State};

/// A planner, and its read of the inputs. A faulty one misreads them.
#[derive(Clone, Copy)]
pub struct Planner {
    pub plan: fn(Inputs<'_>, &ObjectRef) -> Plan,
    pub read: fn(&mut Declared),
    pub see: fn(&mut Directory),
}

/// The planner of the product.
pub const PLANNER: Planner = Planner { plan, read: |_| {}, see: |_| {} };

const POLICY: &str = r#"
domains: [host.example]
tenants: [{namespace: partners, hostAdmins: ["*@host.example"], adoption: true}]
"#;
/// The revision of a record that the operator has seen, and of a record that has changed since.
const FRESH: i64 = 2;
const STALE: i64 = 1;

pub struct Operator<'a> {
    pub setup: &'a Setup,
    pub planner: Planner,
    workspace: WorkspacePolicy,
    owner: Owner,
    keys: Vec<(Item, ObjectRef)>,
    indexes: RefCell<Table<Declared, Rc<ObjectCache>>>,
}

/// A move of the operator, and the state after it.
pub type Move = (String, State);

struct Look<'s> {
    state: &'s State,
    index: Rc<ObjectCache>,
    double: Double,
    directory_cache: DirectoryCache,
}

impl<'a> Operator<'a> {
    pub fn new(setup: &'a Setup, planner: Planner) -> Self {
        let owner = Owner { installation: "default".to_owned(), cluster: "test".to_owned() };
        let workspace = WorkspacePolicy::parse(POLICY).unwrap();
        let keys = Item::all().map(|item| (item, item.key())).collect();
        Self { setup, planner, workspace, owner, keys, indexes: RefCell::default() }
    }

    fn index(&self, declared: &Declared) -> Rc<ObjectCache> {
        let mut indexes = self.indexes.borrow_mut();
        let entry = indexes.entry(*declared).or_insert_with(|| {
            let mut read = *declared;
            (self.planner.read)(&mut read);
            Rc::new(index(self.setup, &read))
        });
        Rc::clone(entry)
    }

    fn world<'w>(&'w self, look: &'w Look<'_>) -> Inputs<'w> {
        Inputs {
            declared: &look.index,
            observed: &look.directory_cache,
            workspace: &self.workspace,
            owner: &self.owner,
            directory_available: true,
            unsent: false,
            invitations: &guestlist::plan::NO_INVITATIONS,
            scope: AvailableFacts::ALL,
            prune_scope: PruneScope::Everything,
            namespaces: &ALL_NAMESPACES,
            now: instant(look.state),
        }
    }

    /// All possible next moves of the operator. `Err`: a forbidden move.
    pub fn moves(&self, state: &State) -> Result<Vec<Move>, String> {
        let actual = double(self.setup, &state.directory, [FRESH; GUESTS]);
        let mut view = state.view();
        (self.planner.see)(&mut view);
        let directory_cache = if view == state.directory {
            directory_cache(&actual.all, state)
        } else {
            let stale = state.seen.map(|(who, _)| usize::from(who));
            let revisions = [0, 1].map(|who| if stale == Some(who) { STALE } else { FRESH });
            directory_cache(&double(self.setup, &view, revisions).all, state)
        };
        let look = Look { state, index: self.index(&state.declared), directory_cache, double: actual };
        let mut moves = Vec::new();
        for (item, key) in &self.keys {
            self.pass(&look, *item, key, &mut moves)?;
        }
        let sweep = gc::plan(self.world(&look));
        for (_, steps) in &sweep.revocations {
            self.steps(&look, "sweep", steps, None, &mut moves)?;
        }
        for step in &sweep.steps {
            self.steps(&look, "sweep", std::slice::from_ref(step), None, &mut moves)?;
        }
        if state.seen.is_some() {
            moves.push(("the operator reads the guest".to_owned(), State { seen: None, ..*state }));
        }
        Ok(moves)
    }

    fn pass(&self, look: &Look<'_>, item: Item, key: &ObjectRef, moves: &mut Vec<Move>) -> Result<(), String> {
        let object = item.head(&look.state.declared);
        if object.presence == Presence::Absent {
            return Ok(());
        }
        let plan = (self.planner.plan)(self.world(look), key);
        let mut after = *look.state;
        if plan.finalizer == Finalizer::Hold && !object.held {
            hold(&mut after, item);
            moves.push((format!("{key}: adds its finalizer"), after));
        } else if !plan.steps.is_empty() {
            self.steps(look, &key.to_string(), &plan.steps, plan.basis, moves)?;
        } else if !plan.deletions.is_empty() {
            for deletion in &plan.deletions {
                after = delete(after, Item::of(&deletion.key));
            }
            moves.push((format!("{key}: deletes its members and shares"), after));
        } else if plan.finalizer == Finalizer::Release && object.held {
            // The guest is read once more: the answer to the creation may have been lost.
            if look.state.seen.is_some_and(|(who, _)| Item::Member(usize::from(who)) == item) {
                after.seen = None;
                moves.push((format!("{key}: reads the guest before it removes its finalizer"), after));
                return Ok(());
            }
            moves.push((format!("{key}: removes its finalizer"), gone(after, item)));
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
        let mut double = look.double.clone();
        let mut before = *look.state;
        for step in steps {
            let label = format!("{by}: {}", words(&step.operation));
            let who = about(&double, &step.operation);
            if execute(&mut double, &step.operation, basis, instant(look.state)).is_err() {
                if fresh {
                    return Err(format!("{label} is planned on the present facts, and the directory refuses it"));
                }
                // The record has changed since: it is read and planned again.
                moves.push((format!("{label} is refused"), State { seen: None, ..before }));
                return Ok(());
            }
            let mut after = State { directory: compact(&double, &before.directory), ..before };
            rules::step(self.setup, &before, &after, fresh).map_err(|broken| format!("{broken}: {label}"))?;
            if let Some(who) = who {
                let index = u8::try_from(who).ok();
                let record = double.all.guests.iter().find(|guest| guest.address == *address(who));
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

/// The guest of an operation, with a record or without.
fn about(double: &Double, operation: &Operation) -> Option<usize> {
    if let Operation::Guest { change: GuestChange::Invite(NewGuest { address: admitted, .. }), .. } = operation {
        return (0..GUESTS).find(|who| address(*who) == admitted);
    }
    let id = operation.guest()?;
    let has_id = |who: &usize| double.all.guests.iter().any(|guest| guest.id == *id && guest.address == *address(*who));
    (0..GUESTS).find(|who| guest_id(*who) == *id || has_id(who))
}

/// The first word of a text. The rest is not written.
#[derive(Default)]
struct FirstWord(String);

impl Write for FirstWord {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let word = text.split(' ').next().unwrap_or_default();
        self.0.push_str(word);
        if word == text { Ok(()) } else { Err(fmt::Error) }
    }
}

fn words(operation: &Operation) -> String {
    let mut kind = FirstWord::default();
    let _ = write!(kind, "{operation:?}");
    let kind = kind.0;
    match operation {
        Operation::Guest { change: GuestChange::Revoke { accounts }, .. } => {
            format!("{kind} {}", accounts.join(", "))
        }
        Operation::Guest { change: GuestChange::Grant { grants } | GuestChange::Reduce { grants }, .. } => {
            let grants: Vec<_> = grants.iter().map(|grant| format!("{} as {}", grant.account, grant.role)).collect();
            format!("{kind} {}", grants.join(", "))
        }
        _ => match about(&Double::default(), operation) {
            Some(who) => format!("{kind} {}", MEMBER[who]),
            None => kind,
        },
    }
}

fn hold(state: &mut State, item: Item) {
    match item {
        Item::Partner(which) => state.declared.partners[which].held = true,
        Item::Member(who) => state.declared.members[who].held = true,
        Item::Share(what) => state.declared.shares[what].held = true,
    }
}

fn gone(state: State, item: Item) -> State {
    match item {
        Item::Partner(which) => state.without_partner(which),
        Item::Member(who) => state.without_member(who),
        Item::Share(what) => state.without_share(what),
    }
}

fn delete(mut state: State, item: Item) -> State {
    if !item.head(&state.declared).held {
        return gone(state, item);
    }
    match item {
        Item::Partner(_) => {}
        Item::Member(who) => state.declared.members[who].presence = Presence::Leaving,
        Item::Share(what) => state.declared.shares[what].presence = Presence::Leaving,
    }
    state
}
