//! The conversation: hellos, and frames that are none.

mod support;

use serde_json::json;
use std::io::Write;
use support::helper::Helper;

/// What a helper that was not even greeted answers to these bytes.
fn answer(bytes: &[u8]) -> serde_json::Value {
    let mut helper = Helper::silent();
    let _ = helper.stdin.as_mut().unwrap().write_all(bytes);
    helper.stdin = None;
    let frame = helper.frame().expect("an error");
    assert_eq!(helper.wait(), Some(1));
    frame
}

fn framed(text: &str) -> Vec<u8> {
    let mut frame = (text.len() as u32).to_le_bytes().to_vec();
    frame.extend(text.as_bytes());
    frame
}

#[test]
fn the_hello_tells_the_layout_of_the_registers() {
    let mut helper = Helper::silent();
    helper.request(&json!({"op": "hello", "version": 1}));
    let hello = helper.frame().unwrap();
    assert_eq!((&hello["t"], &hello["version"]), (&json!("hello"), &json!(1)));
    let size = hello["xsave"]["size"].as_u64().unwrap();
    for (bit, place) in hello["xsave"]["components"].as_object().unwrap() {
        let end = place[0].as_u64().unwrap() + place[1].as_u64().unwrap();
        assert!(end <= size, "component {bit}");
    }
    assert_eq!(helper.wait(), Some(1), "it was asked nothing");
}

#[test]
fn another_version_is_refused_and_both_are_named() {
    let error = answer(&framed(r#"{"op": "hello", "version": 99}"#));
    assert_eq!(error["code"], "E_PROTOCOL");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("99") && message.contains(" 1"), "{message}");
}

#[test]
fn what_is_no_request_is_an_error() {
    let requests: [(&str, Vec<u8>); 6] = [
        ("an unknown op", framed(r#"{"op": "dance"}"#)),
        ("no object", framed("[]")),
        ("no JSON", framed("hello")),
        ("a torn frame", 100u32.to_le_bytes().to_vec()),
        ("a torn header", vec![1, 0]),
        ("too long a frame", u32::MAX.to_le_bytes().to_vec()),
    ];
    for (what, bytes) in requests {
        let error = answer(&bytes);
        assert_eq!(
            (&error["t"], &error["code"]),
            (&json!("error"), &json!("E_PROTOCOL")),
            "{what}"
        );
    }
}

#[test]
fn a_request_comes_after_the_hello() {
    let error = answer(&framed(r#"{"op": "check"}"#));
    assert_eq!(error["code"], "E_PROTOCOL");
}

#[test]
fn an_orchestrator_that_has_gone_is_told_nothing() {
    let mut helper = Helper::silent();
    helper.stdin = None;
    assert_eq!(helper.frame(), None);
    assert_eq!(helper.wait(), Some(1));
}

#[test]
fn what_is_needed_is_tried() {
    let mut helper = Helper::start();
    helper.request(&json!({"op": "check"}));
    let check = helper.frame().unwrap();
    assert_eq!(check["arch"], "x86_64");
    let items = check["items"].as_array().unwrap();
    for needed in ["ptrace_seize", "remote_syscall", "kcmp", "pidfd_getfd", "map_files"] {
        let item = items.iter().find(|item| item["name"] == needed).expect(needed);
        assert_eq!((&item["ok"], &item["required"]), (&json!(true), &json!(true)), "{item}");
    }
    assert_eq!(helper.wait(), Some(0));
}
