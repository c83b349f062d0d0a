//! Stopping where held-out blocks get no better.

use crate::batches::blocks_at;
use crate::{Batch, EarlyStopping, Error, Objective};
use dress_core::burn::tensor::DType;
use dress_core::{Calibration, CausalLm, Tap};

/// Watches the loss of blocks that are not trained on, and keeps the best model.
pub(crate) struct Watch<M> {
    pub settings: EarlyStopping,
    /// The places of the blocks that are held out.
    held_out: Vec<usize>,
    best: Option<(f64, M)>,
    looks_since: usize,
}

impl<M: CausalLm> Watch<M> {
    pub fn new(settings: EarlyStopping, held_out: Vec<usize>) -> Self {
        Self { settings, held_out, best: None, looks_since: 0 }
    }

    /// Whether there is a look after `step`, counted from 0.
    pub fn is_due(&self, step: usize) -> bool {
        (step + 1).is_multiple_of(self.settings.every)
    }

    /// The mean over the held-out blocks of `data` of what `objective` watches there, `tap` being asked anew
    /// for each.
    pub fn look<'t>(
        &self,
        model: &M,
        objective: &dyn Objective<M>,
        data: &Calibration,
        tap: impl Fn() -> Box<dyn Tap + 't>,
    ) -> Result<f64, Error> {
        let model = model.valid();
        let mut sum = 0.0;
        for index in &self.held_out {
            let tokens = Calibration::tensor(&blocks_at(data, &[*index]).0, &model.device());
            let batch = Batch { indices: &[*index], tokens };
            let loss = objective.held_out(&model, &batch, &mut *tap())?;
            sum += f64::from(loss.cast(DType::F32).into_scalar::<f32>());
        }
        Ok(sum / self.held_out.len() as f64)
    }

    /// Takes note of a look at a model that is as it will be, and says whether to stop. A loss that is not
    /// finite is no better than any.
    pub fn note(&mut self, loss: f64, model: &M) -> bool {
        let better = self.best.as_ref().is_none_or(|(best, _)| loss < *best);
        if better && loss.is_finite() {
            self.best = Some((loss, model.clone()));
            self.looks_since = 0;
        } else if self.best.is_some() {
            self.looks_since += 1;
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

#[cfg(test)]
mod tests {
    use super::*;
    use dress_core::burn::tensor::Device;
    use dress_models::AnyModel;
    use std::path::Path;

    #[test]
    fn a_look_that_is_no_number_is_no_better_than_any() {
        let config = r#"{"model_type":"llama","vocab_size":5,"hidden_size":4,"intermediate_size":4,
            "num_hidden_layers":1,"num_attention_heads":1,"num_key_value_heads":1,"head_dim":4}"#;
        let model = AnyModel::from_config(config, Path::new("config.json"), &Device::flex()).unwrap();
        let settings = EarlyStopping { patience: 2, ..EarlyStopping::default() };
        let mut watch = Watch::new(settings, Vec::new());
        assert!(!watch.note(f64::NAN, &model) && watch.looks().is_none());
        assert!(!watch.note(2.0, &model) && !watch.note(f64::NAN, &model));
        assert_eq!(watch.looks(), Some((1, 2.0)));
        assert!(!watch.note(1.0, &model) && watch.looks() == Some((0, 1.0)));
        assert!(!watch.note(f64::NEG_INFINITY, &model) && watch.note(f64::NAN, &model));
        assert_eq!(watch.looks(), Some((2, 1.0)));
    }
}
