//! What an ablation will take.

use super::{Ablation, AblationStudy};
use crate::{Error, RehearsedCells};
use dress_core::Progress;

impl AblationStudy {
    /// What every row takes, by a run of it on a few blocks and an evaluation of what comes of it. Nothing is
    /// written, and kept cells are not looked for.
    ///
    /// # Errors
    /// Those of loading, pruning and evaluating.
    pub fn rehearse(&self, progress: &dyn Progress) -> Result<Vec<RehearsedCells>, Error> {
        let checkpoint = self.subject.checkpoint();
        let dense = self.dense.load(checkpoint, self.seeds.first().copied().unwrap_or_default())?;
        let estimate = self.subject.rehearse_evaluation(&dense, progress)?;
        drop(dense);
        let mut rows = vec![RehearsedCells { name: Ablation::DENSE.into(), cells: 1, estimate }];
        for variant in &self.variants {
            let job = variant.run.clone().with_sizes_as_asked().job(checkpoint)?;
            let (made, estimate) = job.rehearse(&variant.run.blocks(checkpoint)?, progress)?;
            let evaluated = self.subject.rehearse_evaluation(&made.model, progress)?;
            let (name, cells) = (variant.name.clone(), self.seeds.len());
            rows.push(RehearsedCells { name, cells, estimate: estimate.and(evaluated) });
        }
        Ok(rows)
    }
}
