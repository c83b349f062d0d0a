//! Regularization of one layer at a time.
//!
//! Each layer is trained alone so that it adds to the residual stream what the dense layer adds to the same stream. No gradient goes
//! from one layer to another, and of the model one layer is trained at a time.

use crate::regularize::{Regularized, regularize_towards};
use crate::rounds::append;
use crate::token_moments::embedded;
use crate::{CompensatedProjection, Compensation, Error, GradualRefit, RegularizeConfig, slice};
use dress_core::burn::module::Param;
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::parameters::{self, Layout, ParameterMapper, ParameterVisitor};
use dress_core::{
    Axis, AxisSelection, Calibration, CausalLm, Fingerprint, Forward, NoTap, Progress, Selection, SlicePlan,
    Tap, files,
};
use dress_train::{
    Batch, CurvePoint, Error as TrainError, Objective, ObjectiveLoss, RunDirectory, load_weights,
    save_weights,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::{fmt, str::FromStr};

/// What a layer reads that is regularized alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalInputs {
    /// The dense model's stream, so that no layer depends on another.
    Dense,
    /// The stream of the layers before it as they have become, so that a layer knows what it will read.
    #[default]
    Pruned,
}

impl LocalInputs {
    /// The names of all inputs, as they are written on command lines and in files.
    pub const NAMES: [&'static str; 2] = ["dense", "pruned"];
}

impl fmt::Display for LocalInputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LocalInputs::Dense => "dense",
            LocalInputs::Pruned => "pruned",
        })
    }
}

impl FromStr for LocalInputs {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "dense" => Ok(LocalInputs::Dense),
            "pruned" => Ok(LocalInputs::Pruned),
            _ => Err(Error::LocalInputsName { name: text.into() }),
        }
    }
}

/// A regularization of one layer after the other.
pub(crate) struct Local<'a> {
    pub settings: &'a RegularizeConfig,
    pub inputs: LocalInputs,
    pub compensation: Compensation,
    pub calibration: &'a Calibration,
    pub plan: &'a SlicePlan,
}

/// What came of it: the model without what went.
pub(crate) struct Localized<M> {
    pub model: M,
    pub report: LayerReport,
}

/// What happened on the way, in one layer or in all.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct LayerReport {
    pub curve: Vec<CurvePoint>,
    pub compensation: Vec<CompensatedProjection>,
}

/// One layer of a dense model, as a model of one layer.
struct Alone<M> {
    number: usize,
    dense: M,
    /// What goes of it.
    selection: Selection,
}

