//! The model card of a result, `README.md`, as the Hugging Face hub reads it.

use super::directory::MODEL_CARD;
use std::path::{Component, Path};

/// Entries of the source's card that hold for whatever is made from it.
const KEPT: [&str; 5] = ["license", "license_name", "license_link", "language", "pipeline_tag"];

/// A card: front matter that the hub reads, a heading, what the result was made from, and what was done.
pub(super) struct ModelCard<'a> {
    /// Where the result will be.
    pub place: &'a Path,
    /// The directory or the GGUF file that it was made from, if any.
    pub source: Option<&'a Path>,
    /// The result's directory, with all other files.
    pub directory: &'a Path,
    /// What was done to it, in Markdown.
    pub body: &'a str,
}

impl ModelCard<'_> {
    /// The file's text.
    pub fn text(&self) -> String {
        let name = self.place.file_name().unwrap_or_default().to_string_lossy();
        let front = self.front_matter().join("\n");
        format!("---\n{front}\n---\n\n# {name}\n\n{}{}\n", self.origin(), self.body.trim())
    }

    fn front_matter(&self) -> Vec<String> {
        let source = self.source.and_then(card_of).unwrap_or_default();
        let entries = FrontMatter::of(&source);
        let mut lines = Vec::new();
        match self.source.and_then(hub_id) {
            Some(id) => lines.push(format!("base_model: {id}")),
            // Of a result of its own kind the base is that one's.
            None if self.is_from_a_result() => lines.extend(entries.get("base_model")),
            None => {}
        }
        lines.extend(KEPT.iter().flat_map(|key| entries.get(key)));
        if entries.get("pipeline_tag").is_empty() {
            lines.push("pipeline_tag: text-generation".into());
        }
        lines.push(format!("library_name: {}", self.library()));
        lines.extend(["tags:", "- dress"].map(String::from));
        if self.directory.join("plan.json").is_file() {
            lines.push("- pruned".into());
        }
        lines
    }

    /// What loads the result: layers of different widths are loaded by these crates alone.
    fn library(&self) -> &'static str {
        let config = std::fs::read_to_string(self.directory.join("config.json")).unwrap_or_default();
        let config: serde_json::Value = serde_json::from_str(&config).unwrap_or_default();
        if config.get("dress").is_some() { "dress" } else { "transformers" }
    }

    fn is_from_a_result(&self) -> bool {
        self.source.is_some_and(|source| source.join("dress.json").is_file())
    }

    /// A sentence about what the result was made from.
    fn origin(&self) -> String {
        let Some(source) = self.source else { return String::new() };
        let made_from = match hub_id(source) {
            Some(id) => format!("Made from [{id}](https://huggingface.co/{id})."),
            None => format!("Made from `{}`.", source.file_name().unwrap_or_default().to_string_lossy()),
        };
        match self.directory.join("README.source.md").is_file() {
            true => format!("{made_from} Its own card is [README.source.md](README.source.md).\n\n"),
            false => format!("{made_from}\n\n"),
        }
    }
}

fn card_of(source: &Path) -> Option<String> {
    // A pipe under that name says nothing.
    dress_core::files::read_to_string(&source.join(MODEL_CARD)).ok()
}

/// The `owner/name`, or the name alone, of a model in the hub's cache.
pub(crate) fn hub_id(path: &Path) -> Option<String> {
    let mut folders = path.components().filter_map(|component| match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    let id = folders.find_map(|folder| folder.strip_prefix("models--"))?.replacen("--", "/", 1);
    (folders.next()? == "snapshots").then_some(id)
}

/// The lines between the first two `---` of a card.
struct FrontMatter<'a>(Vec<&'a str>);

impl<'a> FrontMatter<'a> {
    fn of(card: &'a str) -> Self {
        let mut lines = card.trim_start_matches('\u{feff}').lines();
        if lines.next().map(str::trim_end) != Some("---") {
            return Self(Vec::new());
        }
        let inside: Vec<&str> = lines.by_ref().take_while(|line| line.trim_end() != "---").collect();
        Self(inside)
    }

    /// The lines of an entry at the top: that of its key and those that belong to it.
    fn get(&self, key: &str) -> Vec<String> {
        let is_key = |line: &&str| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'));
        let belongs = |line: &&&str| line.is_empty() || line.starts_with([' ', '\t', '-', '#']);
        let Some(at) = self.0.iter().position(is_key) else { return Vec::new() };
        let more = self.0[at + 1..].iter().take_while(belongs).filter(|line| !line.trim().is_empty());
        let lines = std::iter::once(&self.0[at]).chain(more);
        lines.map(|line| line.trim_end().to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const CARD: &str = "---\nlanguage:\n- en\n- de\nlicense: other\nlicense_name: llama3.2\nextra_gated_prompt: >-\n  \
                        ### Terms\n\n  license: no\nlicense_link: LICENSE\nbase_model:\n- org/dense\ntags:\n- chat\n---\n\n# It\n";

    /// The card of a result that was made from `source`, whose directory holds `config`.
    fn card(source: &Path, config: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("config.json"), config).unwrap();
        fs::write(directory.path().join("README.source.md"), "").unwrap();
        fs::write(directory.path().join("plan.json"), "").unwrap();
        let place = Path::new("models/smaller");
        ModelCard { place, source: Some(source), directory: directory.path(), body: "Less.\n" }.text()
    }

    #[test]
    fn licence_and_language_are_the_source_s_and_the_base_is_its_id_on_the_hub() {
        let cache = tempfile::tempdir().unwrap();
        let source = cache.path().join("models--org--dense/snapshots/0123");
        fs::create_dir_all(&source).unwrap();
        fs::write(source.join("README.md"), CARD).unwrap();
        let expected = "---\nbase_model: org/dense\nlicense: other\nlicense_name: llama3.2\nlicense_link: LICENSE\n\
                        language:\n- en\n- de\npipeline_tag: text-generation\nlibrary_name: transformers\ntags:\n- dress\n\
                        - pruned\n---\n\n# smaller\n\nMade from [org/dense](https://huggingface.co/org/dense). Its own card \
                        is [README.source.md](README.source.md).\n\nLess.\n";
        assert_eq!(card(&source, "{}"), expected);
        assert!(card(&source, r#"{"dress":{}}"#).contains("library_name: dress\n"));
    }

    #[test]
    fn of_a_local_directory_no_base_is_claimed_unless_it_is_a_result() {
        let place = tempfile::tempdir().unwrap();
        let source = place.path().join("sliced");
        fs::create_dir(&source).unwrap();
        let front = |text: String| text.split("\n---\n").next().unwrap().to_string();
        let bare = card(&source, "{}");
        assert!(bare.contains("Made from `sliced`."), "{bare}");
        fs::write(source.join("README.md"), CARD).unwrap();
        assert!(!front(card(&source, "{}")).contains("base_model"));
        fs::write(source.join("dress.json"), "{}").unwrap();
        assert!(front(card(&source, "{}")).contains("base_model:\n- org/dense\nlicense: other"));
    }

    #[test]
    fn a_card_without_front_matter_says_nothing() {
        for card in ["", "# It\n", "---", "license: mit\n---\n"] {
            assert_eq!(FrontMatter::of(card).get("license"), [""; 0], "{card}");
        }
        assert_eq!(
            FrontMatter::of("\u{feff}---\r\nlicense: mit\r\n---\r\n").get("license"),
            ["license: mit"]
        );
    }
}
