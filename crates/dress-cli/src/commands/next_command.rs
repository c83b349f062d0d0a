//! The command to type when a run is over.

use crate::quoted;
use dress_core::{Draw, StockTarget};
use dress_prune::Sampling;
use dress_study::TextSource;
use std::path::Path;

/// A command as it would be typed.
pub(super) struct NextCommand(String);

impl NextCommand {
    fn new(subcommand: &str) -> Self {
        Self(format!("dress {subcommand}"))
    }

    fn with(mut self, option: &str, value: &str) -> Self {
        self.0 += &format!(" --{option} {}", quoted(value));
        self
    }

    fn path(self, option: &str, value: &Path) -> Self {
        self.with(option, &value.display().to_string())
    }

    fn text(self, option: &str, text: &TextSource) -> Self {
        let named = self.path(option, &text.path);
        match &text.text_field {
            Some(field) => named.with("text-field", field),
            None => named,
        }
    }

    /// Evaluates `made` beside `dense` on a text in blocks of `seqlen` tokens, where that is known, so that
    /// its figures compare with the run's. A text that is not known is left open.
    pub fn eval(made: &Path, dense: &Path, text: Option<&TextSource>, seqlen: Option<usize>) -> String {
        let command = Self::new("eval").path("model", made).path("against", dense);
        let command = match text {
            Some(text) => command.text("data", text),
            None => Self(command.0 + " --data ANOTHER_TEXT"),
        };
        match seqlen {
            Some(seqlen) => command.with("seqlen", &seqlen.to_string()).0,
            None => command.0,
        }
    }

    /// Fine-tunes `made`, whose shape keeps the rules of `stock`, on the calibration's text, with `dense` as
    /// its teacher.
    pub fn recover(
        made: &Path,
        dense: &Path,
        text: &TextSource,
        sampling: &Sampling,
        stock: StockTarget,
    ) -> String {
        let usual = Sampling::default();
        let mut command = Self::new("recover").path("model", made).text("calibration", text);
        if sampling.samples != usual.samples {
            command = command.with("samples", &sampling.samples.to_string());
        }
        if let Some(seqlen) = sampling.seqlen {
            command = command.with("seqlen", &seqlen.to_string());
        }
        if sampling.draw == Draw::Rows {
            command = command.with("draw", "rows");
        }
        if stock != StockTarget::default() {
            command = command.with("target", &stock.to_string());
        }
        let out = format!("{}-recovered", made.display().to_string().trim_end_matches(['/', '\\']));
        command.path("distill-from", dense).with("out", &out).0 + " --full"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed_as_it_stands() {
        let (made, dense) = (Path::new("out/a b"), Path::new("owner/name"));
        let text = TextSource::new("c4.jsonl").text_field(Some("text"));
        let sampling = Sampling { samples: 128, seqlen: Some(256), draw: Draw::Rows };
        assert_eq!(
            NextCommand::recover(made, dense, &text, &sampling, StockTarget::Dress),
            "dress recover --model 'out/a b' --calibration c4.jsonl --text-field text --samples 128 --seqlen 256 --draw rows \
             --target dress --distill-from owner/name --out 'out/a b-recovered' --full"
        );
        // What the command does without is not said.
        let usual = NextCommand::recover(made, dense, &text, &Sampling::default(), StockTarget::All);
        assert!(!usual.contains("--target") && !usual.contains("--samples"), "{usual}");
        assert_eq!(
            NextCommand::eval(made, dense, None, Some(256)),
            "dress eval --model 'out/a b' --against owner/name --data ANOTHER_TEXT --seqlen 256"
        );
    }
}
