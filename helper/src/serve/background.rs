//! Brings what nobody waits for yet, in large pieces, and gives way to whoever waits.

use super::server::Server;
use super::task::Task;
use crate::sys;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Pages that are read at a time.
const CHUNK: u64 = 256;

/// How often a thread that has nothing to do looks whether all is over.
const TICK: Duration = Duration::from_millis(100);

/// Tasks in which pages are missing; each in its turn.
#[derive(Default)]
pub struct Background {
    tasks: Mutex<VecDeque<Arc<Task>>>,
    changed: Condvar,
}

impl Background {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Task>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn add(&self, task: Arc<Task>) {
        self.lock().push_back(task);
        self.wake();
    }

    pub fn remove(&self, task: &Arc<Task>) {
        self.lock().retain(|other| !Arc::ptr_eq(other, task));
    }

    /// There is something to do.
    pub fn wake(&self) {
        self.changed.notify_all();
    }

    pub fn tasks(&self) -> Vec<Arc<Task>> {
        self.lock().iter().cloned().collect()
    }

    fn next(&self) -> Option<Arc<Task>> {
        let mut tasks = self.lock();
        let task = tasks.pop_front()?;
        tasks.push_back(task.clone());
        Some(task)
    }

    fn wait(&self) {
        let _ = self.changed.wait_timeout(self.lock(), TICK);
    }
}

impl Server {
    /// What a thread does until the server is over.
    pub fn work_in_background(self: &Arc<Self>) {
        sys::be_nice(); // who waits for a page goes first, on a busy processor too
        while !self.is_over() {
            let tasks = self.background.lock().len();
            if !(0..tasks).any(|_| self.bring_some()) {
                self.background.wait();
            }
        }
    }

    /// The next piece of the task whose turn it is, if it may have one.
    fn bring_some(self: &Arc<Self>) -> bool {
        let Some(task) = self.background.next() else { return false };
        if !self.may_prefetch() || !task.session.is_finished() {
            return false;
        }
        let plan = self.plans.get(&task.pid).map_or(&[][..], Vec::as_slice);
        let brought = task.busy(|| {
            let chunk = task.take(plan, CHUNK);
            chunk.map(|chunk| task.bring(self, &chunk, None)).is_some()
        });
        self.settle(&task);
        brought
    }
}
