use super::*;
use crate::memory::facts::Owner;
use crate::value::Hex;

#[test]
fn runs_join_neighbours_that_are_alike() {
    let mut runs = runs::Runs::default();
    for (start, end, lazy) in [(1, 2, true), (2, 4, true), (4, 5, false), (6, 7, false)] {
        runs.push(start * PAGE, end * PAGE, (lazy, false));
    }
    let run = |page, pages, lazy| runs::Run { page, pages, lazy, clean: false };
    assert_eq!(runs.as_slice(), [run(1, 3, true), run(4, 1, false), run(6, 1, false)]);
    assert_eq!((runs.pages(), runs.lazy_pages()), (5, 3));

    let mut giant = runs::Runs::default();
    giant.push(0, 3 << 44, (false, false));
    giant.push(3 << 44, (3 << 44) + PAGE, (false, false));
    assert_eq!(giant.pages(), (3 << 32) + 1);
    assert_eq!(std::mem::size_of::<runs::Run>(), 16);
}

#[test]
fn pages_that_are_left_out_split_runs() {
    let some = |ranges: &[(u64, u64, bool)]| {
        let mut runs = runs::Runs::default();
        ranges.iter().for_each(|&(a, b, lazy)| runs.push(a * PAGE, b * PAGE, (lazy, false)));
        runs
    };
    let all = some(&[(1, 5, true), (5, 9, false), (20, 21, true), (30, 40, true)]);
    let rest = |left_out: &[(u64, u64, bool)]| all.without(&some(left_out)).as_slice().to_vec();
    let runs = |ranges: &[(u64, u64, bool)]| some(ranges).as_slice().to_vec();
    assert_eq!(rest(&[]), all.as_slice());
    assert_eq!(rest(&[(1, 9, false), (20, 21, false), (30, 40, false)]), []);
    assert_eq!(
        rest(&[(1, 2, false), (4, 6, false), (33, 35, false), (36, 37, false), (39, 40, false)]),
        runs(&[
            (2, 4, true),
            (6, 9, false),
            (20, 21, true),
            (30, 33, true),
            (35, 36, true),
            (37, 39, true)
        ])
    );
}

#[test]
fn frames_carry_runs_as_flat_triples_and_end() {
    let run = |page, lazy| runs::Run { page, pages: 2, lazy, clean: false };
    let all: Vec<_> = (0..100_000).map(|i| run(4 * i, i % 2 == 0)).collect();
    let owner = Owner::Shmem(Hex(0x2a));
    let frames: Vec<_> = facts::pagemap(owner, Some("pages-7.img"), &all, (false, true))
        .map(|frame| serde_json::to_value(frame).unwrap())
        .collect();
    let lengths: Vec<_> = frames.iter().map(|f| f["runs"].as_array().unwrap().len()).collect();
    assert_eq!(lengths, [3 * 65536, 3 * (100_000 - 65536)]);
    assert_eq!((&frames[0]["last"], &frames[1]["last"]), (&false.into(), &true.into()));
    assert_eq!(frames[0]["t"], "pagemap");
    assert_eq!(
        (&frames[0]["shmem"], &frames[0]["pages_file"]),
        (&"0x2a".into(), &"pages-7.img".into())
    );
    let first: Vec<u64> =
        frames[0]["runs"].as_array().unwrap()[..6].iter().map(|n| n.as_u64().unwrap()).collect();
    assert_eq!(first, [0, 2, 2, 4, 2, 1]);

    let none = facts::pagemap(Owner::Pid(5), None, &[], (true, true));
    let none: Vec<_> = none.map(|frame| serde_json::to_string(&frame).unwrap()).collect();
    assert_eq!(none, [r#"{"t":"pagemap","pid":5,"runs":[],"last":true}"#]);
}

#[test]
fn a_million_runs_take_little_memory() {
    let mut runs = runs::Runs::default();
    for page in 0..1_000_000 {
        runs.push(2 * page * PAGE, (2 * page + 1) * PAGE, (true, false));
    }
    assert_eq!(runs.as_slice().len(), 1_000_000);
    let mut runs = runs.emptied(); // as after a rehearsal
    let room = runs.capacity();
    assert!((1_100_000..1_200_000).contains(&room), "{room}"); // 16 bytes each
    for page in 0..1_100_000 {
        runs.push(2 * page * PAGE, (2 * page + 1) * PAGE, (true, false));
    }
    assert_eq!(runs.capacity(), room);
    let frames = facts::pagemap(Owner::Pid(1), None, runs.as_slice(), (false, false));
    let longest = frames.map(|frame| serde_json::to_vec(&frame).unwrap().len()).max().unwrap();
    assert!(longest < 2 << 20, "{longest}");
}
