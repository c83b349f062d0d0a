//! What a result is measured on, and what is said of it.

use crate::{Error, Table, stored_bytes};
use dress::terminal::REFUSED;
use dress::{HeldBack, QualityText, TextQuality};
use dress_core::{Calibration, CausalLm};
use dress_engines::{EngineFormat, EngineTable, ModelShape, Verdict};
use dress_eval::report::grouped;
use dress_models::Checkpoint;
use dress_study::TextSource;
use serde::Serialize;
use std::path::Path;

/// The formats of which bytes are said where no engines are named.
const USUAL_FORMATS: [&str; 2] = ["vllm", "llama.cpp:q4_k_m"];

/// What a result is measured on.
#[derive(Debug, Clone, Default)]
pub(super) struct QualitySettings {
    /// Texts beside the calibration's.
    pub validate: Vec<TextSource>,
    /// The most blocks of each.
    pub most: usize,
    /// Blocks of the calibration's text that are held back, where that is given.
    pub hold_back: Option<usize>,
}

impl QualitySettings {
    /// Blocks of each text that is given, where nothing is said.
    pub const USUAL_BLOCKS: usize = 16;

    /// What is held back, where `usual` is where nothing is said.
    pub fn held_back(&self, usual: impl FnOnce() -> HeldBack) -> HeldBack {
        self.hold_back.map_or_else(usual, HeldBack::whole)
    }

    /// The texts, in blocks of `seqlen` tokens. One that was calibrated on is warned of.
    ///
    /// # Errors
    /// Those of [`TextSource::windows`].
    pub fn texts(
        &self,
        checkpoint: &Checkpoint,
        seqlen: usize,
        [calibration, held_back]: [&Calibration; 2],
    ) -> Result<Vec<QualityText>, Error> {
        let mut texts: Vec<QualityText> = QualityText::held_back(held_back).into_iter().collect();
        for source in &self.validate {
            let windows = source.windows(checkpoint, seqlen, self.most)?;
            if windows.provenance.sha256 == calibration.provenance.sha256 {
                let path = source.path.display();
                tracing::warn!("{path} is calibrated on, so that it says nothing of other texts");
            }
            texts.push(QualityText::of(windows));
        }
        Ok(texts)
    }

    /// What is said where nothing was measured.
    pub fn why_nothing(&self, calibration: &Calibration) -> &'static str {
        match (self.hold_back, calibration.blocks.is_empty()) {
            (Some(0), _) => "what it did to the loss was not measured, as --hold-back 0 says",
            (_, true) => {
                "what it did to the loss was not measured, as there was no text; --validate TEXT measures it"
            }
            _ => {
                "what it did to the loss was not measured, as the calibration took the whole text; give fewer --samples or \
                 --validate TEXT"
            }
        }
    }
}

/// The weights' bytes in one format.
#[derive(Debug, Serialize)]
pub(super) struct ServedBytes {
    pub by: EngineFormat,
    /// Of the model that a run began with; none where the engine refuses it.
    pub before: Option<u64>,
    /// Of the result; none where the engine refuses it.
    pub bytes: Option<u64>,
    /// Whether the engine loads the result.
    #[serde(flatten)]
    pub verdict: Verdict,
}

impl ServedBytes {
    /// Bytes before and after as `formats` serve them, or without any as usual formats do. A number of the
    /// files of the checkpoint at `path` has as many bytes in the result.
    ///
    /// # Errors
    /// Those of reading the files.
    pub fn of<M: CausalLm>(
        path: &Path,
        models: [&M; 2],
        formats: &[EngineFormat],
    ) -> Result<Vec<Self>, Error> {
        let stored = stored_bytes(path)?;
        let [before, after] = models.map(|model| ModelShape::of(model).stored_in(stored));
        let usual =
            if formats.is_empty() { EngineTable::built_in().formats(&USUAL_FORMATS)? } else { Vec::new() };
        let of = |by: &EngineFormat| {
            let [before, after] = [&before, &after].map(|shape| (by.verdict(shape), by.bytes(shape)));
            let served = |(verdict, bytes): &(Verdict, u64)| {
                (!matches!(verdict, Verdict::Refused { .. })).then_some(*bytes)
            };
            Self { by: by.clone(), before: served(&before), bytes: served(&after), verdict: after.0 }
        };
        Ok(formats.iter().chain(&usual).map(of).collect())
    }

