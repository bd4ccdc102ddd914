use super::*;
use crate::capture::process;
use crate::freeze::Frozen;
use crate::remote::Gadgets;
use std::os::unix::fs::FileExt;

/// Follow a stopped fixture; what its memory was is copied.
fn followed(fixture: &Fixture) -> Memory {
    let (pid, limit) = (fixture.pid(), Limit::default());
    let request = request(PageCopy::All, &fixture.folder);
    let mut memory = Memory::prepare(&request, Changes::default(), &[pid], true, &limit).unwrap();
    let frozen = Frozen::tree(pid, &limit).unwrap();
    let stopped = process::look(&frozen.tasks, &limit).unwrap();
    let wanted: Vec<i32> =
        frozen.tasks.iter().filter(|task| task.vm == task.pid).map(|task| task.pid).collect();
    let mut gadgets = Gadgets::default();
    let made = process::make_userfaultfds(&stopped, &wanted, &mut gadgets).unwrap();
    drop(frozen);
    for (pid, uffd) in made {
        memory.follow(pid, uffd).unwrap();
    }
    assert!(copy_round(&mut memory) > 0);
    memory
}

fn copy_round(memory: &mut Memory) -> u64 {
    let limit = Limit::default();
    let written = memory.protect(&limit).unwrap();
    memory.copy_written(written, &limit, &mut |_, _| ()).unwrap()
}

fn finish(memory: &mut Memory, fixture: &Fixture) {
    let limit = Limit::default();
    memory.capture(fixture.pid(), &mut |_, _| Ok(1)).unwrap();
    memory.scan(&limit).unwrap();
    memory.copy(&limit, &mut |_, _| ()).unwrap();
    memory.settle(&limit).unwrap();
}

fn assert_copied(memory: &Memory, fixture: &Fixture) {
    let mem = mem(fixture.pid());
    for Space { pages: found, file, .. } in &memory.spaces {
        let file = File::open(fixture.folder.join(file.as_ref().unwrap())).unwrap();
        let all = pages(found.runs.as_slice());
        assert_eq!(file.metadata().unwrap().len(), all.len() as u64 * PAGE);
        for (nth, (page, _)) in (0..).zip(all) {
            assert!(read(&file, nth) == read(&mem, page), "page {page:#x}");
        }
    }
}

/// Pages of the fixture's own that a write goes to: every so many of its writable anonymous ones.
pub fn touch(fixture: &Fixture, every: usize) -> usize {
    let path = format!("/proc/{}/mem", fixture.pid());
    let mem = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut touched = 0;
    for vma in vma::glance(fixture.pid()).unwrap() {
        if vma.perms != "rw-p" || vma.has_file() {
            continue;
        }
        for page in (vma.start.0..vma.end.0).step_by(every * PAGE as usize) {
            let mut byte = [0];
            if mem.read_exact_at(&mut byte, page + 99).is_err() {
                continue; // a guard
            }
            mem.write_all_at(&[byte[0] ^ 0xff], page + 99).unwrap();
            touched += 1;
        }
    }
    touched
}

#[test]
fn what_was_copied_in_rounds_is_what_is_there() {
    for kind in KINDS {
        let Some(fixture) = Fixture::start(kind, &[]) else { continue };
        let mut memory = followed(&fixture);
        touch(&fixture, 3);
        copy_round(&mut memory);
        touch(&fixture, 5);
        finish(&mut memory, &fixture);
        assert_copied(&memory, &fixture);
        assert_eq!(memory.totals().copied, memory.totals().present);
    }
}

#[test]
fn a_round_copies_what_was_written_and_no_more() {
    let Some(fixture) = Fixture::start("anonymous", &["200"]) else { return };
    let mut memory = followed(&fixture);
    let limit = Limit::default();
    assert_eq!(copy_round(&mut memory), 0);
    let touched = touch(&fixture, 7) as u64;
    let untracked = memory.left(&[fixture.pid()], &limit).unwrap().pages - touched;
    assert!(untracked < 200, "a few pages of files that are never written, the vdso");
    assert_eq!(copy_round(&mut memory), touched);
    assert_eq!(memory.left(&[fixture.pid()], &limit).unwrap().pages, untracked);
    finish(&mut memory, &fixture);
    assert_copied(&memory, &fixture);
}

#[test]
fn nothing_of_it_is_told_or_stays() {
    let Some(fixture) = Fixture::start("anonymous", &[]) else { return };
    let uw = |fixture: &Fixture| {
        let path = format!("/proc/{}/smaps", fixture.pid());
        std::fs::read_to_string(path).unwrap().matches(" uw").count()
    };
    let lines = |fixture: &Fixture| vma::glance(fixture.pid()).unwrap().len();
    let before = lines(&fixture);
    let mut memory = followed(&fixture);
    assert!(uw(&fixture) > 0);
    finish(&mut memory, &fixture);
    assert!(memory.spaces[0].mappings.vmas.iter().all(|vma| !vma.has("uw")));
    assert_eq!((uw(&fixture), lines(&fixture)), (0, before));
}

#[test]
fn files_of_those_who_end_are_removed() {
    let Some(fixture) = Fixture::start("anonymous", &[]) else { return };
    let mut memory = followed(&fixture);
    let folder = fixture.folder.clone();
    let files = || {
        let names = std::fs::read_dir(&folder).unwrap().flatten();
        names.filter(|entry| entry.file_name().to_string_lossy().starts_with("pages-")).count()
    };
    assert_eq!(files(), 1);
    fixture.signal("KILL");
    while memory.follows(fixture.pid()) {
        assert_eq!(copy_round(&mut memory), 0);
    }
    assert_eq!(files(), 0);
}
