//! The checker: are the numbered messages of one socket without a hole, without a repetition, in order, and announced by a snapshot?

use serde::{Deserialize, Serialize};

use crate::limits::HOLES_REMEMBERED;

/// What is wrong with the numbers that viewers saw; each counts messages, summed over all viewers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faults {
    /// Numbers that never came.
    pub holes: u64,
    /// Numbers that came again.
    pub duplicates: u64,
    /// Numbers that came after a higher one, and snapshots older than what was known.
    pub out_of_order: u64,
    /// Numbered messages before a snapshot, or of an activation that no snapshot announced.
    pub unannounced: u64,
    /// Messages that are no JSON object of the protocol.
    pub unreadable: u64,
}

impl Faults {
    /// Adds another count to this one.
    pub fn merge(&mut self, other: &Self) {
        self.holes += other.holes;
        self.duplicates += other.duplicates;
        self.out_of_order += other.out_of_order;
        self.unannounced += other.unannounced;
        self.unreadable += other.unreadable;
    }
}

/// What one viewer knows about the numbers, kept across its sockets.
#[derive(Debug, Default)]
pub struct Sequence {
    /// The activation and the highest number seen in it.
    known: Option<(u64, u64)>,
    /// Whether this socket still owes the snapshot.
    awaits_snapshot: bool,
    holes: Vec<u64>,
}

impl Sequence {
    /// A new socket begins; `recovered` means that it goes on where the last one stopped.
    pub fn welcome(&mut self, epoch: u64, recovered: bool, faults: &mut Faults) {
        let goes_on = recovered && self.known.is_some_and(|(known, _)| known == epoch);
        if recovered && !goes_on {
            faults.unannounced += 1;
        }
        self.awaits_snapshot = !goes_on;
    }

    /// A snapshot begins the count anew.
    pub fn snapshot(&mut self, epoch: u64, offset: u64, faults: &mut Faults) {
        if self.known.is_some_and(|known| (epoch, offset) < known) {
            faults.out_of_order += 1;
        }
        self.known = Some((epoch, offset));
        self.awaits_snapshot = false;
        self.holes.clear();
    }

    /// A numbered message. True when it is the next one.
    pub fn numbered(&mut self, epoch: u64, offset: u64, faults: &mut Faults) -> bool {
        let Some((known, highest)) = self.announced(epoch) else {
            faults.unannounced += 1;
            return false;
        };
        if offset > highest {
            faults.holes += offset - highest - 1;
            let room = HOLES_REMEMBERED.saturating_sub(self.holes.len());
            self.holes.extend((highest + 1..offset).take(room));
            self.known = Some((known, offset));
            return offset == highest + 1;
        }
        if let Some(at) = self.holes.iter().position(|hole| *hole == offset) {
            self.holes.swap_remove(at);
            faults.holes -= 1;
            faults.out_of_order += 1;
        } else {
            faults.duplicates += 1;
        }
        false
    }

    /// A message that carries the newest number without having one: what it names must have come before it.
    pub fn unnumbered(&mut self, epoch: u64, offset: u64, faults: &mut Faults) {
        match self.announced(epoch) {
            None => faults.unannounced += 1,
            Some((known, highest)) if offset > highest => {
                faults.holes += offset - highest;
                let room = HOLES_REMEMBERED.saturating_sub(self.holes.len());
                self.holes.extend((highest + 1..=offset).take(room));
                self.known = Some((known, offset));
            }
            Some(_) => {}
        }
    }

    /// Where to go on after a lost socket: activation and highest number.
    pub fn point(&self) -> Option<(u64, u64)> {
        self.known.filter(|_| !self.awaits_snapshot)
    }

    fn announced(&self, epoch: u64) -> Option<(u64, u64)> {
        self.point().filter(|(known, _)| *known == epoch)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The faults of a socket that begins with a snapshot at (1, 10) and then hears these numbers.
    fn after(offsets: &[u64]) -> Faults {
        let (mut sequence, mut faults) = (Sequence::default(), Faults::default());
        sequence.welcome(1, false, &mut faults);
        sequence.snapshot(1, 10, &mut faults);
        for offset in offsets {
            sequence.numbered(1, *offset, &mut faults);
        }
        faults
    }

    #[test]
    fn each_kind_of_fault_is_counted_as_what_it_is() {
        assert_eq!(after(&[11, 12, 13]), Faults::default());
        assert_eq!(after(&[11, 14]), Faults { holes: 2, ..Faults::default() });
        assert_eq!(after(&[11, 12, 12]), Faults { duplicates: 1, ..Faults::default() });
        assert_eq!(after(&[12, 11, 13]), Faults { out_of_order: 1, ..Faults::default() });
        assert_eq!(after(&[10]), Faults { duplicates: 1, ..Faults::default() });
    }

    #[test]
    fn a_numbered_message_before_the_snapshot_or_of_another_activation_is_unannounced() {
        let (mut sequence, mut faults) = (Sequence::default(), Faults::default());
        sequence.welcome(1, false, &mut faults);
        assert!(!sequence.numbered(1, 11, &mut faults));
        sequence.snapshot(1, 11, &mut faults);
        assert!(!sequence.numbered(2, 1, &mut faults));
        assert_eq!(faults, Faults { unannounced: 2, ..Faults::default() });
    }

    #[test]
    fn a_count_that_is_ahead_of_what_was_heard_reveals_a_hole() {
        let (mut sequence, mut faults) = (Sequence::default(), Faults::default());
        sequence.snapshot(1, 10, &mut faults);
        sequence.unnumbered(1, 12, &mut faults);
        sequence.unnumbered(1, 12, &mut faults);
        assert_eq!(faults, Faults { holes: 2, ..Faults::default() });
    }

    #[test]
    fn a_recovered_socket_goes_on_where_the_last_one_stopped() {
        let (mut sequence, mut faults) = (Sequence::default(), Faults::default());
        sequence.snapshot(1, 10, &mut faults);
        sequence.welcome(1, true, &mut faults);
        assert!(sequence.numbered(1, 11, &mut faults));
        sequence.welcome(2, true, &mut faults);
        assert_eq!(faults, Faults { unannounced: 1, ..Faults::default() });
    }

    proptest! {
        #[test]
        fn dropping_messages_is_always_seen_as_so_many_holes(kept in proptest::collection::vec(any::<bool>(), 1..60)) {
            let offsets: Vec<u64> = kept.iter().zip(11u64..).filter(|(kept, _)| **kept).map(|(_, offset)| offset).collect();
            let last = offsets.last().copied().unwrap_or(10);
            let missing = last - 10 - offsets.len() as u64;
            prop_assert_eq!(after(&offsets), Faults { holes: missing, ..Faults::default() });
        }
    }
}
