//! What is compared.

use dress_core::{AxisKind, Ratio, StockTarget};
use dress_engines::EngineFormat;
use dress_importance::Criterion;
use dress_prune::{Preset, RegularizeConfig, Sampling};
use dress_train::{CheckpointEvery, Precision};

/// What ratios are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RatioOf {
    /// The parameters of the model as it is: every method ends at the same size.
    #[default]
    Parameters,
    /// Every axis that a method prunes.
    EveryAxis,
}

impl RatioOf {
    /// What it is of, in a table's words.
    pub fn name(self) -> &'static str {
        match self {
            RatioOf::Parameters => "parameters",
            RatioOf::EveryAxis => "every axis",
        }
    }
}

/// Which methods are compared at which sizes, and what they are run with.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparisonSettings {
    /// The methods.
    pub presets: Vec<Preset>,
    /// The shares that go.
    pub ratios: Vec<Ratio>,
    /// Of what.
    pub by: RatioOf,
    /// Whose rules the shapes keep.
    pub stock: StockTarget,
    /// What kept counts are a multiple of.
    pub tile: usize,
    /// The engines, each with a format, that would serve the results: their sizes are those that all of them
    /// take in full.
    pub served_by: Vec<EngineFormat>,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// How the calibration text is drawn.
    pub sampling: Sampling,
    /// Calibration blocks of a method that goes over them again and again.
    pub search_samples: usize,
    /// Calibration blocks of a method that trains on them; without it as many as for the others.
    pub train_samples: Option<usize>,
    /// What [`Preset::Dress`] prunes.
    pub dress_axes: Vec<AxisKind>,
    /// By what [`Preset::Dress`] selects.
    pub dress_criterion: Criterion,
    /// The regularization of [`Preset::Dress`].
    pub regularize: RegularizeConfig,
    /// Its highest learning rate; without one [`usual_learning_rate`](dress_prune::usual_learning_rate) of
    /// its basis.
    pub learning_rate: Option<f64>,
    /// How its steps are taken that the weights' type cannot express; without it [`Precision::of_weights`].
    pub precision: Option<Precision>,
}

impl ComparisonSettings {
    /// Every method at each of `ratios`.
    pub fn new(ratios: Vec<Ratio>) -> Self {
        let mut regularize = RegularizeConfig::default();
        regularize.train.checkpoint_every = Some(CheckpointEvery::Spaced);
        Self {
            presets: Preset::all().collect(),
            ratios,
            by: RatioOf::Parameters,
            stock: StockTarget::Dress,
            tile: 1,
            served_by: Vec::new(),
            seed: 42,
            sampling: Sampling::default(),
            search_samples: 8,
            train_samples: None,
            dress_axes: vec![AxisKind::Residual],
            dress_criterion: Criterion::ActivationNorm,
            regularize,
            learning_rate: None,
            precision: None,
        }
    }

    /// How the blocks are drawn that a method sees.
    pub fn sampling_of(&self, preset: Preset) -> Sampling {
        let mut sampling = self.sampling;
        if preset.searches() {
            sampling.samples = self.search_samples;
        }
        if preset.trains() {
            sampling.samples = self.train_samples.unwrap_or(sampling.samples);
        }
        sampling
    }
}
