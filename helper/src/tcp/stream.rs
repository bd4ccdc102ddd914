//! The facts of a connection. docs/protocol.md, "stream" of inet.

use crate::value::Bytes;
use serde::Serialize;

// include/net/tcp_states.h
const FIN_WAIT1: u8 = 4;
pub const CLOSE: u8 = 7;
const LAST_ACK: u8 = 9;
const CLOSING: u8 = 11;

/// Sequence numbers count modulo 2^32, and a FIN counts as a byte.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stream {
    /// TCP_*, at that moment.
    pub state: u8,
    /// TCPI_OPT_*.
    pub options: u8,
    pub snd_wscale: u8,
    pub rcv_wscale: u8,
    /// The next byte expected of the peer; TCP_QUEUE_SEQ of the receive queue.
    pub rcv_nxt: u32,
    /// The next byte that the program writes; TCP_QUEUE_SEQ of the send queue.
    pub write_seq: u32,
    /// SIOCOUTQNSD: bytes (and a FIN) never sent yet.
    pub unsent: u32,
    /// TCP_MAXSEG.
    pub mss: u32,
    /// TCP_TIMESTAMP: the clock that its timestamps tell.
    pub timestamp: u32,
    /// struct tcp_repair_window: snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup.
    pub window: [u32; 5],
    /// Received and not read yet; it ends at `rcv_nxt`, before a FIN.
    pub inq: Bytes,
    /// Written and not acknowledged yet; it ends at `write_seq`, before a FIN.
    pub outq: Bytes,
}

impl Stream {
    /// Whether a peer that has received up to its `rcv_nxt` can go on with what is told of this end:
    /// all that it misses is there, and it has received nothing that was never sent.
    pub fn fits(&self, peer: &Stream) -> bool {
        if self.state == CLOSE || peer.state == CLOSE {
            return true;
        }
        let fin = u32::from([FIN_WAIT1, CLOSING, LAST_ACK].contains(&self.state));
        let unacknowledged = self.write_seq.wrapping_sub(self.outq.0.len() as u32 + fin);
        let next = self.write_seq.wrapping_sub(self.unsent);
        !after(unacknowledged, peer.rcv_nxt) && !after(peer.rcv_nxt, next)
    }
}

fn after(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(write_seq: u32, queued: usize, unsent: u32) -> Stream {
        let outq = Bytes(vec![0; queued]);
        Stream { state: 1, write_seq, unsent, outq, ..Stream::default() }
    }

    fn receiver(rcv_nxt: u32) -> Stream {
        Stream { state: 1, rcv_nxt, ..Stream::default() }
    }

    #[test]
    fn what_the_peer_misses_has_to_be_there() {
        let sender = sender(5, 10, 3); // 2^32 - 5 ... 5, of which the last 3 were never sent
        assert!(!sender.fits(&receiver(u32::MAX - 5)));
        assert!(sender.fits(&receiver(u32::MAX - 4)));
        assert!(sender.fits(&receiver(2)));
        assert!(!sender.fits(&receiver(3)));
    }

    #[test]
    fn a_fin_counts() {
        let last = Stream { state: LAST_ACK, ..sender(101, 0, 0) };
        assert!(last.fits(&receiver(100)) && last.fits(&receiver(101)));
        let acknowledged = Stream { state: 5, ..sender(101, 0, 0) };
        assert!(!acknowledged.fits(&receiver(100)) && acknowledged.fits(&receiver(101)));
    }
}
