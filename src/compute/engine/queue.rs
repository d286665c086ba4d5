//! Jobs that nobody waits for: a thread of the engine's runs them in the order in which they came, and a
//! ticket tells when an answer is there.

use super::Engine;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

type Job = Box<dyn FnOnce(&Engine) + Send>;

/// What an engine's thread works on. Jobs that were taken are done even when the engine is dropped.
#[derive(Debug)]
pub(super) struct Queue(Sender<Job>);

impl Queue {
    pub fn new(engine: Engine) -> Queue {
        let (send, jobs) = unbounded::<Job>();
        std::thread::spawn(move || jobs.iter().for_each(|job| job(&engine)));
        Queue(send)
    }

    pub fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Engine) -> T + Send + 'static,
    ) -> Ticket<T> {
        let (send, answer) = bounded(1);
        let job = move |engine: &Engine| {
            let answer = catch_unwind(AssertUnwindSafe(|| job(engine)));
            // nobody may want it any more
            let _ = send.send(answer);
        };
        // the thread ends after this sender does, not before
        let _ = self.0.send(Box::new(job));
        Ticket(answer)
    }
}

/// The claim to an answer. Dropping it gives the answer up, not the job.
#[derive(Debug)]
pub struct Ticket<T>(Receiver<std::thread::Result<T>>);

impl<T> Ticket<T> {
    /// Waits for the answer.
    ///
    /// # Panics
    /// When the job did.
    #[must_use]
    pub fn wait(self) -> T {
        let answer = self.0.recv().expect("Invariant: a job that was taken answers");
        answer.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// The answer where it comes in time, else the ticket again.
    ///
    /// # Errors
    /// The ticket, when the time is over.
    ///
    /// # Panics
    /// When the job did.
    pub fn wait_for(self, time: Duration) -> Result<T, Ticket<T>> {
        match self.0.recv_timeout(time) {
            Ok(answer) => Ok(answer.unwrap_or_else(|panic| resume_unwind(panic))),
            Err(RecvTimeoutError::Timeout) => Err(self),
            Err(RecvTimeoutError::Disconnected) => {
                panic!("Invariant: a job that was taken answers")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Engine;
    use crate::compute::device::Choice;
    use std::sync::mpsc;
    use std::time::Duration;

    fn engine() -> Engine {
        Engine::open(Choice::Auto).expect("a CPU")
    }

    #[test]
    fn a_caller_goes_on_while_jobs_run_in_their_order() {
        let engine = engine();
        let (go, wait) = mpsc::channel::<()>();
        let first = engine.submit(move |_| {
            wait.recv().expect("told to go");
            1
        });
        let (tell, told) = mpsc::channel();
        let others: Vec<_> = (2..6)
            .map(|number| {
                let tell = tell.clone();
                engine.submit(move |_| tell.send(number).expect("heard"))
            })
            .collect();
        // the caller is here while the first one still waits
        let first = first.wait_for(Duration::from_millis(1)).expect_err("not yet");
        assert!(told.try_recv().is_err());
        go.send(()).expect("it waits");
        assert_eq!(first.wait(), 1);
        others.into_iter().for_each(super::Ticket::wait);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [2, 3, 4, 5]);
    }

    #[test]
    fn jobs_are_done_when_the_engine_is_gone() {
        let engine = engine();
        let tickets: Vec<_> =
            (0..3).map(|n| engine.submit(move |e| (n, e.threads() > 0))).collect();
        drop(engine);
        let answers: Vec<_> = tickets.into_iter().map(super::Ticket::wait).collect();
        assert_eq!(answers, [(0, true), (1, true), (2, true)]);
    }

    #[test]
    fn a_job_that_panics_takes_no_other_with_it() {
        let engine = engine();
        let bad = engine.submit(|_| -> u8 { panic!("planted") });
        let good = engine.submit(|_| 7);
        assert_eq!(good.wait(), 7);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bad.wait()));
        assert!(caught.is_err());
    }
}
