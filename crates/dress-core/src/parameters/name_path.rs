//! Where a visitor is in a module.

/// Where a parameter is in its module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterPlace<'a> {
    /// The Hugging Face name.
    pub name: &'a str,
    /// The type that holds it, as Burn's derive reports it: `Struct:Linear`.
    pub holder: &'a str,
    /// How many dimensions it has.
    pub rank: usize,
}

/// The modules that were entered and not left, each with its type.
#[derive(Default)]
pub(super) struct NamePath {
    entered: Vec<(String, String)>,
}

impl NamePath {
    pub fn enter(&mut self, name: &str, container: &str) {
        self.entered.push((name.into(), container.into()));
    }

    pub fn exit(&mut self) {
        self.entered.pop();
    }

    pub fn name(&self) -> String {
        let shown = self.entered.iter().filter(|(_, container)| !container.starts_with("Enum:"));
        shown.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(".")
    }

    pub fn place<'a>(&'a self, name: &'a str, rank: usize) -> ParameterPlace<'a> {
        let holder = self.entered.last().map_or("", |(_, container)| container.as_str());
        ParameterPlace { name, holder, rank }
    }
}
