//! The operator as a process with a real API server and the chart's permissions. One file for each promise; one binary,
//! so that the tests run in parallel.

mod backups;
mod contexts;
mod detach;
mod directory_fails;
mod drift;
mod events;
mod invitations;
mod killed;
mod kstatus;
mod leaders;
mod lifecycle;
mod managers;
mod monitoring;
mod namespaces;
mod observer;
mod order;
mod outages;
mod ownership_marks;
mod policy;
mod pruned;
mod rest;
mod restored;
mod rights;
mod roles;
mod secrets;
mod suspension;
mod tenant;
mod unreadable;
mod watched_namespaces;
mod worlds;
