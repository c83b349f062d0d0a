//! Trains the small models in `models` from nothing: a BPE tokenizer of 2,048 tokens and a decoder of 1 to
//! 2.4 M parameters, on the King James Bible.
//!
//! ```sh
//! sudo apt-get install bible-kjv
//! bible -f gen1:1-rev22:21 | sed 's/^[^ ]* //' > kjv.txt
//! cargo run --release -p dress-examples --bin train_small_model -- --name llama3-kjv --text kjv.txt --out small
//! ```
//!
//! The book of Acts is held out, as `kjv/heldout.txt`; Luke, on which the models were trained, is
//! `kjv/calibration.txt`. The perplexity on Acts is printed at the end.

use clap::Parser;
use dress::terminal::TerminalProgress;
use dress_core::{Calibration, CausalLm};
use dress_data::{BlockConfig, Corpus, CorpusFormat, Tokenizer, evaluation_blocks, training_blocks};
use dress_eval::{PerplexityConfig, perplexity};
use dress_models::checkpoint::save;
use dress_models::{AnyModel, FloatType, SaveConfig};
use dress_train::{LearningRate, NoRegularization, OptimizerConfig, TrainConfig, train};
use std::error::Error;
use std::path::{Path, PathBuf};
use tokenizers::decoders::byte_level::ByteLevel;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::{AddedToken, TokenizerBuilder};

/// The shapes of the models that ship, by the directory they are in.
const CONFIGS: [(&str, &str); 4] = [
    (
        "llama3-kjv",
        r#"{
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 2048, "hidden_size": 192,
  "intermediate_size": 512, "num_hidden_layers": 5, "num_attention_heads": 6, "num_key_value_heads": 2,
  "head_dim": 32, "max_position_embeddings": 1024, "rms_norm_eps": 1e-05, "rope_theta": 500000.0,
  "rope_scaling": null, "hidden_act": "silu", "attention_bias": false, "mlp_bias": false,
  "tie_word_embeddings": true, "initializer_range": 0.05, "bos_token_id": 0, "eos_token_id": 0
}"#,
    ),
    (
        "llama2-kjv",
        r#"{
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 2048, "hidden_size": 128,
  "intermediate_size": 344, "num_hidden_layers": 3, "num_attention_heads": 8, "num_key_value_heads": 8,
  "max_position_embeddings": 1024, "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "rope_scaling": null,
  "hidden_act": "silu", "attention_bias": false, "mlp_bias": false, "tie_word_embeddings": false,
  "initializer_range": 0.05, "bos_token_id": 0, "eos_token_id": 0
}"#,
    ),
    (
        "opt-kjv",
        r#"{
  "architectures": ["OPTForCausalLM"], "model_type": "opt", "vocab_size": 2048, "hidden_size": 128,
  "word_embed_proj_dim": 128, "ffn_dim": 512, "num_hidden_layers": 3, "num_attention_heads": 8,
  "max_position_embeddings": 512, "do_layer_norm_before": true, "activation_function": "relu",
  "enable_bias": true, "layer_norm_elementwise_affine": true, "tie_word_embeddings": true, "dropout": 0.0,
  "attention_dropout": 0.0, "init_std": 0.05, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0
}"#,
    ),
    (
        "phi2-kjv",
        r#"{
  "architectures": ["PhiForCausalLM"], "model_type": "phi", "vocab_size": 2048, "hidden_size": 128,
  "intermediate_size": 512, "num_hidden_layers": 3, "num_attention_heads": 8, "num_key_value_heads": 8,
  "partial_rotary_factor": 0.5, "rope_theta": 10000.0, "hidden_act": "gelu_new", "layer_norm_eps": 1e-05,
  "max_position_embeddings": 1024, "qk_layernorm": false, "tie_word_embeddings": false, "embd_pdrop": 0.0,
  "resid_pdrop": 0.0, "attention_dropout": 0.0, "initializer_range": 0.05, "bos_token_id": 0, "eos_token_id": 0
}"#,
    ),
];

