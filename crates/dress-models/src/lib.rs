//! Model families in Burn, their checkpoints, tokenizer, KV cache and generation
