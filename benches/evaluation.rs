//! Perplexity and a task.

use criterion::{Criterion, Throughput};
use dress_benches::{Beside, Ceiling, Shape, forward_macs, tokens};
use dress_core::burn::tensor::Device;
use dress_core::{Calibration, CausalLm, Forward, NoProgress, NoTap};
use dress_data::Tokenizer;
use dress_eval::scoring::{PrefixToken, RequestEncoder};
use dress_eval::tasks::{Rows, Task, TaskConfig, TaskFile, run_task};
use dress_eval::{PerplexityConfig, perplexity};
use std::path::Path;

const SEQ: usize = 512;
const BLOCKS: usize = 2;

/// At SmolLM2's shape, with the small models' tokenizer and the rows of the tests.
pub fn evaluation(criterion: &mut Criterion) {
    let device = Device::flex();
    let model = Shape::SmolLm2.model(&device);
    let mut ceiling = Shape::SmolLm2.product(&device, SEQ);
    let mut group = Beside::new(criterion, "evaluate");
    let ids = tokens(BLOCKS, SEQ, model.vocab_size());
    let work = forward_macs(&model, BLOCKS, SEQ);
    let amount = (Throughput::Elements((BLOCKS * SEQ) as u64), work as f64);
    let config = PerplexityConfig::default();
    let evaluate = |()| perplexity(&model, &ids, &config, &NoProgress).expect("the blocks fit the model");
    group.measure("perplexity", amount, &mut ceiling, || (), evaluate);

    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = here.join("../examples/models/llama3-kjv");
    let tokenizer = Tokenizer::from_directory(&directory).expect("it is in the repository");
    let prefix = PrefixToken { id: 0, text: tokenizer.token(0).expect("there is a first token") };
    let encoder = RequestEncoder { tokenizer: &tokenizer, prefix: Some(&prefix) };
    let file = TaskFile::named("hellaswag").expect("it is built in");
    let data =
        file.find_data(&here.join("../crates/dress-eval/tests/tasks")).expect("it is in the repository");
    let task = Task { rows: Rows::read(&data).expect("its rows are good"), file, fewshot_rows: None };
    let config = TaskConfig::default();
    let questions = task.questions(&config).expect("its rows are good");
    let requests = questions.iter().flat_map(|question| &question.requests);
    let encoded = requests.map(|(context, continuation)| {
        tokenizer.encode(&format!("{context}{continuation}"), false).expect("the text can be tokenized")
    });
    let encoded: Vec<Vec<u32>> = encoded.collect();
    let count = encoded.len() as u64;
    let mut one_by_one = Ceiling::of("the requests' forward passes one by one", count as f64, || {
        for ids in &encoded {
            let input = Calibration::tensor(std::slice::from_ref(ids), &device);
            drop(model.forward(input, &mut Forward::new(&mut NoTap)).into_data());
        }
    });
    let run = |()| run_task(&model, &encoder, &task, &config, &NoProgress).expect("the rows fit the model").0;
    group.measure("hellaswag", (Throughput::Elements(count), count as f64), &mut one_by_one, || (), run);
}
