use super::*;
use crate::error::Code;
use crate::memory::fixture::Fixture;
use std::collections::HashMap;
use std::time::Duration;

fn capture(pid: i32, before: &mut Before) -> Mappings {
    let mounts = KernelMounts::find().unwrap();
    Mappings::capture((pid, false), before, &mounts, &mut |_, _| Ok(1)).unwrap()
}

/// Before, as it is of a process whose smaps cost too much to read again.
fn before(pid: i32, smaps: Smaps) -> Before {
    Before::of(HashMap::from([(pid, smaps)]))
}

#[test]
fn a_line_of_maps_is_understood() {
    let line =
        "7f0c1b400000-7f0c1b600000 rw-s 00001000 fd:102 4294967297       /a b\\012c (deleted)";
    let vma = maps::parse(1, line).unwrap();
    assert_eq!((vma.start, vma.end), (Hex(0x7f0c_1b40_0000), Hex(0x7f0c_1b60_0000)));
    assert_eq!((vma.perms.as_str(), vma.pgoff), ("rw-s", Hex(0x1000)));
    assert_eq!((vma.dev, vma.ino), (0x10_fd02, Hex(4_294_967_297)));
    assert_eq!(vma.name, "/a b\nc (deleted)");
    assert!(vma.is_shared() && vma.has_file());

    let anonymous = maps::parse(1, "00400000-00401000 ---p 00000000 00:00 0 ").unwrap();
    assert_eq!((anonymous.name.as_str(), anonymous.pages()), ("", 1));
    assert!(!anonymous.is_shared() && !anonymous.has_file());

    for bad in ["", "00400000-00401000", "x-y rw-p 0 00:00 0", "1000-2000 rw-p 0 0000 0"] {
        assert_eq!(maps::parse(1, bad).unwrap_err().code, Code::Kernel, "{bad}");
    }
}

#[test]
fn flags_belong_to_the_mapping_above_them() {
    let smaps = Smaps::parse(
        "1000-2000 rw-p 00000000 00:00 0 \nSize: 4 kB\nVmFlags: rd wr mr mw me ac sd \n\
         2000-3000 r--p 00000000 00:00 0                          [vvar]\nVmFlags: rd io pf \n",
    );
    assert_eq!(smaps.flags("1000-2000 rw-p 00000000 00:00 0 "), Some("rd wr mr mw me ac sd"));
    let vvar = "2000-3000 r--p 00000000 00:00 0                          [vvar]";
    assert_eq!(smaps.flags(vvar), Some("rd io pf"));
    assert!(smaps.knows_all(vvar) && !smaps.knows_all("2000-3000 rw-p 00000000 00:00 0 "));
}

#[test]
fn memory_files_are_told_by_their_kind() {
    let Some(memfds) = Fixture::start("memfds", &[]) else { return };
    let vmas = capture(memfds.pid(), &mut Before::default()).vmas;
    let of = |name: &str| vmas.iter().find(|vma| vma.name == name).unwrap();
    for name in ["/memfd:mapped shared (deleted)", "/memfd:mapped private (deleted)"] {
        assert_eq!(of(name).shmem_kind, Some(ShmemKind::Memfd));
        assert_eq!((of(name).shmem, of(name).file), (Some(of(name).ino), Some(1)));
    }
    let Some(shared) = Fixture::start("sharedmem", &[]) else { return };
    let vmas = capture(shared.pid(), &mut Before::default()).vmas;
    let segment = vmas.iter().find(|vma| vma.name == "/dev/zero (deleted)").unwrap();
    assert_eq!((segment.shmem_kind, segment.file), (Some(ShmemKind::Anon), None));
    let (text, stack) = (vmas.first().unwrap(), vmas.iter().find(|v| v.name == "[stack]").unwrap());
    assert_eq!((text.file, text.shmem), (Some(1), None));
    assert_eq!((stack.file, stack.shmem), (None, None));
}

