//! What the README says of the method, held on the small model by margins that three seeds support.

use dress::{
    AxisKind, Basis, Calibration, Checkpoint, Compensation, Corpus, CorpusFormat, HowMuch, LoadConfig,
    Measure, NoProgress, PruneJob, Ratio, Recipe, StockTarget, any_model, device,
};
use dress_data::{BlockConfig, evaluation_blocks};
use dress_eval::PerplexityConfig;
use dress_prune::PenaltyForm;
use dress_regularize::Schedule;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const SEEDS: [u64; 3] = [1, 2, 3];

/// What a recipe leaves of the model.
struct Left {
    /// Its parameters, before and after.
    parameters: [u64; 2],
    /// The perplexity on text that is held out.
    perplexity: f64,
    /// What the slice itself moved the logits by.
    slicing_error: Option<f64>,
}

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

fn checkpoint() -> Checkpoint {
    Checkpoint::open(models().join("llama3-kjv")).unwrap()
}

fn text(name: &str) -> Corpus {
    Corpus::read(&models().join("kjv").join(name), CorpusFormat::Auto).unwrap()
}

/// The text that every result is measured on, which nothing is calibrated on.
fn heldout() -> &'static Calibration {
    static BLOCKS: OnceLock<Calibration> = OnceLock::new();
    BLOCKS.get_or_init(|| {
        let cut = BlockConfig::new(256).max_blocks(Some(16));
        evaluation_blocks(&text("heldout.txt"), &checkpoint().tokenizer().unwrap(), &cut).unwrap()
    })
}

fn pruned(recipe: &Recipe) -> Left {
    let cpu = device::parse("cpu").unwrap();
    let job = PruneJob::new(checkpoint(), recipe, LoadConfig::default(), cpu).unwrap();
    let calibration = job.calibration(&text("calibration.txt")).unwrap();
    let pruned = job.run(&calibration, &NoProgress).unwrap();
    let config = PerplexityConfig::default();
    let found = any_model::perplexity(&pruned.model, heldout(), &config, &NoProgress).unwrap();
    let result = pruned.result.result;
    Left {
        parameters: [result.parameters_before, result.parameters],
        perplexity: found.perplexity,
        slicing_error: result.report.slicing_error,
    }
}

/// The recommended run on so many blocks of 128 tokens.
fn recipe(kind: AxisKind, how_much: HowMuch, samples: usize, seed: u64) -> Recipe {
    let mut recipe = Recipe::new(vec![kind], how_much);
    (recipe.sampling.samples, recipe.sampling.seqlen, recipe.seed) = (samples, Some(128), seed);
    recipe
}

fn without(ratio: f64) -> HowMuch {
    HowMuch::Ratios(vec![Ratio::new(ratio).unwrap()])
}

/// With twice the blocks to calibrate and to measure on, DReSS had 34.7 to 34.9 with the seeds 1 to 3 and the
/// other 42.4 to 42.9.
#[test]
fn at_a_quarter_of_the_width_dress_is_ahead_of_cutting_channels_first_and_training_as_long() {
    for seed in SEEDS {
        let dress = recipe(AxisKind::Residual, without(0.25), 64, seed);
        let mut first = Recipe { basis: Some(Basis::Identity), learning_rate: Some(3e-4), ..dress.clone() };
        let settings = first.regularize.as_mut().unwrap();
        (settings.gate, settings.form) = (Some(Schedule::Constant), PenaltyForm::Off);
        let (dress, first) = (pruned(&dress), pruned(&first));
        let perplexities = (dress.perplexity, first.perplexity);
        assert!(perplexities.0 < 0.9 * perplexities.1, "seed {seed}: {perplexities:?}");
        let slicing_error = dress.slicing_error.unwrap();
        assert!(slicing_error < 1e-5, "seed {seed}: the slice itself moved the logits by {slicing_error}");
    }
}

/// With twice the blocks to calibrate and to measure on, the perplexity was 36.4 to 36.5 refitted and 39.4 to
/// 39.9 as it is.
#[test]
fn refitting_what_reads_the_neurons_makes_up_for_many_of_them_without_training() {
    for seed in SEEDS {
        let half = recipe(AxisKind::Ffn, without(0.5), 32, seed).without_training();
        let plain = Recipe { stock: StockTarget::Dress, ..half };
        let refitted = Recipe { compensation: Compensation::Ridge, ..plain.clone() };
        let perplexities = (pruned(&refitted).perplexity, pruned(&plain).perplexity);
        assert!(perplexities.0 < 0.95 * perplexities.1, "seed {seed}: {perplexities:?}");
    }
}

/// Where three quarters of the neurons go it matters which layers have them: both shapes have as many
/// parameters and are refitted.
#[test]
fn the_shape_that_a_search_finds_is_ahead_of_as_many_neurons_of_every_layer() {
    for seed in SEEDS {
        let (kind, samples) = (AxisKind::Ffn, 24);
        let even = recipe(kind, without(0.75), samples, seed).without_training();
        let even = Recipe { compensation: Compensation::Ridge, stock: StockTarget::Dress, ..even };
        let even = pruned(&even);
        let [before, after] = even.parameters;
        let (measure, share) = (Measure::Parameters, after as f64 / before as f64);
        let searched = recipe(kind, HowMuch::Searched { measure, share }, samples, seed);
        let searched = pruned(&Recipe { per_layer: true, stock: StockTarget::Dress, ..searched });
        assert!(searched.parameters[1] <= after, "seed {seed}: {:?} and {after}", searched.parameters);
        let perplexities = (searched.perplexity, even.perplexity);
        assert!(perplexities.0 < perplexities.1, "seed {seed}: {perplexities:?}");
    }
}
