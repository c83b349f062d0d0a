//! What a result's model card says of how it was made.

use crate::{RegularizeConfig, ResultFile, TextQuality};
use dress_core::{AxisKind, Basis, CorpusProvenance, KeptOfKind, least_to_most};
use dress_eval::report::{grouped, markdown_code};
use dress_prune::{LocalInputs, PenaltyForm};
use std::fmt;

/// The text of a model card below its heading. Its [`Display`](fmt::Display) is Markdown.
///
/// [`PrunedCheckpoint::save`](crate::PrunedCheckpoint::save) writes one by itself. Whoever saves a model
/// otherwise gives the text to [`SaveConfig::model_card`](dress_models::SaveConfig::model_card). Figures of
/// its quality are facts like others: [`TextQuality::fact`] of what
/// [`QualityBefore`](crate::QualityBefore) measured.
///
/// # Examples
/// ```
/// use dress::ModelCard;
///
/// let card = ModelCard {
///     summary: "Rotated to principal components.".into(),
///     sizes: ModelCard::parameters(1_000, 1_000).into(),
///     how: vec!["The residual stream was turned.".into()],
///     command: Some("dress rotate --model dense --out turned".into()),
///     made_by: "dress 0.1.0".into(),
/// };
/// assert!(card.to_string().contains("| parameters | 1,000 | 1,000 (100.0%) |"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelCard {
    /// What was done, in a sentence.
    pub summary: String,
    /// What there was before and what there is now, each with its name.
    pub sizes: Vec<[String; 3]>,
    /// How it was done, a sentence a fact.
    pub how: Vec<String>,
    /// The command that does it again, where there was one. Cards are published: give paths as
    /// [`published_paths`](dress_core::published_paths) says them.
    pub command: Option<String>,
    /// The versions of the software, and where it ran.
    pub made_by: String,
}

impl ModelCard {
    /// The sizes' row of the parameters.
    pub fn parameters(before: u64, after: u64) -> [[String; 3]; 1] {
        let share = after as f64 / before as f64 * 100.0;
        [["parameters".into(), grouped(before), format!("{} ({share:.1}%)", grouped(after))]]
    }

    /// The sizes' rows of what is left of the kinds of axis that lost something.
    pub fn kept(kept: &[KeptOfKind]) -> Vec<[String; 3]> {
        let counts = |range: [usize; 2]| least_to_most(range.map(|count| grouped(count as u64)));
        let row = |of: &KeptOfKind| [structures(of.kind).into(), counts(of.lengths), counts(of.range)];
        kept.iter().map(row).collect()
    }

    /// A sentence about the text that was looked at.
    pub fn calibration(text: &CorpusProvenance) -> String {
        let name = text.path.rsplit(['/', '\\']).next().unwrap_or_default();
        let seed = text.seed.map_or(String::new(), |seed| format!(", drawn with the seed {seed}"));
        format!(
            "Calibrated on {} blocks of {} tokens of {} (SHA-256 {}){seed}.",
            grouped(text.blocks as u64),
            grouped(text.seqlen as u64),
            markdown_code(name),
            markdown_code(&text.sha256)
        )
    }
}

impl fmt::Display for ModelCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n\n| | before | after |\n|---|---:|---:|", self.summary)?;
        self.sizes
            .iter()
            .try_for_each(|[name, before, after]| writeln!(f, "| {name} | {before} | {after} |"))?;
        writeln!(f, "\n## How it was made\n")?;
        self.how.iter().try_for_each(|fact| writeln!(f, "- {fact}"))?;
        if let Some(command) = &self.command {
            writeln!(f, "\nThe command that makes it again:\n\n```sh\n{command}\n```")?;
        }
        write!(f, "\nMade by [DReSS](https://github.com/dress-rs/dress): {}.", self.made_by)
    }
}

