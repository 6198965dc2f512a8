//! Finds the cluster by kubectl's rules: `--kubeconfig`, the files of `KUBECONFIG`, `~/.kube/config`, or the service
//! account of the pod.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};

use super::error::{chain, no_cluster};

/// The choice of a cluster. By default, kubectl's current context.
#[derive(Clone, Debug, Default)]
pub struct ClusterChoice {
    /// The only kubeconfig to read. It has to exist.
    pub kubeconfig: Option<PathBuf>,
    /// The context, instead of the current one.
    pub context: Option<String>,
}

impl ClusterChoice {
    /// The configuration of the client. Without any kubeconfig and choice, that of the pod. The error is a sentence for
    /// people.
    pub(super) async fn config(&self) -> Result<Config, String> {
        let mut config = match self.read()? {
            Some(file) => self.of_file(file).await?,
            None => Config::incluster().map_err(|error| {
                format!("failed to find a cluster: {}; set KUBECONFIG, or run in a cluster", chain(&error))
            })?,
        };
        config.apply_debug_overrides();
        Ok(config)
    }

    async fn of_file(&self, file: Kubeconfig) -> Result<Config, String> {
        let names: Vec<_> = file.contexts.iter().map(|context| context.name.clone()).collect();
        let chosen = self.context.clone().or_else(|| file.current_context.clone()).filter(|name| !name.is_empty());
        let Some(chosen) = chosen else {
            return Err(format!(
                "the kubeconfig has no current context; name one with --context: {}",
                names.join(", ")
            ));
        };
        if !names.contains(&chosen) {
            return Err(format!("the kubeconfig has no context {chosen:?}; it has: {}", names.join(", ")));
        }
        let options = KubeConfigOptions { context: Some(chosen), ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(file, &options).await;
        config.map_err(|error| format!("failed to use the kubeconfig: {}", no_cluster(&error)))
    }

    /// The merged kubeconfig. `None`: there is none, so the pod's service account is meant.
    fn read(&self) -> Result<Option<Kubeconfig>, String> {
        if let Some(path) = &self.kubeconfig {
            return merge(std::slice::from_ref(path), true);
        }
        let home = std::env::home_dir();
        let found = merge(&files(std::env::var_os("KUBECONFIG").as_deref(), home.as_deref()), false)?;
        match (&found, &self.context) {
            (None, Some(context)) => Err(format!("there is no kubeconfig for the context {context:?}; set KUBECONFIG")),
            (Some(file), None) if file.contexts.is_empty() => Ok(None),
            _ => Ok(found),
        }
    }
}

/// The files of `KUBECONFIG`, or the default one.
fn files(variable: Option<&OsStr>, home: Option<&Path>) -> Vec<PathBuf> {
    let named = std::env::split_paths(variable.unwrap_or_default()).filter(|path| !path.as_os_str().is_empty());
    let named: Vec<_> = named.collect();
    if named.is_empty() { home.map(|home| home.join(".kube/config")).into_iter().collect() } else { named }
}

/// Merges the files that exist. The first one to set a value wins.
fn merge(paths: &[PathBuf], required: bool) -> Result<Option<Kubeconfig>, String> {
    let mut merged: Option<Kubeconfig> = None;
    for path in paths {
        let read = match Kubeconfig::read_from(path) {
            Err(KubeconfigError::ReadConfig(error, _)) if error.kind() == ErrorKind::NotFound && !required => continue,
            read => read,
        };
        let read = read.and_then(|read| merged.take().unwrap_or_default().merge(read));
        merged =
            Some(read.map_err(|error| {
                format!("failed to read the kubeconfig {}: {}", path.display(), no_cluster(&error))
            })?);
    }
    Ok(merged)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may stop")]

    use super::*;

    fn kubeconfig(context: &str, port: u16, current: &str) -> String {
        format!(
            "current-context: {current:?}\nclusters: [{{name: {context}, cluster: {{server: 'https://127.0.0.1:{port}'}}}}]\n\
             contexts: [{{name: {context}, context: {{cluster: {context}, namespace: {context}-ns}}}}]\n"
        )
    }

    fn folder() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        std::fs::write(&one, kubeconfig("one", 1, "one")).unwrap();
        std::fs::write(&two, kubeconfig("two", 2, "two")).unwrap();
        (folder, one, two)
    }

    fn config(file: Kubeconfig, context: Option<&str>) -> Result<Config, String> {
        let choice = ClusterChoice { kubeconfig: None, context: context.map(str::to_owned) };
        futures::executor::block_on(choice.of_file(file))
    }

    #[test]
    fn files_of_kubeconfig_replace_the_default_one() {
        let home = Some(Path::new("/home/alice"));
        assert_eq!(files(None, home), [Path::new("/home/alice/.kube/config")]);
        assert_eq!(files(Some(OsStr::new("")), home), [Path::new("/home/alice/.kube/config")]);
        assert_eq!(files(Some(OsStr::new("a::b")), home), [Path::new("a"), Path::new("b")]);
        assert!(files(None, None).is_empty());
    }

    #[test]
    fn merged_files_keep_first_values_and_skip_missing_files() {
        let (folder, one, two) = folder();
        let missing = folder.path().join("missing");
        let merged = || merge(&[missing.clone(), one.clone(), two.clone()], false).unwrap().unwrap();
        let port = |context| config(merged(), context).unwrap().cluster_url.port_u16();
        assert_eq!((port(None), port(Some("one")), port(Some("two"))), (Some(1), Some(1), Some(2)));
        assert_eq!(config(merged(), Some("two")).unwrap().default_namespace, "two-ns");
        assert!(merge(std::slice::from_ref(&missing), false).unwrap().is_none());
        let error = merge(std::slice::from_ref(&missing), true).unwrap_err();
        assert!(error.contains("missing") && error.contains("No such file"), "{error}");
    }

    #[test]
    fn unknown_or_unset_context_is_refused_with_known_names() {
        let (folder, one, _) = folder();
        let read = |path: &PathBuf| merge(std::slice::from_ref(path), true).unwrap().unwrap();
        let error = config(read(&one), Some("three")).unwrap_err();
        assert_eq!(error, "the kubeconfig has no context \"three\"; it has: one");
        let unset = folder.path().join("unset");
        std::fs::write(&unset, kubeconfig("one", 1, "")).unwrap();
        let error = config(read(&unset), None).unwrap_err();
        assert_eq!(error, "the kubeconfig has no current context; name one with --context: one");
        assert_eq!(config(read(&unset), Some("one")).unwrap().cluster_url.port_u16(), Some(1));
    }
}
