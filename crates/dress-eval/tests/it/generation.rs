//! Answers that a model writes: the KV cache and batches change nothing, and something always ends them.

use crate::small::{CONFIGS, Shipped, random, rows, task, task_on};
use dress_core::burn::tensor::Tensor;
use dress_core::parameters::{self, Layout, ParameterMapper};
use dress_core::{Advance, Calibration, CausalLm, Forward, NoProgress, NoTap, Progress, Stage, Unit};
use dress_data::Tokenizer;
use dress_eval::Error;
use dress_eval::generation::{StopConditions, generate_until};
use dress_eval::journal::ResultCache;
use dress_eval::scoring::BatchConfig;
use dress_eval::tasks::{Metric, TaskConfig, TaskResult, run_task};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// A tokenizer of the letters `a` to `w`, one for each token of the small models.
fn letters() -> Tokenizer {
    let vocab: serde_json::Map<String, serde_json::Value> =
        ('a'..='w').enumerate().map(|(id, letter)| (letter.to_string(), id.into())).collect();
    let json = serde_json::json!({"version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": [], "pre_tokenizer": null, "post_processor": null, "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "a"}});
    Tokenizer::from_bytes(json.to_string().as_bytes(), Path::new("letters.json")).unwrap()
}

/// The family's model with `positions` positions.
fn of_positions(config: &str, positions: usize) -> dress_models::AnyModel {
    let sixteen = "\"max_position_embeddings\":16";
    random(&config.replace(sixteen, &format!("\"max_position_embeddings\":{positions}")))
}

/// Every token goes through the model again for each that is added.
fn without_cache<M: CausalLm>(model: &M, prompt: &[u32], tokens: usize) -> Vec<u32> {
    let mut text = prompt.to_vec();
    for _ in 0..tokens {
        let input = Calibration::tensor(std::slice::from_ref(&text), &model.device());
        let logits = model.forward_last(input, &mut Forward::new(&mut NoTap));
        text.push(logits.argmax(2).into_scalar::<i32>() as u32);
    }
    text.split_off(prompt.len())
}

fn stop(until: &[&str], end_tokens: &[u32], max_new_tokens: usize) -> StopConditions {
    let until = until.iter().map(ToString::to_string).collect();
    StopConditions { until, end_tokens: end_tokens.to_vec(), max_new_tokens }
}

fn texts<M: CausalLm>(
    model: &M,
    prompts: &[Vec<u32>],
    stop: &StopConditions,
    max_tokens: usize,
) -> Result<Vec<Option<String>>, Error> {
    let mut found = vec![None; prompts.len()];
    let progress: &dyn Progress = &NoProgress;
    let stage = progress.begin("questions", Unit::Questions, prompts.len() as u64);
    let batch = BatchConfig { max_tokens };
    generate_until(model, &letters(), prompts, stop, &batch, &stage, |index, text| {
        assert_eq!(found[index], None, "a text has one end");
        found[index] = Some(text);
        Ok(())
    })?;
    Ok(found)
}

/// Prompts of three lengths, several of one, and one that asks for nothing.
fn prompts() -> Vec<Vec<u32>> {
    let prompt = |(salt, len): (u32, usize)| (0..len as u32).map(|i| (i * i + salt) % 23).collect();
    [(1, 5), (2, 3), (3, 5), (4, 5), (5, 7), (6, 3), (7, 0), (8, 5)].into_iter().map(prompt).collect()
}

#[test]
fn a_text_is_the_same_with_and_without_the_cache_in_every_family_and_batch() {
    for config in CONFIGS {
        let model = of_positions(config, 64);
        let tokenizer = letters();
        let whole: Vec<String> = prompts()
            .iter()
            .map(|prompt| match prompt.is_empty() {
                true => String::new(),
                false => tokenizer.decode(&without_cache(&model, prompt, 40)).unwrap(),
            })
            .collect();
        // A letter that ends some of the texts early, and at different places.
        let places = |letter: char| whole.iter().filter_map(|text| text.find(letter)).collect::<Vec<_>>();
        let some = ('a'..='w').max_by_key(|&letter| places(letter).iter().filter(|&&at| at > 0).count());
        let some = some.unwrap().to_string();
        for until in [&[][..], &[some.as_str()][..]] {
            let cut = |text: &String| {
                until.first().map_or(text.as_str(), |stop| text.split(*stop).next().unwrap()).to_string()
            };
            for max_tokens in [4096, 40, 1] {
                let found = texts(&model, &prompts(), &stop(until, &[], 40), max_tokens).unwrap();
                for ((found, whole), prompt) in found.iter().zip(&whole).zip(prompts()) {
                    let expected = (!prompt.is_empty()).then(|| cut(whole));
                    assert_eq!(found, &expected, "{until:?} {max_tokens}: {config}");
                }
            }
        }
    }
}

#[test]
fn nothing_is_generated_past_the_limit_a_stop_or_a_token_of_the_end() {
    let model = of_positions(CONFIGS[0], 64);
    let prompt = prompts()[0].clone();
    let tokens = without_cache(&model, &prompt, 40);
    let text = |stop: &StopConditions| {
        texts(&model, std::slice::from_ref(&prompt), stop, 4096).unwrap().remove(0).unwrap()
    };
    for limit in [1, 2, 7, 8, 9, 16, 17, 40] {
        let found = text(&stop(&[], &[], limit));
        assert_eq!(found, letters().decode(&tokens[..limit]).unwrap());
        assert_eq!(found.len(), limit, "one letter a token");
    }
    let third = tokens[2];
    let before = tokens.iter().position(|&token| token == third).unwrap();
    assert_eq!(text(&stop(&[], &[third], 40)), letters().decode(&tokens[..before]).unwrap());
    let pair = letters().decode(&tokens[3..5]).unwrap();
    let whole = letters().decode(&tokens).unwrap();
    assert_eq!(text(&stop(&[&pair], &[], 40)), whole.split(&pair).next().unwrap());
}

#[test]
fn a_prompt_that_is_too_long_is_cut_from_the_left() {
    let model = of_positions(CONFIGS[0], 16);
    let long: Vec<u32> = (0..30).map(|i| (i * 5 + 3) % 23).collect();
    let found = texts(&model, &[long.clone(), long[30 - 12..].to_vec()], &stop(&[], &[], 4), 4096).unwrap();
    assert_eq!(found[0], found[1]);
    assert_eq!(found[0].as_ref().unwrap().len(), 4);
}

#[test]
fn what_cannot_be_generated_says_why() {
    let model = of_positions(CONFIGS[0], 16);
    let refused = |prompt: &[u32], limit| {
        texts(&model, &[prompt.to_vec()], &stop(&[], &[], limit), 4096).unwrap_err().to_string()
    };
    let says = refused(&[1], 16);
    assert!(
        says.contains("16 new tokens") && says.contains("16 positions") && says.contains("`max_new_tokens`")
    );
    assert!(refused(&[1, 99], 4).contains("token 99"));

    struct NoNumbers;
    impl ParameterMapper for NoNumbers {
        fn map<const D: usize>(&mut self, _: &str, _: Layout, value: Tensor<D>) -> Tensor<D> {
            value * f32::NAN
        }
    }
    let model = parameters::map(of_positions(CONFIGS[0], 16), &mut NoNumbers);
    let says = texts(&model, &[vec![], vec![1, 2]], &stop(&[], &[], 4), 4096).unwrap_err().to_string();
    assert!(says.contains("row 2") && says.contains("not finite after 0 new tokens"), "{says}");
}

/// What the shipped model says to the fixture's questions, without a cache.
fn expected_answers(kjv: &Shipped) -> Vec<String> {
    let stops = ['\n', '.', ','];
    let answer = |context: &String| {
        let mut tokens = kjv.encoder().encode_prompt(context).unwrap();
        let prompt_len = tokens.len();
        loop {
            tokens.extend(without_cache(&kjv.model, &tokens, 1));
            let text = kjv.tokenizer.decode(&tokens[prompt_len..]).unwrap();
            let is_over = text.contains(stops) || tokens.len() == prompt_len + 256;
            if is_over || tokens.last() == Some(&END) {
                return text.split(stops).next().unwrap().to_string();
            }
        }
    };
    let questions = task("triviaqa").questions(&TaskConfig::default()).unwrap();
    questions.iter().map(|question| answer(&question.requests[0].0)).collect()
}

/// The token at which the shipped model ends a text.
const END: u32 = 0;

#[test]
fn triviaqa_runs_whole_and_counts_what_is_accepted() {
    let kjv = Shipped::load("llama2-kjv");
    let expected = expected_answers(&kjv);
    let run = |task| {
        let config = TaskConfig { end_tokens: vec![END], ..TaskConfig::default() };
        run_task(&kjv.model, &kjv.encoder(), &task, &config, &NoProgress).unwrap()
    };
    let (result, said) = run(task("triviaqa"));
    let found: Vec<&str> = said.iter().map(|row| row.said.text().unwrap()).collect();
    assert_eq!(found, expected);
    assert_eq!((result.rows, result.requests, result.headline), (5, 5, Metric::ExactMatch));
    // The same questions, of which all but the first accept what the model says, written in another way.
    let content = std::fs::read_to_string(rows("triviaqa_val.jsonl")).unwrap();
    let accepting = content.lines().zip(&expected).enumerate().map(|(number, (line, said))| {
        let mut row: serde_json::Value = serde_json::from_str(line).unwrap();
        let same = format!("'{}'!", said.trim().to_uppercase());
        let alias = if number == 0 { "no such thing" } else { &same };
        row["answer"]["aliases"] = serde_json::json!(["nothing of it", alias]);
        format!("{row}\n")
    });
    let (result, _) = run(task_on("triviaqa", "rows.jsonl", &accepting.collect::<String>()).unwrap());
    let [metric] = &result.metrics[..] else { panic!("{:?}", result.metrics) };
    assert_eq!((metric.metric, metric.value), (Metric::ExactMatch, 0.8));
    assert!((metric.standard_error.unwrap() - 0.2).abs() < 1e-12, "{metric:?}");
}

/// Ends the work after so many rows.
struct After(u64, AtomicU64);

impl Progress for After {
    fn advanced(&self, _stage: &Stage, at: &Advance<'_>) {
        self.1.store(at.done, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.1.load(Ordering::Relaxed) >= self.0
    }
}

#[test]
fn generated_answers_are_kept_and_a_run_that_broke_off_goes_on() {
    let (kjv, directory) = (Shipped::load("llama2-kjv"), tempfile::tempdir().unwrap());
    let run = |cache, end_tokens: &[u32], progress: &dyn Progress| {
        let config = TaskConfig { cache, end_tokens: end_tokens.to_vec(), ..TaskConfig::default() };
        run_task(&kjv.model, &kjv.encoder(), &task("triviaqa"), &config, progress)
    };
    let cache = || Some(ResultCache::new(directory.path()));
    let lines = || {
        let files = std::fs::read_dir(directory.path()).unwrap();
        let text = |file: std::fs::DirEntry| std::fs::read_to_string(file.path()).unwrap();
        files.map(|file| text(file.unwrap()).lines().count()).collect::<Vec<_>>()
    };
    let broken = run(cache(), &[], &After(2, AtomicU64::new(0))).unwrap_err();
    assert!(broken.to_string().contains("cancelled"), "{broken}");
    let kept = lines()[0];
    assert!((2..5).contains(&kept), "{kept} entries, one a row");
    let (resumed, said) = run(cache(), &[], &NoProgress).unwrap();
    assert_eq!((resumed.reused, resumed.rows), (kept, 5));
    assert_eq!(lines(), [5]);
    let (fresh, anew) = run(None, &[], &NoProgress).unwrap();
    assert_eq!(said, anew);
    let values = |result: &TaskResult| result.metrics.clone();
    assert_eq!(values(&resumed), values(&fresh));
    let (again, _) = run(cache(), &[], &NoProgress).unwrap();
    assert_eq!((again.reused, again.requests_per_second), (5, None));
    assert_eq!(run(cache(), &[7], &NoProgress).unwrap().0.reused, 0, "other ends are other texts");
}
