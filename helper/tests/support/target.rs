//! A program that is checkpointed: a child of the test, built from tests/fixtures.

use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;

/// Killed when it is dropped.
pub struct Target {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Target {
    /// Start a fixture and wait for its "ready".
    pub fn start(fixture: &str, arguments: &[&str]) -> Self {
        Target::spawn(Command::new(build(fixture)).args(arguments))
    }

    /// Start a program that says "ready" on its stdout.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Target { child, stdout }
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Tell it a word, which it answers by the same.
    #[allow(dead_code)] // but for tests of chains
    pub fn ask(&mut self, word: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{word}").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), word);
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Its threads.
    pub fn tids(&self) -> Vec<i32> {
        let entries = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect()
    }

    /// A line of /proc/TID/status.
    pub fn status(&self, tid: i32, name: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{tid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
        line.unwrap_or_else(|| panic!("no {name} in {status}")).to_owned()
    }

    /// All threads live, and none is traced or stopped.
    pub fn assert_free(&self) {
        for tid in self.tids() {
            assert_eq!(self.status(tid, "TracerPid"), "0", "thread {tid}");
            let state = self.status(tid, "State");
            assert!(state.starts_with(['R', 'S', 'D']), "thread {tid}: {state}");
        }
    }

    /// End it by SIGTERM and tell what it says; it has to be content.
    pub fn end(self) -> String {
        self.signal(Signal::SIGTERM);
        self.ended()
    }

    /// Wait for its end and tell what it says.
    pub fn ended(mut self) -> String {
        let mut said = String::new();
        self.stdout.read_to_string(&mut said).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the target found a fault: {status}");
        said
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Compile a fixture, once a test run.
pub fn build(fixture: &str) -> PathBuf {
    static BUILDING: Mutex<()> = Mutex::new(());
    let _building = BUILDING.lock();
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let source = manifest.join(format!("tests/fixtures/{fixture}.c"));
    let folder = std::env::temp_dir().join(format!("ckpt-helper-fixtures-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join(fixture);
    if !program.exists() {
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-Wall", "-Werror", "-pthread", "-o"]).arg(&program).arg(&source);
        assert!(cc.status().expect("cc").success(), "{fixture} does not compile");
    }
    program
}
