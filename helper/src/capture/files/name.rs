//! The name of an open file, as its task sees it: /proc's link shows it from our own root, and
//! appends " (deleted)" where the name is gone, which a file may also really be called.

use super::fact::Inode;
use super::proc::Proc;
use crate::error::Result;
use serde::Serialize;

/// What d_path() appends to an unlinked name.
const DELETED: &str = " (deleted)";

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Name {
    /// From the task's root; absent: it has no name there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The path leads to this very inode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_ok: Option<bool>,
}

impl Name {
    /// The name of the file that `link` shows and `inode` is.
    pub fn find(proc: &Proc, link: &str, inode: &Inode) -> Result<Self> {
        let Some(whole) = inside(proc.root().1, link) else { return Ok(Name::default()) };
        let leads = |path: &str| -> Result<bool> {
            Ok(proc.lstat(path)?.is_some_and(|found| Inode::new(&found).same_as(inode)))
        };
        let mut path = whole;
        let mut path_ok = leads(whole)?;
        if let (false, Some(bare)) = (path_ok, whole.strip_suffix(DELETED)) {
            path = bare;
            path_ok = leads(bare)?;
        }
        Ok(Name { path: Some(path.to_owned()), path_ok: Some(path_ok) })
    }

    /// The regular file that the name which `link` shows leads to, if there is one.
    pub fn lookup(proc: &Proc, link: &str) -> Option<(libc::statx, Self)> {
        let path = inside(proc.root().1, link)?;
        let stat = proc.lstat(path).ok()??;
        let name = Name { path: Some(path.to_owned()), path_ok: Some(true) };
        (Inode::new(&stat).format() == libc::S_IFREG).then_some((stat, name))
    }
}

/// `link` as seen from `root`; `None` if it lies outside, or is no path at all ("pipe:[5]").
fn inside<'a>(root: &str, link: &'a str) -> Option<&'a str> {
    match link.strip_prefix(root.trim_end_matches('/'))? {
        "" => Some("/"),
        path => path.starts_with('/').then_some(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seen_from_a_root() {
        assert_eq!(inside("/", "/etc/passwd"), Some("/etc/passwd"));
        assert_eq!(inside("/", "/"), Some("/"));
        assert_eq!(inside("/jail", "/jail/etc/passwd"), Some("/etc/passwd"));
        assert_eq!(inside("/jail", "/jail"), Some("/"));
        assert_eq!(inside("/jail", "/jailor"), None);
        assert_eq!(inside("/jail", "/etc/passwd"), None);
        assert_eq!(inside("/", "pipe:[5]"), None);
        assert_eq!(inside("/", "(unreachable)/x"), None);
    }
}
