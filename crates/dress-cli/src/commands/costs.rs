//! `dress costs`.

use crate::costs_file::{CostsFile, Pass, TimedShape};
use crate::{Error, PlaceLock, RunContext, check_own_file_place, shown_progress, write_result};
use dress_core::Selection;
use dress_eval::{SpeedConfig, speed};
use dress_models::AnyModel;
use dress_prune::{Load, shapes_to_time};
use std::path::PathBuf;

/// What `dress costs` does.
#[derive(Debug)]
pub(super) struct Costs {
    /// The checkpoint.
    pub model: PathBuf,
    /// How often what is measured.
    pub config: SpeedConfig,
    /// The file to write.
    pub out: PathBuf,
    /// Whether one that is there is replaced.
    pub force: bool,
    /// Where it is computed.
    pub context: RunContext,
}

impl Costs {
    pub fn run(self) -> Result<(), Error> {
        let (context, config) = (&self.context, &self.config);
        check_own_file_place(&self.out, self.force, "file of costs", CostsFile::is_at)?;
        let _lock = PlaceLock::take(&self.out)?;
        let dense = context.load(&self.model)?;
        let mut shapes = vec![(Vec::new(), dense.clone())];
        for selection in shapes_to_time(&dense) {
            shapes.push((gone(&selection), dress_prune::slice(dense.clone(), &selection)?));
        }
        let models: Vec<&AnyModel> = shapes.iter().map(|(_, model)| model).collect();
        let reports = speed(&models, config, &shown_progress())?;
        let timed = shapes.iter().zip(reports).map(|((gone, model), report)| TimedShape {
            gone: gone.clone(),
            load: Load::of(model),
            decode_ms: report.decode_ms,
            prefill_ms: report.prefill_ms,
        });
        let file = CostsFile::new(&self.model, context.run_info(), config.clone(), timed.collect())?;
        write_result(&self.out, file.to_json().as_bytes(), self.force)?;
        context.output.print(&file, || self.told(&file))?;
        Ok(())
    }

    fn told(&self, file: &CostsFile) -> String {
        let pass = |name: &str, pass: Pass| {
            let (costs, worst) = (file.of(pass), 100.0 * file.worst(pass));
            let dense = file.shapes[0].load;
            let share = |part: f64| 100.0 * part / costs.seconds(dense);
            format!(
                "{name}: {:.2} ms, {:.0}% of it the layers' matrices, {:.0}% the head's, {:.0}% whatever the width; \
                 measured shapes are within {worst:.1}%",
                1000.0 * costs.seconds(dense),
                share(costs.in_layers * dense.in_layers as f64),
                share(costs.outside * dense.outside as f64),
                share(costs.per_layer * dense.layers as f64),
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
