//! The writer's side of snapshots: kept until the log is durable up to them, then born, then the oldest
//! go. A snapshot that cannot be written is given up and counted; the log does not depend on it.

use super::birth::{Birth, Born};
use super::snapshot::{SNAPSHOTS_KEPT, Snapshot, snapshot_name};
use super::writer::{Saving, Writer};
use crate::host::disk::{Completion, Disk, Operation, Ticket};

impl<D: Disk> Writer<D> {
    /// Whether a snapshot would be taken: none is on its way.
    #[must_use]
    pub fn may_save(&self) -> bool {
        self.saving.is_none() && self.lives()
    }

    /// Saves `bytes` as the state after the last entry taken; false when an earlier one is still on
    /// its way. Without durability it waits for the end of the segment.
    pub fn save(&mut self, bytes: Vec<u8>) -> bool {
        if !self.may_save() {
            return false;
        }
        let snapshot = Snapshot {
            stream: self.stream,
            sequence: self.next - 1,
            chain: self.entry_chain,
            bytes,
        };
        self.saving = Some(Saving::Waiting(snapshot));
        true
    }

    /// Snapshots that could not be written.
    #[must_use]
    pub fn saves_failed(&self) -> u64 {
        self.saves_failed
    }

    pub(super) fn start_saving(&mut self) -> bool {
        let durable = self.health.durable();
        let due = |saving: &mut Saving| match saving {
            Saving::Waiting(snapshot) => snapshot.sequence <= durable,
            _ => false,
        };
        let Some(Saving::Waiting(snapshot)) = self.saving.take_if(due) else { return false };
        let name = snapshot_name(snapshot.sequence);
        let unborn = name.replace(".bin", ".new");
        let birth = Birth::new(&mut self.disk, unborn, name.clone(), snapshot.to_file());
        self.saving = Some(Saving::Going(name, birth));
        true
    }

    pub(super) fn is_of_saving(&self, ticket: Ticket) -> bool {
        match &self.saving {
            Some(Saving::Going(_, birth)) => birth.ticket() == ticket,
            Some(Saving::Clearing(own)) => *own == ticket,
            _ => false,
        }
    }

    pub(super) fn on_saving(&mut self, completion: Completion) {
        match self.saving.take() {
            Some(Saving::Going(name, mut birth)) => match birth.on(&mut self.disk, completion) {
                Born::Going => self.saving = Some(Saving::Going(name, birth)),
                Born::Done(file) => {
                    self.disk.close(file);
                    self.saved.retain(|older| *older != name);
                    self.saved.push_back(name);
                    self.clear_saved();
                }
                Born::Failed { .. } => self.saves_failed += 1,
            },
            // One that could not be removed only takes room.
            Some(Saving::Clearing(_)) => self.clear_saved(),
            other => self.saving = other,
        }
    }

    fn clear_saved(&mut self) {
        if self.saved.len() > SNAPSHOTS_KEPT
            && let Some(oldest) = self.saved.pop_front()
        {
            let ticket = self.submit(Operation::Remove(oldest));
            self.saving = Some(Saving::Clearing(ticket));
        }
    }
}
