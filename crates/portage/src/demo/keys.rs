//! Keys on a terminal, and the signals that end the demo.

use std::io::{self, Read};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::sync::mpsc;

use crate::signals::Signals;

/// What somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Quit,
    Kill,
    Restart,
}

/// Keys as they are pressed. Dropping it gives the terminal back as it was.
pub(crate) struct Keys {
    before: Option<Termios>,
    pressed: mpsc::UnboundedReceiver<Key>,
    /// Keeps the channel open where there are no keys.
    _sender: mpsc::UnboundedSender<Key>,
}

impl Keys {
    /// Reads keys one by one if `live` and standard input is a terminal.
    pub(crate) fn listen(live: bool) -> Self {
        let (sender, pressed) = mpsc::unbounded_channel();
        let before = if live { one_by_one().ok() } else { None };
        if before.is_some() {
            let sender = sender.clone();
            // A read can't be called off; the thread ends with the process.
            std::thread::spawn(move || {
                for byte in io::stdin().lock().bytes().map_while(Result::ok) {
                    let key = match byte {
                        b'q' | b'Q' => Key::Quit,
                        b'k' | b'K' => Key::Kill,
                        b'r' | b'R' => Key::Restart,
                        _ => continue,
                    };
                    if sender.send(key).is_err() {
                        return;
                    }
                }
            });
        }
        Self { before, pressed, _sender: sender }
    }

    /// The next key; a signal is one, too.
    pub(crate) async fn next(&mut self, signals: &mut Signals) -> Key {
        tokio::select! {
            Some(key) = self.pressed.recv() => key,
            () = signals.next() => Key::Quit,
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // There is nobody left to be told.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// No echo, no waiting for the end of a line; Ctrl-C stays a signal.
fn one_by_one() -> io::Result<Termios> {
    let before = tcgetattr(io::stdin())?;
    let mut changed = before.clone();
    changed.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    tcsetattr(io::stdin(), OptionalActions::Now, &changed)?;
    Ok(before)
}
