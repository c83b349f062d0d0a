//! Text, JSON and JSONL corpora as blocks of tokens
