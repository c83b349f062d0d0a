//! What the cells of a study will take.

use crate::{Error, Subject};
use dress::{Estimate, QualityBefore, QualityText, StageTimes};
use dress_core::{Progress, Unit};
use dress_models::AnyModel;
use serde::Serialize;
use std::time::Instant;

/// Cells of one row that take as long as each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RehearsedCells {
    /// The row's name.
    pub name: String,
    /// How many there are.
    pub cells: usize,
    /// What one of them takes, evaluation included.
    pub estimate: Estimate,
}

impl Subject {
    /// The texts that every cell is evaluated on.
    fn texts(&self) -> Result<Vec<QualityText>, Error> {
        let blocks = self.evaluation_blocks()?;
        Ok(blocks.iter().map(|blocks| QualityText::of(blocks.into())).collect())
    }

    /// What evaluating one model takes, by one block of each text.
    ///
    /// # Errors
    /// Those of the texts and of measuring.
    pub(crate) fn rehearse_evaluation(
        &self,
        model: &AnyModel,
        progress: &dyn Progress,
    ) -> Result<Estimate, Error> {
        let mut texts = self.texts()?;
        let windows: usize = texts.iter().map(|text| text.windows.windows.len()).sum();
        texts.iter_mut().for_each(|text| text.windows.windows.truncate(1));
        let measured = texts.len().max(1);
        let (began, times) = (Instant::now(), StageTimes::new(progress));
        QualityBefore::measure(model, texts, &times)?;
        Ok(times.estimate(began.elapsed().as_secs_f64(), |timed| match timed.stage.unit {
            Unit::Blocks => windows as f64 / measured as f64,
            _ => 1.0,
        }))
    }
}
