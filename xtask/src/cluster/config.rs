//! What the node's programs are started with: ports, arguments and files.

use super::{images, node::PIDS};
use crate::monitoring::http::free_port;
use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What pods' addresses are taken from.
const SUBNET: &str = "10.211.55.0/24";
const TOKEN: &str = "of-the-tests";

/// Where each listens.
pub(super) struct Ports {
    etcd: u16,
    peers: u16,
    api_server: u16,
    kubelet: u16,
}

impl Ports {
    pub(super) fn free() -> Result<Self> {
        Ok(Self {
            etcd: free_port()?,
            peers: free_port()?,
            api_server: free_port()?,
            kubelet: free_port()?,
        })
    }

    pub(super) fn etcd(&self) -> Vec<String> {
        let (clients, peers) = (
            format!("http://127.0.0.1:{}", self.etcd),
            format!("http://127.0.0.1:{}", self.peers),
        );
        vec![
            "--data-dir=/k/etcd".to_owned(),
            format!("--listen-client-urls={clients}"),
            format!("--advertise-client-urls={clients}"),
            format!("--listen-peer-urls={peers}"),
            format!("--initial-advertise-peer-urls={peers}"),
            format!("--initial-cluster=default={peers}"),
        ]
    }

    pub(super) fn api_server(&self) -> Vec<String> {
        let all = [
            &format!("--etcd-servers=http://127.0.0.1:{}", self.etcd),
            "--bind-address=127.0.0.1",
            // Loopback isn't an address that it advertises.
            "--advertise-address=10.211.55.1",
            &format!("--secure-port={}", self.api_server),
            "--insecure-port=0",
            "--cert-dir=/k/certs",
            "--service-account-key-file=/k/sa.pub",
            "--service-account-signing-key-file=/k/sa.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--token-auth-file=/k/tokens.csv",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--allow-privileged",
            // Nobody resolves its name.
            "--kubelet-preferred-address-types=InternalIP",
        ];
        all.map(str::to_owned).into()
    }

    /// The files that they are started with.
    pub(super) fn write(&self, root: &Path) -> Result<()> {
        let own = root.join("k");
        let put = |path: PathBuf, text: String| -> Result<()> {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
        };
        put(
            own.join("tokens.csv"),
            format!("{TOKEN},admin,1,\"system:masters\"\n"),
        )?;
        put(
            own.join("kubeconfig"),
            format!(
                "apiVersion: v1\nkind: Config\ncurrent-context: x\n\
                 clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:{}', insecure-skip-tls-verify: true}}}}]\n\
                 users: [{{name: u, user: {{token: {TOKEN}}}}}]\n\
                 contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\n",
                self.api_server
            ),
        )?;
        put(
            own.join("kubelet.yaml"),
            format!(
                "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n\
                 authentication: {{anonymous: {{enabled: true}}, webhook: {{enabled: false}}}}\n\
                 authorization: {{mode: AlwaysAllow}}\n\
                 cgroupDriver: cgroupfs\nfailSwapOn: false\npodPidsLimit: {PIDS}\n\
                 hairpinMode: none\nmakeIPTablesUtilChains: false\n\
                 evictionHard: {{nodefs.available: '1%', imagefs.available: '1%', memory.available: 100Mi}}\n\
                 port: {}\nhealthzPort: 0\nreadOnlyPort: 0\n",
                self.kubelet
            ),
        )?;
        put(
            own.join("containerd.toml"),
            format!(
                "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"{}\"\n\
                 disable_apparmor = true\nrestrict_oom_score_adj = true\n\
                 [plugins.\"io.containerd.grpc.v1.cri\".cni]\nbin_dir = \"/usr/lib/cni\"\nconf_dir = \"/k/cni\"\n\
                 [plugins.\"io.containerd.grpc.v1.cri\".containerd]\nsnapshotter = \"native\"\n",
                images::PAUSE
            ),
        )?;
        put(
            own.join("cni/10-tests.conflist"),
            format!(
                "{{\"cniVersion\":\"0.4.0\",\"name\":\"tests\",\"plugins\":[{{\"type\":\"ptp\",\"ipMasq\":false,\
                 \"ipam\":{{\"type\":\"host-local\",\"ranges\":[[{{\"subnet\":\"{SUBNET}\"}}]],\
                 \"routes\":[{{\"dst\":\"0.0.0.0/0\"}}]}}}}]}}\n"
            ),
        )
    }
}
