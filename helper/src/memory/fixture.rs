//! For tests: a program of test/fixtures, started anew and stopped.

use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{killpg, Signal};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

static COUNT: AtomicU32 = AtomicU32::new(0);
static BUILD: Mutex<()> = Mutex::new(());

/// A stopped process in the state that its fixture sets up.
pub struct Fixture {
    child: Child,
    /// Its state folder, removed with it; tests may use it too.
    pub folder: PathBuf,
}

impl Fixture {
    /// None, with a printed reason, where this machine cannot show what the fixture is about.
    pub fn start(name: &str, arguments: &[&str]) -> Option<Self> {
        let program = build(name);
        let folder = temporary(name);
        std::fs::create_dir(&folder).unwrap();
        let mut command = Command::new(program);
        command.arg(&folder).args(arguments).stdin(Stdio::null()).process_group(0);
        set_child_subreaper(true).unwrap(); // its children become ours to reap
        let fixture = Fixture { child: command.spawn().unwrap(), folder };
        let start = Instant::now();
        while !fixture.folder.join("ready").exists() {
            let said = |file| std::fs::read_to_string(fixture.folder.join(file)).ok();
            if let Some(why) = said("skip") {
                println!("SKIP {name}: {why}");
                return None;
            }
            assert_eq!(said("failed"), None, "{name}");
            assert!(start.elapsed() < Duration::from_secs(60), "{name} is not ready");
            sleep(Duration::from_millis(2));
        }
        fixture.signal("STOP");
        while !fixture.status().contains("State:\tT") {
            sleep(Duration::from_millis(1));
        }
        Some(fixture)
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    fn status(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.pid());
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.wait();
        while waitpid(Pid::from_raw(-group.as_raw()), None).is_ok() {}
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A path that nobody uses yet.
pub fn temporary(name: &str) -> PathBuf {
    let nth = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("ckpt-helper-test-{name}-{}-{nth}", std::process::id()))
}

/// Beside the test program; built again when the source is newer.
fn build(name: &str) -> PathBuf {
    let _one_at_a_time = BUILD.lock();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../test/fixtures");
    let source = sources.join(name).with_extension("c");
    let program = std::env::current_exe().unwrap().with_file_name(format!("fixture-{name}"));
    let modified = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    if modified(&program) < modified(&source) {
        let mut cc = Command::new("cc");
        let cc = cc.args(["-O1", "-pthread", "-o"]).arg(&program).arg(&source);
        assert!(cc.status().unwrap().success(), "building {name}");
    }
    program
}
