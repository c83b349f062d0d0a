//! What a run did to what a model says of texts that the run did not look at.

use crate::divergences::divergences;
use crate::{Divergences, Error};
use dress_core::{Calibration, CausalLm, Progress};
use dress_data::Windows;
use dress_eval::{PairedDifference, PerplexityConfig, PerplexityReport, WindowLoss, perplexity_by_window};
use dress_prune::Passes;
use serde::{Deserialize, Serialize};

/// A text that both models are measured on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualityText {
    /// What results call it: the name of its file.
    pub name: String,
    /// Whether it is blocks of the calibration's text that were held back from the run.
    pub held_back: bool,
    /// Its blocks.
    pub windows: Windows,
}

impl QualityText {
    /// A text of its own.
    pub fn of(windows: Windows) -> Self {
        Self { name: file_name(&windows.provenance.path), held_back: false, windows }
    }

    /// Blocks of the calibration's text that were held back; none where there are none.
    pub fn held_back(blocks: &Calibration) -> Option<Self> {
        let name = file_name(&blocks.provenance.path);
        (!blocks.blocks.is_empty()).then(|| Self { name, held_back: true, windows: blocks.into() })
    }
}

fn file_name(path: &str) -> String {
    path.rsplit(['/', '\\']).next().unwrap_or_default().into()
}

/// What one text says of a run: of the model before and of the model after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextQuality {
    /// The text's name.
    pub text: String,
    /// Whether it is blocks of the calibration's text that were held back from the run.
    pub held_back: bool,
    /// The model before.
    pub before: PerplexityReport,
    /// The model after.
    pub after: PerplexityReport,
    /// How much more the model after loses, block by block, in nats a token.
    pub difference: PairedDifference,
    /// How far both are from the dense model that the run learnt from; of the first text alone, and where
    /// there is such a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divergences: Option<Divergences>,
}

/// The texts, and what they say of the model that a run begins with.
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
/// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress::{QualityBefore, QualityText};
/// use dress_core::{Calibration, NoProgress};
///
/// let blocks = Calibration::from_blocks(vec![vec![1, 2, 3, 4], vec![5, 6, 7, 8]]);
/// let texts = QualityText::held_back(&blocks).into_iter().collect();
/// let before = QualityBefore::measure(&model, texts, &NoProgress)?;
/// let same = before.compare(&model, &NoProgress)?;
/// assert_eq!(same[0].difference.difference, 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct QualityBefore {
    texts: Vec<(QualityText, PerplexityReport, Vec<WindowLoss>)>,
    /// How far the model is from the dense one on every block of the first text, where that was measured.
    divergences: Vec<f64>,
}

impl QualityBefore {
    /// Measures the model that a run begins with.
    ///
    /// # Errors
    /// Those of [`perplexity_by_window`].
    pub fn measure<M: CausalLm>(
        model: &M,
        texts: Vec<QualityText>,
        progress: &dyn Progress,
    ) -> Result<Self, Error> {
        let of = |text: QualityText| {
            let (report, losses) = measured(model, &text, progress)?;
            Ok((text, report, losses))
        };
        let texts = texts.into_iter().map(of).collect::<Result<_, Error>>()?;
        Ok(Self { texts, divergences: Vec::new() })
    }

    /// The same with how far the model, which has to be the one that was measured, is from `dense` on the
    /// first text. That takes another pass of both.
    ///
    /// # Errors
    /// Those of [`dress_eval::departure`].
    pub fn with_dense<M: CausalLm>(
        self,
        model: &M,
        dense: &M,
        progress: &dyn Progress,
    ) -> Result<Self, Error> {
        let divergences = self.first_divergences(model, dense, progress)?;
        Ok(Self { divergences, ..self })
    }

    fn first_divergences<M: CausalLm>(
        &self,
        model: &M,
        dense: &M,
        progress: &dyn Progress,
    ) -> Result<Vec<f64>, Error> {
        let first = self.texts.first().map(|(text, ..)| divergences(model, dense, text, progress));
        Ok(first.transpose()?.unwrap_or_default())
    }

    /// Measures the model that the run ended with, and holds it against the one that it began with.
    ///
    /// # Errors
    /// Those of [`perplexity_by_window`].
    pub fn compare<M: CausalLm>(
        &self,
        model: &M,
        progress: &dyn Progress,
    ) -> Result<Vec<TextQuality>, Error> {
        let mut all = Vec::new();
        for (text, before, losses) in &self.texts {
            let (after, losses_after) = measured(model, text, progress)?;
            let difference = PairedDifference::of_losses(losses, &losses_after)
                .expect("both are measured on the same windows, of which there are some");
            let (text, held_back) = (text.name.clone(), text.held_back);
            let before = before.clone();
            all.push(TextQuality { text, held_back, before, after, difference, divergences: None });
        }
        Ok(all)
    }

