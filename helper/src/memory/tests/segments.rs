use super::*;

#[test]
fn shared_memory_is_told_once_a_segment() {
    let Some(fixture) = Fixture::start("sharedmem", &[]) else { return };
    let child = fs::read_to_string(format!("/proc/{0}/task/{0}/children", fixture.pid())).unwrap();
    let (child, limit) = (child.trim().parse().unwrap(), Limit::default());
    let mut memory = captured(&fixture, PageCopy::None);
    memory.capture(child, &mut |_, _| Ok(1)).unwrap();
    memory.scan(&limit).unwrap();
    let segments: Vec<_> = memory.segments().collect();
    let [(segment, None)] = segments[..] else { panic!("one segment") };
    assert_eq!(segment.size, 256 * PAGE);
    let wanted: Vec<(u64, bool)> =
        (0..256).filter(|i| i % 5 != 1 || *i == 255).map(|i| (i, false)).collect();
    assert_eq!(pages(segment.runs.as_slice()), wanted);
    let ino = segment.ino;
    let frames: Vec<_> =
        memory.pagemap_frames().map(|frame| serde_json::to_value(frame).unwrap()).collect();
    assert_eq!(frames.len(), 3);
    assert_eq!(frames[2]["shmem"], format!("{ino:#x}"));
    assert!(frames.iter().all(|frame| frame.get("pages_file").is_none()));
}

#[test]
fn a_memfd_counts_whole_be_it_mapped_or_not() {
    let Some(fixture) = Fixture::start("memfds", &[]) else { return };
    let (pid, limit) = (fixture.pid(), Limit::default());
    let mut memory = captured(&fixture, PageCopy::All);
    assert_eq!(memory.segments.iter().count(), 3); // those that are mapped
    for fd in 0..20 {
        let Ok(stat) = nix::sys::stat::stat(&*format!("/proc/{pid}/fd/{fd}")) else { continue };
        let link = fs::read_link(format!("/proc/{pid}/fd/{fd}")).unwrap();
        if link.to_string_lossy().starts_with("/memfd:") {
            memory.add_memfd(pid, fd, (stat.st_dev, stat.st_ino)).unwrap();
        }
    }
    memory.scan(&limit).unwrap();
    memory.copy(&limit, &mut |_, _| ()).unwrap();
    assert_eq!(memory.segments().count(), 5);
    for (segment, name) in memory.segments() {
        assert_eq!(segment.size, 40 * PAGE);
        let found = pages(segment.runs.as_slice());
        // Writing to a private mapping of a hole fills it with zeros first: pages 9, 21, 33.
        let zeros = |page: &u64| read(&segment.file, *page) == [0; PAGE as usize];
        let data: Vec<u64> = found.iter().map(|found| found.0).filter(|p| !zeros(p)).collect();
        assert_eq!(data, (0..40).filter(|i| i % 4 != 1).collect::<Vec<u64>>());
        let file = File::open(fixture.folder.join(name.unwrap())).unwrap();
        for (nth, (page, _)) in (0..).zip(&found) {
            assert!(read(&file, nth) == read(&segment.file, *page));
        }
    }
    let [first, second] = [1, 2].map(|nth| memory.segments().nth(nth).unwrap().0.ino);
    assert!(first < second);
}
