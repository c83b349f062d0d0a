//! How a command says what happens while it runs.

use clap::ValueEnum;
use dress::terminal::{LineFormat, TerminalProgress};
use serde_json::{Map, Value, json};
use std::fmt;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// How progress, warnings and errors are written on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// For people: bars at a terminal, and a line every half minute without one.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// That of this process, once it is known.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

impl LogFormat {
    /// Has this process say everything so.
    pub fn set(self) {
        let _ = FORMAT.set(self);
    }

    fn of_process() -> Self {
        FORMAT.get().copied().unwrap_or_default()
    }
}

/// What a command shows of its progress.
pub fn shown_progress() -> TerminalProgress {
    match LogFormat::of_process() {
        LogFormat::Text => TerminalProgress::default(),
        LogFormat::Json => TerminalProgress::lines(LineFormat::Json),
    }
}

/// An error as this process says it.
pub fn said_error(text: &str) -> String {
    match LogFormat::of_process() {
        LogFormat::Text => format!("error: {text}"),
        LogFormat::Json => json!({ "time": clock(), "level": "error", "message": text }).to_string(),
    }
}

fn clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What is logged, one JSON object a line.
pub struct JsonEvents;

impl<S, N> FormatEvent<S, N> for JsonEvents
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let level = event.metadata().level().to_string().to_lowercase();
        fields.0.insert("time".into(), clock().into());
        fields.0.insert("level".into(), level.into());
        writeln!(writer, "{}", Value::Object(fields.0))
    }
}

/// The fields of an event; `message` is what was said.
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().into(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }
}