    /// What is said of an engine that does not serve the result as it is, if it does not.
    fn warning(&self) -> Option<String> {
        let Self { by, verdict, .. } = self;
        match verdict {
            Verdict::Refused { why } => Some(format!("{by} refuses the result: {why}\n")),
            Verdict::Wrong { why } => Some(format!("{by} computes something else of the result: {why}\n")),
            Verdict::Loads | Verdict::LoadsAs { .. } | Verdict::Untried => None,
        }
    }
}

/// What is said of both models: their sizes, and what the texts say.
pub(super) struct BeforeAndAfter<'a> {
    pub names: [String; 2],
    pub parameters: [u64; 2],
    pub served: &'a [ServedBytes],
    pub quality: &'a [TextQuality],
}

impl BeforeAndAfter<'_> {
    /// A table of it.
    pub fn table(&self) -> Table {
        let [before, after] = &self.names;
        let mut table = Table::new(&["", before.as_str(), after.as_str(), "difference"]);
        let mut row = |name: String, values: [String; 2], difference: String| {
            let [before, after] = values;
            table.row(&[name, before, after, difference]);
        };
        row("parameters".into(), self.parameters.map(grouped), percent(self.parameters));
        for ServedBytes { by, before, bytes, .. } in self.served {
            let megabytes = |bytes: Option<u64>| match bytes {
                Some(bytes) => format!("{:.1} MB", bytes as f64 / 1e6),
                None => REFUSED.into(),
            };
            let difference =
                before.zip(*bytes).map_or(String::new(), |(before, after)| percent([before, after]));
            row(format!("bytes, {by}"), [*before, *bytes].map(megabytes), difference);
        }
        for text in self.quality {
            let (label, both) = (label(text), [&text.before, &text.after]);
            let error = |error: Option<f64>| error.map_or(String::new(), |error| format!(" ± {error:.4}"));
            let difference = &text.difference;
            row(
                format!("loss, {label}"),
                both.map(|report| format!("{:.4}", report.loss)),
                format!("{:+.4}{}", difference.difference, error(difference.standard_error)),
            );
            let (gained, error) = difference.percent_of_perplexity();
            let error = error.map_or(String::new(), |error| format!(" ± {error:.1}%"));
            let perplexities = both.map(|report| format!("{:.2}", report.perplexity));
            row(format!("perplexity, {label}"), perplexities, format!("{gained:+.1}%{error}"));
        }
        table
    }

    /// Which engines of the table do not serve the result, and why, a line each.
    pub fn about_the_engines(&self) -> String {
        self.served.iter().filter_map(ServedBytes::warning).collect()
    }

    /// What the texts are, a line each, where the run saw `seen` blocks of calibration. Blocks that are held
    /// back are others in other runs, so that the figures of one and the same model are too.
    pub fn about_the_texts(&self, seen: usize) -> String {
        let line = |text: &TextQuality| {
            let (blocks, seqlen, name) = (text.before.data.blocks, text.before.data.seqlen, &text.text);
            match text.held_back {
                true => format!(
                    "held back: {blocks} blocks of {seqlen} tokens of {name}, drawn behind the {seen} blocks that the run saw;\n\
                     another --samples, --seqlen, --hold-back or --seed holds back others, which changes the figures of both models\n"
                ),
                false => format!("{name}: its first {blocks} blocks of {seqlen} tokens\n"),
            }
        };
        self.quality.iter().map(line).collect()
    }
}

/// How many tokens the blocks of a text that was named have.
pub(super) fn seqlen_of_validation(quality: &[TextQuality]) -> Option<usize> {
    quality.iter().find(|text| !text.held_back).map(|text| text.before.data.seqlen)
}

/// What a text is called in tables.
pub(super) fn label(text: &TextQuality) -> &str {
    if text.held_back { "held back" } else { &text.text }
}

/// By how many percent a number changed.
pub(super) fn percent([before, after]: [u64; 2]) -> String {
    format!("{:+.1}%", 100.0 * (after as f64 / before.max(1) as f64 - 1.0))
}
