//! The options that every subcommand has, and those that several share.

use crate::{CostsFile, Error, Output, Pass, ResultFile};
use clap::{ArgGroup, Args};
use dress_core::burn::tensor::Device;
use dress_core::{AxisKind, Basis, Calibration, CausalLm, Draw, Ratio, StockTarget};
use dress_data::{Mixture, RowText, SampleConfig, Tokenizer};
use dress_eval::report::RunInfo;
use dress_importance::{Criteria, Criterion};
use dress_models::{AnyModel, FloatType, LoadConfig};
use dress_prune::{Allocation, AxisTarget, Budget, Compensation, Load, Measure, PerLayer, TOLERANCE};
use std::path::{Path, PathBuf};

/// How far measured costs may be from the measurements without a word.
const DOUBTFUL: f64 = 0.05;

/// The options of every subcommand.
#[derive(Debug, Clone, Args)]
pub struct CommonArgs {
    /// Where to compute: auto, cpu, cuda, rocm, vulkan, metal or cubecl-cpu; a card by its number, as cuda:1.
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// The type of the weights in memory: f32, f16 or bf16.
    #[arg(long, default_value = "f32")]
    pub dtype: FloatType,
    /// Seed of everything that is drawn.
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// Print one JSON object on standard output; everything else goes to standard error.
    #[arg(long)]
    pub json: bool,
}

impl CommonArgs {
    /// The device, seeded.
    ///
    /// # Errors
    /// Those of [`dress_core::device::parse`].
    pub fn device(&self) -> Result<Device, Error> {
        let device = dress_core::device::parse(&self.device)?;
        device.seed(self.seed);
        Ok(device)
    }

    /// The checkpoint in `directory`.
    ///
    /// # Errors
    /// Those of [`AnyModel::load`].
    pub fn load(&self, directory: &Path) -> Result<AnyModel, Error> {
        let config = LoadConfig { dtype: self.dtype };
        let device = self.device()?;
        let began = std::time::Instant::now();
        let model = AnyModel::load(directory, &config, &device)?;
        let seconds = began.elapsed().as_secs_f64();
        tracing::info!("loaded {} in {seconds:.1} s to {device:?}", directory.display());
        Ok(model)
    }

    /// The device that the work is done on, for results to say.
    pub fn device_name(&self) -> String {
        self.device().map_or_else(|_| self.device.clone(), |device| format!("{device:?}"))
    }

    /// A run here and now.
    pub fn run_info(&self) -> RunInfo {
        RunInfo::here(ResultFile::BURN_VERSION, self.device_name(), self.dtype.to_string(), self.seed)
    }

    /// Where the result goes.
    pub fn output(&self) -> Output {
        Output::new(self.json)
    }
}

/// The options of which one says how much goes.
pub(super) const HOW_MUCH: &str = "how_much";

