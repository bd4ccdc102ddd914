//! Pages that are all zeros, where a restore brings zeros by itself: in lazy runs. Not in locked
//! memory, although that is anonymous, too: criu maps it with MAP_LOCKED, which fills it, before it
//! forks children from it; in what a child inherits, a page that its parent does not list is there
//! then, and a userfaultfd is never asked for the child's own.

use crate::memory::runs::Run;
use crate::memory::PAGE;

const ZEROS: [u8; PAGE as usize] = [0; PAGE as usize];

/// Move what is to be stored of these runs' `bytes` to the front, in order, and put the numbers of
/// the pages that need not be into `zeros`. Returns how many bytes are to be stored.
pub fn leave_out(runs: &[Run], bytes: &mut [u8], zeros: &mut Vec<u64>) -> usize {
    zeros.clear();
    let (mut at, mut kept) = (0, 0);
    for run in runs {
        for page in run.page..run.end() {
            let end = at + PAGE as usize;
            if run.lazy && bytes[at..end] == ZEROS {
                zeros.push(page);
            } else {
                if kept != at {
                    bytes.copy_within(at..end, kept);
                }
                kept += PAGE as usize;
            }
            at = end;
        }
    }
    kept
}
