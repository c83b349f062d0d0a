//! The examples' package has no library of its own; see the programs beside this file.
