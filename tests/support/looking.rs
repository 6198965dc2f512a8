//! An observer in a separate thread that checks repeatedly for forbidden states.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Checks until it is stopped.
pub struct Observer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Observer {
    /// Starts to check. A forbidden state fails the test.
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

    /// Stops, and returns the number of checks. Fails the test if a forbidden state was seen.
    pub fn looked(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the observer saw nothing forbidden")
    }
}