#[derive(Parser)]
struct Args {
    /// Which of the models: llama3-kjv, llama2-kjv, opt-kjv or phi2-kjv.
    #[arg(long)]
    name: String,
    /// The text, a verse a line, Genesis to Revelation.
    #[arg(long)]
    text: PathBuf,
    /// The directory in which the model's goes, and `kjv` with the texts.
    #[arg(long)]
    out: PathBuf,
    /// Passes over the text.
    #[arg(long, default_value_t = 3)]
    epochs: usize,
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let args = Args::parse();
    let books = Books::split(&std::fs::read_to_string(&args.text)?)?;
    let config = CONFIGS.iter().find(|(name, _)| *name == args.name).map(|(_, config)| *config);
    let config = config.ok_or("no such model; --help lists them")?;
    let out = args.out.join(&args.name);
    let work = out.with_extension("work");
    std::fs::create_dir_all(&work)?;
    std::fs::write(work.join("train.txt"), &books.training)?;
    std::fs::write(work.join("heldout.txt"), &books.heldout)?;
    train_tokenizer(&work)?;
    let tokenizer = Tokenizer::from_directory(&work)?;
    let corpus = |name: &str| Corpus::read(&work.join(name), CorpusFormat::Text);

    let device = dress_machine::device::parse("auto")?;
    device.seed(42);
    let model = AnyModel::from_config(config, Path::new("config.json"), &device)?;
    let blocks = training_blocks(&corpus("train.txt")?, &tokenizer, 256, 42)?;
    let config = TrainConfig {
        epochs: args.epochs,
        batch_size: 8,
        learning_rate: LearningRate { peak: 4e-3, warmup_steps: 50, end: 0.02, ..LearningRate::default() },
        optimizer: OptimizerConfig::default().with_weight_decay(0.05),
        run_dir: Some(work.clone()),
        ..TrainConfig::default()
    };
    let trained = train(model, &blocks, &config, &NoRegularization, &TerminalProgress::default())?;
    let heldout = evaluation_blocks(&corpus("heldout.txt")?, &tokenizer, &BlockConfig::new(256))?;
    report(&trained.model, &heldout)?;
    let tokenizer = std::fs::read_to_string(work.join("tokenizer.json"))?;
    let extra_files = vec![("tokenizer.json".into(), tokenizer)];
    let save_config = SaveConfig { dtype: Some(FloatType::Bf16), extra_files, ..SaveConfig::default() };
    save(&trained.model, &out, &save_config)?;
    let texts = args.out.join("kjv");
    std::fs::create_dir_all(&texts)?;
    std::fs::write(texts.join("calibration.txt"), &books.calibration)?;
    std::fs::write(texts.join("heldout.txt"), &books.heldout)?;
    Ok(())
}

struct Books {
    training: String,
    calibration: String,
    heldout: String,
}

impl Books {
    /// Cuts the text at the first verses of Luke, John, Acts and Romans.
    fn split(text: &str) -> Result<Self, String> {
        let find = |verse: &str| text.find(verse).ok_or(format!("the text has no verse `{verse}`"));
        let luke = find("Forasmuch as many have taken in hand to set forth")?;
        let john = find("In the beginning was the Word, and the Word was with God")?;
        let acts = find("The former treatise have I made, O Theophilus")?;
        let romans = find("Paul, a servant of Jesus Christ, called to be an apostle")?;
        Ok(Self {
            training: format!("{}{}", &text[..acts], &text[romans..]),
            calibration: text[luke..john].into(),
            heldout: text[acts..romans].into(),
        })
    }
}

fn train_tokenizer(work: &Path) -> Result<(), tokenizers::Error> {
    let end = AddedToken::from("<|endoftext|>", true);
    let mut trainer = BpeTrainerBuilder::new()
        .vocab_size(2048)
        .show_progress(false)
        .special_tokens(vec![end])
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let byte_level = ByteLevel::default().add_prefix_space(false);
    let mut tokenizer = TokenizerBuilder::<_, tokenizers::NormalizerWrapper, _, _, _>::new()
        .with_model(BPE::default())
        .with_normalizer(None)
        .with_pre_tokenizer(Some(byte_level))
        .with_post_processor(Some(byte_level))
        .with_decoder(Some(byte_level))
        .build()?;
    let path = |name: &str| work.join(name).display().to_string();
    tokenizer.train_from_files(&mut trainer, vec![path("train.txt")])?.save(path("tokenizer.json"), true)?;
    Ok(())
}

fn report<M: CausalLm>(model: &M, heldout: &Calibration) -> Result<(), dress_eval::Error> {
    let found =
        perplexity(model, heldout, &PerplexityConfig { batch_size: 8 }, &TerminalProgress::default())?;
    println!("perplexity on Acts, blocks of 256 tokens: {:.3}", found.perplexity);
    Ok(())
}
