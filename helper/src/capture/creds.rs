//! Credentials of a thread: capabilities(7), credentials(7).

use super::status::Status;
use crate::error::Result;
use crate::value::Hex;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Creds {
    uid: u32,
    euid: u32,
    suid: u32,
    fsuid: u32,
    gid: u32,
    egid: u32,
    sgid: u32,
    fsgid: u32,
    groups: Vec<u32>,
    cap_inh: Hex,
    cap_prm: Hex,
    cap_eff: Hex,
    cap_bnd: Hex,
    cap_amb: Hex,
    /// SECBIT_*, which only the thread itself can ask for.
    securebits: u32,
}

impl Creds {
    pub fn parse(status: &Status, securebits: u32) -> Result<Self> {
        let ids = |name| -> Result<Vec<u32>> {
            Ok(status.words(name)?.filter_map(|id| id.parse().ok()).collect())
        };
        let four = |name| ids(name)?.try_into().map_err(|_| status.odd(name));
        let cap = |name| status.number(name, 16).map(Hex);
        let [uid, euid, suid, fsuid] = four("Uid")?;
        let [gid, egid, sgid, fsgid] = four("Gid")?;
        Ok(Creds {
            uid,
            euid,
            suid,
            fsuid,
            gid,
            egid,
            sgid,
            fsgid,
            groups: ids("Groups")?,
            cap_inh: cap("CapInh")?,
            cap_prm: cap("CapPrm")?,
            cap_eff: cap("CapEff")?,
            cap_bnd: cap("CapBnd")?,
            cap_amb: cap("CapAmb")?,
            securebits,
        })
    }
}
