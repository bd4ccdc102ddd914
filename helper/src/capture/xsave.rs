//! The layout of the XSAVE area on this CPU, in the standard format that ptrace and signal frames
//! use. Intel SDM volume 1, chapter 13; CPUID leaf 0xD.

use crate::sys;
use crate::value::Hex;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Legacy x87 and SSE region, and the header after it.
const HEADER_END: u32 = 576;

/// Tile data of AMX: a task's area holds it only once the task has asked for it.
const XTILEDATA: u64 = 1 << 18;

#[derive(Clone, Debug, Serialize)]
pub struct Layout {
    /// Bytes of an area that holds every component.
    size: u32,
    /// XCR0.
    features: Hex,
    /// Offset and size, by bit of XCR0, from 2 on.
    components: BTreeMap<u32, (u32, u32)>,
}

/// This CPU's. Asked once: under a hypervisor each CPUID costs microseconds.
pub fn layout() -> &'static Layout {
    static LAYOUT: OnceLock<Layout> = OnceLock::new();
    LAYOUT.get_or_init(|| {
        let features = sys::xcr0();
        let bits = (2..63).filter(|bit| features >> bit & 1 == 1);
        let components: BTreeMap<_, _> = bits.map(|bit| (bit, sys::xsave_component(bit))).collect();
        Layout { size: end(&components, features), features: Hex(features), components }
    })
}

/// Offset of XSTATE_BV.
const XSTATE_BV: usize = 512;

/// Which components of an area are not in their initial state: its XSTATE_BV.
pub fn present(area: &[u8]) -> u64 {
    let field = area.get(XSTATE_BV..XSTATE_BV + 8).and_then(|bytes| bytes.try_into().ok());
    field.map_or(0, u64::from_ne_bytes)
}

impl Layout {
    /// Features and size of the area that a task's signal frames have, given XSTATE_BV of its
    /// present state.
    pub fn of_task(&self, present: u64) -> (u64, usize) {
        let features = self.features.0 & (!XTILEDATA | present);
        (features, end(&self.components, features) as usize)
    }
}

fn end(components: &BTreeMap<u32, (u32, u32)>, features: u64) -> u32 {
    let there = components.iter().filter(|(&bit, _)| features >> bit & 1 == 1);
    there.map(|(_, (offset, size))| offset + size).max().unwrap_or(0).max(HEADER_END)
}
