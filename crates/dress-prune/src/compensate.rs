//! Making up for what is sliced without training.

use crate::Error;
use crate::bias::take_over_means;
use dress_core::burn::module::Param;
use dress_core::burn::tensor::{DType, Tensor, TensorData};
use dress_core::parameters::{self, Layout, ParameterMapper, ParameterVisitor};
use dress_core::{
    Axis, AxisSelection, Calibration, CausalLm, Forward, NoTap, Progress, Role, Selection, Site, Slot, Tap,
};
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// How the projection behind a sliced feed-forward or head axis makes up for what it no longer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compensation {
    /// Not at all.
    #[default]
    None,
    /// Its bias takes over the mean of what went (FLAP, arXiv 2312.11983). A LLaMA without biases gets them, as its
    /// `config.json` can say.
    Bias,
    /// Its weights, and its bias where it has one, are refitted to the calibration activations by ridge
    /// regression in closed form.
    Ridge,
}

/// How well a projection was made up for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompensatedProjection {
    /// The parameter.
    pub parameter: String,
    /// The energy of the error of its output over that of its output, with what went left out.
    pub error_without: f64,
    /// The same after the compensation.
    pub error_with: f64,
    /// What was added to the diagonal of the activations' second moments.
    pub damping: f64,
}

/// The share of the mean second moment that is added to the diagonal.
pub(crate) const DAMPING: f64 = 1e-3;

/// Lets the projections behind every sliced feed-forward and head axis make up for what goes, block after block,
/// each on what the blocks before it hand on once they have been made up for. What goes is zero afterwards; the
/// shapes stay.
///
/// # Errors
/// Those of [`Selection::check`] and [`Calibration::require`], [`Error::Solve`] and [`Error::NoBias`].
pub fn compensate<M: CausalLm>(
    model: M,
    selection: &Selection,
    calibration: &Calibration,
    how: Compensation,
    progress: &dyn Progress,
) -> Result<(M, Vec<CompensatedProjection>), Error> {
    let map = model.coupling();
    selection.check(&map)?;
    if how == Compensation::None {
        return Ok((model, Vec::new()));
    }
    calibration.require(&model, "compensation")?;
    if how == Compensation::Bias {
        return take_over_means(model, selection, calibration, progress);
    }
    let (mut model, mut report) = (model, Vec::new());
    let mut streams = embedded(&model, calibration);
    progress.start("compensation", model.num_blocks() as u64);
    for layer in 0..model.num_blocks() {
        for axis in [Axis::Heads { layer }, Axis::Ffn { layer }] {
            let Some(chosen) = selection.get(axis) else { continue };
            for slot in map.axis(axis)?.slots.iter().filter(|slot| slot.role == Role::Reads) {
                let Some(site) = slot.site else { continue };
                let moments = SiteMoments::collect(&model, layer, site, &streams);
                let projection = Projection::read(&model, slot);
                let (refitted, line) = projection.refit(chosen, slot, &moments)?;
                model = parameters::map(model, &mut Write { projection: &refitted, slot });
                report.push(line);
            }
        }
        for stream in &mut streams {
            *stream = model.block(layer, stream.clone(), &mut Forward::new(&mut NoTap));
        }
        progress.advance(1, "");
    }
    progress.finish();
    Ok((model, report))
}

/// The stream before the first layer, of each block.
pub(crate) fn embedded<M: CausalLm>(model: &M, calibration: &Calibration) -> Vec<Tensor<3>> {
    let blocks = calibration.blocks.iter().map(|block| {
        let tokens = Calibration::tensor(std::slice::from_ref(block), &model.device());
        model.embed(tokens, &mut Forward::new(&mut NoTap))
    });
    blocks.collect()
}

/// Mean and second moments of what one projection reads.
pub(crate) struct SiteMoments {
    site: Site,
    tokens: f64,
    sums: Vec<f64>,
    products: Vec<f64>,
}

impl SiteMoments {
    /// None yet.
    pub fn new(site: Site) -> Self {
        Self { site, tokens: 0.0, sums: Vec::new(), products: Vec::new() }
    }

    fn collect<M: CausalLm>(model: &M, layer: usize, site: Site, streams: &[Tensor<3>]) -> Self {
        let mut moments = Self::new(site);
        for stream in streams {
            model.block(layer, stream.clone(), &mut Forward::new(&mut moments));
        }
        moments
    }

