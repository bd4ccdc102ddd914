//! Names, deleted files, and files that are only paths.

use super::{capture_limited, finish, FileTable, Target};
use crate::capture::files::PathOf;
use serde_json::{json, to_value, Value};
use std::os::unix::fs::MetadataExt;

#[test]
fn names_that_lead_elsewhere_or_nowhere() {
    let mut target = Target::python(
        "
def make(name):
    return os.open(name, os.O_RDWR | os.O_CREAT)
gone = make('gone'); os.unlink('gone')
other = make('other'); os.unlink('other'); make('other')
named = make('named (deleted)')
linked = make('linked'); os.link('linked', 'left'); os.unlink('linked')
moved = make('moved'); os.rename('moved', 'new')
",
    );
    let names = ["gone", "other", "named", "linked", "moved"];
    let fds = names.map(|name| target.ask(name));
    let captured = target.capture();
    let shown: Vec<(String, bool, u64)> = fds
        .iter()
        .map(|fd| {
            let file = captured.file(&target.task, fd);
            let path = std::path::Path::new(file["path"].as_str().unwrap());
            assert_eq!(path.parent().unwrap(), target.folder.0);
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, file["path_ok"].as_bool().unwrap(), file["nlink"].as_u64().unwrap())
        })
        .collect();
    let expected = [
        ("gone", false, 0),
        ("other", false, 0),
        ("named (deleted)", true, 1),
        ("linked", false, 1),
        ("new", true, 1),
    ];
    assert_eq!(shown, expected.map(|(name, ok, links)| (name.to_owned(), ok, links)));
    assert_eq!(captured.facts.ghosts.ghosts.len(), 2);
}

#[test]
fn a_ghost_keeps_its_content_times_and_holes() {
    let mut target = Target::python(
        "
a = os.open('ghost', os.O_WRONLY | os.O_CREAT, 0o604)
os.write(a, b'start')
os.lseek(a, 1 << 20, os.SEEK_SET)
os.write(a, b'end')
os.utime('ghost', ns=(1000000001, 2000000002))
b = os.open('ghost', os.O_RDONLY)
os.unlink('ghost')
os.mkdir('folder')
c = os.open('folder', os.O_RDONLY)
os.rmdir('folder')
",
    );
    let a = target.ask("a");
    let mut captured = target.capture();
    let ghosts: Vec<Value> =
        captured.facts.ghosts.ghosts.iter().map(|ghost| to_value(ghost).unwrap()).collect();
    assert_eq!(ghosts.len(), 2);
    let ghost = ghosts.iter().find(|ghost| ghost.get("content").is_some()).unwrap();
    let inode = captured.file(&target.task, &a);
    for field in ["dev", "ino", "mode", "uid", "gid", "size"] {
        assert_eq!(ghost[field], inode[field], "{field}");
    }
    assert_eq!((&ghost["t"], &ghost["mode"]), (&json!("ghost"), &json!(0o100604)));
    assert_eq!((&ghost["atime"], &ghost["mtime"]), (&json!([1, 1]), &json!([2, 2])));
    let copy = captured.images.0.join(ghost["content"].as_str().unwrap());
    let content = std::fs::read(&copy).unwrap();
    assert_eq!(content.len(), (1 << 20) + 3);
    assert!(content.starts_with(b"start\0\0") && content.ends_with(b"\0end"));
    let meta = std::fs::metadata(&copy).unwrap();
    assert_eq!(meta.mode() & 0o7777, 0o600);
    assert!(meta.blocks() * 512 < 1 << 17, "the hole was filled");
    assert_eq!(ghost["extents"][0], 0);
    assert_eq!(target.ask("os.fstat(b).st_atime_ns"), "1000000001");
    let mut keep = captured.facts.ghosts.ghosts.len();
    captured.facts.ghosts.keep();
    drop(captured.facts);
    keep += captured.images.names().len();
    assert_eq!(keep, 3);
}

#[test]
fn copies_go_away_unless_kept_and_never_replace_a_file() {
    let target = Target::python("a = os.open('x', os.O_RDWR | os.O_CREAT); os.unlink('x')");
    let captured = target.capture();
    assert_eq!(captured.images.names().len(), 1);
    let images = captured.images;
    drop(captured.facts);
    assert!(images.names().is_empty());
    std::fs::write(images.0.join(".ckpt-ghost-1"), "not ours").unwrap();
    let mut table = FileTable::default();
    table.capture(&target.task, &Default::default()).unwrap();
    let facts = table.finish(&[], &images.open(), 1 << 20, &Default::default()).unwrap();
    assert_eq!(facts.ghosts.ghosts[0].content.as_deref(), Some(".ckpt-ghost-2"));
    drop(facts);
    assert_eq!(std::fs::read(images.0.join(".ckpt-ghost-1")).unwrap(), b"not ours");
}

#[test]
fn large_ghosts_are_not_copied() {
    let target = Target::python(
        "a = os.open('x', os.O_RDWR | os.O_CREAT); os.write(a, b'x' * 9000); os.unlink('x')",
    );
    let captured = capture_limited(&[&target.task], 4096);
    let ghost = to_value(&captured.facts.ghosts.ghosts[0]).unwrap();
    assert_eq!((&ghost["too_large"], ghost.get("content")), (&json!(true), None));
    assert!(captured.images.names().is_empty());
}

#[test]
fn a_leased_ghost_is_an_error_and_the_lease_stays() {
    let mut target = Target::python(
        "
a = os.open('x', os.O_RDWR | os.O_CREAT)
fcntl.fcntl(a, fcntl.F_SETLEASE, fcntl.F_WRLCK)
os.unlink('x')
",
    );
    let mut table = FileTable::default();
    table.capture(&target.task, &Default::default()).unwrap();
    let folder = super::Folder::new();
    let result = table.finish(&[], &folder.open(), 1 << 20, &Default::default());
    let error = result.err().unwrap();
    assert!(error.message.contains("lease"), "{}", error.message);
    assert_eq!(target.ask("fcntl.fcntl(a, fcntl.F_GETLEASE) == fcntl.F_WRLCK"), "True");
}

