//! Copies pages into their slots of a pages file, of a process that may run meanwhile.

use super::copy::{Source, CHUNK, REPORT, SHARE};
use super::pages_file::PagesFile;
use super::runs::Run;
use super::slots::Piece;
use super::PAGE;
use crate::error::{Code, Error, Result};
use crate::limit::Limit;
use crate::sys;
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Copy these pieces. `progress` is told now and then how many pages are.
///
/// Of a process that `runs`, pages that went away meanwhile, or cannot be read, are told; and it
/// goes first: who copies takes what it leaves of the processors.
///
/// Errors: `TargetGone`, `Kernel`, `NoSpace`, `Write`, those of `limit`.
pub fn gather(
    (source, runs): (&Source, bool),
    pieces: &[Piece],
    file: &PagesFile,
    (threads, limit): (u64, &Limit),
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<u64>> {
    let total: u64 = pieces.iter().map(|piece| piece.pages).sum();
    let helpers = (total / SHARE).min(threads - 1) + u64::from(runs);
    let work = Mutex::new(Chunks { pieces: pieces.iter(), rest: None, given: 0 });
    let copy = |tell: &mut dyn FnMut(u64)| copy_chunks((source, runs), &work, (file, limit), tell);
    let help = |tell: Sender<u64>| {
        if runs {
            sys::be_nice();
        }
        copy(&mut |given| {
            let _ = tell.send(given); // nobody listens any more where the work failed
        })
    };
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let start = |tell| {
            let help = &help;
            scope.spawn(move || help(tell))
        };
        let helpers: Vec<_> = (0..helpers).map(|_| start(tell.clone())).collect();
        drop(tell);
        let mut gone = Ok(Vec::new());
        if runs {
            told.iter().for_each(progress);
        } else {
            gone = copy(progress);
        }
        for helper in helpers {
            let panicked = || Error::new(Code::Internal, "a copying thread panicked");
            let more = helper.join().unwrap_or_else(|_| Err(panicked()));
            gone = gone.and_then(|mut gone| {
                gone.extend(more?);
                Ok(gone)
            });
        }
        gone
    })
}

/// What is still to be copied; each thread takes the next chunk from here.
struct Chunks<'a> {
    pieces: std::slice::Iter<'a, Piece>,
    /// What is left of the piece that was begun.
    rest: Option<Piece>,
    /// Pages given out.
    given: u64,
}

impl Chunks<'_> {
    /// Put the next pieces into `chunk`; how many pages are given out now.
    fn take(&mut self, chunk: &mut Vec<Piece>) -> u64 {
        chunk.clear();
        let mut room = CHUNK;
        while room > 0 {
            let Some(piece) = self.rest.take().or_else(|| self.pieces.next().copied()) else {
                break;
            };
            let (first, rest) = piece.split_at(room);
            chunk.push(first);
            self.rest = rest;
            room -= first.pages;
        }
        self.given += CHUNK - room;
        self.given
    }
}

/// What one thread does, until nothing is left.
fn copy_chunks(
    (source, runs): (&Source, bool),
    work: &Mutex<Chunks>,
    (file, limit): (&PagesFile, &Limit),
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<u64>> {
    let mut gone = Vec::new();
    let mut buffer = vec![0; (CHUNK * PAGE) as usize];
    let mut chunk = Vec::new();
    let mut reported = 0;
    loop {
        limit.check()?;
        let given = work.lock().unwrap_or_else(PoisonError::into_inner).take(&mut chunk);
        if given - reported >= REPORT {
            progress(given);
            reported = given;
        }
        if chunk.is_empty() {
            return Ok(gone);
        }
        let wanted: Vec<Run> = chunk.iter().map(Piece::run).collect();
        let pages: u64 = chunk.iter().map(|piece| piece.pages).sum();
        let bytes = &mut buffer[..(pages * PAGE) as usize];
        if runs {
            gone.extend(source.read_what_is_there(&wanted, bytes));
        } else {
            source.read(&wanted, bytes)?;
        }
        write(file, &chunk, bytes)?;
    }
}

/// Write what stands in slots that follow each other at once.
fn write(file: &PagesFile, chunk: &[Piece], mut bytes: &[u8]) -> Result<()> {
    for pieces in chunk.chunk_by(|a, b| a.slot + a.pages == b.slot) {
        let pages: u64 = pieces.iter().map(|piece| piece.pages).sum();
        let (these, rest) = bytes.split_at((pages * PAGE) as usize);
        file.write(these, pieces[0].slot * PAGE)?;
        bytes = rest;
    }
    Ok(())
}