/// What goes, and by which criterion.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new(HOW_MUCH).required(true).multiple(true))]
pub struct SelectArgs {
    /// What to remove: residual, ffn, heads, depth, or several with commas (OPT and Phi: residual,heads together).
    #[arg(long, value_delimiter = ',', required = true)]
    pub axis: Vec<AxisKind>,
    /// The share to remove, in [0, 1): one for all axes, or one for each with commas. What stays is the nearest
    /// number that the checkpoint's config can say.
    #[arg(long, value_delimiter = ',', group = HOW_MUCH, allow_negative_numbers = true)]
    pub ratio: Vec<Ratio>,
    /// Instead of --ratio: the share of the parameters that stays, shared out over the axes to within half a
    /// percent.
    #[arg(long, value_parser = share, group = HOW_MUCH, conflicts_with_all = ["ratio", "flops", "bytes", "latency"])]
    pub params: Option<f64>,
    /// Instead of --ratio: the share of the multiplications a token makes with weights that stays.
    #[arg(long, value_parser = share, group = HOW_MUCH, conflicts_with_all = ["ratio", "bytes", "latency"])]
    pub flops: Option<f64>,
    /// Instead of --ratio: the share of the weights' bytes that stays.
    #[arg(long, value_parser = share, group = HOW_MUCH, conflicts_with_all = ["ratio", "latency"])]
    pub bytes: Option<f64>,
    /// Instead of --ratio: the share of a forward pass's time that stays, by the costs in --costs.
    #[arg(long, value_parser = share, group = HOW_MUCH, requires = "costs", conflicts_with = "ratio")]
    pub latency: Option<f64>,
    /// The costs that dress costs measured of the checkpoint, on whatever machine the result is for.
    #[arg(long, value_name = "FILE", requires = "latency")]
    pub costs: Option<PathBuf>,
    /// Which pass --latency is of; by default decode.
    #[arg(long, value_enum, requires = "latency")]
    pub latency_of: Option<Pass>,
    /// Round what stays to a multiple of this, beside what the checkpoint's config wants; not of whole blocks.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    pub tile: usize,
    /// Whose rules the shape of the result keeps: any (transformers, vLLM, llama.cpp), transformers, or
    /// dress for these crates alone.
    #[arg(long, default_value_t = StockTarget::Any)]
    pub target: StockTarget,
    /// How structures are scored: magnitude-l1, magnitude-l2, activation-norm, wanda, flap-ifv, flap-wifv,
    /// flap-wifn, flap, minitron, taylor[-vector][-max|-prod|-last], fisher or random; for depth block-influence, sleb or random.
    /// Both with a comma. By default activation-norm, and block-influence for depth.
    #[arg(long, value_delimiter = ',')]
    pub criterion: Vec<Criterion>,
    /// Let blocks differ: what goes is ranked over all blocks, with a budget over all axes as well, by scores less
    /// their mean and over their deviation. For --target dress alone.
    #[arg(long)]
    pub per_layer: bool,
}

impl SelectArgs {
    /// What scores `targets`; in another basis than the checkpoint's, all but the width.
    ///
    /// # Errors
    /// [`Error::OptionUnused`] and those of [`Criteria::check`] where a criterion was given that scores nothing.
    pub fn criteria(&self, targets: &[AxisTarget], basis: Basis, seed: u64) -> Result<Criteria, Error> {
        let by_energy = |kind: &AxisKind| basis != Basis::Identity && *kind == AxisKind::Residual;
        let kinds: Vec<AxisKind> = self.axis.iter().copied().filter(|kind| !by_energy(kind)).collect();
        let scores_a_width = kinds.iter().any(|kind| *kind != AxisKind::Depth);
        let unused = self.criterion.iter().find(|criterion| !scores_a_width && !criterion.scores_depth());
        if let Some(criterion) = unused.filter(|_| self.axis.iter().any(by_energy)) {
            return Err(Error::OptionUnused {
                option: format!("--criterion {criterion}"),
                why: format!("with --basis {basis}, in which the width is selected by its energy"),
                remedy: "leave it out, or give --basis identity",
            });
        }
        Criteria::check(&self.criterion, &kinds)?;
        let depth = targets.iter().find(|target| target.kind == AxisKind::Depth).map(|target| target.ratio);
        Ok(Criteria::new(&self.criterion, &kinds, seed).with_depth_ratio(depth))
    }

    /// The shape of the checkpoint at `model` and the budget as given, if one is.
    ///
    /// # Errors
    /// Those of [`CostsFile::read`] and of reading the configuration.
    fn budget(&self, model: &Path) -> Result<Option<(AnyModel, Budget)>, Error> {
        if !self.has_budget() {
            return Ok(None);
        }
        let dense = crate::declared(model)?;
        let measures =
            [(Measure::Parameters, self.params), (Measure::Macs, self.flops), (Measure::Bytes, self.bytes)];
        let given = match self.latency.zip(self.costs.as_deref()) {
            Some((share, path)) => Some((self.measured(path, &dense)?, share)),
            None => measures.into_iter().find_map(|(measure, share)| Some((measure, share?))),
        };
        let budget = given.map(|(measure, share)| Budget::share(&dense, measure, share));
        Ok(budget.map(|budget| (dense, budget)))
    }

