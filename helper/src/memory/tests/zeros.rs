use super::*;
use copy::{copy, Choice, Source};

/// Pages of zeros in each of the fixture's mappings, of 48.
const ZEROS: usize = 24;

/// Pages found in mappings of which `wanted` is true, and whether each is all zeros.
fn found(memory: &Memory, mem: &File, wanted: impl Fn(&Vma) -> bool) -> Vec<bool> {
    let Space { mappings, pages: found, .. } = &memory.spaces[0];
    let vmas: Vec<&Vma> = mappings.vmas.iter().filter(|vma| wanted(vma)).collect();
    let inside = |page: u64| vmas.iter().any(|v| (v.start.0..v.end.0).contains(&(page * PAGE)));
    let pages = pages(found.runs.as_slice()).into_iter().map(|page| page.0);
    pages.filter(|page| inside(*page)).map(|page| read(mem, page) == [0; PAGE as usize]).collect()
}

fn is_lazy(vma: &Vma) -> bool {
    spans::spans(std::slice::from_ref(vma))[0].lazy
}

#[test]
fn zeros_are_left_out_of_lazy_memory_alone() {
    let Some(fixture) = Fixture::start("zeros", &[]) else { return };
    let mem = mem(fixture.pid());
    let mut memory = captured(&fixture, PageCopy::All);
    let is_mapped = |vma: &Vma| vma.name.ends_with("/mapped");
    let zero = |pages: &[bool]| pages.iter().filter(|zero| **zero).count();
    let before = found(&memory, &mem, is_lazy);
    assert!(zero(&before) >= 4 * ZEROS + 511, "{}", zero(&before));

    copied(&mut memory, &mut |_, _| ());
    let totals = memory.totals();
    assert_eq!(totals.zero, zero(&before) as u64);
    assert_eq!(totals.copied, totals.present);
    let after = found(&memory, &mem, is_lazy);
    assert_eq!((after.len(), zero(&after)), (before.len() - zero(&before), 0));
    assert_eq!(zero(&found(&memory, &mem, is_mapped)), ZEROS);
    assert_eq!(zero(&found(&memory, &mem, |vma| vma.has("lo"))), ZEROS);
    let file = fixture.folder.join("pages-1.img");
    assert_eq!(file.metadata().unwrap().len(), totals.copied * PAGE);
}

#[test]
fn only_zeros_that_were_read_are_left_out() {
    let Some(fixture) = Fixture::start("zeros", &[]) else { return };
    let mut memory = captured(&fixture, PageCopy::Unlazy);
    let before = pages(memory.spaces[0].pages.runs.as_slice());
    copied(&mut memory, &mut |_, _| ());
    assert_eq!(memory.totals().zero, 0);
    assert_eq!(pages(memory.spaces[0].pages.runs.as_slice()), before);
}

#[test]
fn zeros_are_kept_where_that_is_asked_for() {
    let Some(fixture) = Fixture::start("zeros", &[]) else { return };
    let memory = captured(&fixture, PageCopy::All);
    let runs = memory.spaces[0].pages.runs.as_slice();
    let mut files = PagesFiles::open(&fixture.folder, "kept-{}.img").unwrap();
    let (file, source) = (files.create().unwrap(), Source::process(fixture.pid()).unwrap());
    let choice = Choice { lazy_too: true, keep_zeros: true };
    let result = copy(&source, (runs, choice), &file, (2, &Limit::default()), &mut |_| ()).unwrap();
    assert_eq!((result.pages, result.zeros.pages()), (memory.totals().present, 0));
    let (file, mem) = (File::open(fixture.folder.join(&file.name)).unwrap(), mem(fixture.pid()));
    for (nth, (page, _)) in (0..).zip(pages(runs)) {
        assert!(read(&file, nth) == read(&mem, page));
    }
}
