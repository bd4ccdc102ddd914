//! What the kernel knows of a task: a file a kind of object. Each file holds the facts' type (as in
//! docs/protocol.md) and the function that captures them from a stopped task.
mod cgroup;
mod creds;
pub mod files;
mod mm;
pub mod ns;
pub mod process;
mod refuse;
pub mod regs;
mod rlimits;
mod rseq;
mod signals;
pub mod stat;
pub mod status;
mod task;
mod thread;
mod timers;
pub mod vma;
pub mod xsave;

pub use task::Paths;
