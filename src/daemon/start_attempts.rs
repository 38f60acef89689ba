//! Consecutive failed starts, and the growing pauses between them.
//!
//! Under a service manager each start is counted in a file of the runtime directory until the
//! daemon has served for a minute or was stopped. The next start waits according to the count,
//! however the previous one ended: by an error, a signal or the watchdog. systemd before 254 has
//! only pauses of one length (`RestartSec=`); later ones can let them grow, and never reset them.
//!
//! The pause precedes a start rather than following a failure, so that a manual stop or restart
//! takes effect at once, and corrected settings end it. The socket unit's socket stays open
//! meanwhile: clients wait in its backlog.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, interval, sleep, sleep_until};

use super::file_stamp::FileStamp;
use crate::systemd::Notifier;

/// Name of the file in the runtime directory: the count, and on the next line the last reason.
const FILE: &str = "failed-starts";

/// Size limit of the file.
const LARGEST: u64 = 4096;

/// Pause before the service manager starts a service again (`RestartSec=` of the unit).
const RESTART: Duration = Duration::from_secs(1);

/// Longest time between two starts, below systemd's start timeout (90 s).
const LONGEST: Duration = Duration::from_secs(60);

/// Time of serving after which a start counts as working.
const PROVEN: Duration = Duration::from_secs(60);

/// Interval of looking for a change of the settings file during a pause.
const LOOK: Duration = Duration::from_secs(1);

/// This start, and the failed ones before it.
#[derive(Clone, Debug, Default)]
pub(super) struct StartAttempts {
    /// `None`: nothing is counted.
    file: Option<PathBuf>,
    /// Starts since the last working one.
    failed: u32,
    /// Reason why the last one failed, if it left one.
    reason: String,
}

impl StartAttempts {
    /// Counts a start. Without a service manager, or without a runtime directory that outlives a
    /// failed start, nothing is counted.
    pub(super) fn begin(notifier: &Notifier, runtime_directory: Option<&OsStr>) -> Self {
        let folders = runtime_directory.filter(|_| notifier.is_connected());
        // The unit may name several; the first one counts.
        let folder = folders.and_then(|folders| std::env::split_paths(folders).next());
        let Some(folder) = folder else {
            return Self::default();
        };
        let file = folder.join(FILE);
        let (failed, reason) = read(&file).unwrap_or_default();
        let attempts = Self {
            file: Some(file),
            failed,
            reason,
        };
        attempts.write("it ended without a message (journalctl -u expd shows the cause)");
        attempts
    }

    /// Pause before this start, in addition to the service manager's own: together 1, 2, 4, ...
    /// seconds.
    fn pause(&self) -> Duration {
        let Some(exponent) = self.failed.checked_sub(1) else {
            return Duration::ZERO;
        };
        let seconds = 2_u64.saturating_pow(exponent);
        Duration::from_secs(seconds)
            .min(LONGEST)
            .saturating_sub(RESTART)
    }

    /// True if this start has to wait.
    pub(super) fn is_delayed(&self) -> bool {
        !self.pause().is_zero()
    }

    /// Waits for the pause. SIGHUP and a change of the settings file end it. False if the daemon
    /// should stop.
    ///
    /// # Errors
    /// The signals cannot be caught.
    pub(super) async fn wait(
        &self,
        notifier: &Notifier,
        settings: &Path,
        hangup: &mut Signal,
    ) -> io::Result<bool> {
        let pause = self.pause();
        let stamp = FileStamp::of(settings);
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let text = format!(
            "starting in {} s: {} failed starts, the last one: {}",
            pause.as_secs(),
            self.failed,
            self.reason
        );
        log::warn!("{text}");
        notifier.status(&text);
        let end = Instant::now() + pause;
        let mut look = interval(LOOK);
        loop {
            tokio::select! {
                () = sleep_until(end) => return Ok(true),
                _ = hangup.recv() => return Ok(true),
                _ = interrupt.recv() => return Ok(false),
                _ = terminate.recv() => return Ok(false),
                _ = look.tick() => if FileStamp::of(settings) != stamp {
                    log::info!("settings changed: starting");
                    return Ok(true);
                },
            }
        }
    }

    /// Resets the count once the daemon has served for a while.
    pub(super) async fn prove(self) {
        sleep(PROVEN).await;
        self.clear();
    }

    /// Resets the count after a working start or a requested stop.
    pub(super) fn clear(&self) {
        if let Some(file) = &self.file {
            // It may be gone already.
            fs::remove_file(file).ok();
        }
    }

    /// Stores the reason why this start failed, for the next one.
    pub(super) fn failed(&self, reason: &str) {
        if self.file.as_deref().is_some_and(Path::exists) {
            self.write(reason);
        }
    }

    fn write(&self, reason: &str) {
        let Some(file) = &self.file else {
            return;
        };
        let line: String = reason.replace(['\n', '\r'], " ");
        let text = format!("{}\n{line}\n", self.failed.saturating_add(1));
        if let Err(error) = fs::write(file, text) {
            // Pauses that do not grow are no reason not to start.
            log::debug!("cannot count the starts in {}: {error}", file.display());
        }
    }
}

/// The number of failed starts, and the reason of the last one.
fn read(file: &Path) -> Option<(u32, String)> {
    let mut text = String::new();
    let mut file = fs::File::open(file).ok()?.take(LARGEST);
    file.read_to_string(&mut text).ok()?;
    let (count, reason) = text.split_once('\n')?;
    Some((count.parse().ok()?, reason.trim_end().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn managed(folder: &Path) -> (Notifier, std::os::unix::net::UnixDatagram) {
        let path = folder.join("notify");
        let manager = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        (Notifier::to(Some(path.into()), None), manager)
    }

    #[test]
    fn the_pauses_grow_from_a_second_to_a_minute_and_end_with_a_start_that_works() {
        let folder = tempfile::tempdir().unwrap();
        let (notifier, _manager) = managed(folder.path());
        let begin = || StartAttempts::begin(&notifier, Some(folder.path().as_os_str()));
        let mut waited = Vec::new();
        for _ in 0..9 {
            let attempts = begin();
            // The service manager waits for a second by itself.
            waited.push(attempts.pause().as_secs() + 1);
            attempts.failed("the port is taken\nby another");
        }
        assert_eq!(waited, [1, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(begin().reason, "the port is taken by another");
        // One that was killed counts as well, and has no reason of its own.
        assert!(begin().reason.contains("without a message"));
        begin().clear();
        assert_eq!(begin().pause(), Duration::ZERO);
    }

    #[test]
    fn a_count_that_cannot_be_read_is_none_and_without_a_manager_nothing_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let (notifier, _manager) = managed(folder.path());
        let file = folder.path().join(FILE);
        for text in ["", "x\ny\n", "-1\n\n", "99999999999\n\n", "7"] {
            fs::write(&file, text).unwrap();
            let attempts = StartAttempts::begin(&notifier, Some(folder.path().as_os_str()));
            assert_eq!(attempts.pause(), Duration::ZERO, "{text:?}");
        }
        fs::remove_file(&file).unwrap();
        let alone = Notifier::to(None, None);
        StartAttempts::begin(&alone, Some(folder.path().as_os_str())).failed("x");
        assert!(!file.exists());
        StartAttempts::begin(&notifier, None).failed("x");
    }
}
