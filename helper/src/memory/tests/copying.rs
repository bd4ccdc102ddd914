use super::*;
use crate::error::Code;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;

#[test]
fn what_is_copied_is_what_is_there() {
    for kind in KINDS {
        let Some(fixture) = Fixture::start(kind, &[]) else { continue };
        let mut memory = captured(&fixture, PageCopy::All);
        let mut told = Vec::new();
        copied(&mut memory, &mut |done, total| told.push((done, total)));
        let totals = memory.totals();
        assert_eq!(totals.copied, totals.present);
        let mem = mem(fixture.pid());
        let check = |name: &str, source: &File, runs: &[runs::Run]| {
            let path = fixture.folder.join(name);
            let metadata = path.metadata().unwrap();
            assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
            let (file, pages) = (File::open(path).unwrap(), pages(runs));
            assert_eq!(metadata.len(), pages.len() as u64 * PAGE);
            for (nth, (page, _)) in (0..).zip(pages) {
                assert!(read(&file, nth) == read(source, page), "{kind}: {name}: page {page:#x}");
            }
        };
        for Space { pages, file, .. } in &memory.spaces {
            check(file.as_ref().unwrap(), &mem, pages.runs.as_slice());
        }
        for (segment, name) in memory.segments() {
            check(name.unwrap(), &segment.file, segment.runs.as_slice());
        }
    }
}

#[test]
fn what_cannot_be_lazy_is_copied_alone() {
    let Some(fixture) = Fixture::start("protections", &[]) else { return };
    let mut memory = captured(&fixture, PageCopy::Unlazy);
    copied(&mut memory, &mut |_, _| ());
    let totals = memory.totals();
    assert!(totals.copied > 0 && totals.lazy > 0);
    assert_eq!(totals.copied, totals.present - totals.lazy);
    let Space { mappings, pages: found, .. } = &memory.spaces[0];
    let file = File::open(fixture.folder.join("pages-1.img")).unwrap();
    let mem = mem(fixture.pid());
    let copied: Vec<u64> =
        pages(found.runs.as_slice()).iter().filter(|p| !p.1).map(|p| p.0).collect();
    for (nth, page) in (0..).zip(&copied) {
        assert!(read(&file, nth) == read(&mem, *page));
    }
    let locked = mappings.vmas.iter().filter(|vma| vma.has("lo"));
    for vma in locked {
        assert!(copied.iter().any(|page| (vma.start.0..vma.end.0).contains(&(page * PAGE))));
    }
}

#[test]
fn many_pages_are_copied_by_several_threads_and_told() {
    let Some(fixture) = Fixture::start("anonymous", &["200", "sparse"]) else { return };
    let mut memory = captured(&fixture, PageCopy::All);
    let mut told = Vec::new();
    copied(&mut memory, &mut |done, total| told.push((done, total)));
    let found = &memory.spaces[0].pages;
    let (Totals { present: total, zero, .. }, copied) =
        (memory.totals(), pages(found.runs.as_slice()));
    assert!(!told.is_empty() && told.is_sorted());
    assert!(told.iter().all(|told| told.0 <= told.1 && told.1 == total + zero));
    let path = fixture.folder.join("pages-1.img");
    assert_eq!(path.metadata().unwrap().len(), total * PAGE);
    let (file, mem) = (File::open(path).unwrap(), mem(fixture.pid()));
    for (nth, (page, _)) in (0..).zip(copied) {
        assert!(read(&file, nth) == read(&mem, page));
    }
}

#[test]
fn without_a_copy_there_is_no_file() {
    let Some(fixture) = Fixture::start("anonymous", &[]) else { return };
    let before = fs::read_dir(&fixture.folder).unwrap().count();
    let mut memory = captured(&fixture, PageCopy::None);
    memory.copy(&Limit::default(), &mut |_, _| panic!("nothing is copied")).unwrap();
    assert_eq!(memory.totals().copied, 0);
    assert_eq!(fs::read_dir(&fixture.folder).unwrap().count(), before);
}

#[test]
fn a_dump_that_is_aborted_ends_and_cleans_up() {
    let Some(fixture) = Fixture::start("anonymous", &["8", "dense"]) else { return };
    let mut memory = captured(&fixture, PageCopy::All);
    let aborted = Limit::new(0, Arc::new(AtomicBool::new(true)));
    assert_eq!(memory.copy(&aborted, &mut |_, _| ()).unwrap_err().code, Code::Aborted);
    assert_eq!(memory.scan(&aborted).unwrap_err().code, Code::Aborted);
    drop(memory);
    assert!(images(&fixture.folder).is_empty());
}

#[test]
fn a_process_that_dies_is_told_as_gone() {
    let Some(fixture) = Fixture::start("anonymous", &["8", "dense"]) else { return };
    let mut memory = captured(&fixture, PageCopy::All);
    fixture.signal("KILL");
    while !fs::read_to_string(format!("/proc/{}/stat", fixture.pid())).unwrap().contains(") Z") {}
    assert_eq!(memory.copy(&Limit::default(), &mut |_, _| ()).unwrap_err().code, Code::TargetGone);
    assert_eq!(memory.scan(&Limit::default()).unwrap_err().code, Code::TargetGone);
}
