//! What the README says of the method, held on the small model by margins that three seeds support.

use dress::{
    AxisKind, Basis, Checkpoint, Compensation, Corpus, CorpusFormat, HowMuch, LoadConfig, NoProgress,
    PruneJob, Ratio, Recipe, StockTarget, any_model, device,
};
use dress_data::{BlockConfig, evaluation_blocks};
use dress_eval::PerplexityConfig;
use dress_prune::PenaltyForm;
use dress_regularize::Schedule;
use std::path::Path;

const SEEDS: [u64; 3] = [1, 2, 3];

/// A recipe's perplexity on text that is held out, and what the slice itself moved the logits by.
fn pruned(recipe: &Recipe) -> (f64, Option<f64>) {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let text = |name: &str| Corpus::read(&models.join("kjv").join(name), CorpusFormat::Auto).unwrap();
    let checkpoint = Checkpoint::open(models.join("llama3-kjv")).unwrap();
    let tokenizer = checkpoint.tokenizer().unwrap();
    let cpu = device::parse("cpu").unwrap();
    let job = PruneJob::new(checkpoint, recipe, LoadConfig::default(), cpu).unwrap();
    let calibration = job.calibration(&text("calibration.txt")).unwrap();
    let pruned = job.run(&calibration, &NoProgress).unwrap();
    let cut = BlockConfig::new(256).max_blocks(Some(32));
    let blocks = evaluation_blocks(&text("heldout.txt"), &tokenizer, &cut).unwrap();
    let found =
        any_model::perplexity(&pruned.model, &blocks, &PerplexityConfig::default(), &NoProgress).unwrap();
    (found.perplexity, pruned.result.result.report.slicing_error)
}

fn recipe(kind: AxisKind, ratio: f64, samples: usize, seed: u64) -> Recipe {
    let mut recipe = Recipe::new(vec![kind], HowMuch::Ratios(vec![Ratio::new(ratio).unwrap()]));
    (recipe.sampling.samples, recipe.sampling.seqlen, recipe.seed) = (samples, Some(128), seed);
    recipe
}

/// With each of the seeds 1 to 3 DReSS has 34.7 to 34.9 and the other 42.4 to 42.9.
#[test]
fn at_a_quarter_of_the_width_dress_is_ahead_of_cutting_channels_first_and_training_as_long() {
    for seed in SEEDS {
        let dress = recipe(AxisKind::Residual, 0.25, 128, seed);
        let mut first = Recipe { basis: Some(Basis::Identity), learning_rate: Some(3e-4), ..dress.clone() };
        let settings = first.regularize.as_mut().unwrap();
        (settings.gate, settings.form) = (Some(Schedule::Constant), PenaltyForm::Off);
        let ((dress, slicing_error), (first, _)) = (pruned(&dress), pruned(&first));
        assert!(dress < 0.9 * first, "seed {seed}: {dress} and {first}");
        assert!(slicing_error.unwrap() < 1e-5, "seed {seed}: the slice itself moved the logits");
    }
}

/// With each of the seeds 1 to 3 the perplexity is 36.4 to 36.5 refitted and 39.4 to 39.9 as it is.
#[test]
fn refitting_what_reads_the_neurons_makes_up_for_many_of_them_without_training() {
    for seed in SEEDS {
        let plain =
            Recipe { stock: StockTarget::Dress, ..recipe(AxisKind::Ffn, 0.5, 64, seed) }.without_training();
        let refitted = Recipe { compensation: Compensation::Ridge, ..plain.clone() };
        let ((plain, _), (refitted, _)) = (pruned(&plain), pruned(&refitted));
        assert!(refitted < 0.95 * plain, "seed {seed}: {refitted} and {plain}");
    }
}
