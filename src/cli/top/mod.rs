//! `expd top`: live view of the daemon.

mod rates;
mod screen;
mod view;

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use tokio::time::MissedTickBehavior;

use self::screen::{KeyAction, Screen, keys};
use self::view::{Line, View};
use super::daemon_socket::DaemonSocket;
use super::failure::Failure;
use super::output::{self, BOLD, Output, printable, styled};
use super::stop_signal::StopSignal;
use crate::config::{UnitError, parse_duration};
use expd_client::Client;

/// Show a live view of links, channels, programs and web pages, with their rates
///
/// Works over a serial console: without colours, in 80 columns; a full screen of 24 rows, and each
/// refresh of it, is at most 2 KiB. With --plain, or if standard output is not a terminal, prints
/// one page after another.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd top
  expd top --plain --interval 10s --count 6          one minute, for a file")]
pub(super) struct Top {
    /// Refresh interval [default: 1s; 5s on a serial line below 38,400 baud]
    #[arg(long, value_name = "DURATION", value_parser = interval)]
    interval: Option<Duration>,
    /// Print pages instead of using the full screen
    #[arg(long)]
    plain: bool,
    /// Exit after N pages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

/// Error of parsing an interval.
#[derive(Debug, thiserror::Error)]
enum IntervalError {
    #[error(transparent)]
    Unit(#[from] UnitError),
    #[error("at least 100ms")]
    TooShort,
}

fn interval(text: &str) -> Result<Duration, IntervalError> {
    let interval = parse_duration(text)?;
    if interval < Duration::from_millis(100) {
        return Err(IntervalError::TooShort);
    }
    Ok(interval)
}

/// A refresh takes at most a fifth of the line's time, so that keys are read promptly.
fn default_interval() -> Duration {
    let attributes = rustix::termios::tcgetattr(io::stdout());
    interval_at(attributes.ok().map(|it| it.output_speed()))
}

/// The interval on a line of this speed; none without a terminal. A terminal that is not a serial
/// line, as a window, reports 38,400 baud or more.
fn interval_at(baud: Option<u32>) -> Duration {
    match baud {
        Some(1..38_400) => Duration::from_secs(5),
        _ => Duration::from_secs(1),
    }
}

impl Top {
    pub(super) async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        let mut stop = StopSignal::new()?;
        let client = socket.connect().await?;
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let is_screen = !self.plain && !dumb && io::stdout().is_terminal();
        let watching = async {
            if is_screen {
                self.on_a_screen(&client).await
            } else {
                self.in_pages(&client).await
            }
        };
        tokio::select! {
            ended = watching => ended,
            () = stop.received() => Ok(()),
            () = output::reader_left(), if !is_screen => Err(Failure::ReaderLeft),
        }
    }

    fn ticks(&self) -> tokio::time::Interval {
        let interval = self.interval.unwrap_or_else(default_interval);
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    }

    async fn in_pages(&self, client: &Client) -> Result<(), Failure> {
        let (mut view, mut ticks) = (View::default(), self.ticks());
        let mut stdout = Output::new();
        let mut pages = 0;
        while self.count.is_none_or(|count| pages < count) {
            ticks.tick().await;
            let status = client.status().await?;
            for line in view.lines(&status, SystemTime::now(), Instant::now()) {
                let text = line.text.trim_end();
                let text = if line.is_bold {
                    styled(BOLD, text)
                } else {
                    text.to_owned()
                };
                stdout.text(&text).await?;
            }
            stdout.text("").await?;
            pages += 1;
        }
        Ok(())
    }

    async fn on_a_screen(&self, client: &Client) -> Result<(), Failure> {
        let (mut view, mut ticks) = (View::default(), self.ticks());
        let mut screen = Screen::open().map_err(Failure::Output)?;
        let mut keys = keys();
        let mut lines: Vec<Line> = Vec::new();
        let (mut top, mut paused, mut pages) = (0_usize, false, 0);
        let mut fault = None;
        loop {
            tokio::select! {
                _ = ticks.tick(), if !paused => {
                    match client.status().await {
                        Ok(status) => {
                            lines = view.lines(&status, SystemTime::now(), Instant::now());
                            fault = None;
                        }
                        // The last view stays on screen, under the error.
                        Err(error) => fault = Some(printable(&error.to_string()).into_owned()),
                    }
                    pages += 1;
                }
                key = keys.recv() => match key {
                    None | Some(KeyAction::Quit) => return Ok(()),
                    Some(KeyAction::Pause) => paused = !paused,
                    Some(KeyAction::Up) => top = top.saturating_sub(1),
                    Some(KeyAction::Down) => top = (top + 1).min(lines.len().saturating_sub(1)),
                    Some(KeyAction::Redraw) => screen.clear().map_err(Failure::Output)?,
                }
            }
            let bottom = match (&fault, paused) {
                (Some(fault), _) => fault.clone(),
                (None, true) => "paused: p continues, q quits".to_owned(),
                (None, false) => "q quits, p pauses, j and k scroll".to_owned(),
            };
            let drawn = screen.draw(&lines, top, &bottom);
            drawn.map_err(Failure::Output)?;
            if self.count.is_some_and(|count| pages >= count) {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_line_is_refreshed_less_often() {
        for slow in [300, 9600, 19_200] {
            assert_eq!(interval_at(Some(slow)), Duration::from_secs(5), "{slow}");
        }
        for other in [None, Some(0), Some(38_400), Some(115_200)] {
            assert_eq!(interval_at(other), Duration::from_secs(1), "{other:?}");
        }
    }
}
