use super::rounds::touch;
use super::*;
use crate::capture::process;
use crate::dump::reap::reap;
use crate::error::Code;
use crate::freeze::Frozen;
use crate::remote::{Gadgets, CHILD};

type Contents = Vec<(u64, [u8; PAGE as usize])>;

/// Freeze a fixture and leave its pages to a child; what they held.
fn left(fixture: &Fixture) -> (Memory, Contents) {
    left_after(fixture, |_| ())
}

/// The same, once its mappings are seen otherwise.
fn left_after(fixture: &Fixture, see: fn(&mut Vma)) -> (Memory, Contents) {
    let (pid, limit) = (fixture.pid(), Limit::default());
    let frozen = Frozen::tree(pid, &limit).unwrap();
    let mut memory = captured(fixture, PageCopy::All);
    memory.check_snapshot().unwrap();
    let mem = mem(pid);
    let there = pages(memory.spaces[0].pages.runs.as_slice());
    let there = there.into_iter().map(|(page, _)| (page, read(&mem, page))).collect();
    let stopped = process::look(&frozen.tasks, &limit).unwrap();
    let mut children = process::fork(&stopped, &mut Gadgets::default()).unwrap();
    children.retain(|(parent, _)| *parent == pid);
    memory.spaces[0].mappings.vmas.iter_mut().for_each(see);
    memory.leave_to(children, &limit).unwrap();
    memory.copy(&limit, &mut |_, _| ()).unwrap();
    (memory, there)
}

/// Copy the rest, and compare it.
fn finish(mut memory: Memory, there: &Contents, fixture: &Fixture) {
    let limit = Limit::default();
    let mut told = (0, 0);
    let copied = memory.copy_snapshots(&limit, &mut |done, all| told = (done, all)).unwrap();
    memory.settle(&limit).unwrap();
    let totals = memory.totals();
    assert_eq!((copied, totals.copied), (totals.present, totals.present));
    assert_eq!(totals.present + totals.zero, there.len() as u64);
    let told = pages(memory.spaces[0].pages.runs.as_slice());
    let there = there.iter().filter(|(page, _)| told.iter().any(|(told, _)| told == page));
    let there: Vec<_> = there.collect();
    let file = File::open(fixture.folder.join(memory.spaces[0].file.as_ref().unwrap())).unwrap();
    assert_eq!(file.metadata().unwrap().len(), there.len() as u64 * PAGE);
    for (nth, (page, bytes)) in (0..).zip(&there) {
        assert!(read(&file, nth) == *bytes, "page {page:#x}");
    }
    assert_eq!(images(&fixture.folder).len(), 1 + memory.segment_files.len(), "nothing else");
    reap(fixture.pid(), &limit).unwrap();
}

#[test]
fn what_is_copied_is_what_was_there_at_the_freeze() {
    let more = [("hugetlb", &[][..]), ("swapped", &[])];
    for (kind, arguments) in KINDS.map(|kind| (kind, &[][..])).into_iter().chain(more) {
        let Some(fixture) = Fixture::start(kind, arguments) else { continue };
        println!("{kind}");
        let (memory, there) = left(&fixture);
        touch(&fixture, 1);
        finish(memory, &there, &fixture);
    }
}

#[test]
fn it_outlives_the_process() {
    let Some(fixture) = Fixture::start("madvise", &[]) else { return };
    let (memory, there) = left(&fixture);
    fixture.signal("KILL");
    let zombie = || !crate::tree::walk(fixture.pid()).unwrap().iter().any(|task| !task.zombie);
    while !zombie() {}
    finish(memory, &there, &fixture);
}

/// As it may be where advice changes while it is looked at.
#[test]
fn a_page_that_the_child_does_not_have_is_an_error() {
    let blind: [fn(&mut Vma); 2] = [
        |vma| vma.vmflags = vma.vmflags.replace(" dc", ""),
        |vma| vma.vmflags = vma.vmflags.replace(" wf", ""),
    ];
    for see in blind {
        let Some(fixture) = Fixture::start("madvise", &[]) else { return };
        let (mut memory, _) = left_after(&fixture, see);
        let (pid, child) = (fixture.pid(), child_of(&fixture));
        let error = memory.copy_snapshots(&Limit::default(), &mut |_, _| ()).unwrap_err();
        assert_eq!((error.code, error.pid), (Code::Kernel, Some(pid)));
        let expected = format!("pid {pid}: reading 0x");
        assert!(error.message.starts_with(&expected), "{}", error.message);
        let expected = format!("snapshot child {child}: it is not there");
        assert!(error.message.ends_with(&expected), "{}", error.message);
        drop(memory);
        reap(pid, &Limit::default()).unwrap();
    }
}

#[test]
fn a_child_that_is_killed_is_an_error() {
    let Some(fixture) = Fixture::start("anonymous", &[]) else { return };
    let (mut memory, _) = left(&fixture);
    let child = child_of(&fixture);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child), nix::sys::signal::SIGKILL).unwrap();
    while proc_maps(child) {}
    let error = memory.copy_snapshots(&Limit::default(), &mut |_, _| ()).unwrap_err();
    assert_eq!((error.code, error.pid), (Code::Kernel, Some(fixture.pid())));
    assert!(error.message.contains("was killed"), "{}", error.message);
    drop(memory);
    reap(fixture.pid(), &Limit::default()).unwrap();
}

fn child_of(fixture: &Fixture) -> i32 {
    let tree = crate::tree::walk(fixture.pid()).unwrap();
    let is_child = |pid: &i32| crate::proc::comm(*pid).unwrap() == CHILD;
    tree.iter().map(|task| task.pid).find(is_child).expect("a snapshot child")
}

/// It still has an address space.
fn proc_maps(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/maps")).is_ok_and(|maps| !maps.is_empty())
}
