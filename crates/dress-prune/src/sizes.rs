//! Which sizes stay where no engine is named that serves the result.

use crate::Error;
use dress_core::CausalLm;
use dress_engines::{EngineFormat, EngineTable};

/// Which sizes stay where no engine is named that serves the result.
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":64,"hidden_size":64,"intermediate_size":4096,"num_hidden_layers":1,
/// #     "num_attention_heads":2,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::{AxisKind, Ratio};
/// use dress_prune::{HowMuch, Recipe, Sizes};
///
/// let recipe = Recipe::new(vec![AxisKind::Ffn], HowMuch::Ratios(vec![Ratio::new(0.2505)?]));
/// // Of 4,096 neurons 3,070 were asked for, and 3,072 are a multiple of 256.
/// assert_eq!(recipe.targets(&model)?[0].ratio.kept(4096, 1), 3072);
/// let as_asked = Recipe { sizes: Sizes::AsAsked, ..recipe };
/// assert_eq!(as_asked.targets(&model)?[0].ratio.kept(4096, 1), 3070);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sizes {
    /// The nearest that [`Sizes::FORMATS`] take in full, or else quantize, where that moves less than
    /// [`Sizes::MOST`] of the parameters and keeps a budget; where it does not, those that were asked for.
    #[default]
    Quantizable,
    /// Those that were asked for.
    AsAsked,
}

impl Sizes {
    /// What most people quantize with; of those that do not load a model's family nothing is asked.
    pub const FORMATS: [&str; 2] = ["llama.cpp:q4_k_m", "mlx:4bit"];

    /// The share of the model's parameters that rounding may move, all axes by themselves together.
    pub const MOST: f64 = 0.02;

    /// The formats that load the family of `model`.
    pub(crate) fn formats_of<M: CausalLm>(model: &M) -> Result<Vec<EngineFormat>, Error> {
        let mut formats = EngineTable::built_in().formats(&Self::FORMATS)?;
        formats.retain(|format| format.without_family(model.architecture()).is_none());
        Ok(formats)
    }
}
