//! The cache that `huggingface_hub` keeps: where it is, and what is in it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What the environment says, by the rules of `huggingface_hub`.
pub(crate) struct Places {
    /// The directory of the cache.
    pub cache: PathBuf,
    /// The file that a login leaves the token in.
    pub token: PathBuf,
}

impl Places {
    /// `HF_HUB_CACHE` goes before the older `HUGGINGFACE_HUB_CACHE`, both before `HF_HOME`, that before
    /// `XDG_CACHE_HOME` and that before `~/.cache`.
    pub fn of(variable: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let user = path("HOME").or_else(std::env::home_dir).unwrap_or_default();
        let full = |path: PathBuf| expand(&path, &user, variable);
        let home = path("HF_HOME").unwrap_or_else(|| {
            path("XDG_CACHE_HOME").unwrap_or_else(|| user.join(".cache")).join("huggingface")
        });
        let home = full(home);
        // The older variable was never expanded by itself, but is where the newer one is not given.
        let cache = path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE")).map(full);
        Self {
            cache: cache.unwrap_or_else(|| home.join("hub")),
            token: path("HF_TOKEN_PATH").map_or_else(|| home.join("token"), full),
        }
    }
}

/// A leading `~`, and parts that are `$NAME` or `${NAME}`.
fn expand(path: &Path, user: &Path, variable: &dyn Fn(&str) -> Option<OsString>) -> PathBuf {
    let parts = path.components().enumerate().map(|(place, part)| {
        let text = part.as_os_str().to_str().unwrap_or_default();
        let name = text.strip_prefix("${").and_then(|name| name.strip_suffix('}'));
        let name = name.or_else(|| text.strip_prefix('$'));
        match name.and_then(variable) {
            Some(value) => PathBuf::from(value),
            None if place == 0 && text == "~" => user.into(),
            None => PathBuf::from(part.as_os_str()),
        }
    });
    parts.collect()
}

/// The directory of a repository at a revision: the name of a branch or tag, or a whole commit.
pub(crate) fn snapshot(cache: &Path, id: &str, revision: &str) -> Option<PathBuf> {
    // A name that leads out of the cache is none.
    let plain = |name: &str| !name.is_empty() && !name.starts_with('/') && !name.contains("..");
    let repo = cache.join(format!("models--{}", id.replace('/', "--")));
    let commit = std::fs::read_to_string(repo.join("refs").join(revision).as_path()).ok();
    let commit = commit.map_or_else(|| revision.into(), |commit| commit.trim().to_string());
    let directory = repo.join("snapshots").join(&commit);
    (plain(revision) && plain(&commit) && directory.is_dir()).then_some(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(set: &[(&str, &str)]) -> PathBuf {
        let variable =
            |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        Places::of(&variable).cache
    }

    #[test]
    fn the_cache_is_where_huggingface_hub_has_it() {
        let home = ("HOME", "/me");
        assert_eq!(cache(&[home]), Path::new("/me/.cache/huggingface/hub"));
        assert_eq!(cache(&[home, ("XDG_CACHE_HOME", "/x")]), Path::new("/x/huggingface/hub"));
        let all = [home, ("XDG_CACHE_HOME", "/x"), ("HF_HOME", "~/h")];
        assert_eq!(cache(&all), Path::new("/me/h/hub"));
        let all = [home, ("HF_HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/old")];
        assert_eq!(cache(&all), Path::new("/old"));
        let all = [home, ("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "$HOME/new")];
        assert_eq!(cache(&all), Path::new("/me/new"));
        assert_eq!(cache(&[home, ("HF_HUB_CACHE", ""), ("HF_HOME", "/h")]), Path::new("/h/hub"));
    }

    #[test]
    fn branches_tags_and_commits_are_found_and_nothing_outside() {
        let cache = tempfile::tempdir().unwrap();
        let repo = cache.path().join("models--a--b");
        std::fs::create_dir_all(repo.join("snapshots/0123")).unwrap();
        std::fs::create_dir_all(repo.join("refs/refs/pr")).unwrap();
        std::fs::write(repo.join("refs/main"), "0123\n").unwrap();
        std::fs::write(repo.join("refs/refs/pr/1"), "0123").unwrap();
        std::fs::write(repo.join("refs/gone"), "4567").unwrap();
        let found = |revision: &str| snapshot(cache.path(), "a/b", revision);
        for revision in ["main", "refs/pr/1", "0123"] {
            assert_eq!(found(revision).unwrap(), repo.join("snapshots/0123"), "{revision}");
        }
        for revision in ["gone", "012", "../refs", "/", ""] {
            assert_eq!(found(revision), None, "{revision}");
        }
    }
}
