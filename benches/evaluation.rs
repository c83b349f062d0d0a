//! Perplexity and a task.

use criterion::{Criterion, Throughput};
use dress_benches::{Beside, Ceiling, Shape, tokens};
use dress_core::burn::tensor::Device;
use dress_core::{CausalLm, NoProgress};
use dress_data::Tokenizer;
use dress_eval::scoring::{PrefixToken, RequestEncoder};
use dress_eval::tasks::{Rows, Task, TaskConfig, TaskFile, run_task};
use dress_eval::{PerplexityConfig, Size, perplexity};
use std::path::Path;

const SEQ: usize = 512;
const BLOCKS: usize = 2;

/// At SmolLM2's shape, with the small models' tokenizer and the rows of the tests.
pub fn evaluation(criterion: &mut Criterion) {
    let device = Device::flex();
    let model = Shape::SmolLm2.model(&device);
    let [width, neurons] = Shape::SmolLm2.widths();
    let ceiling = Ceiling::product(&device, [SEQ, width, neurons]);
    let size = Size::of(&model);
    let mut group = Beside::new(criterion, "evaluate");
    let ids = tokens(BLOCKS, SEQ, model.vocab_size());
    let work = (BLOCKS * SEQ) as u64 * size.macs_at(SEQ / 2);
    let amount = (Throughput::Elements((BLOCKS * SEQ) as u64), work as f64);
    group.measure(
        "perplexity",
        amount,
        &ceiling,
        || (),
        |()| {
            perplexity(&model, &ids, &PerplexityConfig::default(), &NoProgress)
                .expect("the blocks fit the model")
        },
    );

    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = here.join("../examples/models/llama3-kjv");
    let tokenizer = Tokenizer::from_directory(&directory).expect("it is in the repository");
    let prefix = PrefixToken { id: 0, text: tokenizer.token(0).expect("there is a first token") };
    let encoder = RequestEncoder { tokenizer: &tokenizer, prefix: Some(&prefix) };
    let file = TaskFile::named("hellaswag").expect("it is built in");
    let data =
        file.find_data(&here.join("../crates/dress-eval/tests/tasks")).expect("it is in the repository");
    let task = Task { rows: Rows::read(&data).expect("its rows are good"), file, fewshot_rows: None };
    let run = || {
        run_task(&model, &encoder, &task, &TaskConfig::default(), &NoProgress)
            .expect("the rows fit the model")
            .0
    };
    // As if every request went through the model alone, all of its logits asked for.
    let questions = task.questions(&TaskConfig::default()).expect("its rows are good");
    let requests = questions.iter().flat_map(|question| &question.requests);
    let encoded = requests.map(|(context, continuation)| {
        let text = format!("{context}{continuation}");
        tokenizer.encode(&text, false).expect("the text can be tokenized").len()
    });
    let lengths: Vec<usize> = encoded.collect();
    let work: u64 = lengths.iter().map(|&len| len as u64 * size.macs_at(len / 2)).sum();
    let amount = (Throughput::Elements(lengths.len() as u64), work as f64);
    group.measure("hellaswag", amount, &ceiling, || (), |()| run());
}
