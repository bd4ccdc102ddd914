//! The helper as its orchestrator sees it.

use serde_json::{json, Value};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Killed when it is dropped.
pub struct Helper {
    child: Child,
    pub stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
}

impl Helper {
    /// Start it and exchange hellos.
    pub fn start() -> Self {
        let mut helper = Helper::silent();
        helper.request(&json!({"op": "hello", "version": 1}));
        assert_eq!(helper.frame().expect("a hello")["t"], "hello");
        helper
    }

    /// Start it.
    pub fn silent() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ckpt-helper"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        Helper { child, stdin, stdout }
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn request(&mut self, request: &Value) {
        self.send(request.to_string().as_bytes());
    }

    /// A frame of these bytes. A helper that has gone does not take it.
    pub fn send(&mut self, bytes: &[u8]) {
        let mut frame = (bytes.len() as u32).to_le_bytes().to_vec();
        frame.extend(bytes);
        let _ = self.stdin.as_mut().unwrap().write_all(&frame);
    }

    /// The next frame, None at the end.
    pub fn frame(&mut self) -> Option<Value> {
        let stdout = self.stdout.as_mut()?;
        let mut header = [0; 4];
        stdout.read_exact(&mut header).ok()?;
        let mut body = vec![0; u32::from_le_bytes(header) as usize];
        stdout.read_exact(&mut body).ok()?;
        Some(serde_json::from_slice(&body).unwrap())
    }

    /// Frames up to `captured`, or to the end.
    pub fn frames(&mut self) -> Vec<Value> {
        let mut frames = Vec::new();
        while let Some(frame) = self.frame() {
            let last = frame["t"] == "captured";
            frames.push(frame);
            if last {
                break;
            }
        }
        frames
    }

    /// Its exit status, once it has ended; nobody speaks to it or listens any more.
    pub fn wait(&mut self) -> Option<i32> {
        self.stdin = None;
        self.stdout = None;
        self.child.wait().unwrap().code()
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A dump of `tree` into `folder` that copies nothing and lets the tree run on.
pub fn dump(tree: i32, folder: &Folder) -> Value {
    json!({
        "op": "dump", "tree": tree, "images_dir": folder.0, "after": "run", "copy": "none",
        "pages_name": "pages-{}.img", "ghost_limit": 1 << 20, "timeout_ms": 20_000,
    })
}

/// The frames of such a dump, which has to succeed.
pub fn dumped(request: &Value) -> Vec<Value> {
    let mut helper = Helper::start();
    helper.request(request);
    let frames = helper.frames();
    assert_eq!(frames.last().expect("frames")["t"], "captured", "{:?}", frames.last());
    assert_eq!(helper.wait(), Some(0));
    frames
}

/// The error that a dump of `tree` ends with.
pub fn refused(tree: i32) -> Value {
    let folder = Folder::new();
    let mut helper = Helper::start();
    helper.request(&dump(tree, &folder));
    let error = helper.frames().pop().expect("frames");
    assert_eq!(error["t"], "error", "{error}");
    assert_eq!(helper.wait(), Some(1));
    error
}

/// An empty folder, removed with what is in it.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ckpt-helper-images-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
