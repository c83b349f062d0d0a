//! The identities that slicing rests on, and the whole path on models of our own and of others.

mod budgets;
mod declared_models;
mod exactness;
mod fading_layers;
mod gradual_refit;
mod identities;
mod local;
mod local_by_parts;
mod per_layer;
mod plans;
mod presets;
mod quantizable;
mod regularized;
mod rotated_files;
mod search;
mod served;
mod small_models;
mod streaming;
mod third_party;
mod third_party_files;
mod tied_basis;
mod training_free;
mod whole_layers;
