//! What of a model works without the rest.

/// A part of a model that works without the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// What [`CausalLm::embed`](crate::CausalLm::embed) needs.
    Embedding,
    /// What [`CausalLm::layer`](crate::CausalLm::layer) needs of one layer.
    Layer(usize),
    /// What [`CausalLm::head`](crate::CausalLm::head) needs.
    Head,
}

impl Part {
    /// Every part of a model of that many layers, in the order a forward pass meets them.
    pub fn all(layers: usize) -> impl Iterator<Item = Part> {
        let layers = (0..layers).map(Part::Layer);
        std::iter::once(Part::Embedding).chain(layers).chain([Part::Head])
    }
}
