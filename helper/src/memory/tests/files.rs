use super::*;
use crate::error::Code;
use crate::memory::fixture::temporary;
use std::path::PathBuf;
use std::process::Command;

#[test]
fn files_stay_only_if_the_dump_is_good() {
    let Some(fixture) = Fixture::start("anonymous", &[]) else { return };
    let mut memory = captured(&fixture, PageCopy::All);
    memory.copy(&Limit::default(), &mut |_, _| ()).unwrap();
    assert_eq!(images(&fixture.folder), ["pages-1.img"]);
    drop(memory);
    assert!(images(&fixture.folder).is_empty());

    let us = std::process::id() as i32; // rehearsed, then found to be no part of the tree
    let request = request(PageCopy::All, &fixture.folder);
    let (pid, limit) = (fixture.pid(), Limit::default());
    let mut memory =
        Memory::prepare(&request, Changes::default(), &[us, pid], false, &limit).unwrap();
    memory.capture(pid, &mut |_, _| Ok(1)).unwrap();
    memory.scan(&limit).unwrap();
    memory.copy(&limit, &mut |_, _| ()).unwrap();
    memory.keep();
    drop(memory);
    assert_eq!(images(&fixture.folder), ["pages-2.img"]);
}

#[test]
fn a_file_that_is_there_is_never_touched() {
    let Some(fixture) = Fixture::start("anonymous", &[]) else { return };
    fs::write(fixture.folder.join("pages-1.img"), "precious").unwrap();
    let (request, limit) = (request(PageCopy::All, &fixture.folder), Limit::default());
    let error = Memory::prepare(&request, Changes::default(), &[fixture.pid()], false, &limit)
        .map(|_| ())
        .unwrap_err();
    assert_eq!((error.code, error.object.as_deref()), (Code::ImagesDir, Some("pages-1.img")));
    assert_eq!(fs::read_to_string(fixture.folder.join("pages-1.img")).unwrap(), "precious");
}

/// A tmpfs of so many KiB; None where we may not mount.
struct Small(PathBuf);

impl Small {
    fn mount(kib: u32) -> Option<Self> {
        let at = temporary("tmpfs");
        fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "ckpt"]).arg(&at);
        if mount.status().is_ok_and(|status| status.success()) {
            return Some(Small(at));
        }
        fs::remove_dir(at).unwrap();
        println!("SKIP a full disk: mounting a tmpfs is not allowed");
        None
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_full_disk_shows_before_the_freeze_and_after() {
    let Some(fixture) = Fixture::start("anonymous", &["8", "dense"]) else { return };
    let Some(small) = Small::mount(1024) else { return };
    let (pid, limit) = (fixture.pid(), Limit::default());
    let request = request(PageCopy::All, &small.0);
    let error = Memory::prepare(&request, Changes::default(), &[pid], false, &limit)
        .map(|_| ())
        .unwrap_err();
    assert_eq!((error.code, error.object.as_deref()), (Code::NoSpace, Some("pages-1.img")));
    assert!(error.remedy.unwrap().contains("MiB"));
    assert!(images(&small.0).is_empty());

    let mut memory = Memory::prepare(&request, Changes::default(), &[], false, &limit).unwrap(); // nobody foreseen
    memory.capture(pid, &mut |_, _| Ok(1)).unwrap();
    memory.scan(&limit).unwrap();
    assert_eq!(memory.copy(&limit, &mut |_, _| ()).unwrap_err().code, Code::NoSpace);
    drop(memory);
    assert!(images(&small.0).is_empty());
}
