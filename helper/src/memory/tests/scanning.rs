use super::*;
use entries::Entries;
use scan::Target;
use std::collections::HashSet;

#[test]
fn both_ways_of_scanning_find_the_same() {
    for kind in KINDS {
        let Some(fixture) = Fixture::start(kind, &[]) else { continue };
        let memory = captured(&fixture, PageCopy::None);
        let Space { mappings, pages: by_ioctl, .. } = &memory.spaces[0];
        let pagemap = File::open(format!("/proc/{}/pagemap", fixture.pid())).unwrap();
        let target = Target { pid: fixture.pid(), pagemap, limit: &Limit::default() };
        let mut by_entries = Pages { guards: Some(Vec::new()), ..Pages::default() };
        let mut entries = Entries::new();
        for span in &spans::spans(&mappings.vmas) {
            entries.scan(&target, span, &mut by_entries).unwrap();
        }
        assert_eq!(by_ioctl.guards, by_entries.guards, "{kind}");
        let (by_ioctl, by_entries) =
            (pages(by_ioctl.runs.as_slice()), pages(by_entries.runs.as_slice()));
        assert!(!by_ioctl.is_empty());
        if kind == "thp" {
            // Only the ioctl knows the huge page that is all zeros.
            let set: HashSet<_> = by_entries.iter().collect();
            assert!(by_ioctl.iter().all(|page| set.contains(page)));
            assert_eq!((by_entries.len() - by_ioctl.len()) % 512, 0);
        } else {
            assert_eq!(by_ioctl, by_entries, "{kind}");
        }
    }
}

#[test]
fn anonymous_pages_are_those_that_were_written() {
    let Some(fixture) = Fixture::start("anonymous", &["1", "sparse"]) else { return };
    let memory = captured(&fixture, PageCopy::None);
    let Space { mappings, pages: found, .. } = &memory.spaces[0];
    // Of each six pages 0, 2 and 4 hold data; of 1, 3, 5 one was never touched, one only read,
    // one written with zeros: that is page 5, 11, ...
    let vma = mappings.vmas.iter().find(|vma| vma.has("nh")).unwrap();
    let first = vma.start.0 / PAGE;
    let found = pages(found.runs.as_slice());
    let inside: Vec<u64> = found
        .iter()
        .map(|(page, _)| *page)
        .filter(|page| (first..first + 256).contains(page))
        .collect();
    let wanted: Vec<u64> =
        (0..256).filter(|i| i % 2 == 0 || i % 6 == 5).map(|i| first + i).collect();
    assert_eq!(inside, wanted);
    assert!(found.iter().all(|(page, lazy)| *lazy || !inside.contains(page)));
}

#[test]
fn special_mappings_are_dumped_whole_or_not_at_all() {
    let Some(fixture) = Fixture::start("vdso", &[]) else { return };
    let memory = captured(&fixture, PageCopy::None);
    let Space { mappings, pages: found, .. } = &memory.spaces[0];
    let found = pages(found.runs.as_slice());
    let of = |name: &str| {
        let vma = mappings.vmas.iter().find(|vma| vma.name == name).unwrap();
        let range = vma.start.0 / PAGE..vma.end.0 / PAGE;
        let inside: Vec<bool> =
            found.iter().filter(|(page, _)| range.contains(page)).map(|(_, lazy)| *lazy).collect();
        (inside.len() as u64 == vma.pages(), inside.len(), inside.contains(&true))
    };
    let (all, _, lazy) = of("[vdso]");
    assert!(all && !lazy);
    assert_eq!(of("[vvar]").1, 0);
}

#[test]
fn guards_are_told_and_not_dumped() {
    let Some(fixture) = Fixture::start("guards", &[]) else { return };
    let memory = captured(&fixture, PageCopy::All);
    let Space { pages: found, .. } = &memory.spaces[0];
    let guards = found.guards.as_ref().unwrap();
    let lengths = guards.iter().map(|(start, end)| (end.0 - start.0) / PAGE);
    assert_eq!(lengths.sum::<u64>(), 2 + 5 + 1 + 64, "{guards:?}");
    let guarded = |page: &u64| guards.iter().any(|(s, e)| (s.0..e.0).contains(&(page * PAGE)));
    assert!(!pages(found.runs.as_slice()).iter().any(|(page, _)| guarded(page)));
}

#[test]
fn spans_that_are_alike_are_joined_across_gaps() {
    let span = |start, look, lazy| spans::Span { start, end: start + PAGE, look, lazy };
    use spans::Look::*;
    let apart = [
        span(0, Anonymous, true),
        span(4 * PAGE, Anonymous, true),
        span(5 * PAGE, Anonymous, false),
        span(6 * PAGE, Nothing, false),
        span(7 * PAGE, Anonymous, false),
        span(8 * PAGE, Everything, false),
        span(10 * PAGE, Everything, false),
    ];
    let joined = spans::joined(&apart);
    assert_eq!(joined[0], spans::Span { end: 5 * PAGE, ..apart[0] });
    assert_eq!(joined[1..], [apart[2], apart[4], apart[5], apart[6]]);
}

#[test]
fn more_runs_than_the_kernel_tells_at_a_time() {
    let Some(fixture) = Fixture::start("anonymous", &["300", "sparse"]) else { return };
    let memory = captured(&fixture, PageCopy::None);
    let Space { mappings, pages: found, .. } = &memory.spaces[0];
    let vma = mappings.vmas.iter().find(|vma| vma.has("nh")).unwrap();
    let first = vma.start.0 / PAGE;
    let inside = pages(found.runs.as_slice()).into_iter().map(|page| page.0);
    let inside: Vec<u64> =
        inside.filter(|page| (first + 3000..first + 300 * 256).contains(page)).collect();
    let wanted: Vec<u64> = (first + 3000..first + 300 * 256).step_by(2).collect();
    assert!(inside == wanted, "{} pages, expected {}", inside.len(), wanted.len());
}

/// Large enough to be looked through side by side.
#[test]
fn threads_side_by_side_find_what_one_does() {
    for arguments in [&["600"][..], &["600", "sparse"]] {
        let Some(fixture) = Fixture::start("anonymous", arguments) else { return };
        let vmas = vma::glance(fixture.pid()).unwrap();
        let scan = |threads| {
            let mut scanner = Scanner::new().unwrap();
            scanner.use_threads(threads);
            scanner.scan(fixture.pid(), &vmas, false, &Limit::default()).unwrap()
        };
        let (alone, together) = (scan(1), scan(3));
        assert!(alone.runs.pages() > 2 * 32768);
        assert_eq!(alone.runs.as_slice(), together.runs.as_slice());
        assert_eq!(alone.guards, together.guards);
    }
}
