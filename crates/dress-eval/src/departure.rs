//! Where a pruned model departs from the one it was made from.

use crate::journal::{ResultCache, ResultKey};
use crate::{Error, PairedDifference};
use dress_core::burn::tensor::activation::log_softmax;
use dress_core::burn::tensor::{DType, Int, Tensor, TensorData};
use dress_core::{
    Axis, Basis, Calibration, CausalLm, CorpusProvenance, Fingerprint, Forward, NoTap, Progress, Selection,
    Site, Tap, Unit,
};
use dress_data::Windows;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Positions whose logits are in memory at the same time.
const CHUNK: usize = 256;

/// Which channels and layers of the dense model the pruned one has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Alignment {
    /// The dense channel of each channel; all of them without it.
    pub channels: Option<Vec<usize>>,
    /// The dense layer of each layer; all of them without it.
    // The name that it had, so that departures kept then are found.
    #[serde(rename = "blocks")]
    pub layers: Option<Vec<usize>>,
    /// Whether the stream is in other coordinates, so that channels cannot be compared.
    pub turned: bool,
}

impl Alignment {
    /// What a slice plan leaves.
    pub fn of(selection: &Selection, basis: Basis) -> Self {
        let kept = |axis| selection.get(axis).map(|chosen| chosen.kept());
        Self { channels: kept(Axis::Residual), layers: kept(Axis::Depth), turned: basis != Basis::Identity }
    }
}

/// How far a model is from another, over the positions of a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Departure {
    /// The fingerprint of the model that it is compared with.
    pub against: Fingerprint,
    /// Mean Kullback-Leibler divergence of its distribution from the other's, `KL(other || model)`, in nats a
    /// position.
    pub kl: f64,
    /// Standard error of that mean over windows, in nats; absent for a single window.
    pub kl_standard_error: Option<f64>,
    /// The share of positions at which both have the same likeliest token.
    pub top1_agreement: f64,
    /// Per layer, the mean cosine of the stream behind it in both; empty where the streams cannot be
    /// compared.
    #[serde(alias = "blocks")]
    pub layers: Vec<LayerCosine>,
    /// Positions that were compared.
    pub positions: u64,
    /// The text.
    pub data: CorpusProvenance,
    /// How much more it loses on the text's blocks than the other model, in nats a token; absent where both
    /// losses were not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub losses: Option<PairedDifference>,
}

/// The stream behind one layer in both models.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LayerCosine {
    /// The layer.
    pub layer: usize,
    /// The other model's layer.
    pub against: usize,
    /// Mean cosine over positions, of the channels that both have.
    pub cosine: f64,
}

/// What is kept of one window.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct WindowDeparture {
    window: usize,
    positions: usize,
    kl: f64,
    agree: usize,
    cosines: Vec<f64>,
}

/// How far `model` is from `against`, over every position of `windows`.
///
/// # Errors
/// [`Error::NoData`], [`Error::OtherVocabulary`], [`Error::NotFinite`], those of [`Calibration::check`] and
/// of the kept results.
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
/// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::{Calibration, NoProgress};
/// use dress_eval::{Alignment, departure};
///
/// let blocks = Calibration::from_blocks(vec![vec![1, 2, 3, 4], vec![5, 6, 7, 8]]);
/// let found = departure(&model, &model, &Alignment::default(), &(&blocks).into(), None, &NoProgress)?;
/// // A model is where it is.
/// assert!(found.kl.abs() < 1e-6 && found.top1_agreement == 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn departure<M: CausalLm, A: CausalLm>(
    model: &M,
    against: &A,
    alignment: &Alignment,
    windows: &Windows,
    cache: Option<&ResultCache>,
    progress: &dyn Progress,
) -> Result<Departure, Error> {
    if windows.windows.is_empty() {
        return Err(Error::NoData);
    }
    let (found, expected) = (model.vocab_size(), against.vocab_size());
    if found != expected {
        return Err(Error::OtherVocabulary { found, expected });
    }
    windows.blocks().check(model)?;
    windows.blocks().check(against)?;
    let other = Fingerprint::of(against);
    let data = CorpusProvenance { blocks: 0, path: String::new(), ..windows.provenance.clone() };
    let models = (ResultKey::of_model(model), ResultKey::of_model(against));
    let key = (models, alignment, data, windows.stride, windows.protocol, windows.bos);
    let (kept, mut journal) = match cache {
        Some(cache) => {
            let (kept, journal) = cache.open::<WindowDeparture>(&ResultKey::new("departure", &key))?;
            (kept, Some(journal))
        }
        None => (Vec::new(), None),
    };
    let mut results: BTreeMap<usize, WindowDeparture> =
        kept.into_iter().filter(|r| r.window < windows.windows.len()).map(|r| (r.window, r)).collect();
    let stage = progress.begin("departure", Unit::Blocks, windows.windows.len() as u64);
    stage.reuse(results.len() as u64);
    for (index, window) in windows.windows.iter().enumerate() {
        if results.contains_key(&index) {
            continue;
        }
        let result = compare(model, against, alignment, &window.tokens, index)?;
        if let Some(journal) = &mut journal {
            journal.keep(&result)?;
        }
        let note = format!("KL {:.3}", result.kl / result.positions as f64);
        results.insert(index, result);
        stage.advance_with(1, None, &note)?;
    }
    drop(stage);
    Ok(summary(&results.into_values().collect::<Vec<_>>(), other, alignment, windows))
}