impl Local<'_> {
    /// Regularizes all layers of which `selection` removes something, the last structures of each axis, and slices it out.
    pub fn run<M: CausalLm>(
        &self,
        model: M,
        selection: &Selection,
        progress: &dyn Progress,
    ) -> Result<Localized<M>, Error> {
        let mut streams = embedded(&model, self.calibration);
        let (mut learnt, mut report) = (HashMap::new(), LayerReport::default());
        let layers = model.num_layers();
        for number in 0..layers {
            let alone = Alone::of(&model, selection, number)?;
            let after = if alone.selection.is_empty() {
                None
            } else {
                let (after, of_layer) = self.layer(&alone, &streams, progress)?;
                let last = of_layer.curve.last().map_or(f64::NAN, |point| point.loss);
                tracing::info!("layer {number} of {layers}: {last:.4} of what it adds is off");
                parameters::visit(&after, &mut Learnt { number, values: &mut learnt });
                report.append(of_layer);
                Some(after)
            };
            let goes_on = match (&after, self.inputs) {
                (Some(after), LocalInputs::Pruned) => after,
                _ => &alone.dense,
            };
            for stream in &mut streams {
                *stream = goes_on.layer(0, stream.clone(), &mut Forward::new(&mut NoTap));
            }
        }
        let model = parameters::map(slice(model, selection)?, &mut Put { values: learnt });
        Ok(Localized { model, report })
    }

    /// One layer without what went of it; as it was kept, where it was finished before an interruption.
    fn layer<M: CausalLm>(
        &self,
        alone: &Alone<M>,
        streams: &[Tensor<3>],
        progress: &dyn Progress,
    ) -> Result<(M, LayerReport), Error> {
        let directory =
            self.settings.train.run_dir.as_deref().map(|all| RunDirectory::at(all).layer(alone.number));
        let key = self.key(alone);
        if let Some(finished) = directory.as_ref().and_then(|directory| Finished::read(directory, &key)) {
            let shape = slice(alone.dense.clone(), &alone.selection)?;
            let weights = directory.as_ref().map(RunDirectory::finished_weights).unwrap_or_default();
            return Ok((load_weights(shape, &weights)?, finished.report));
        }
        let (after, report) = self.trained(alone, streams, (directory.as_ref(), &key), progress)?;
        if let Some(directory) = &directory {
            save_weights(&after, &directory.finished_weights())?;
            let finished = Finished { key, report };
            finished.write(directory)?;
            directory.discard_checkpoints();
            return Ok((after, finished.report));
        }
        Ok((after, report))
    }

    fn trained<M: CausalLm>(
        &self,
        alone: &Alone<M>,
        streams: &[Tensor<3>],
        (directory, key): (Option<&RunDirectory>, &str),
        progress: &dyn Progress,
    ) -> Result<(M, LayerReport), Error> {
        let mut settings = self.settings.clone();
        settings.train.run_dir = directory.map(|directory| directory.path().into());
        let (dense, selection) = (alone.dense.clone(), &alone.selection);
        let refits = self.compensation == Compensation::Ridge && settings.has_a_path();
        let refit = refits.then(|| {
            GradualRefit::of_streams(
                &dense,
                selection,
                settings.slots,
                settings.weights,
                streams.to_vec(),
                progress,
            )
        });
        let (refit, compensation) = refit.transpose()?.unzip();
        let objective = LayerDistance { dense: &alone.dense, inputs: streams };
        let what = Regularized {
            dense: None,
            plan: self.plan,
            selection,
            refit: refit.as_ref(),
            taught_by: None,
            layer_key: Some(key),
        };
        let trained = regularize_towards(dense, &what, self.calibration, &settings, &objective, progress)?;
        let compensation = compensation.unwrap_or_default();
        let report = LayerReport { curve: trained.curve, compensation };
        if trained.cut.is_some() {
            return Ok((trained.model, report));
        }
        let (model, compensation) = crate::compensate::of_streams(
            trained.model,
            selection,
            streams.to_vec(),
            self.compensation,
            progress,
        )?;
        Ok((slice(model, selection)?, LayerReport { compensation, ..report }))
    }

    /// All that the result of one layer depends on.
    fn key<M: CausalLm>(&self, alone: &Alone<M>) -> String {
        let mut settings = self.settings.clone();
        (settings.train.run_dir, settings.train.replace_other_run) = (None, false);
        settings.train.checkpoint_every = None;
        let dtype = parameters::list(&alone.dense).first().map(|parameter| parameter.dtype);
        let selection = serde_json::to_string(self.plan).unwrap_or_default();
        let (model, data) = (Fingerprint::of(&alone.dense), self.calibration.sha256());
        format!("{settings:?} {:?} {} {selection} {model} {dtype:?} {data}", self.inputs, self.compensation)
    }
}

impl LayerReport {
    /// Adds what happened in the next layer.
    fn append(&mut self, next: Self) {
        append(&mut self.curve, &next.curve);
        self.compensation.extend(next.compensation);
    }
}

impl<M: CausalLm> Alone<M> {
    fn of(model: &M, selection: &Selection, number: usize) -> Result<Self, Error> {
        let others: Vec<usize> = (0..model.num_layers()).filter(|&other| other != number).collect();
        let dense = match others.is_empty() {
            true => model.clone(),
            false => {
                let others = AxisSelection::new(model.num_layers(), others)?;
                slice(model.clone(), &Selection::new().with(Axis::Depth, others))?
            }
        };
        let mut of_layer = Selection::new();
        for (axis, chosen) in selection.iter().filter(|(axis, _)| axis.layer() == Some(number)) {
            let first = match axis {
                Axis::Heads { .. } => Axis::Heads { layer: 0 },
                _ => Axis::Ffn { layer: 0 },
            };
            of_layer = of_layer.with(first, chosen.clone());
        }
        Ok(Self { number, dense, selection: of_layer })
    }
}

