//! Models by their id on the Hugging Face hub, through `hf-hub` and the cache it shares with every
//! other program.

use crate::Error;
use crate::checkpoint::{COMPANIONS, Weights, is_document};
use crate::hub_cache::{Places, snapshot};
use hf_hub::api::sync::{ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};
use std::path::{Path, PathBuf};

/// Where models are looked for.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// The cache's directory.
    pub cache: PathBuf,
    /// Whether the network may not be used.
    pub offline: bool,
    /// Who asks, where the model is not public.
    pub token: Option<String>,
    /// The hub.
    pub endpoint: String,
    /// Whether downloads show progress on standard error.
    pub progress: bool,
}

impl HubConfig {
    /// As the environment says, by the rules of `huggingface_hub`: `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`,
    /// `HF_HOME` or `XDG_CACHE_HOME`; `HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE`; `HF_TOKEN` and
    /// `HF_ENDPOINT`.
    pub fn from_env() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let places = Places::of(&|name| std::env::var_os(name));
        let yes = |value: String| ["1", "true", "yes", "on"].contains(&value.to_lowercase().as_str());
        let saved = || std::fs::read_to_string(&places.token).ok().map(|token| token.trim().to_string());
        Self {
            offline: variable("HF_HUB_OFFLINE").or_else(|| variable("TRANSFORMERS_OFFLINE")).is_some_and(yes),
            token: variable("HF_TOKEN").or_else(saved).filter(|token| !token.is_empty()),
            endpoint: variable("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into()),
            cache: places.cache,
            progress: false,
        }
    }

    /// The directory or file of a model that is given as a path, or as `owner/name` or `owner/name@revision`;
    /// as `name` alone, where the cache has it. What is in the cache is not asked for again, unless its
    /// tokenizer is missing.
    ///
    /// # Errors
    /// [`Error::HubOffline`] where its weights are not in the cache and the network may not be used, and
    /// [`Error::Hub`] where they are not and cannot be fetched.
    pub fn locate(&self, model: &Path) -> Result<PathBuf, Error> {
        let Some(repo) = repo_of(model).filter(|_| !model.exists()) else { return Ok(model.into()) };
        let id = model.display().to_string();
        let cached = self.cached(&repo);
        // A name without an owner, as the first models of the hub have: one that is mistyped is more often a path.
        if !repo.url().contains('/') {
            return Ok(cached.unwrap_or_else(|| model.into()));
        }
        if let Some(directory) = cached.as_ref().filter(|found| self.offline || has_tokenizer(found)) {
            return Ok(directory.clone());
        }
        if self.offline {
            return Err(Error::HubOffline { id, cache: self.cache.clone() });
        }
        let fetched = self.fetch(repo).map_err(|cause| Error::Hub { id, reason: in_words(&cause) });
        // Without a tokenizer it is a model still.
        fetched.or_else(|error| cached.ok_or(error))
    }

    /// The snapshot in the cache, where its configuration and all its weights are there.
    fn cached(&self, repo: &Repo) -> Option<PathBuf> {
        let directory = snapshot(&self.cache, &repo.url(), repo.revision())?;
        Weights::open(&directory).is_ok().then_some(directory)
    }

    fn fetch(&self, repo: Repo) -> Result<PathBuf, ApiError> {
        let builder = ApiBuilder::from_cache(Cache::new(self.cache.clone()))
            .with_progress(self.progress)
            .with_token(self.token.clone())
            .with_endpoint(self.endpoint.clone());
        let repo = builder.build()?.repo(repo);
        let files: Vec<String> = repo.info()?.siblings.into_iter().map(|file| file.rfilename).collect();
        let safetensors = files.iter().any(|name| is_weights(name, ".safetensors"));
        let extension = if safetensors { ".safetensors" } else { ".bin" };
        let wanted = |name: &&String| {
            name.as_str() == "config.json"
                || COMPANIONS.contains(&name.as_str())
                || is_document(name)
                || name.starts_with("additional_chat_templates/")
                || is_weights(name, extension)
                || is_weights(name, &format!("{extension}.index.json"))
        };
        for name in files.iter().filter(wanted) {
            repo.get(name)?;
        }
        let config = repo.get("config.json")?;
        Ok(config.parent().map_or_else(PathBuf::new, Path::to_path_buf))
    }
}