fn compare<M: CausalLm, A: CausalLm>(
    model: &M,
    against: &A,
    alignment: &Alignment,
    tokens: &[u32],
    window: usize,
) -> Result<WindowDeparture, Error> {
    let (mut mine, mut theirs) = (Streams::default(), Streams::default());
    let ids = |device: dress_core::burn::tensor::Device| Calibration::tensor(&[tokens.to_vec()], &device);
    let hidden = model.hidden(ids(model.device()), &mut Forward::new(&mut mine));
    let other = against.hidden(ids(against.device()), &mut Forward::new(&mut theirs));
    let (mut kl, mut agree) = (0.0, 0);
    for start in (0..tokens.len()).step_by(CHUNK) {
        let len = CHUNK.min(tokens.len() - start);
        let ours = logits(model, hidden.clone().narrow(1, start, len));
        let other = logits(against, other.clone().narrow(1, start, len)).to_device(&ours.device());
        let same = ours.clone().argmax(1).equal(other.clone().argmax(1));
        agree += same.into_data().iter::<bool>().filter(|&same| same).count();
        let (ours, other) = (log_softmax(ours, 1), log_softmax(other, 1));
        let divergence = (other.clone().exp() * (other - ours)).sum_dim(1);
        kl += divergence.into_data().iter::<f64>().sum::<f64>();
    }
    if !kl.is_finite() {
        return Err(Error::NotFinite { block: window, value: kl });
    }
    let cosines = cosines(&mine, &theirs, alignment);
    Ok(WindowDeparture { window, positions: tokens.len(), kl, agree, cosines })
}

fn logits<M: CausalLm>(model: &M, hidden: Tensor<3>) -> Tensor<2> {
    model.head(hidden, &mut Forward::new(&mut NoTap)).cast(DType::F32).squeeze_dim(0)
}

/// The stream behind every layer.
#[derive(Default)]
struct Streams(Vec<Tensor<2>>);

impl Tap for Streams {
    fn pass(&mut self, site: Site, value: Tensor<3>) -> Tensor<3> {
        if let Site::Residual { .. } = site {
            self.0.push(value.clone().cast(DType::F32).squeeze_dim(0));
        }
        value
    }
}

/// The other model's layer for layer `layer`.
fn aligned(alignment: &Alignment, layer: usize) -> usize {
    alignment.layers.as_ref().map_or(layer, |layers| layers[layer])
}

/// The sum over positions of each layer's cosine; none where the streams cannot be compared.
fn cosines(mine: &Streams, theirs: &Streams, alignment: &Alignment) -> Vec<f64> {
    let layers = alignment.layers.as_ref().map_or(theirs.0.len(), Vec::len);
    let (Some(first), Some(other)) = (mine.0.first(), theirs.0.first()) else { return Vec::new() };
    let width = alignment.channels.as_ref().map_or(other.dims()[1], Vec::len);
    if alignment.turned || layers != mine.0.len() || width != first.dims()[1] {
        return Vec::new();
    }
    let channels = alignment.channels.as_ref().map(|channels| {
        let ids: Vec<i32> = channels.iter().map(|&channel| channel as i32).collect();
        Tensor::<1, Int>::from_data(TensorData::new(ids, [width]), &other.device())
    });
    let cosine = |(layer, mine): (usize, &Tensor<2>)| {
        let theirs = theirs.0[aligned(alignment, layer)].clone();
        let theirs = match &channels {
            Some(channels) => theirs.select(1, channels.clone()),
            None => theirs,
        };
        let theirs = theirs.to_device(&mine.device());
        let norm = |stream: Tensor<2>| stream.powi_scalar(2).sum_dim(1).sqrt();
        let product = (mine.clone() * theirs.clone()).sum_dim(1);
        let norms = (norm(mine.clone()) * norm(theirs)).clamp_min(1e-30);
        (product / norms).into_data().iter::<f64>().sum()
    };
    mine.0.iter().enumerate().map(cosine).collect()
}

fn summary(
    results: &[WindowDeparture],
    against: Fingerprint,
    alignment: &Alignment,
    windows: &Windows,
) -> Departure {
    let positions: usize = results.iter().map(|result| result.positions).sum();
    let count = results.len() as f64;
    let kl = results.iter().map(|result| result.kl).sum::<f64>() / positions as f64;
    let means = results.iter().map(|result| result.kl / result.positions as f64);
    let variance = means.map(|mean| (mean - kl).powi(2)).sum::<f64>() / (count - 1.0);
    let layers = results.iter().map(|result| result.cosines.len()).min().unwrap_or(0);
    let cosine = |layer: usize| {
        let sum: f64 = results.iter().map(|result| result.cosines[layer]).sum();
        LayerCosine { layer, against: aligned(alignment, layer), cosine: sum / positions as f64 }
    };
    Departure {
        against,
        kl,
        kl_standard_error: (results.len() > 1).then(|| (variance / count).sqrt()),
        top1_agreement: results.iter().map(|result| result.agree).sum::<usize>() as f64 / positions as f64,
        layers: (0..layers).map(cosine).collect(),
        positions: positions as u64,
        data: windows.provenance.clone(),
        losses: None,
    }
}
