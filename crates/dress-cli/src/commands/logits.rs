//! `dress logits`.

use crate::{Error, PlaceLock, RunContext, check_file_place, row_text, tokenizer, write_result};
use dress_core::burn::tensor::DType;
use dress_core::{Calibration, CausalLm, Forward, NoTap};
use dress_data::{BlockConfig, Corpus, CorpusFormat, evaluation_blocks};
use dress_models::generation::{GenerationConfig, Sampling, generate};
use dress_study::TextSource;
use safetensors::{Dtype, tensor::TensorView};
use serde_json::json;
use std::path::PathBuf;

/// Tokens of the prompt that is continued.
const PROMPT: usize = 8;

/// What `dress logits` does.
#[derive(Debug)]
pub(super) struct Logits {
    /// The checkpoint.
    pub model: PathBuf,
    /// The text whose first tokens go through the model.
    pub text: TextSource,
    /// How many tokens.
    pub tokens: usize,
    /// How many tokens to add.
    pub max_new_tokens: usize,
    /// The file to write.
    pub out: PathBuf,
    /// Whether one that is there is replaced.
    pub force: bool,
    /// Where it is computed.
    pub context: RunContext,
}

impl Logits {
    pub fn run(self) -> Result<(), Error> {
        check_file_place(&self.out, self.force)?;
        let _lock = PlaceLock::take(&self.out)?;
        let tokenizer = tokenizer(&self.model)?;
        let rows = row_text(&self.model, &tokenizer, self.text.text_field.as_deref());
        let corpus = Corpus::read_as(&self.text.path, CorpusFormat::Auto, &rows)?;
        let cut = BlockConfig::new(self.tokens).max_blocks(Some(1));
        let ids = evaluation_blocks(&corpus, &tokenizer, &cut)?.blocks.remove(0);
        let model = self.context.load(&self.model)?;
        Calibration::from_blocks(vec![ids.clone()]).check(&model)?;
        let tokens = Calibration::tensor(std::slice::from_ref(&ids), &model.device());
        let logits = model.forward(tokens, &mut Forward::new(&mut NoTap)).cast(DType::F32).into_data();
        let prompt = ids[..PROMPT.min(ids.len())].to_vec();
        let config = GenerationConfig {
            max_new_tokens: self.max_new_tokens,
            sampling: Sampling::Greedy,
            stop: Vec::new(),
        };
        let new = generate(&model, &prompt, &config, |_| ())?;
        let greedy = [prompt.clone(), new].concat();
        let logits: Vec<u8> = logits.iter::<f32>().flat_map(f32::to_le_bytes).collect();
        let shape = vec![1, ids.len(), model.vocab_size()];
        let file = [
            ("input_ids", Dtype::I64, vec![1, ids.len()], as_i64(&ids)),
            ("logits", Dtype::F32, shape, logits),
            ("prompt", Dtype::I64, vec![1, prompt.len()], as_i64(&prompt)),
            ("greedy", Dtype::I64, vec![1, greedy.len()], as_i64(&greedy)),
        ];
        let views = file.iter().map(|(name, dtype, shape, bytes)| {
            let view =
                TensorView::new(*dtype, shape.clone(), bytes).expect("the bytes are those of the shape");
            (*name, view)
        });
        let bytes = safetensors::serialize(views, None).expect("four tensors have a short header");
        write_result(&self.out, &bytes, self.force)?;
        let report = json!({ "out": self.out.display().to_string(), "tokens": ids.len(), "greedy": greedy });
        self.context.output.print(&report, || format!("written to {}", self.out.display()))?;
        Ok(())
    }
}

fn as_i64(ids: &[u32]) -> Vec<u8> {
    ids.iter().flat_map(|&id| i64::from(id).to_le_bytes()).collect()
}