impl ResultFile {
    /// What the model card says of the result, which has `kept` of its axes.
    pub fn model_card(&self, kept: &[KeptOfKind]) -> ModelCard {
        let rows = ModelCard::parameters(self.parameters_before, self.parameters).into_iter();
        ModelCard {
            summary: "Parts of the model were removed, so that every matrix that had them is smaller.".into(),
            sizes: rows.chain(ModelCard::kept(kept)).collect(),
            how: self.how(),
            command: self.command.clone(),
            made_by: format!(
                "dress {}, Burn {}, {} in {}. Every setting is in `dress.json`, and `plan.json` lists what went",
                self.dress_version, self.burn_version, self.device, self.dtype
            ),
        }
    }

    /// How it came to be, a sentence a fact.
    fn how(&self) -> Vec<String> {
        let basis = match self.plan.basis {
            Basis::Identity => String::new(),
            basis => format!(", in the coordinates {}", markdown_code(&basis.to_string())),
        };
        let mut facts = vec![format!(
            "What went was chosen by the criterion {}{basis}.",
            markdown_code(&self.plan.criterion)
        )];
        match &self.regularize {
            Some(settings) => facts.extend(self.trained(settings)),
            None => facts.push("It was sliced without training.".into()),
        }
        if !self.report.compensation.is_empty() {
            facts.push("The projections behind what went were refitted to make up for it.".into());
        }
        if let Some(moved) = self.report.slicing_error {
            facts.push(format!("The slice itself moved the logits by {moved:.1e} of their norm."));
        }
        facts.extend(self.quality.iter().map(TextQuality::fact));
        facts
            .extend(self.calibration.as_ref().or(self.plan.calibration.as_ref()).map(ModelCard::calibration));
        facts
    }

    fn trained(&self, settings: &RegularizeConfig) -> Vec<String> {
        let (steps, rate) = (grouped(self.report.curve.len() as u64), settings.train.learning_rate.peak);
        let penalty = match settings.form {
            PenaltyForm::Proximal => format!("{} penalty by proximal steps", settings.penalty_name()),
            PenaltyForm::Loss => format!("{} penalty in the loss", settings.penalty_name()),
            PenaltyForm::Off => "no penalty".into(),
        };
        let mut facts = vec![format!(
            "It was regularized before it was sliced: {steps} steps, {penalty}, lambda {}, learning rate {rate:e}.",
            settings.lambda
        )];
        if let Some(inputs) = settings.local {
            let stream = match inputs {
                LocalInputs::Dense => "the dense model's residual stream",
                LocalInputs::Pruned => "the residual stream of the layers before it as they had become",
            };
            facts.push(format!(
                "Each layer was trained alone, on {stream}, to add what the dense layer adds."
            ));
        }
        if let Some(cut) = self.report.cut {
            let after = grouped(cut.step as u64 + 1);
            facts.push(format!(
                "It was sliced after step {after}; the other steps trained the smaller model."
            ));
        }
        if settings.distill.is_some() {
            facts.push("It learnt from the dense model's predictions as well.".into());
        }
        facts
    }
}

impl TextQuality {
    /// What a text says of a run, in a sentence for [`ModelCard::how`].
    pub fn fact(&self) -> String {
        let (percent, error) = self.difference.percent_of_perplexity();
        let error = error.map_or(String::new(), |error| format!(" ± {error:.1}%"));
        let blocks = match self.held_back {
            true => "blocks that were held back of",
            false => "blocks of",
        };
        format!(
            "The perplexity on {} {blocks} {} went from {:.2} to {:.2} ({percent:+.1}%{error}).",
            self.before.data.blocks,
            markdown_code(&self.text),
            self.before.perplexity,
            self.after.perplexity
        )
    }
}

/// What the structures of a kind are called.
fn structures(kind: AxisKind) -> &'static str {
    match kind {
        AxisKind::Residual => "channels (hidden size)",
        AxisKind::Ffn => "neurons of a layer",
        AxisKind::Heads => "head groups of a layer",
        AxisKind::Depth => "layers",
    }
}