#[test]
fn huge_pages_are_no_files() {
    let Some(hugetlb) = Fixture::start("hugetlb", &[]) else { return };
    let vmas = capture(hugetlb.pid(), &mut Before::default()).vmas;
    let kinds = |prefix: &str| {
        let named = vmas.iter().filter(|vma| vma.name.starts_with(prefix));
        named.map(|vma| (vma.is_shared(), vma.shmem_kind, vma.file)).collect::<Vec<_>>()
    };
    let mut anonymous = kinds("/anon_hugepage");
    anonymous.sort_by_key(|(shared, ..)| *shared);
    assert_eq!(anonymous, [(false, None, None), (true, Some(ShmemKind::Anon), None)]);
    assert_eq!(kinds("/memfd:"), [(true, Some(ShmemKind::Memfd), Some(1))]);
}

#[test]
fn neighbours_that_map_one_file_ask_once() {
    let Some(files) = Fixture::start("filemaps", &[]) else { return };
    let mut asked: Vec<String> = Vec::new();
    let mounts = KernelMounts::find().unwrap();
    let mut file_of = |_, vma: &Vma| {
        asked.push(format!("{} {}", vma.name, vma.has("sh") && vma.has("mw")));
        Ok(asked.len() as FileId)
    };
    let pid = files.pid();
    let vmas = Mappings::capture((pid, false), &mut Before::default(), &mounts, &mut file_of)
        .unwrap()
        .vmas;
    asked.dedup();
    let mut once = asked.clone();
    once.sort();
    once.dedup();
    let mapped = vmas.iter().filter(|vma| vma.has_file()).count();
    assert!(vmas.iter().all(|vma| vma.file.is_some() == vma.has_file()));
    assert!(asked.len() < mapped, "{asked:?}");
    assert!(once.iter().any(|file| file.ends_with("/mapped true")));
    assert!(once.iter().any(|file| file.ends_with("/mapped false")));
}

#[test]
fn flags_of_before_the_freeze_do_if_nothing_changed() {
    let Some(fixture) = Fixture::start("madvise", &[]) else { return };
    let pid = fixture.pid();
    let exact = capture(pid, &mut Before::default());
    assert!(exact.assumed.is_none());
    let assumed = capture(pid, &mut before(pid, Smaps::read(pid).unwrap()));
    assert!(assumed.assumed.is_some());
    assert_eq!(assumed.vmas, exact.vmas);
    assert!(exact.vmas.iter().any(|vma| vma.has("dd")) && exact.vmas.iter().any(|v| v.has("dc")));
    assumed.confirm().unwrap();
    exact.confirm().unwrap();
}

#[test]
fn an_unknown_line_means_to_read_again() {
    let Some(fixture) = Fixture::start("madvise", &[]) else { return };
    let pid = fixture.pid();
    let text = proc::text(pid, "smaps").unwrap().replace("[stack]", "[stock]");
    let mappings = capture(pid, &mut before(pid, Smaps::parse(&text)));
    assert!(mappings.assumed.is_none());
    assert!(mappings.vmas.iter().all(|vma| !vma.vmflags.is_empty()));
}

#[test]
fn changed_flags_are_found_out() {
    let Some(fixture) = Fixture::start("madvise", &[]) else { return };
    let pid = fixture.pid();
    let text = proc::text(pid, "smaps").unwrap().replacen(" dd", "", 1);
    let mappings = capture(pid, &mut before(pid, Smaps::parse(&text)));
    let error = mappings.confirm().unwrap_err();
    assert_eq!((error.code, error.pid), (Code::TargetChanged, Some(pid)));
    drop(fixture);
    assert_eq!(mappings.confirm().unwrap_err().code, Code::TargetChanged);
}

#[test]
fn a_process_that_is_gone_is_told_as_gone() {
    let mounts = KernelMounts::find().unwrap();
    let none = i32::MAX;
    let gone = Mappings::capture((none, false), &mut Before::default(), &mounts, &mut |_, _| Ok(1));
    assert_eq!(gone.map(|_| ()).unwrap_err().code, Code::TargetGone);
}

#[test]
fn what_is_cheap_is_read_under_the_freeze() {
    let Some(fixture) = Fixture::start("madvise", &[]) else { return };
    let read_before = |cheap| {
        let mut before = Before::prepare_beyond(cheap, &[fixture.pid()]);
        before.take(fixture.pid()).is_some()
    };
    assert!(!read_before(Duration::MAX));
    assert!(read_before(Duration::ZERO));
}
