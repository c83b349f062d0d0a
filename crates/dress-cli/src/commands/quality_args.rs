//! The options of what a result is measured on.

use super::common_args::{at_least_one, or_none};
use super::quality::QualitySettings;
use clap::Args;
use dress_study::TextSource;
use std::path::PathBuf;

/// What a result is measured on when it is made.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Quality of the result")]
pub struct QualityArgs {
    /// Measure the loss before and after on this text too, from its start; may be given several times.
    #[arg(long, value_name = "TEXT")]
    validate: Vec<PathBuf>,
    /// The most blocks of each --validate text.
    #[arg(long, value_name = "BLOCKS", requires = "validate", default_value_t = QualitySettings::USUAL_BLOCKS, value_parser = at_least_one)]
    validate_blocks: usize,
    /// Blocks of the calibration's text that are held back to measure on; by default as many as take some 3%
    /// of the run, and 0 for none.
    #[arg(long, value_name = "BLOCKS", value_parser = or_none)]
    hold_back: Option<usize>,
}

impl QualityArgs {
    /// What they ask for; rows of the texts have their text in `text_field`, where one is given.
    pub(super) fn settings(&self, text_field: Option<&str>) -> QualitySettings {
        let text = |path: &PathBuf| TextSource::new(path).text_field(text_field);
        QualitySettings {
            validate: self.validate.iter().map(text).collect(),
            most: self.validate_blocks,
            hold_back: self.hold_back,
        }
    }
}
