//! What can go wrong with a corpus, and what to do about it.

use std::path::{Path, PathBuf};

/// Errors of reading and tokenizing text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that cannot be read.
    #[error("{path}: cannot be read: {cause}; check the path and its permissions", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// A file that is not UTF-8.
    #[error("{path}: not UTF-8 from byte {offset} on; convert it first, for example with iconv", path = .path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The first byte that is not.
        offset: usize,
    },
    /// A file without text.
    #[error("{path}: there is no text in this corpus; give another file", path = .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A row that is not JSON.
    #[error("{path}: row {row} is not valid JSON: {cause}; correct or delete it", path = .path.display())]
    MalformedRow {
        /// The file.
        path: PathBuf,
        /// The row, from 1.
        row: usize,
        /// What the parser says.
        cause: serde_json::Error,
    },
    /// A row without text.
    #[error("{path}: row {row} has the keys {found}; expected `text`, `messages`, or `instruction` and `output` with or without `input`; or say which field is the text", path = .path.display())]
    UnknownRow {
        /// The file.
        path: PathBuf,
        /// The row, from 1.
        row: usize,
        /// The keys it has.
        found: String,
    },
    /// A row whose text is null.
    #[error("{path}: row {row}: `{field}` is null, so there is no text; delete the row or fill it", path = .path.display())]
    NullText {
        /// The file.
        path: PathBuf,
        /// The row, from 1.
        row: usize,
        /// The field.
        field: &'static str,
    },
    /// A row that is a conversation, and no template that makes a text of it.
    #[error("{path}: row {row} holds chat messages and no text, and there is no chat template{beside} to make one of them; copy the chat_template.jinja of the published chat model there, or write what tokenizer.apply_chat_template(messages, tokenize=False) gives into `text`", path = .path.display(), beside = in_directory(.directory))]
    ChatRow {
        /// The file.
        path: PathBuf,
        /// The row, from 1.
        row: usize,
        /// The checkpoint, where there is one.
        directory: PathBuf,
    },
    /// A conversation that the chat template refuses.
    #[error("{path}: row {row}: {cause}", path = .path.display())]
    ChatRowRefused {
        /// The file.
        path: PathBuf,
        /// The row, from 1.
        row: usize,
        /// What the template says.
        cause: Box<Error>,
    },
    /// Standard input as two corpora.
    #[error("standard input (`-`) can be read once and was read already; write it to a file and give that")]
    StdinTwice,
    /// A corpus that is not what it was when it was read first.
    #[error("{path}: this file changed while it was read; run again once it is written", path = .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A file of a kind that is not read.
    #[error("{path}: this is {what}", path = .path.display())]
    NoCorpus {
        /// The file.
        path: PathBuf,
        /// What it is, and what to do.
        what: &'static str,
    },
    /// A compressed file that is damaged.
    #[error("{path}: this {kind} archive cannot be decompressed: {cause}; download it again", path = .path.display())]
    Compressed {
        /// The file.
        path: PathBuf,
        /// How it is compressed.
        kind: &'static str,
        /// What the decompressor says.
        cause: std::io::Error,
    },
    /// A table that cannot be read.
    #[error("{path}: this {kind} file cannot be read: {reason}; correct it, or give it as JSON lines", path = .path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// CSV or Parquet.
        kind: &'static str,
        /// What the reader says.
        reason: String,
    },
    /// Weights that are not all given or not all numbers above 0.
    #[error("{given}: give each corpus of a mixture a weight above 0, as a.jsonl:0.7,b.parquet:0.3")]
    Weights {
        /// The mixture as given.
        given: String,
    },
    /// A folder of several splits.
    #[error("{path}: this folder holds the splits {splits}, which are never one corpus; give the files or the folder of one", path = .path.display())]
    Splits {
        /// The folder.
        path: PathBuf,
        /// Their names.
        splits: String,
    },
    /// Plain texts and rows in one corpus.
    #[error("{path}: one of these files is plain text and another holds rows; give files of one kind, or a mixture with weights", path = .path.display())]
    TextAndRows {
        /// The folder or list.
        path: PathBuf,
    },
    /// A row without the field that was asked for.
    #[error("{path}: row {row}: `{field}` is {found}, not a text; its keys are {keys}", path = .path.display())]
    NoField {
        /// The file.
        path: PathBuf,
        /// The row, from 1.
        row: usize,
        /// The field as given.
        field: String,
        /// What it is instead.
        found: &'static str,
        /// The keys of the row.
        keys: String,
    },
    /// Less text than one block.
    #[error("{path}: {found} tokens are less than one block of {seqlen}; give a longer corpus or a smaller `seqlen`", path = .path.display())]
    ShorterThanOneBlock {
        /// The file.
        path: PathBuf,
        /// The tokens there are.
        found: usize,
        /// The tokens a block needs.
        seqlen: usize,
    },
    /// Blocks too short to predict anything in.
    #[error("a block of {seqlen} tokens has nothing to predict; use a `seqlen` of at least 2")]
    BlockTooShort {
        /// The tokens asked for.
        seqlen: usize,
    },
    /// A stride that leaves tokens out.
    #[error("a stride of {stride} does not go with windows of {seqlen} tokens; use 1 to {seqlen}")]
    Stride {
        /// The stride.
        stride: usize,
        /// Tokens of the text a window.
        seqlen: usize,
    },
    /// A name that is no protocol.
    #[error("`{name}` is not a protocol; use wikitext2, ptb or c4")]
    ProtocolName {
        /// The name as given.
        name: String,
    },
    /// A name that says of no place where the token stands that begins a text.
    #[error("`{name}` does not say where the token that begins a text goes; use tokenizer, each or none")]
    BosName {
        /// The name as given.
        name: String,
    },
    /// No token to put before every window.
    #[error(
        "the tokenizer names no token that begins a text; put bos_token into tokenizer_config.json, or use `bos = tokenizer`"
    )]
    NoBosToken,
    /// A directory without tokenizer.
    #[error("{path}: no such file, nor vocab.json with merges.txt, nor tokenizer.model; copy the tokenizer.json of the published checkpoint there", path = .path.display())]
    TokenizerMissing {
        /// Where it was expected.
        path: PathBuf,
    },
    /// A checkpoint without chat template.
    #[error(
        "{directory}: there is no chat template: no chat_template.jinja, and none in tokenizer_config.json; is this a base model? copy the template of the published chat model there",
        directory = .directory.display()
    )]
    NoChatTemplate {
        /// The checkpoint.
        directory: PathBuf,
    },
    /// Several chat templates, none of them the default one.
    #[error(
        "{directory}: there are the chat templates {names} and none is the default; call one of them default in tokenizer_config.json",
        directory = .directory.display()
    )]
    NoDefaultChatTemplate {
        /// The checkpoint.
        directory: PathBuf,
        /// What they are called.
        names: String,
    },
    /// A chat template that refuses the messages.
    #[error("the chat template: {reason}")]
    ChatTemplate {
        /// What the template, or its language, says.
        reason: String,
    },
    /// A file beside the tokenizer that cannot be read.
    #[error("{path}: {reason}; copy the file of the published checkpoint there, or delete it if that has none", path = .path.display())]
    TokenizerFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A tokenizer in a form that is not read here.
    #[error(
        "{file}: this vocabulary is not read with tokenizer_class {class} and without tokenizer.json; convert it: python -c \
         \"from transformers import AutoTokenizer; AutoTokenizer.from_pretrained('{directory}').save_pretrained('{directory}')\"",
        file = .file.display(), directory = .directory.display()
    )]
    TokenizerNotConverted {
        /// The vocabulary.
        file: PathBuf,
        /// Where it is.
        directory: PathBuf,
        /// What `tokenizer_config.json` calls its class.
        class: String,
    },
    /// A tokenizer that cannot be read.
    #[error("{path}: not a tokenizer: {reason}; copy the tokenizer.json of the published checkpoint there", path = .path.display())]
    TokenizerUnreadable {
        /// The file.
        path: PathBuf,
        /// What `tokenizers` says.
        reason: String,
    },
    /// Text that the tokenizer refuses.
    #[error("the tokenizer failed: {reason}; is its tokenizer.json that of the published checkpoint?")]
    Tokenize {
        /// What `tokenizers` says.
        reason: String,
    },
}

fn in_directory(directory: &Path) -> String {
    if directory.as_os_str().is_empty() { String::new() } else { format!(" in {}", directory.display()) }
}
