//! What a shape costs where it is quantized.

use dress_core::{CausalLm, Selection};
use dress_engines::{EngineFormat, EngineTable, ModelShape, ServedWeight, Verdict};
use std::fmt;

/// Weights that formats leave unquantized for the sake of what goes, while they quantize them in the model as
/// it is.
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":64,"intermediate_size":96,"num_hidden_layers":1,
/// #     "num_attention_heads":2,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::{Axis, AxisSelection, Selection};
/// use dress_engines::EngineTable;
/// use dress_prune::QuantizationLoss;
///
/// let without = |gone: usize| AxisSelection::new(96, (96 - gone..96).collect());
/// let loss = |gone| -> Result<Option<QuantizationLoss>, dress_core::Error> {
///     let selection = Selection::new().with(Axis::Ffn { layer: 0 }, without(gone)?);
///     Ok(QuantizationLoss::of(&model, &selection, &EngineTable::built_in()))
/// };
/// assert!(loss(32)?.is_none());
/// assert!(loss(30)?.unwrap().formats.iter().any(|lost| lost.format.to_string() == "llama.cpp:q8_0"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizationLoss {
    /// The formats, the one with the greatest loss first.
    pub formats: Vec<LostFormat>,
}

/// What one format leaves unquantized.
#[derive(Debug, Clone, PartialEq)]
pub struct LostFormat {
    /// The format.
    pub format: EngineFormat,
    /// Matrices that it leaves unquantized because of their rows.
    pub matrices: usize,
    /// Bytes of the model as it is, and of what slicing leaves.
    pub bytes: [u64; 2],
}

impl QuantizationLoss {
    /// What `selection` costs in the formats of `table`, if it costs anything. The model need not have its
    /// weights.
    pub fn of<M: CausalLm>(model: &M, selection: &Selection, table: &EngineTable) -> Option<Self> {
        Self::in_formats(model, selection, &table.all_formats())
    }

    /// The same in some formats.
    pub fn in_formats<M: CausalLm>(
        model: &M,
        selection: &Selection,
        formats: &[EngineFormat],
    ) -> Option<Self> {
        let dense = ModelShape::of(model);
        let shape = dense.sliced(selection);
        let lost = |format: &EngineFormat| lost(format, &dense, &shape);
        let mut formats: Vec<LostFormat> = formats.iter().filter_map(lost).collect();
        let share = |lost: &LostFormat| lost.bytes[1] as f64 / lost.bytes[0] as f64;
        formats.sort_by(|a, b| share(b).total_cmp(&share(a)));
        (!formats.is_empty()).then_some(Self { formats })
    }
}

fn lost(format: &EngineFormat, dense: &ModelShape, shape: &ModelShape) -> Option<LostFormat> {
    if [dense, shape].iter().any(|shape| matches!(format.verdict(shape), Verdict::Refused { .. })) {
        return None;
    }
    let [before, after] = [dense, shape].map(|shape| format.serve(shape));
    let is_left = |weight: &&ServedWeight| weight.fallbacks > 0;
    let [left_before, left] = [&before, &after].map(|served| served.unquantized().filter(is_left).count());
    let matrices = left.checked_sub(left_before).filter(|count| *count > 0)?;
    Some(LostFormat { format: format.clone(), matrices, bytes: [before.bytes, after.bytes] })
}

impl QuantizationLoss {
    /// The warning: what would not be quantized, and what to do about it.
    pub fn warning(&self) -> String {
        let first = self.formats.first().map(|lost| lost.format.clone());
        format!("{self}. {}", Self::remedy(first.as_slice()))
    }

    /// What to do about it, where the result is for these formats.
    pub(crate) fn remedy(formats: &[EngineFormat]) -> String {
        let formats = formats.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        format!("`for = {formats}` keeps to sizes that are quantized")
    }
}

/// What would not be quantized: the format that loses the most, and how many others lose something.
impl fmt::Display for QuantizationLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this shape would not be quantized in full")?;
        let Some(LostFormat { format, matrices, bytes }) = self.formats.first() else { return Ok(()) };
        let noun = if *matrices == 1 { "matrix" } else { "matrices" };
        let [before, after] = bytes.map(|bytes| bytes as f64 / 1e6);
        write!(
            f,
            ": {format} leaves {matrices} {noun} unquantized ({after:.1} MB, and {before:.1} without pruning)"
        )?;
        match self.formats.len() - 1 {
            0 => Ok(()),
            1 => f.write_str(", and so does 1 other format"),
            more => write!(f, ", and so do {more} other formats"),
        }
    }
}
