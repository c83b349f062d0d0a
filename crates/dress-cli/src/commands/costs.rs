//! `dress costs`.

use super::CommonArgs;
use super::common_args::{at_least_one, or_none};
use crate::costs_file::{CostsFile, Pass, TimedShape};
use crate::{Error, PlaceLock, TerminalProgress, check_own_file_place, locate, write_result};
use clap::Args;
use dress_core::Selection;
use dress_eval::{SpeedConfig, speed};
use dress_models::AnyModel;
use dress_prune::{Load, shapes_to_time};
use std::path::PathBuf;

/// Tokens of the prefill where the model has positions for them.
const PREFILL: usize = 512;

/// Options of `dress costs`.
#[derive(Debug, Args)]
pub struct CostsArgs {
    /// The checkpoint: a directory, a GGUF file, or `owner/name` on the Hugging Face hub. It and halves of it, three to
    /// four times its size, are in memory together.
    #[arg(long)]
    model: PathBuf,
    /// The file to write, for --costs of score and prune.
    #[arg(long)]
    out: PathBuf,
    /// Replace the file that is there.
    #[arg(long)]
    force: bool,
    /// Tokens of the prefill; by default 512, or what the model has positions for.
    #[arg(long, value_parser = at_least_one)]
    prefill_tokens: Option<usize>,
    /// Tokens of the prompt that decoding starts from.
    #[arg(long, default_value_t = 64, value_parser = at_least_one)]
    prompt_tokens: usize,
    /// Tokens that are decoded.
    #[arg(long, default_value_t = 32, value_parser = at_least_one)]
    new_tokens: usize,
    /// Measured rounds of every shape.
    #[arg(long, default_value_t = 7, value_parser = at_least_one)]
    rounds: usize,
    /// Rounds before, which are not counted.
    #[arg(long, default_value_t = 1, value_parser = or_none)]
    warmup: usize,
    #[command(flatten)]
    common: CommonArgs,
}

impl CostsArgs {
    pub(super) fn run(mut self) -> Result<(), Error> {
        self.model = locate(&self.model)?;
        check_own_file_place(&self.out, self.force, "file of costs", CostsFile::is_at)?;
        let _lock = PlaceLock::take(&self.out)?;
        let positions = crate::max_positions(&self.model)?;
        let config = SpeedConfig {
            prefill_tokens: self.prefill_tokens.unwrap_or(PREFILL.min(positions)),
            prompt_tokens: self.prompt_tokens,
            new_tokens: self.new_tokens,
            batches: Vec::new(),
            repeats: self.rounds,
            warmup: self.warmup,
        };
        config.check(positions)?;
        let dense = self.common.load(&self.model)?;
        let mut shapes = vec![(Vec::new(), dense.clone())];
        for selection in shapes_to_time(&dense) {
            shapes.push((gone(&selection), dress_prune::slice(dense.clone(), &selection)?));
        }
        let models: Vec<&AnyModel> = shapes.iter().map(|(_, model)| model).collect();
        let reports = speed(&models, &config, &TerminalProgress::default())?;
        let timed = shapes.iter().zip(reports).map(|((gone, model), report)| TimedShape {
            gone: gone.clone(),
            load: Load::of(model),
            decode_ms: report.decode_ms,
            prefill_ms: report.prefill_ms,
        });
        let file = CostsFile::new(&self.model, self.common.run_info()?, config, timed.collect())?;
        write_result(&self.out, file.to_json().as_bytes(), self.force)?;
        self.common.output().print(&file, || self.told(&file))?;
        Ok(())
    }

    fn told(&self, file: &CostsFile) -> String {
        let pass = |name: &str, pass: Pass| {
            let (costs, worst) = (file.of(pass), 100.0 * file.worst(pass));
            let dense = file.shapes[0].load;
            let share = |part: f64| 100.0 * part / costs.seconds(dense);
            format!(
                "{name}: {:.2} ms, {:.0}% of it the blocks' matrices, {:.0}% the head's, {:.0}% whatever the width; \
                 measured shapes are within {worst:.1}%",
                1000.0 * costs.seconds(dense),
                share(costs.in_blocks * dense.in_blocks as f64),
                share(costs.outside * dense.outside as f64),
                share(costs.per_block * dense.blocks as f64),
            )
        };
        let (decode, prefill) = (pass("one more token", Pass::Decode), pass("prefill", Pass::Prefill));
        format!("{decode}\n{prefill}\nwritten to {}", self.out.display())
    }
}

/// What a selection removes, an axis of each kind.
fn gone(selection: &Selection) -> Vec<String> {
    let mut kinds: Vec<String> = selection.iter().map(|(axis, _)| axis.kind().to_string()).collect();
    kinds.dedup();
    kinds
}