#[test]
fn paths_of_a_task() {
    let mut target = Target::python(
        "
import mmap
f = open('mapped', 'w+b'); f.truncate(8192)
m = mmap.mmap(f.fileno(), 8192)
address = ctypes.addressof(ctypes.c_char.from_buffer(m))
os.unlink('mapped')
f.close()
",
    );
    let start: u64 = target.ask("address").parse().unwrap();
    let pid = target.task.pid;
    let mut table = FileTable::default();
    let exe = table.path_file(pid, PathOf::Exe).unwrap();
    let cwd = table.path_file(pid, PathOf::Cwd).unwrap();
    let root = table.path_file(pid, PathOf::Root).unwrap();
    let mapped = PathOf::Mapped { start, end: start + 8192, writable: true };
    let mapping = table.path_file(pid, mapped).unwrap();
    assert_eq!(table.path_file(pid, mapped).unwrap(), mapping);
    assert_eq!(table.path_file(pid, PathOf::Exe).unwrap(), exe);
    let captured = finish(table, &[&target.task], 1 << 20);
    let file = |id: u32| &captured.files[id as usize - 1];
    assert_eq!(file(exe)["kind"], "regular");
    assert_eq!((&file(exe)["description"], &file(exe)["path_ok"]), (&json!(false), &json!(true)));
    assert_eq!(file(cwd)["path"], target.folder.0.to_str().unwrap());
    assert_eq!((&file(root)["kind"], &file(root)["path"]), (&json!("directory"), &json!("/")));
    assert!(file(root)["mnt_id"].as_u64().unwrap() > 0);
    assert_eq!(file(mapping)["flags"], libc::O_RDWR);
    assert_eq!(file(mapping)["nlink"], 0);
    let ghost = captured.facts.ghosts.ghosts[0].content.clone().unwrap();
    assert_eq!(std::fs::read(captured.images.0.join(ghost)).unwrap(), [0; 8192]);
}

#[test]
fn a_mapping_is_known_by_what_maps_shows() {
    let mut target = Target::python(
        "
import mmap
def mapped(name):
    with open(name, 'w+b') as f:
        f.truncate(4096)
        m = mmap.mmap(f.fileno(), 4096)
        address = ctypes.addressof(ctypes.c_char.from_buffer(m))
        return m, address, os.fstat(f.fileno())
here, here_at, here_stat = mapped('here')
moved, moved_at, moved_stat = mapped('moved')
os.unlink('moved'); open('moved', 'w').close()
",
    );
    let pid = target.task.pid;
    let mut table = FileTable::default();
    let mut ids = Vec::new();
    for (name, shown) in [("here", "here"), ("moved", "moved (deleted)")] {
        let start: u64 = target.ask(&format!("{name}_at")).parse().unwrap();
        let dev: u64 = target.ask(&format!("{name}_stat.st_dev")).parse().unwrap();
        let ino: u64 = target.ask(&format!("{name}_stat.st_ino")).parse().unwrap();
        let shown = target.folder.0.join(shown).to_str().unwrap().to_owned();
        let mapped = PathOf::Mapped { start, end: start + 4096, writable: true };
        ids.push(table.mapped_file(pid, mapped, (dev, ino, &shown)).unwrap());
        assert_eq!(table.mapped_file(pid, mapped, (dev, ino, &shown)).unwrap(), ids[ids.len() - 1]);
        assert_eq!(table.path_file(pid, mapped).unwrap(), ids[ids.len() - 1]);
        // What maps shows does not fit the name: the mapping itself is asked.
        assert_eq!(
            table.mapped_file(pid, mapped, (dev, ino + 1, &shown)).unwrap(),
            ids[ids.len() - 1]
        );
    }
    let captured = finish(table, &[&target.task], 1 << 20);
    assert_eq!(captured.files.len(), 2);
    let facts = |id: u32| {
        let file = &captured.files[id as usize - 1];
        assert!(file["mnt_id"].as_u64().unwrap() > 0);
        (file["path_ok"].clone(), file["nlink"].clone(), file["description"].clone())
    };
    assert_eq!(facts(ids[0]), (json!(true), json!(1), json!(false)));
    assert_eq!(facts(ids[1]), (json!(false), json!(0), json!(false)));
    assert_eq!(captured.facts.ghosts.ghosts.len(), 1);
}

#[test]
fn names_are_seen_from_a_chroot() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: chroot needs root");
        return;
    }
    let mut target = Target::python(
        "
outside = os.open('/etc/passwd', os.O_RDONLY)
os.mkdir('jail'); os.chroot('jail')
inside = os.open('/file', os.O_RDWR | os.O_CREAT)
",
    );
    let (inside, outside) = (target.ask("inside"), target.ask("outside"));
    let captured = target.capture();
    let file = captured.file(&target.task, &inside);
    assert_eq!((&file["path"], &file["path_ok"]), (&json!("/file"), &json!(true)));
    let file = captured.file(&target.task, &outside);
    assert_eq!((file.get("path"), &file["link"]), (None, &json!("/etc/passwd")));
}

#[test]
fn names_that_are_not_utf8_are_refused() {
    let target = Target::python("a = os.open(b'\\xff', os.O_RDWR | os.O_CREAT)");
    let error = FileTable::default().capture(&target.task, &Default::default()).unwrap_err();
    assert!(error.message.contains("not valid UTF-8"), "{}", error.message);
}
