//! The options of every command that talks to a cluster, with kubectl's names.

use std::path::PathBuf;

use clap::Args;

use crate::operator::kubeconfig::ClusterChoice;

/// The cluster of a command.
#[derive(Args, Clone, Debug)]
pub(super) struct ClusterArgs {
    /// The kubeconfig, instead of the files of KUBECONFIG or ~/.kube/config
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; default: its current context
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

impl ClusterArgs {
    /// The choice that the options express.
    pub(super) fn choice(&self) -> ClusterChoice {
        ClusterChoice { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() }
    }
}
