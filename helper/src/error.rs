//! What can go wrong, as the orchestrator is told it: a stable code, one line for a person, and
//! the pid and object concerned. docs/protocol.md, "Errors".

use nix::errno::Errno;
use serde::Serialize;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Code {
    #[serde(rename = "E_NO_SUCH_PROCESS")]
    NoSuchProcess,
    #[serde(rename = "E_PERMISSION")]
    Permission,
    #[serde(rename = "E_TARGET_GONE")]
    TargetGone,
    #[serde(rename = "E_TARGET_CHANGED")]
    TargetChanged,
    #[serde(rename = "E_ZOMBIE")]
    Zombie,
    #[serde(rename = "E_KERNEL_THREAD")]
    KernelThread,
    #[serde(rename = "E_OWN_ANCESTOR")]
    OwnAncestor,
    #[serde(rename = "E_UNSUPPORTED_OBJECT")]
    UnsupportedObject,
    #[serde(rename = "E_TIMEOUT")]
    Timeout,
    #[serde(rename = "E_ABORTED")]
    Aborted,
    #[serde(rename = "E_WRITE")]
    Write,
    #[serde(rename = "E_NO_SPACE")]
    NoSpace,
    #[serde(rename = "E_IMAGES_DIR")]
    ImagesDir,
    #[serde(rename = "E_PAGE_SOURCE")]
    PageSource,
    #[serde(rename = "E_WORK_DIR")]
    WorkDir,
    #[serde(rename = "E_TOO_BUSY")]
    TooBusy,
    #[serde(rename = "E_NOT_TRACKED")]
    NotTracked,
    #[serde(rename = "E_KERNEL")]
    Kernel,
    #[serde(rename = "E_PROTOCOL")]
    Protocol,
    #[serde(rename = "E_INTERNAL")]
    Internal,
}

/// Serialises to the `error` frame.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "t", rename = "error")]
pub struct Error {
    pub code: Code,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
}

impl Error {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Error { code, message: message.into(), pid: None, object: None, remedy: None, errno: None }
    }

    /// A kernel call on a task failed: ESRCH means that the task is gone, EPERM and EACCES that
    /// privileges are missing.
    pub fn of_task(pid: i32, doing: &str, errno: Errno) -> Self {
        let code = match errno {
            Errno::ESRCH => Code::TargetGone,
            Errno::EPERM | Errno::EACCES => Code::Permission,
            _ => Code::Kernel,
        };
        let mut error = Error::new(code, format!("pid {pid}: {doing}: {}", errno.desc()));
        error.pid = Some(pid);
        error.errno = Some(errno as i32);
        error
    }

    pub fn with_pid(mut self, pid: i32) -> Self {
        self.pid = Some(pid);
        self
    }

    pub fn with_object(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }

    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}
