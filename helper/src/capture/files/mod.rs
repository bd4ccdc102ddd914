//! The open files of a frozen tree: descriptor tables, the descriptions behind them (a file a
//! kind), and the files that are only executed, mapped, cwd or root. docs/protocol.md, "file".
//!
//! Nothing here leaves a trace in the target: descriptors are looked at in /proc and through
//! duplicates that are closed at once; queues are peeked and pipes tee'd, never read; nothing of
//! the target's is opened but deleted regular files, with O_NOATIME. One thing is beyond reach:
//! a duplicated socket takes on the net_cls class and net_prio index of the helper's own cgroup
//! (net/core/scm.c, __receive_sock), as it does with every checkpoint tool.

mod address;
mod descriptor;
mod diag;
mod epoll;
mod eventfd;
pub mod fact;
mod fdinfo;
pub mod flight;
mod fown;
mod fsnotify;
mod ghost;
mod handle;
mod inet;
mod kind;
mod locks;
mod memfd;
mod name;
mod order;
mod paths;
mod pidfd;
mod pipe;
mod proc;
mod queue;
mod signalfd;
mod sockopts;
mod table;
#[cfg(test)]
mod tests;
mod timerfd;
mod tty;
mod unix;

pub use fact::FileId;
pub use paths::PathOf;
pub use table::{warm, Facts, FileTable};
