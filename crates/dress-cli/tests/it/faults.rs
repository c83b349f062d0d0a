//! Output that cannot be written, places that others take, and signals.
