//! What the tests of the helper share.
#![allow(dead_code)] // no test uses all of it

pub mod chain;
pub mod helper;
pub mod target;
