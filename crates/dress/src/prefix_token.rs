//! What stands in for an empty context where likelihoods are asked of a checkpoint.

use crate::Error;
use dress_data::Tokenizer;
use dress_eval::scoring::PrefixToken;
use dress_models::Checkpoint;
use dress_models::checkpoint::read_config;
use serde_json::Value;

/// The token that begins a text, or else the one that ends it: the one that the tokenizer's files name, or an
/// id of `config.json`.
///
/// # Errors
/// Those of [`read_config`].
///
/// # Examples
/// ```
/// use dress::{Checkpoint, prefix_token};
///
/// # let models = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models"));
/// let checkpoint = Checkpoint::open(models.join("llama3-kjv"))?;
/// let prefix = prefix_token(&checkpoint, &checkpoint.tokenizer()?)?;
/// assert_eq!(prefix.map(|token| token.text).as_deref(), Some("<|endoftext|>"));
/// # Ok::<(), dress::Error>(())
/// ```
pub fn prefix_token(checkpoint: &Checkpoint, tokenizer: &Tokenizer) -> Result<Option<PrefixToken>, Error> {
    for name in ["bos_token", "eos_token"] {
        let named = tokenizer.special_tokens().iter().find(|(known, _)| known == name);
        if let Some((text, id)) = named.and_then(|(_, text)| Some((text, tokenizer.token_id(text)?))) {
            return Ok(Some(PrefixToken { id, text: text.clone() }));
        }
    }
    let (text, path) = read_config(checkpoint.path())?;
    let unreadable = |cause| dress_models::Error::ConfigUnreadable { path, cause };
    let config: Value = serde_json::from_str(&text).map_err(unreadable)?;
    let ids = ["bos_token_id", "eos_token_id"]
        .map(|name| config[name].as_u64().or_else(|| config[name][0].as_u64()));
    let token = |id: u64| {
        let id = u32::try_from(id).ok()?;
        Some(PrefixToken { id, text: tokenizer.token(id)? })
    };
    Ok(ids.into_iter().flatten().find_map(token))
}
