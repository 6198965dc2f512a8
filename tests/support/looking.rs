//! Somebody who looks again and again, from a thread of his own, for what must never be there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Looks until he is told to stop.
pub struct Observer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Observer {
    /// Begins to look; what he is not to see ends the test.
    pub fn begin<S>(
        pause: Duration,
        prepare: impl FnOnce() -> S + Send + 'static,
        look: impl Fn(&mut S) -> Vec<String> + Send + 'static,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = std::thread::spawn(move || {
            let (mut state, mut looks) = (prepare(), 0);
            while !told.load(Ordering::Relaxed) {
                let forbidden = look(&mut state);
                assert!(forbidden.is_empty(), "after {looks} looks: {forbidden:#?}");
                looks += 1;
                std::thread::sleep(pause);
            }
            looks
        });
        Self { stop, thread }
    }

    /// Stops; how often he looked. What he saw that must not be ends the test here.
    pub fn looked(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the observer saw nothing forbidden")
    }
}
