//! What goes to standard output: one JSON object, or lines for people.

use crate::Error;
use serde::Serialize;
use std::io::{ErrorKind, Write};

/// How a command reports its result.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// One JSON object if `json`, else text.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints `report` as JSON, or `text`. A reader that has gone away is not an error.
    ///
    /// # Errors
    /// [`Error::Output`] where it cannot be written, as on a full disk.
    pub fn print(&self, report: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Error> {
        let line = match self.json {
            true => serde_json::to_string(report).expect("a report is numbers, texts and lists"),
            false => text(),
        };
        print_line(&line)
    }
}

/// Prints a text and a line's end on standard output. A reader that has gone away is not an error.
///
/// # Errors
/// [`Error::Output`].
pub fn print_line(text: &str) -> Result<(), Error> {
    write_line(&mut std::io::stdout().lock(), text)
}

fn write_line(to: &mut impl Write, text: &str) -> Result<(), Error> {
    let written = writeln!(to, "{}", text.trim_end()).and_then(|()| to.flush());
    match written {
        Err(cause) if cause.kind() != ErrorKind::BrokenPipe => Err(Error::Output { cause }),
        _ => Ok(()),
    }
}

/// Says something on standard error; there is nobody to tell where that fails.
pub fn tell(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fails(ErrorKind);

    impl Write for Fails {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_full_disk_is_an_error_and_a_reader_that_went_away_is_not() {
        let said = write_line(&mut Fails(ErrorKind::StorageFull), "{}").unwrap_err().to_string();
        assert!(said.contains("standard output"), "{said}");
        assert!(write_line(&mut Fails(ErrorKind::BrokenPipe), "{}").is_ok());
    }
}
