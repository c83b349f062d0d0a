//! Event files for TensorBoard: a record a number, with the checksums of TFRecord.
//!
//! The format is that of TensorFlow's `RecordWriter`: a length of 8 bytes, its masked CRC-32C, the record,
//! and the record's masked CRC-32C. A record is an `Event` of `tensorflow/core/util/event.proto`, of which
//! few fields are needed.

use dress_core::{Advance, Progress, Stage};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

/// The polynomial of CRC-32C (Castagnoli), bits reversed.
const POLYNOMIAL: u32 = 0x82F6_3B78;
/// What TFRecord adds to a rotated checksum.
const MASK: u32 = 0xA282_EAD8;

/// An event file that numbers are added to.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl EventFile {
    /// Makes a file in `directory`, which is made where it is not there. TensorBoard reads every such file in
    /// it.
    ///
    /// # Errors
    /// Those of the system.
    ///
    /// # Examples
    /// ```
    /// use dress::EventFile;
    ///
    /// let place = tempfile::tempdir()?;
    /// let mut events = EventFile::create(place.path())?;
    /// events.add("training/loss", 1, 3.25)?;
    /// assert!(std::fs::metadata(events.path())?.len() > 60);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn create(directory: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let name = format!("events.out.tfevents.{}.dress.{}", now() as u64, std::process::id());
        let path = directory.join(name);
        let mut events = Self { file: BufWriter::new(File::create(&path)?), path };
        events.record(&event(now(), 0, &field_of_bytes(3, b"brain.Event:2")))?;
        Ok(events)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a number under a name at a step, now; it is on disk when this returns.
    ///
    /// # Errors
    /// Those of the system.
    pub fn add(&mut self, tag: &str, step: u64, value: f64) -> std::io::Result<()> {
        self.add_at(now(), tag, step, value)
    }

    /// The same at a time, in seconds since 1970.
    ///
    /// # Errors
    /// Those of the system.
    pub fn add_at(&mut self, time: f64, tag: &str, step: u64, value: f64) -> std::io::Result<()> {
        let mut of_value = field_of_bytes(1, tag.as_bytes());
        of_value.push(2 << 3 | 5);
        of_value.extend((value as f32).to_le_bytes());
        let summary = field_of_bytes(1, &of_value);
        self.record(&event(time, step, &field_of_bytes(5, &summary)))
    }

    fn record(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let length = (bytes.len() as u64).to_le_bytes();
        self.file.write_all(&length)?;
        self.file.write_all(&masked_crc(&length).to_le_bytes())?;
        self.file.write_all(bytes)?;
        self.file.write_all(&masked_crc(bytes).to_le_bytes())?;
        self.file.flush()
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// An event: its time, its step, and what it says as encoded already.
fn event(time: f64, step: u64, what: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1 << 3 | 1];
    bytes.extend(time.to_le_bytes());
    bytes.push(2 << 3);
    bytes.extend(varint(step));
    bytes.extend(what);
    bytes
}

/// A field of bytes, texts and messages, as Protocol Buffers have it.
fn field_of_bytes(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    field.extend(varint(bytes.len() as u64));
    field.extend(bytes);
    field
}

/// A whole number in groups of seven bits, the least first.
fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc)))
}

fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(MASK)
}

/// Progress that leaves the loss and the speed of every step in an event file, and hands on what it is told.
pub struct EventProgress<'a> {
    shown: &'a dyn Progress,
    events: Mutex<(EventFile, HashMap<String, Steps>)>,
}

/// The steps of the stages of one name, which may come again, as training does in every round.
#[derive(Debug, Default)]
struct Steps {
    /// Those of the stages before.
    before: u64,
    /// The last that was told.
    last: u64,
}

impl<'a> EventProgress<'a> {
    /// Writes to `events`, and hands on to `shown`.
    pub fn new(events: EventFile, shown: &'a dyn Progress) -> Self {
        Self { shown, events: Mutex::new((events, HashMap::new())) }
    }