fn has_tokenizer(directory: &Path) -> bool {
    ["tokenizer.json", "tokenizer.model", "vocab.json"].iter().any(|name| directory.join(name).exists())
}

/// Whether a file at the top of a repository is a part of the model.
fn is_weights(name: &str, end: &str) -> bool {
    !name.contains('/')
        && name.ends_with(end)
        && (name.starts_with("model") || name.starts_with("pytorch_model"))
}

/// The repository of `owner/name`, `owner/name@revision` or `name`, where a path looks like one.
fn repo_of(model: &Path) -> Option<Repo> {
    let (id, revision) = match model.to_str()?.split_once('@') {
        Some((id, revision)) => (id, revision),
        None => (model.to_str()?, "main"),
    };
    let plain = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    let named = match id.split_once('/') {
        Some((owner, name)) => plain(owner) && plain(name),
        None => plain(id),
    };
    let named = named && !revision.is_empty();
    named.then(|| Repo::with_revision(id.into(), RepoType::Model, revision.into()))
}

/// The last cause, which is the one that says something.
fn in_words(error: &ApiError) -> String {
    let mut source: &dyn std::error::Error = error;
    while let Some(next) = source.source() {
        source = next;
    }
    match source.to_string() {
        cause if cause == error.to_string() => cause,
        cause => format!("{error}: {cause}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const COMMIT: &str = "aaaabbbbccccddddeeeeffff0000111122223333";

    /// A cache that has this repository at a commit, which `main` and `tuned/v2` are names of.
    fn cache_of(repo: &str) -> (tempfile::TempDir, HubConfig) {
        let cache = tempfile::tempdir().unwrap();
        let at = cache.path().join(repo);
        let snapshot = at.join("snapshots").join(COMMIT);
        fs::create_dir_all(&snapshot).unwrap();
        fs::create_dir_all(at.join("refs/tuned")).unwrap();
        fs::write(at.join("refs/main"), COMMIT).unwrap();
        fs::write(at.join("refs/tuned/v2"), COMMIT).unwrap();
        fs::write(snapshot.join("config.json"), r#"{"model_type":"llama"}"#).unwrap();
        let tensor = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1], &[0; 4]).unwrap();
        fs::write(snapshot.join("model.safetensors"), safetensors::serialize([("a", tensor)], None).unwrap())
            .unwrap();
        let config = HubConfig {
            cache: cache.path().into(),
            offline: true,
            token: None,
            endpoint: "https://localhost".into(),
            progress: false,
        };
        (cache, config)
    }

    #[test]
    fn branches_commits_and_names_without_an_owner_are_found_offline() {
        let (cache, config) = cache_of("models--acme--kjv_2.b");
        let snapshot = cache.path().join("models--acme--kjv_2.b/snapshots").join(COMMIT);
        for revision in ["", "@main", "@tuned/v2", &format!("@{COMMIT}")] {
            let found = config.locate(Path::new(&format!("acme/kjv_2.b{revision}"))).unwrap();
            assert_eq!(found, snapshot, "{revision}");
        }
        for model in ["acme/kjv_2.b@other", "acme/kjv_2.b@aaaabbb", "acme/kjv"] {
            assert!(matches!(config.locate(Path::new(model)), Err(Error::HubOffline { .. })), "{model}");
        }
        let (cache, config) = cache_of("models--kjv");
        let snapshot = cache.path().join("models--kjv/snapshots").join(COMMIT);
        assert_eq!(config.locate(Path::new("kjv")).unwrap(), snapshot);
        assert_eq!(config.locate(Path::new("no-such-path")).unwrap(), Path::new("no-such-path"));
    }

    #[test]
    fn paths_are_no_repositories() {
        for path in ["./a/b", "/a/b", "a/b/c", "../b", "a/b@", "~/b", "a//b", ""] {
            assert!(repo_of(Path::new(path)).is_none(), "{path}");
        }
    }
}
