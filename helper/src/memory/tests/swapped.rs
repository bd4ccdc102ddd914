use super::*;
use crate::memory::fixture::temporary;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

/// A swap file, for as long as it is held; None where there can be none.
struct Swap(PathBuf);

impl Swap {
    fn on(mib: usize) -> Option<Self> {
        let file = Swap(temporary("swap"));
        fs::write(&file.0, vec![0; mib << 20]).unwrap();
        fs::set_permissions(&file.0, fs::Permissions::from_mode(0o600)).unwrap();
        let works = |program: &str| {
            let output = Command::new(program).arg(&file.0).output();
            output.is_ok_and(|output| output.status.success())
        };
        if works("mkswap") && works("swapon") {
            return Some(file);
        }
        println!("SKIP swapped pages: no swap file can be made");
        None
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        let _ = Command::new("swapoff").arg(&self.0).output();
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn swapped_pages_are_data() {
    let Some(_swap) = Swap::on(16) else { return };
    let Some(fixture) = Fixture::start("swapped", &[]) else { return };
    let mut memory = captured(&fixture, PageCopy::All);
    let Space { mappings, pages: found, .. } = &memory.spaces[0];
    let pagemap = File::open(format!("/proc/{}/pagemap", fixture.pid())).unwrap();
    let is_swapped = |page: u64| {
        let mut entry = [0; 8];
        pagemap.read_exact_at(&mut entry, page * 8).unwrap();
        u64::from_ne_bytes(entry) & 1 << 62 != 0
    };
    let found = pages(found.runs.as_slice());
    let mapped = |name: &str| {
        let vma = mappings.vmas.iter().find(|vma| vma.name.ends_with(name) && vma.pages() == 256);
        let vma = vma.unwrap();
        vma.start.0 / PAGE..vma.end.0 / PAGE
    };
    for range in [mapped("/mapped"), mapped("")] {
        if !range.clone().any(is_swapped) {
            println!("SKIP swapped pages of {range:x?}: the kernel kept them all");
        }
        for page in range {
            assert!(found.iter().any(|found| found.0 == page), "{page:#x}");
        }
    }
    let [(segment, None)] = memory.segments().collect::<Vec<_>>()[..] else {
        panic!("one segment")
    };
    assert_eq!(segment.runs.pages(), 256);

    copied(&mut memory, &mut |_, _| ());
    let stored = pages(memory.spaces[0].pages.runs.as_slice());
    let path = fixture.folder.join("pages-1.img");
    let (file, mem) = (File::open(path).unwrap(), mem(fixture.pid()));
    for (nth, (page, _)) in (0..).zip(stored) {
        assert!(read(&file, nth) == read(&mem, page));
    }
}
