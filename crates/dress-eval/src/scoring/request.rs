//! From texts to tokens, as `lm_eval` does it.

use crate::Error;
use crate::tasks::is_python_space;
use dress_data::Tokenizer;

/// A context and what may follow it, in tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What stands before; never empty.
    pub context: Vec<u32>,
    /// What is scored; never empty.
    pub continuation: Vec<u32>,
}

/// The token that stands in for an empty context: the beginning of a text, or its end where a tokenizer has
/// no beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixToken {
    /// Its id.
    pub id: u32,
    /// Its text; contexts that begin with it get no second one.
    pub text: String,
}

/// How texts become requests.
#[derive(Debug, Clone, Copy)]
pub struct RequestEncoder<'a> {
    /// The checkpoint's tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// What stands in for an empty context.
    pub prefix: Option<&'a PrefixToken>,
}

impl RequestEncoder<'_> {
    /// Tokenizes as `lm_eval`'s `_encode_pair`: the context's trailing spaces move to the continuation, both
    /// are encoded together, and the continuation is what follows as many tokens as the context alone has.
    ///
    /// # Errors
    /// [`Error::EmptyContinuation`] where nothing is left to score, which `lm_eval` refuses as well,
    /// [`Error::NoPrefixToken`], and those of the tokenizer.
    pub fn encode(&self, context: &str, continuation: &str) -> Result<Request, Error> {
        if context.is_empty() {
            return self.encode_without_context(continuation);
        }
        let stripped = context.trim_end_matches(is_python_space);
        // A context of spaces alone is empty then; its special tokens, if any, are its context.
        let whole = self.ids(&format!("{context}{continuation}"))?;
        let context = self.ids(stripped)?;
        let split = context.len().min(whole.len());
        self.checked(context, whole[split..].to_vec(), continuation)
    }

    /// The tokens of a text that is continued, special ones that the tokenizer itself adds included. An empty
    /// text is the token that stands in for an empty context.
    ///
    /// # Errors
    /// [`Error::NoPrefixToken`], and those of the tokenizer.
    pub fn encode_prompt(&self, text: &str) -> Result<Vec<u32>, Error> {
        let ids = self.ids(text)?;
        match ids.is_empty() {
            true => Ok(vec![self.prefix.ok_or(Error::NoPrefixToken)?.id]),
            false => Ok(ids),
        }
    }

    fn encode_without_context(&self, continuation: &str) -> Result<Request, Error> {
        let prefix = self.prefix.ok_or(Error::NoPrefixToken)?;
        let mut ids = self.tokenizer.encode(continuation, false)?;
        if ids.first() == Some(&prefix.id) {
            ids.remove(0);
        }
        self.checked(vec![prefix.id], ids, continuation)
    }

    fn checked(&self, context: Vec<u32>, scored: Vec<u32>, text: &str) -> Result<Request, Error> {
        if context.is_empty() {
            return Err(Error::NoPrefixToken);
        }
        if scored.is_empty() {
            return Err(Error::EmptyContinuation { continuation: text.into() });
        }
        Ok(Request { context, continuation: scored })
    }

    fn ids(&self, text: &str) -> Result<Vec<u32>, Error> {
        let begun = self.prefix.is_some_and(|prefix| text.starts_with(&prefix.text));
        Ok(self.tokenizer.encode(text, !begun)?)
    }
}
