//! A checkpoint with all that evaluating it needs.

use crate::{Error, ResultFile, RunContext, fingerprint, locate, name_of, prefix_token, tokenizer};
use dress_core::{CausalLm, Fingerprint, KeptOfKind, SlicePlan};
use dress_data::Tokenizer;
use dress_eval::Size;
use dress_eval::report::{ModelReport, Origin};
use dress_eval::scoring::{PrefixToken, RequestEncoder};
use dress_models::{AnyModel, end_tokens, published_name};
use dress_study::origin_of;
use std::path::{Path, PathBuf};

/// A loaded checkpoint, its tokenizer and how it came to be.
pub struct EvaluatedCheckpoint {
    /// What reports call it.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// The model.
    pub model: AnyModel,
    /// The fingerprint of its files.
    pub fingerprint: Fingerprint,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// What stands in for an empty context.
    pub prefix: Option<PrefixToken>,
    /// The plan that made it, where there is one beside it.
    pub plan: Option<SlicePlan>,
    /// How it came to be, as far as is known.
    pub origin: Option<Origin>,
    /// SHA-256 of the texts that it was calibrated or fine-tuned on, as far as is known.
    pub calibrated_on: Vec<String>,
}

impl EvaluatedCheckpoint {
    /// Loads the checkpoint at `path`; `name` stands for it in reports, by default its directory's name.
    ///
    /// # Errors
    /// Those of [`locate`], [`tokenizer`] and [`AnyModel::load`].
    pub fn load(path: &Path, name: Option<&str>, context: &RunContext) -> Result<Self, Error> {
        let path = locate(path)?;
        let tokenizer = tokenizer(&path)?;
        let name = name.map_or_else(|| name_of(&path), String::from);
        let prefix = prefix_token(&path, &tokenizer)?;
        let (model, fingerprint) = (context.load(&path)?, fingerprint(&path)?);
        let (plan, origin) = origin(&path, &model).unzip();
        let calibrated_on = calibrated_on(&path);
        Ok(Self { name, path, model, fingerprint, tokenizer, prefix, plan, origin, calibrated_on })
    }

    /// How texts become requests.
    pub fn encoder(&self) -> RequestEncoder<'_> {
        RequestEncoder { tokenizer: &self.tokenizer, prefix: self.prefix.as_ref() }
    }

    /// The tokens at which it ends a text: those of its configuration, and the one that its tokenizer names.
    ///
    /// # Errors
    /// Those of [`dress_models::end_tokens`].
    pub fn end_tokens(&self) -> Result<Vec<u32>, Error> {
        let mut ids = end_tokens(&self.path)?;
        let named = self.tokenizer.special_tokens().iter().filter(|(name, _)| name == "eos_token");
        ids.extend(named.filter_map(|(_, token)| self.tokenizer.token_id(token)));
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// A report that has no measurement yet.
    pub fn report(&self, context: &RunContext) -> ModelReport {
        ModelReport {
            name: self.name.clone(),
            series: None,
            path: published_name(&self.path),
            fingerprint: self.fingerprint.clone(),
            architecture: self.model.architecture().into(),
            tokenizer_sha256: self.tokenizer.sha256().into(),
            runs: vec![context.run_info()],
            size: Size::of(&self.model),
            origin: self.origin.clone(),
            perplexity: Vec::new(),
            tasks: Vec::new(),
            departure: None,
            speed: None,
        }
    }
}

/// What the files beside the weights say of the texts that they were made with.
fn calibrated_on(directory: &Path) -> Vec<String> {
    let places = [("dress.json", "/calibration/sha256"), ("dress.json", "/plan/calibration/sha256")];
    let places =
        places.into_iter().chain(["plan.json", "recover.json"].map(|name| (name, "/calibration/sha256")));
    let hash = |(name, place): (&str, &str)| {
        let text = dress_core::files::read_to_string(&directory.join(name)).ok()?;
        let value: serde_json::Value = serde_json::from_str(&text).ok()?;
        value.pointer(place)?.as_str().map(String::from)
    };
    places.filter_map(hash).collect()
}

/// What `dress.json` beside the weights says, else `plan.json`. Neither is needed to evaluate.
fn origin(directory: &Path, sliced: &AnyModel) -> Option<(SlicePlan, Origin)> {
    let kept = |plan: &SlicePlan| KeptOfKind::of_sliced(&plan.selection, &sliced.coupling());
    if let Ok(text) = dress_core::files::read_to_string(&directory.join("dress.json")) {
        match serde_json::from_str::<ResultFile>(&text) {
            Ok(result) => {
                let (plan, report) = (result.plan, result.report);
                let origin = origin_of(&plan, &kept(&plan), &report, result.parameters_before);
                return Some((plan, origin));
            }
            Err(error) => tracing::warn!("{}: dress.json is not read: {error}", directory.display()),
        }
    }
    let path = directory.join("plan.json");
    let plan = SlicePlan::from_json(&dress_core::files::read_to_string(&path).ok()?, &path).ok()?;
    let origin = Origin::of(&plan, &kept(&plan));
    Some((plan, origin))
}
