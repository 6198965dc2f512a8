//! kubectl's reader: as a process that answers thousands of texts a second, and as kubectl itself.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// Replaces an object that is deeper than the limit of `serde_json`.
pub const TOO_DEEP: &str = "too deep";

/// The process that reads as kubectl does (`tests/controlplane/reader`).
pub struct Reader {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
}

impl Reader {
    pub fn start() -> Self {
        let mut child = Command::new(program("reader")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        Self { child, input, output }
    }

    /// The objects that kubectl reads, or why it refuses the text.
    pub fn read(&mut self, text: &[u8]) -> Result<Vec<Value>, String> {
        let input = self.input.as_mut().unwrap();
        let length = u32::try_from(text.len()).unwrap().to_be_bytes();
        input.write_all(&[&length, text].concat()).unwrap();
        let mut length = [0; 4];
        self.output.read_exact(&mut length).expect("the reader answers");
        let mut answer = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
        self.output.read_exact(&mut answer).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        match answer.get("error").and_then(Value::as_str) {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["objects"].as_array().into_iter().flatten().map(object).collect()),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // The process ends when its input closes.
        drop(self.input.take());
        drop(self.child.wait());
    }
}

/// An object from its JSON. An object deeper than guestlist's limit is not decoded.
fn object(json: &Value) -> Value {
    serde_json::from_str(json.as_str().unwrap()).unwrap_or_else(|error| {
        assert!(error.to_string().starts_with("recursion limit"), "{error}");
        Value::from(TOO_DEEP)
    })
}

/// The objects that kubectl itself reads from a file: it adds an annotation without a server, and prints the objects.
pub fn kubectl(text: &[u8]) -> Result<Vec<Value>, String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("text.yaml");
    std::fs::write(&file, text).unwrap();
    let output = Command::new(program("kubectl"))
        .env("HOME", directory.path())
        .env_remove("KUBECONFIG")
        .args(["annotate", "--local", "-o", "json", "-f"])
        .arg(&file)
        .arg("differential.example/read=yes")
        .output()
        .unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let objects = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    Ok(objects.map(|object| without_annotation(object.unwrap())).collect())
}

/// An object without the annotation of [`kubectl`], and without the maps that are then empty.
pub fn without_annotation(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
        && let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
    {
        annotations.remove("differential.example/read");
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    if object.get("metadata").and_then(Value::as_object).is_some_and(serde_json::Map::is_empty) {
        object.as_object_mut().unwrap().remove("metadata");
    }
    object
}

fn program(name: &str) -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/controlplane/bin");
    let bin = std::env::var_os("GUESTLIST_CONTROLPLANE").map_or(built, PathBuf::from);
    let program = bin.join(name);
    assert!(program.exists(), "there is no {}; build it once: make controlplane", program.display());
    program
}
