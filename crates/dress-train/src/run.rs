//! The loop.

use crate::clip::{gradient_norm, scale};
use crate::curve::CurveFile;
use crate::{CurvePoint, Error, Regularization, StepInfo, TrainConfig};
use dress_core::burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::{Calibration, CausalLm, Forward, NoTap, Progress};
use dress_kernels::FusedAdamW;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::path::PathBuf;
use std::time::Instant;

/// What training leaves: the model, off the autodiff graph, and the curve.
#[derive(Debug)]
pub struct Trained<M> {
    /// The trained model.
    pub model: M,
    /// One point a step.
    pub curve: Vec<CurvePoint>,
}

/// Minimises the next-token loss plus what `regularization` adds, over the blocks of `data`.
///
/// # Errors
/// [`Error::NoData`], [`Error::Core`] where the blocks do not fit the model, [`Error::Setting`], [`Error::Diverged`] where a number stops being finite (the
/// weights from before that step are then in the run's directory, if it has one), and
/// [`Error::Io`].
pub fn train<M: CausalLm>(
    model: M,
    data: &Calibration,
    config: &TrainConfig,
    regularization: &dyn Regularization<M>,
    progress: &dyn Progress,
) -> Result<Trained<M>, Error> {
    config.check()?;
    if data.blocks.is_empty() {
        return Err(Error::NoData);
    }
    data.check(&model)?;
    let mut run = Run::new(data, config, regularization)?;
    let mut model = model.train();
    progress.start("training", run.total as u64);
    for step in 0..run.total {
        let (next, point) = run.step(model, step)?;
        model = next;
        let note = format!("loss {:.3}, selected norm {:.2}", point.loss, point.selected_norm);
        progress.advance(1, &note);
        tracing::debug!(step, loss = point.loss, penalty = point.penalty, "step");
        if (step + 1) % run.total.div_ceil(10) == 0 {
            tracing::info!("step {} of {}: {note}", step + 1, run.total);
        }
    }
    progress.finish();
    Ok(Trained { model: model.valid(), curve: run.curve })
}

struct Run<'a, M: CausalLm> {
    data: &'a Calibration,
    config: &'a TrainConfig,
    regularization: &'a dyn Regularization<M>,
    optimizer: ModuleOptimizer,
    order: Vec<usize>,
    rng: ChaCha8Rng,
    total: usize,
    tokens: u64,
    began: Instant,
    curve: Vec<CurvePoint>,
    file: Option<CurveFile>,
    /// The weights before the latest step: the last whose loss is known to be finite.
    previous: Option<M>,
}

impl<'a, M: CausalLm> Run<'a, M> {
    fn new(
        data: &'a Calibration,
        config: &'a TrainConfig,
        regularization: &'a dyn Regularization<M>,
    ) -> Result<Self, Error> {
        let betas = [config.beta_1 as f32, config.beta_2 as f32];
        let adamw = FusedAdamW::new(betas, config.epsilon as f32, config.weight_decay as f32);
        Ok(Self {
            data,
            config,
            regularization,
            optimizer: adamw.init(),
            order: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(config.seed),
            total: config.steps(data.blocks.len()),
            tokens: 0,
            began: Instant::now(),
            curve: Vec::new(),
            file: config.run_dir.as_deref().map(CurveFile::create).transpose()?,
            previous: None,
        })
    }

    fn step(&mut self, model: M, step: usize) -> Result<(M, CurvePoint), Error> {
        let learning_rate = self.config.learning_rate.at(step, self.total);
        let info = StepInfo { share: step as f64 / self.total as f64, total: self.total, learning_rate };
        let batches = self.next_batches();
        let (loss, penalty, gradients) = self.gradients(&model, &batches, &info);
        let norm = gradient_norm(&model, &gradients);
        let checked = [("loss", loss), ("penalty", penalty), ("gradient norm", norm)];
        if let Some((what, value)) = checked.into_iter().find(|(_, value)| !value.is_finite()) {
            let weights_are_good = what == "gradient norm";
            let good = if weights_are_good { Some(model) } else { self.previous.take() };
            let saved = good.map(|model| self.save_last_good(model)).transpose()?.flatten();
            return Err(Error::Diverged { step, what, value, saved });
        }
        let gradients = match self.config.clip_norm {
            Some(limit) if norm > limit => scale(&model, gradients, limit / norm),
            _ => gradients,
        };
        self.previous = Some(model.clone());
        let model = self.optimizer.step(learning_rate, model, gradients);
        let model = self.regularization.after_step(model, &info);
        let point = CurvePoint {
            step,
            tokens: self.tokens,
            loss,
            penalty,
            selected_norm: self.regularization.selected_norm(&model),
            gradient_norm: norm,
            learning_rate,
            seconds: self.began.elapsed().as_secs_f64(),
        };
        self.curve.push(point);
        if let Some(file) = &mut self.file {
            file.push(&point)?;
        }
        Ok((model, point))
    }

    /// Mean loss, penalty, and the gradients of their sum.
    fn gradients(
        &mut self,
        model: &M,
        batches: &[Vec<Vec<u32>>],
        info: &StepInfo,
    ) -> (f64, f64, GradientsParams) {
        let mut accumulator = GradientsAccumulator::new();
        let (mut mean, mut penalty) = (0.0, 0.0);
        for (index, batch) in batches.iter().enumerate() {
            let weight = 1.0 / batches.len() as f64;
            let mut tap = NoTap;
            let tokens = Calibration::tensor(batch, &model.device());
            let loss = model.next_token_loss(tokens, &mut Forward::new(&mut tap));
            mean += weight * number(&loss);
            let mut objective = loss * weight;
            // The penalty does not depend on the data: once a step is enough.
            let term = (index == 0).then(|| self.regularization.penalty(model, info)).flatten();
            if let Some(term) = term {
                penalty = number(&term);
                objective = objective + term.cast(DType::F32);
            }
            accumulator.accumulate(model, GradientsParams::from_grads(objective.backward(), model));
            self.tokens += batch.iter().map(|block| block.len() as u64).sum::<u64>();
        }
        (mean, penalty, accumulator.grads())
    }

    /// The batches of one step, in an order that is drawn anew every epoch.
    fn next_batches(&mut self) -> Vec<Vec<Vec<u32>>> {
        if self.order.is_empty() {
            self.order = (0..self.data.blocks.len()).collect();
            self.order.shuffle(&mut self.rng);
        }
        let take = (self.config.batch_size * self.config.accumulation).min(self.order.len());
        let chosen = self.order.split_off(self.order.len() - take);
        let batches = chosen.chunks(self.config.batch_size);
        batches.map(|batch| batch.iter().map(|&i| self.data.blocks[i].clone()).collect()).collect()
    }

    fn save_last_good(&self, model: M) -> Result<Option<PathBuf>, Error> {
        let Some(directory) = &self.config.run_dir else { return Ok(None) };
        let path = directory.join("last-good.bpk");
        let saved = model.valid().save_file(&path);
        saved.map_err(|error| Error::Save { path: path.clone(), reason: error.to_string() })?;
        Ok(Some(path))
    }
}

fn number(scalar: &Tensor<1>) -> f64 {
    scalar.clone().detach().cast(DType::F32).into_scalar::<f32>().into()
}