    /// The costs at `path`, with a warning where they are far from what they were fitted to.
    fn measured(&self, path: &Path, dense: &AnyModel) -> Result<Measure, Error> {
        let (file, pass) = (CostsFile::read(path, Load::of(dense))?, self.latency_of.unwrap_or_default());
        let worst = file.worst(pass);
        if worst > DOUBTFUL {
            let (path, percent) = (path.display(), 100.0 * worst);
            tracing::warn!("{path}: the costs are {percent:.0}% off at one of the shapes that were measured");
        }
        Ok(Measure::Latency(file.of(pass)))
    }

    /// Whether what stays is given as a share of something that is counted.
    fn has_budget(&self) -> bool {
        [self.params, self.flops, self.bytes, self.latency].iter().any(Option::is_some)
    }

    /// How what goes of the checkpoint at `model` is shared out over its blocks.
    ///
    /// # Errors
    /// Those of [`Allocation::check`] and of reading the configuration.
    pub fn allocation(&self, model: &Path, criteria: &Criteria) -> Result<Allocation, Error> {
        if !self.per_layer {
            return Ok(Allocation::Uniform);
        }
        let budget = self.budget(model)?.map(|(_, budget)| budget);
        let comparable = criteria.is_comparable();
        let allocation = Allocation::PerLayer(PerLayer { budget, tolerance: TOLERANCE, comparable });
        allocation.check(self.target)?;
        Ok(allocation)
    }

    /// The targets, one an axis, of the checkpoint at `model`; in the pca basis its head is its own, and where biases
    /// make up for what goes it has them.
    ///
    /// # Errors
    /// [`Error::AxesAndRatios`], [`Error::AxisTwice`] and [`dress_prune::Error::NothingSelected`]; with a budget, those of [`Budget::targets_within`] and of
    /// reading the configuration.
    pub fn targets(
        &self,
        model: &Path,
        basis: Basis,
        compensation: Compensation,
    ) -> Result<Vec<AxisTarget>, Error> {
        let (axes, ratios) = (self.axis.len(), self.ratio.len());
        let twice = (1..axes).find(|&index| self.axis[..index].contains(&self.axis[index]));
        if let Some(index) = twice {
            return Err(Error::AxisTwice { axis: self.axis[index].to_string() });
        }
        if self.per_layer && self.axis.contains(&AxisKind::Depth) {
            return Err(dress_prune::Error::DepthPerLayer.into());
        }
        if self.has_budget() && self.per_layer {
            // The scores say how much of each.
            let target = |&kind| Ok(AxisTarget::new(kind, Ratio::new(0.0)?, self.tile));
            return self.axis.iter().map(target).collect();
        }
        if let Some((dense, budget)) = self.budget(model)? {
            let sliced = if basis == Basis::Pca { dense.untied() } else { dense };
            let sliced = if compensation == Compensation::Bias { sliced.biased() } else { sliced };
            return Ok(budget.targets_within(&sliced, &self.axis, self.target, self.tile)?.targets);
        }
        if ratios != 1 && ratios != axes {
            return Err(Error::AxesAndRatios { axes, ratios });
        }
        if !self.ratio.is_empty() && self.ratio.iter().all(|ratio| ratio.get() == 0.0) {
            return Err(dress_prune::Error::NothingSelected.into());
        }
        let ratio = |index: usize| self.ratio[if ratios == 1 { 0 } else { index }];
        let target = |(index, &kind)| AxisTarget::new(kind, ratio(index), self.tile);
        Ok(self.axis.iter().enumerate().map(target).collect())
    }
}

