//! The options of the texts that a study evaluates on.

use super::common_args::{CalibrationArgs, at_least_one};
use crate::Error;
use clap::Args;
use dress_study::{EvaluationTexts, TextSource};
use std::path::{Path, PathBuf};

/// The heading of what is evaluated, and how.
pub(super) const EVALUATION: &str = "Evaluation";

/// The texts that every cell is evaluated on, but for the unseen one, which not every study needs.
#[derive(Debug, Args)]
#[command(next_help_heading = EVALUATION)]
pub struct StudyTextArgs {
    /// A text like the calibration's to evaluate on, never the same.
    #[arg(long)]
    data: PathBuf,
    /// The field of --unseen's rows that is their text; by default --text-field, which is also --data's.
    #[arg(long, value_name = "NAME", requires = "unseen")]
    unseen_text_field: Option<String>,
    #[arg(
        long,
        help = format!(
            "Tokens a block of the evaluation; by default {}, or what the model has positions for",
            EvaluationTexts::USUAL_SEQLEN
        )
    )]
    eval_seqlen: Option<usize>,
    /// The most blocks of each text, from its start; all by default.
    #[arg(long, value_parser = at_least_one)]
    max_blocks: Option<usize>,
}

impl StudyTextArgs {
    /// The texts; `field` is the field of rows where none is given of the unseen text's own.
    ///
    /// # Errors
    /// [`Error::ReadTwice`].
    pub(super) fn texts(&self, unseen: Option<&Path>, field: Option<&str>) -> Result<EvaluationTexts, Error> {
        let unseen_field = self.unseen_text_field.as_deref().or(field);
        let seen = read_again("--data", TextSource::new(&self.data).text_field(field))?;
        let unseen = unseen.map(|path| TextSource::new(path).text_field(unseen_field));
        let unseen = unseen.map(|text| read_again("--unseen", text)).transpose()?;
        Ok(EvaluationTexts { seen, unseen, seqlen: self.eval_seqlen, max_blocks: self.max_blocks })
    }
}

impl CalibrationArgs {
    /// The text, where there is one, that every cell reads.
    ///
    /// # Errors
    /// [`Error::ReadTwice`].
    pub(super) fn text_read_again(&self) -> Result<Option<TextSource>, Error> {
        self.text().map(|text| read_again("--calibration", text)).transpose()
    }
}

/// Every cell is a process of its own, that reads the texts again.
fn read_again(option: &'static str, text: TextSource) -> Result<TextSource, Error> {
    match text.check_read_again() {
        Ok(()) => Ok(text),
        Err(_) => Err(Error::ReadTwice { option, path: text.path }),
    }
}
