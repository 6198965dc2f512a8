//! The operator as a process against a real API server, with the chart's rights. One file a promise; one binary, so that
//! the tests share the machine instead of queueing for it.

mod backups;
mod detach;
mod directory_fails;
mod drift;
mod invitations;
mod killed;
mod kstatus;
mod leaders;
mod lifecycle;
mod marks;
mod namespaces;
mod observer;
mod order;
mod outages;
mod policy;
mod rest;
mod restored;
mod rights;
mod roles;
mod secrets;
mod suspension;
mod tenant;
mod told;
mod unreadable;
mod worlds;
