//! Perplexity and throughput of dense and pruned models