/// A layer that was finished before an interruption.
#[derive(Serialize, Deserialize)]
struct Finished {
    key: String,
    report: LayerReport,
}

impl Finished {
    fn read(directory: &RunDirectory, key: &str) -> Option<Self> {
        let text = files::read_to_string(&directory.finished()).ok()?;
        let found: Self = serde_json::from_str(&text).ok()?;
        if found.key != key {
            tracing::warn!(
                "{} holds a layer that was finished with other settings; it is trained anew",
                directory.path().display()
            );
            return None;
        }
        Some(found)
    }

    fn write(&self, directory: &RunDirectory) -> Result<(), Error> {
        let path = directory.finished();
        let failed = |cause| Error::RunFile { path: path.clone(), cause };
        let text = serde_json::to_vec(self).map_err(|cause| failed(cause.into()))?;
        files::write_whole(&path, &text).map_err(failed)
    }
}

/// How far what a layer adds to the stream is from what the dense layer adds to it: the mean over tokens of the squared distance over
/// the square of what the dense layer adds, to which the geometric mean of the squares of the block's tokens is added. So the few tokens with massive
/// activations do not rule, and neither do those to which a layer adds next to nothing.
struct LayerDistance<'a, M> {
    dense: &'a M,
    /// The stream before the layer, of each calibration block. `[1, seq, hidden_size]`
    inputs: &'a [Tensor<3>],
}

impl<M: CausalLm> Objective<M> for LayerDistance<'_, M> {
    fn loss(&self, model: &M, batch: &Batch<'_>, tap: &mut dyn Tap) -> Result<ObjectiveLoss, TrainError> {
        let input = Tensor::cat(batch.indices.iter().map(|&index| self.inputs[index].clone()).collect(), 0);
        let wanted = self.dense.layer(0, input.clone(), &mut Forward::new(&mut NoTap));
        let squares = |value: Tensor<3>| value.clone().mul(value).sum_dim(2);
        let wide = |value: Tensor<3>| value.cast(DType::F32);
        let size = squares(wide(wanted.clone()) - wide(input.clone()));
        let usual = (size.clone() + f64::from(f32::MIN_POSITIVE)).log().mean_dim(1).exp();
        let size = size.clone() + usual.expand(size.dims());
        let like = |value: Tensor<3>| match model.device().gradient_checkpointing_strategy() {
            Some(strategy) => value.autodiff().with_gradient_checkpointing_strategy(strategy),
            None => value,
        };
        let found = model.layer(0, like(input), &mut Forward::new(tap));
        let total = (squares(wide(found) - wide(like(wanted))) / like(size)).mean();
        Ok(ObjectiveLoss { language_modelling: total.clone().detach(), total, distillation: None })
    }

    fn held_out(&self, model: &M, batch: &Batch<'_>, tap: &mut dyn Tap) -> Result<Tensor<1>, TrainError> {
        Ok(self.loss(model, batch, tap)?.total)
    }
}

/// Keeps the parameters of the only layer of a model under the names that they have in the whole one.
struct Learnt<'a> {
    number: usize,
    values: &'a mut HashMap<String, Tensor<1>>,
}

impl ParameterVisitor for Learnt<'_> {
    fn visit<const D: usize>(&mut self, name: &str, _layout: Layout, parameter: &Param<Tensor<D>>) {
        if parameters::layer_of(name) != Some(0) {
            return;
        }
        let mut renamed = false;
        let segment = |segment: &str| {
            let is_number = !renamed && segment.parse::<usize>().is_ok();
            renamed |= is_number;
            if is_number { self.number.to_string() } else { segment.into() }
        };
        let name = name.split('.').map(segment).collect::<Vec<String>>().join(".");
        let value = parameter.val().without_autodiff();
        let size = value.dims().iter().product::<usize>();
        self.values.insert(name, value.reshape([size]));
    }
}

/// Puts parameters in by their names.
struct Put {
    values: HashMap<String, Tensor<1>>,
}

impl ParameterMapper for Put {
    fn map<const D: usize>(&mut self, name: &str, _layout: Layout, value: Tensor<D>) -> Tensor<D> {
        match self.values.remove(name) {
            Some(learnt) => learnt.reshape(value.dims()),
            None => value,
        }
    }
}