    pub fn mean(&self, channel: usize) -> f64 {
        self.sums[channel] / self.tokens
    }

    /// The mean product of two channels, or with `centred` their covariance.
    pub fn second(&self, i: usize, j: usize, centred: bool) -> f64 {
        let product = self.products[i * self.sums.len() + j] / self.tokens;
        if centred { product - self.mean(i) * self.mean(j) } else { product }
    }
}

impl Tap for SiteMoments {
    fn pass(&mut self, site: Site, value: Tensor<3>) -> Tensor<3> {
        if site != self.site {
            return value;
        }
        let [batch, seq, width] = value.dims();
        let wide = value.clone().without_autodiff().cast(DType::F32).reshape([batch * seq, width]);
        let sums = wide.clone().sum_dim(0).into_data();
        let products = wide.clone().swap_dims(0, 1).matmul(wide).into_data();
        self.tokens += (batch * seq) as f64;
        self.sums.resize(width, 0.0);
        self.products.resize(width * width, 0.0);
        self.sums.iter_mut().zip(sums.iter::<f64>()).for_each(|(sum, new)| *sum += new);
        self.products.iter_mut().zip(products.iter::<f64>()).for_each(|(sum, new)| *sum += new);
        value
    }
}

/// A projection's weight, an input channel a row, and its bias.
pub(crate) struct Projection {
    pub weight: Mat<f64>,
    pub bias: Option<Vec<f64>>,
}

impl Projection {
    pub fn read<M: CausalLm>(model: &M, slot: &Slot) -> Self {
        let mut read = Read { slot, weight: Mat::zeros(0, 0), bias: None };
        parameters::visit(model, &mut read);
        Self { weight: read.weight, bias: read.bias }
    }

    fn refit(
        self,
        chosen: &AxisSelection,
        slot: &Slot,
        moments: &SiteMoments,
    ) -> Result<(Self, CompensatedProjection), Error> {
        let channels = |structures: &[usize]| -> Vec<usize> {
            structures.iter().flat_map(|&s| s * slot.block..(s + 1) * slot.block).collect()
        };
        let (kept, gone) = (channels(&chosen.kept()), channels(chosen.removed()));
        let centred = self.bias.is_some();
        let outputs = self.weight.ncols();
        let weight = |channel: usize, output: usize| self.weight[(channel, output)];
        let of_kept = Mat::from_fn(kept.len(), outputs, |i, j| weight(kept[i], j));
        let of_gone = Mat::from_fn(gone.len(), outputs, |i, j| weight(gone[i], j));
        let moment = |rows: &[usize], columns: &[usize]| {
            Mat::from_fn(rows.len(), columns.len(), |i, j| moments.second(rows[i], columns[j], centred))
        };
        let (kk, kg, gg) = (moment(&kept, &kept), moment(&kept, &gone), moment(&gone, &gone));
        let mean = (0..kept.len()).map(|i| kk[(i, i)]).sum::<f64>() / kept.len() as f64;
        let damping = (DAMPING * mean).max(f64::MIN_POSITIVE);
        // What the kept channels have to add to say what the others said: (K + damping)^-1 G W.
        let damped = Mat::from_fn(kept.len(), kept.len(), |i, j| {
            0.5 * (kk[(i, j)] + kk[(j, i)]) + if i == j { damping } else { 0.0 }
        });
        let parameter = slot.parameter.clone();
        let solver = damped
            .llt(Side::Lower)
            .map_err(|error| Error::Solve { parameter: parameter.clone(), reason: format!("{error:?}") })?;
        let added = solver.solve(&kg * &of_gone);
        // Energies: tr(G' g G), tr(A' K A) - 2 tr(A' k G), and of the whole output.
        let lost = inner(&of_gone, &(&gg * &of_gone));
        let made_up = inner(&added, &(&kk * &added)) - 2.0 * inner(&added, &(&kg * &of_gone));
        let whole = inner(&of_kept, &(&kk * &of_kept)) + 2.0 * inner(&of_kept, &(&kg * &of_gone)) + lost;
        let bias_lost = if centred { Self::mean_lost(&of_gone, &gone, moments) } else { 0.0 };
        let whole = (whole + bias_lost).max(f64::MIN_POSITIVE);
        let line = CompensatedProjection {
            error_without: (lost + bias_lost) / whole,
            error_with: (lost + made_up) / whole,
            damping,
            parameter,
        };
        let refitted = Mat::from_fn(self.weight.nrows(), outputs, |channel, output| {
            kept.binary_search(&channel).map_or(0.0, |i| of_kept[(i, output)] + added[(i, output)])
        });
        let bias = self.bias.map(|mut bias| {
            for (output, bias) in bias.iter_mut().enumerate() {
                *bias += gone
                    .iter()
                    .enumerate()
                    .map(|(i, &c)| moments.mean(c) * of_gone[(i, output)])
                    .sum::<f64>();
                *bias -=
                    kept.iter().enumerate().map(|(i, &c)| moments.mean(c) * added[(i, output)]).sum::<f64>();
            }
            bias
        });
        Ok((Self { weight: refitted, bias }, line))
    }

