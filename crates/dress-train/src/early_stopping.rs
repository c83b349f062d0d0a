//! Stopping where held-out blocks get no better.

use crate::EarlyStopping;
use dress_core::burn::tensor::DType;
use dress_core::{Calibration, CausalLm, Forward, Tap};

/// Watches the loss of blocks that are not trained on, and keeps the best model.
pub(crate) struct Watch<M> {
    pub settings: EarlyStopping,
    pub held_out: Calibration,
    best: Option<(f64, M)>,
    looks_since: usize,
}

impl<M: CausalLm> Watch<M> {
    pub fn new(settings: EarlyStopping, held_out: Calibration) -> Self {
        Self { settings, held_out, best: None, looks_since: 0 }
    }

    /// Whether there is a look after `step`, counted from 0.
    pub fn is_due(&self, step: usize) -> bool {
        (step + 1).is_multiple_of(self.settings.every)
    }

    /// The mean next-token loss of the held-out blocks, `tap` being asked anew for each.
    pub fn look<'t>(&self, model: &M, tap: impl Fn() -> Box<dyn Tap + 't>) -> f64 {
        let model = model.valid();
        let losses = self.held_out.blocks.iter().map(|block| {
            let tokens = Calibration::tensor(std::slice::from_ref(block), &model.device());
            let loss = model.next_token_loss(tokens, &mut Forward::new(&mut *tap()));
            f64::from(loss.cast(DType::F32).into_scalar::<f32>())
        });
        losses.sum::<f64>() / self.held_out.blocks.len() as f64
    }

    /// Takes note of a look at a model that is as it will be, and says whether to stop.
    pub fn note(&mut self, loss: f64, model: &M) -> bool {
        match &self.best {
            Some((best, _)) if loss >= *best => self.looks_since += 1,
            _ => {
                self.best = Some((loss, model.clone()));
                self.looks_since = 0;
            }
        }
        self.looks_since >= self.settings.patience
    }

    /// The best model so far.
    pub fn best(&self) -> Option<&M> {
        self.best.as_ref().map(|(_, model)| model)
    }

    /// Looks since the best, and its loss, for a checkpoint.
    pub fn looks(&self) -> Option<(usize, f64)> {
        self.best.as_ref().map(|(loss, _)| (self.looks_since, *loss))
    }

    /// Goes on from what [`Watch::looks`] and [`Watch::best`] were.
    pub fn restore(&mut self, (looks, loss): (usize, f64), best: M) {
        (self.looks_since, self.best) = (looks, Some((loss, best)));
    }

    /// The best model that was seen, if any.
    pub fn into_best(self) -> Option<M> {
        self.best.map(|(_, model)| model)
    }
}