    /// The file, to add more to.
    pub fn into_events(self) -> EventFile {
        self.events.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).0
    }
}

impl Progress for EventProgress<'_> {
    fn started(&self, stage: &Stage) {
        self.shown.started(stage);
        let mut events = self.events.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let steps = events.1.entry(stage.name.clone()).or_default();
        steps.before = steps.last;
    }

    fn advanced(&self, stage: &Stage, at: &Advance) {
        self.shown.advanced(stage, at);
        let mut events = self.events.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (file, steps) = &mut *events;
        let steps = steps.entry(stage.name.clone()).or_default();
        // Those of a run that was interrupted count, as they do in the curve.
        steps.last = steps.before + at.done;
        let Some(loss) = at.loss.filter(|loss| loss.is_finite()) else { return };
        // A disk that is full is no reason to end the work.
        let _ = file.add(&format!("{}/loss", stage.name), steps.last, loss);
        if let Some(speed) = at.tokens_per_second {
            let _ = file.add(&format!("{}/tokens_per_second", stage.name), steps.last, speed);
        }
    }

    fn finished(&self, stage: &Stage) {
        self.shown.finished(stage);
    }

    fn is_cancelled(&self) -> bool {
        self.shown.is_cancelled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_core::{NoProgress, Unit};

    #[test]
    fn checksums_are_those_of_the_standard() {
        // The check value of CRC-32C, and RFC 3720's of 32 zeros.
        assert_eq!((crc32c(b"123456789"), crc32c(&[0; 32])), (0xE306_9283, 0x8A91_36AA));
        assert_eq!([varint(1), varint(300)], [vec![1], vec![0xAC, 2]]);
    }

    /// The records of a file, each with checksums that are right.
    fn records(path: &Path) -> Vec<Vec<u8>> {
        let (bytes, mut at, mut found) = (std::fs::read(path).unwrap(), 0, Vec::new());
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        while at < bytes.len() {
            let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
            let record = &bytes[at + 12..at + 12 + length];
            assert_eq!(number(at + 8), masked_crc(&bytes[at..at + 8]));
            assert_eq!(number(at + 12 + length), masked_crc(record));
            found.push(record.to_vec());
            at += 16 + length;
        }
        found
    }

    #[test]
    fn every_step_leaves_its_loss() {
        let place = tempfile::tempdir().unwrap();
        let events = EventFile::create(place.path()).unwrap();
        let path = events.path().to_path_buf();
        let progress = EventProgress::new(events, &NoProgress);
        let told: &dyn Progress = &progress;
        let stage = told.begin("training", Unit::Steps, 2);
        stage.advance_with(1, Some(3.5), "").unwrap();
        stage.advance_with(1, None, "").unwrap();
        drop(stage);
        let found = records(&path);
        assert_eq!(found.len(), 2, "the version, and the one loss");
        assert!(found[0].ends_with(b"brain.Event:2"));
        // Time (9 bytes), step 1, and a summary of one value: its tag and its number.
        let mut expected = vec![0x10, 1, 0x2A, 22, 0x0A, 20, 0x0A, 13];
        expected.extend(b"training/loss");
        expected.push(0x15);
        expected.extend(3.5f32.to_le_bytes());
        assert_eq!(found[1][9..], expected);
    }

    #[test]
    fn a_run_that_goes_on_and_a_round_after_it_go_on_counting() {
        let place = tempfile::tempdir().unwrap();
        let events = EventFile::create(place.path()).unwrap();
        let path = events.path().to_path_buf();
        let progress = EventProgress::new(events, &NoProgress);
        let told: &dyn Progress = &progress;
        for reused in [7, 0] {
            let stage = told.begin("training", Unit::Steps, 8);
            stage.reuse(reused);
            stage.advance_with(1, Some(3.5), "").unwrap();
        }
        // The step stands behind the time.
        let steps: Vec<[u8; 2]> = records(&path)[1..].iter().map(|record| [record[9], record[10]]).collect();
        assert_eq!(steps, [[0x10, 8], [0x10, 9]]);
    }
}