    /// The same with whether the run brought the model nearer to `dense`, where [`QualityBefore::with_dense`]
    /// says how far the one before was.
    ///
    /// # Errors
    /// Those of [`perplexity_by_window`] and of [`dress_eval::departure`].
    pub fn compare_with_dense<M: CausalLm>(
        &self,
        model: &M,
        dense: &M,
        progress: &dyn Progress,
    ) -> Result<Vec<TextQuality>, Error> {
        let mut all = self.compare(model, progress)?;
        if let Some(first) = all.first_mut() {
            let after = self.first_divergences(model, dense, progress)?;
            first.divergences = Divergences::of(&self.divergences, &after);
        }
        Ok(all)
    }
}

/// The share of a run that measuring both models on blocks held back may take.
const SHARE: f64 = 0.025;

/// The fewest blocks that are held back, of which a difference has an error, and the most.
const BLOCKS: [usize; 2] = [2, 16];

/// The fewest tokens of a block that are measured.
const TOKENS: usize = 64;

/// How much of the calibration's text is held back from a run to measure on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeldBack {
    /// How many blocks.
    pub blocks: usize,
    /// The share of each, from its first token on, that is measured.
    pub share: f64,
}

impl HeldBack {
    /// As much as takes some 3% of the time of a run of so many passes: from two blocks to sixteen, and of
    /// two blocks the first part where the run is over too soon for them.
    ///
    /// # Examples
    /// ```
    /// use dress::HeldBack;
    /// use dress_prune::Passes;
    ///
    /// // Scoring and refitting neurons on 16 blocks takes 48 passes: six tenths of a block by each model.
    /// let held_back = HeldBack::of(Passes { forward: 48, backward: 0 });
    /// assert!(held_back.blocks == 2 && (held_back.share - 0.3).abs() < 1e-9);
    /// ```
    pub fn of(run: Passes) -> Self {
        let [fewest, most] = BLOCKS;
        // Both models see them.
        let affordable = SHARE * run.in_forward_passes() as f64 / 2.0;
        let blocks = (affordable as usize).clamp(fewest, most);
        Self { blocks, share: (affordable / blocks as f64).min(1.0) }
    }

    /// So many blocks, all of each.
    pub fn whole(blocks: usize) -> Self {
        Self { blocks, share: 1.0 }
    }

    /// What of `blocks` is measured.
    pub fn part_of(self, mut blocks: Calibration) -> Calibration {
        let measured = |len: usize| ((self.share * len as f64) as usize).max(TOKENS).min(len);
        blocks.blocks.iter_mut().for_each(|block| block.truncate(measured(block.len())));
        blocks.provenance.seqlen = measured(blocks.provenance.seqlen);
        blocks
    }
}

fn measured<M: CausalLm>(
    model: &M,
    text: &QualityText,
    progress: &dyn Progress,
) -> Result<(PerplexityReport, Vec<WindowLoss>), Error> {
    Ok(perplexity_by_window(model, &text.windows, &PerplexityConfig::default(), None, progress)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_back_takes_some_percent_of_the_run() {
        let run = |forward, backward| HeldBack::of(Passes { forward, backward });
        assert_eq!(run(64, 64), HeldBack { blocks: 3, share: 1.0 });
        assert_eq!(run(0, 100_000), HeldBack::whole(16));
        for (forward, backward) in [(16, 0), (48, 0), (128, 128), (256, 256), (400, 400)] {
            let held_back = run(forward, backward);
            let passes = 2.0 * held_back.blocks as f64 * held_back.share / (forward + 3 * backward) as f64;
            assert!(passes <= 0.03 && passes > 0.019, "{forward} and {backward}: {passes}");
        }
    }

    #[test]
    fn of_a_short_run_s_blocks_the_first_part_is_measured() {
        let mut blocks = Calibration::from_blocks(vec![(0..400).collect(), (400..800).collect()]);
        blocks.provenance.seqlen = 400;
        let part = |share| HeldBack { blocks: 2, share }.part_of(blocks.clone());
        assert_eq!(part(0.25).blocks, [(0..100).collect::<Vec<u32>>(), (400..500).collect()]);
        assert_eq!((part(0.25).provenance.seqlen, part(0.0).blocks[1].len()), (100, TOKENS));
        assert_eq!(part(1.0), blocks);
    }
}
