//! The container image of the tests, as `make image-for-tests` builds it: an OCI layout.

#![allow(dead_code, reason = "each test file uses what it needs")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::controlplane::{programs, run};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The architecture of this machine, by its name in OCI.
pub const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };

/// An image in an OCI layout.
pub struct Image {
    layout: PathBuf,
}

impl Image {
    /// The image that `make test` builds before the tests.
    #[track_caller]
    pub fn built() -> Self {
        let layout = Path::new(ROOT).join("target/image/test/oci");
        assert!(
            layout.join("index.json").exists(),
            "no image in {}; build it: make image-for-tests (needs Go and Python 3, some minutes)",
            layout.display()
        );
        Self { layout }
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&fs::read(self.layout.join(path)).unwrap()).unwrap()
    }

    fn blob(&self, descriptor: &Value) -> Value {
        self.json(&blob_path(descriptor))
    }

    /// The digest under which registries know it.
    pub fn digest(&self) -> String {
        self.json("index.json")["manifests"][0]["digest"].as_str().unwrap().to_owned()
    }

    /// The manifest.
    pub fn manifest(&self) -> Value {
        self.blob(&self.json("index.json")["manifests"][0])
    }

    /// The configuration: the user, the variables, the entry point.
    pub fn config(&self) -> Value {
        self.blob(&self.manifest()["config"])
    }

    /// The number of its user.
    pub fn user(&self) -> u32 {
        self.config()["config"]["User"].as_str().and_then(|user| user.split(':').next()).unwrap().parse().unwrap()
    }

    /// Packages the chart with its digest, as `make chart` does for the image of a release.
    #[track_caller]
    pub fn package_chart(&self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        let mut program = Command::new(Path::new(ROOT).join("target/image/image"));
        program.args(["chart", "--root", ROOT, "--layout"]).arg(&self.layout);
        program.arg("--helm").arg(programs().join("helm")).arg("--out").arg(folder);
        run(&mut program, "").ok();
    }

    /// Unpacks its files into a new folder.
    #[track_caller]
    pub fn unpack(&self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        for layer in self.manifest()["layers"].as_array().unwrap() {
            let archive = self.layout.join(blob_path(layer));
            run(Command::new("tar").arg("-xzpf").arg(archive).arg("-C").arg(folder), "").ok();
        }
    }

    /// The program of the unpacked image, in its root, as its user and with its variables.
    pub fn command(&self, folder: &Path, arguments: &[&str]) -> Command {
        let config = self.config();
        let variables = config["config"]["Env"].as_array().unwrap().iter().filter_map(Value::as_str);
        let user = self.user();
        // Others than root get a namespace in which they are the image's user.
        let mut command = if is_root() {
            let mut command = Command::new(system_program("chroot"));
            command.arg(format!("--userspec={user}:{user}")).arg(folder);
            command
        } else {
            let mut command = Command::new(system_program("unshare"));
            command.args(["--user", &format!("--map-user={user}"), &format!("--map-group={user}")]);
            command.arg("--root").arg(folder).arg("--");
            command
        };
        // The variables of the image, among them PATH, by which the program is found.
        command.arg("guestlist").args(arguments).env_clear();
        command.envs(variables.filter_map(|variable| variable.split_once('=')));
        command
    }
}

fn blob_path(descriptor: &Value) -> String {
    format!("blobs/{}", descriptor["digest"].as_str().unwrap().replace(':', "/"))
}

/// Whether the user of the tests is root.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// The path of a program, which is not found by the variables of an image.
fn system_program(name: &str) -> PathBuf {
    let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(|folder| Path::new(folder).join(name));
    folders.into_iter().find(|path| path.exists()).unwrap_or_else(|| panic!("{name} is not installed"))
}