    /// The energy of the mean of what went.
    fn mean_lost(of_gone: &Mat<f64>, gone: &[usize], moments: &SiteMoments) -> f64 {
        let output = |output: usize| -> f64 {
            gone.iter().enumerate().map(|(i, &c)| moments.mean(c) * of_gone[(i, output)]).sum()
        };
        (0..of_gone.ncols()).map(|j| output(j).powi(2)).sum()
    }
}

/// The sum of the products of the elements of two matrices.
fn inner(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    (0..a.ncols()).flat_map(|j| (0..a.nrows()).map(move |i| (i, j))).map(|at| a[at] * b[at]).sum()
}

fn bias_name(weight: &str) -> String {
    weight.strip_suffix(".weight").map_or(String::new(), |stem| format!("{stem}.bias"))
}

struct Read<'a> {
    slot: &'a Slot,
    weight: Mat<f64>,
    bias: Option<Vec<f64>>,
}

impl ParameterVisitor for Read<'_> {
    fn visit<const D: usize>(&mut self, name: &str, layout: Layout, parameter: &Param<Tensor<D>>) {
        let numbers = || parameter.val().without_autodiff().cast(DType::F32);
        if name == self.slot.parameter {
            let rows = parameters::groups(numbers(), layout.dim(self.slot.dim), 1);
            let [inputs, outputs] = rows.dims();
            let rows: Vec<f64> = rows.into_data().iter().collect();
            self.weight = Mat::from_fn(inputs, outputs, |i, j| rows[i * outputs + j]);
        } else if name == bias_name(&self.slot.parameter) {
            self.bias = Some(numbers().into_data().iter().collect());
        }
    }
}

/// Puts a projection back.
pub(crate) struct Write<'a> {
    pub projection: &'a Projection,
    pub slot: &'a Slot,
}

impl ParameterMapper for Write<'_> {
    fn map<const D: usize>(&mut self, name: &str, layout: Layout, value: Tensor<D>) -> Tensor<D> {
        let (dims, dtype, device) = (value.dims(), value.dtype(), value.device());
        if name == self.slot.parameter {
            let weight = &self.projection.weight;
            let (inputs, outputs) = (weight.nrows(), weight.ncols());
            let numbers = (0..inputs * outputs).map(|flat| weight[(flat / outputs, flat % outputs)] as f32);
            let data = TensorData::new(numbers.collect(), [inputs, outputs]);
            let rows: Tensor<2> = Tensor::from_data(data, (&device, DType::F32));
            return parameters::ungroup(rows, dims, layout.dim(self.slot.dim)).cast(dtype);
        }
        match &self.projection.bias {
            Some(bias) if name == bias_name(&self.slot.parameter) => {
                let numbers: Vec<f32> = bias.iter().map(|&bias| bias as f32).collect();
                let bias: Tensor<D> =
                    Tensor::from_data(TensorData::new(numbers, dims), (&device, DType::F32));
                bias.cast(dtype)
            }
            _ => value,
        }
    }
}

impl Compensation {
    /// The names of all compensations, as they are written on command lines and in files.
    pub const NAMES: [&'static str; 3] = ["none", "bias", "ridge"];
}

impl fmt::Display for Compensation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compensation::None => "none",
            Compensation::Bias => "bias",
            Compensation::Ridge => "ridge",
        })
    }
}

impl FromStr for Compensation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "none" => Ok(Compensation::None),
            "bias" => Ok(Compensation::Bias),
            "ridge" => Ok(Compensation::Ridge),
            _ => Err(Error::CompensationName { name: text.into() }),
        }
    }
}
