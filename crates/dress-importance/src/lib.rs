//! Scorers: which structures of a model matter