/// The text that scoring and regularization see.
#[derive(Debug, Clone, Args)]
pub struct CalibrationArgs {
    /// The corpus: text, JSON, CSV or Parquet, also compressed; a folder, several with commas, - for standard input, or a
    /// mixture as a.jsonl:0.7,b.parquet:0.3. Never the text that will be evaluated.
    #[arg(long)]
    pub calibration: Option<PathBuf>,
    /// The field of --calibration's rows that is their text, and of --data's where the command has one.
    #[arg(long = "text-field", id = "calibration_text_field", value_name = "NAME", requires = "calibration")]
    pub text_field: Option<String>,
    /// Blocks drawn from it.
    #[arg(long, default_value_t = 64, value_parser = samples)]
    pub samples: usize,
    /// Tokens a block; by default 1024, or what the model has positions for.
    #[arg(long)]
    pub seqlen: Option<usize>,
    /// How blocks are drawn: blocks of the text as it stands that do not overlap; or rows, each from a line drawn at
    /// random on with empty lines dropped, as SliceGPT, SparseGPT and Wanda calibrate.
    #[arg(long, default_value_t = Draw::Blocks)]
    pub draw: Draw,
}

impl CalibrationArgs {
    /// The blocks, none without a corpus.
    ///
    /// # Errors
    /// Those of the tokenizer and of [`Mixture`].
    pub fn blocks(&self, model: &Path, seed: u64) -> Result<Calibration, Error> {
        let Some(path) = &self.calibration else { return Ok(Calibration::default()) };
        let tokenizer = crate::tokenizer(model)?;
        let rows = row_text(model, &tokenizer, self.text_field.as_deref());
        let corpus = Mixture::read(path, &rows)?;
        let seqlen = seqlen_or(self.seqlen, 1024, model)?;
        let (samples, draw) = (self.samples, self.draw);
        let config = SampleConfig { samples, seqlen, seed, draw, ..SampleConfig::default() };
        let blocks = corpus.blocks(&tokenizer, &config)?;
        tracing::info!("{} blocks of {seqlen} tokens from {}", blocks.blocks.len(), path.display());
        Ok(blocks)
    }
}

/// How rows become texts: by a field, and conversations by the model's chat template.
pub(super) fn row_text(model: &Path, tokenizer: &Tokenizer, field: Option<&str>) -> RowText {
    RowText::default().field(field).chat_of(model, tokenizer)
}

/// `chosen`, or the lesser of `usual` and the positions of the model.
///
/// # Errors
/// [`dress_core::Error::TooLong`] where the model has not that many positions.
pub(super) fn seqlen_or(chosen: Option<usize>, usual: usize, model: &Path) -> Result<usize, Error> {
    let positions = crate::max_positions(model)?;
    match chosen {
        Some(seqlen) if seqlen > positions => Err(dress_core::Error::TooLong { seqlen, positions }.into()),
        Some(seqlen) => Ok(seqlen),
        None => Ok(usual.min(positions)),
    }
}

/// A count of which there has to be one.
pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    counted(text, 1_000_000_000)
}

/// A count of which there may be none.
pub(super) fn or_none(text: &str) -> Result<usize, String> {
    if text == "0" { Ok(0) } else { counted(text, 1_000_000) }
}

/// A count of blocks that are all in memory at once.
pub(super) fn samples(text: &str) -> Result<usize, String> {
    counted(text, 1_000_000)
}

/// A whole number from 1 to `most`, which is far above any use and far below what overflows a product of two.
fn counted(text: &str, most: usize) -> Result<usize, String> {
    let expected = format!("expected a whole number from 1 to {most}");
    match text.parse() {
        Ok(0) => Err("it has to be at least 1".into()),
        Ok(count) if count <= most => Ok(count),
        // Also where it is too large for any number.
        _ => Err(expected),
    }
}

/// A share between none and all.
fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("expected a number above 0 and below 1, the share that stays".into()),
    }
}
