//! The training loop that regularization and recovery share
