//! The operator as a process against a real API server, with the chart's rights. One file a promise; one binary, so that
//! the tests share the machine instead of queueing for it.

mod backups;
mod detach;
mod directory_fails;
mod drift;
mod events;
mod invitations;
mod killed;
mod kstatus;
mod leaders;
mod lifecycle;
mod namespaces;
mod observer;
mod order;
mod outages;
mod ownership_marks;
mod policy;
mod rest;
mod restored;
mod rights;
mod roles;
mod secrets;
mod suspension;
mod tenant;
mod unreadable;
mod worlds;
