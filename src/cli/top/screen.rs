//! Full-screen terminal of `expd top`.

use std::borrow::Cow;
use std::io::{self, Stdout};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::MoveTo;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode, size,
};
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line as ScreenLine, Text};
use ratatui::widgets::Paragraph;
use ratatui::{Terminal, TerminalOptions, Viewport};
use tokio::sync::mpsc;

use super::view::Line;
use crate::cli::terminal::{ascii, has_unicode, is_serial};

/// Size of a terminal that does not report its own, as a serial console.
const UNKNOWN: Rect = Rect::new(0, 0, 80, 24);

/// Action of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyAction {
    Quit,
    Pause,
    Up,
    Down,
    /// Redraw everything: a serial line may have garbled it, or the size has changed.
    Redraw,
}

/// The screen. Dropping it restores the terminal.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    /// True for a terminal that is limited to ASCII.
    is_ascii: bool,
    /// Style of emphasis; none on a serial terminal. A VT100 ends bold only by resetting all
    /// attributes, so all text after it would stay bold.
    strong: Style,
}

impl Screen {
    /// Takes over the terminal.
    pub(super) fn open() -> io::Result<Self> {
        enable_raw_mode()?;
        // From here on, a drop restores the terminal.
        match execute!(io::stdout(), EnterAlternateScreen).and_then(|()| terminal()) {
            Ok(terminal) => {
                let is_ascii = !has_unicode();
                let strong = if is_serial() {
                    Style::new()
                } else {
                    Style::new().add_modifier(Modifier::BOLD)
                };
                let mut screen = Self {
                    terminal,
                    is_ascii,
                    strong,
                };
                screen.terminal.hide_cursor()?;
                Ok(screen)
            }
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// Draws the lines from `top` on, and a last line at the bottom. Bold is the only attribute.
    pub(super) fn draw(&mut self, lines: &[Line], top: usize, bottom: &str) -> io::Result<()> {
        let bold = self.strong;
        let is_ascii = self.is_ascii;
        let shown = |text| {
            if is_ascii {
                ascii(text)
            } else {
                Cow::Borrowed(text)
            }
        };
        self.terminal.draw(|frame| {
            let area = frame.area();
            let rows = usize::from(area.height.saturating_sub(1));
            let text = lines.iter().skip(top).take(rows).map(|line| {
                let style = if line.is_bold { bold } else { Style::new() };
                ScreenLine::styled(shown(&line.text), style)
            });
            let text: Text<'_> = text.collect();
            let body = Rect {
                height: area.height.saturating_sub(1),
                ..area
            };
            frame.render_widget(Paragraph::new(text), body);
            let last = Rect {
                y: area.bottom().saturating_sub(1),
                height: area.height.min(1),
                ..area
            };
            frame.render_widget(
                Paragraph::new(ScreenLine::styled(shown(bottom), bold)),
                last,
            );
        })?;
        Ok(())
    }

    /// Makes the next draw a full one.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.terminal = terminal()?;
        self.terminal.hide_cursor()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.terminal.show_cursor().ok();
        give_back();
    }
}

/// Clears the terminal, and takes its current size. The library's own functions for both query the
/// cursor position, which a serial console may not answer.
fn terminal() -> io::Result<Terminal<CrosstermBackend<Stdout>>> {
    execute!(io::stdout(), Clear(ClearType::All))?;
    let area = match size() {
        Ok((columns, rows)) if columns > 0 && rows > 0 => Rect::new(0, 0, columns, rows),
        _ => UNKNOWN,
    };
    let backend = CrosstermBackend::new(io::stdout());
    let viewport = Viewport::Fixed(area);
    Terminal::with_options(backend, TerminalOptions { viewport })
}

/// Restores the terminal. A terminal that is gone needs no restoring. One without an alternate
/// screen, as a VT100 or VT220, keeps the last page, and continues below it.
fn give_back() {
    let (_, rows) = size().unwrap_or_default();
    let last = if rows > 0 { rows } else { UNKNOWN.height } - 1;
    let below = MoveTo(0, last);
    let clear = Clear(ClearType::CurrentLine);
    execute!(io::stdout(), below, clear, LeaveAlternateScreen).ok();
    disable_raw_mode().ok();
}

/// Pressed keys, read by a separate thread that ends with the process.
pub(super) fn keys() -> mpsc::Receiver<KeyAction> {
    let (sender, keys) = mpsc::channel(8);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            let key = match event {
                Event::Key(key) if key.kind != KeyEventKind::Release => meaning(key),
                Event::Resize(..) => Some(KeyAction::Redraw),
                _ => None,
            };
            // Keys that arrive faster than they are handled are dropped.
            if let Some(key) = key
                && let Err(mpsc::error::TrySendError::Closed(_)) = sender.try_send(key)
            {
                break;
            }
        }
    });
    keys
}

fn meaning(key: KeyEvent) -> Option<KeyAction> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        // No other keys: a break on a serial line sends a zero byte, which is Control and the space
        // bar.
        return match key.code {
            KeyCode::Char('c' | 'd') => Some(KeyAction::Quit),
            KeyCode::Char('l') => Some(KeyAction::Redraw),
            _ => None,
        };
    }
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => Some(KeyAction::Quit),
        KeyCode::Char('p' | ' ') => Some(KeyAction::Pause),
        KeyCode::Char('k') | KeyCode::Up => Some(KeyAction::Up),
        KeyCode::Char('j') | KeyCode::Down => Some(KeyAction::Down),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_break_on_a_serial_line_is_no_key() {
        let pressed = |modifiers| meaning(KeyEvent::new(KeyCode::Char(' '), modifiers));
        assert_eq!(pressed(KeyModifiers::NONE), Some(KeyAction::Pause));
        assert_eq!(pressed(KeyModifiers::CONTROL), None);
    }
}
