//! `guestlist plan` and `guestlist apply` as pipelines and people run them: processes, their output and exit codes, and
//! the directory's content afterwards.

mod annotations;
mod compared;
mod folder;
mod interrupted;
mod killed;
mod pipeline;
mod printed;
mod same;
mod times;
mod waits;
mod walk;
