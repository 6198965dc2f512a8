//! The container image that `make image` builds, here in the profile of the tests: its parts, and the program in it.
//! Needs no container engine.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::controlplane::{Said, run};
use crate::support::image::{ARCHITECTURE, Image, is_root};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// The bound for the image of a release, in bytes. That of the tests is larger, because less is optimized.
const LARGEST: u64 = 25_000_000;
const DOCUMENTS: &str = "usr/share/doc/guestlist";

/// The files of the image, unpacked once for all tests.
fn unpacked() -> &'static Path {
    static FILES: OnceLock<PathBuf> = OnceLock::new();
    FILES.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image");
        // An earlier run may have left files.
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        Image::built().unpack(&folder);
        folder
    })
}

/// The program in the image, with nothing but the image's files and variables, as the image's user.
fn guestlist(arguments: &[&str], input: &str) -> Said {
    run(&mut Image::built().command(unpacked(), arguments), input)
}

#[test]
fn image_of_one_binary_has_one_digest() {
    let again = tempfile::tempdir().unwrap();
    let target = Path::new(ROOT).join("target");
    let binary = target.join(format!("{}-unknown-linux-musl/quick/guestlist", std::env::consts::ARCH));
    let said = run(
        Command::new(target.join("image/image")).arg("pack").args(["--root", ROOT]).args([
            &format!("--zig={}", target.join("image/zig").display()),
            &format!("--binary={ARCHITECTURE}={}", binary.display()),
            &format!("--out={}", again.path().display()),
        ]),
        "",
    );
    assert_eq!(said.ok().trim(), Image::built().digest());
    let archive = |folder: &Path| fs::read(folder.join("guestlist.tar")).unwrap();
    assert!(archive(again.path()) == archive(&target.join("image/test")), "the files guestlist.tar differ");
}

#[test]
fn image_is_small_and_has_one_layer() {
    let image = Image::built();
    let layers = image.manifest()["layers"].as_array().unwrap().clone();
    assert_eq!(layers.len(), 1);
    let size = layers[0]["size"].as_u64().unwrap();
    assert!(size < LARGEST, "{size} bytes");
}

#[test]
fn image_sets_user_path_and_directory() {
    let config = Image::built().config();
    assert_eq!(config["architecture"], ARCHITECTURE);
    let config = &config["config"];
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Entrypoint"], serde_json::json!(["/usr/bin/guestlist"]));
    let variables: Vec<&str> = config["Env"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    // The chart's default directory, so that the embedded directory needs no options anywhere.
    let values = fs::read_to_string(Path::new(ROOT).join("charts/guestlist/values.yaml")).unwrap();
    let values: Value = serde_saphyr::from_str(&values).unwrap();
    let directory = format!("GUESTLIST_DIRECTORY={}", values["directory"].as_str().unwrap());
    assert!(variables.contains(&"PATH=/usr/bin") && variables.contains(&directory.as_str()), "{variables:?}");
    assert_eq!(config["Labels"]["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn image_has_a_bill_of_materials_with_its_crates() {
    let text = fs::read_to_string(unpacked().join(DOCUMENTS).join("sbom.cdx.json")).unwrap();
    let bill: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    assert_eq!(bill["metadata"]["component"]["name"], "guestlist");
    let components = bill["components"].as_array().unwrap();
    let names: BTreeSet<&str> = components.iter().filter_map(|component| component["name"].as_str()).collect();
    for name in ["kube", "tokio", "rustls", "ring", "rusqlite", "libsqlite3-sys", "sqlite", "musl", "rust-std"] {
        assert!(names.contains(name), "{name}");
    }
    // Of tests, of macros, and of other systems.
    for name in ["proptest", "syn", "windows-sys"] {
        assert!(!names.contains(name), "{name}");
    }
    let lock = fs::read_to_string(Path::new(ROOT).join("Cargo.lock")).unwrap();
    let mut crates = 0;
    for component in components.iter().filter(|component| component["purl"].as_str().unwrap().contains("pkg:cargo/")) {
        let part = |field: &str| component[field].as_str().unwrap().to_owned();
        let checksum = component["hashes"][0]["content"].as_str().unwrap();
        let entry = format!("name = \"{}\"\nversion = \"{}\"\n", part("name"), part("version"));
        let locked = lock.split("[[package]]\n").find(|package| package.starts_with(&entry)).unwrap();
        assert!(locked.contains(checksum), "{entry}");
        crates += 1;
    }
    assert!(crates > 100, "{crates}");
}

#[test]
fn image_has_the_licence_of_each_component() {
    let folder = unpacked().join(DOCUMENTS);
    let own = fs::read_to_string(Path::new(ROOT).join("LICENSE")).unwrap();
    assert_eq!(fs::read_to_string(folder.join("LICENSE")).unwrap(), own);
    let text = fs::read_to_string(folder.join("third-party-licenses.txt")).unwrap();
    let bill: Value = serde_json::from_str(&fs::read_to_string(folder.join("sbom.cdx.json")).unwrap()).unwrap();
    for component in bill["components"].as_array().unwrap() {
        if component["purl"].as_str().unwrap().starts_with("pkg:cargo/") {
            let part = |field: &str| component[field].as_str().unwrap();
            assert!(text.contains(&format!("\n{} {}: ", part("name"), part("version"))), "{component}");
        }
    }
    for words in ["Permission is hereby granted", "Copyright © 2005-2020 Rich Felker", "SQLite 3."] {
        assert!(text.contains(words), "{words}");
    }
}

#[test]
fn program_of_the_image_runs_in_an_empty_root() {
    assert_eq!(guestlist(&["--version"], "").ok().trim(), format!("guestlist {}", env!("CARGO_PKG_VERSION")));
    if is_root() {
        let folder = fs::metadata(unpacked().join("var/lib/guestlist")).unwrap();
        assert_eq!((folder.uid(), folder.gid()), (65532, 65532));
    }

    let accounts = fs::read_to_string(Path::new(ROOT).join("examples/acme/directory.yaml")).unwrap();
    guestlist(&["directory", "import", "-"], &accounts).ok();
    guestlist(&["directory", "backup", "/var/lib/guestlist/copy.db"], "").ok();
    let shown = guestlist(&["directory", "show"], "").ok();
    assert!(shown.contains("NAMESPACE"), "{shown}");
}

#[test]
fn program_of_the_image_trusts_the_public_authorities() {
    let authorities = unpacked().join("etc/ssl/certs/ca-certificates.crt");
    let count = fs::read_to_string(&authorities).unwrap().matches("BEGIN CERTIFICATE").count();
    assert!(count > 100, "{count}");
    // Without authorities, the client cannot be made. With them, it fails to connect: nothing listens on port 1.
    let realm = ["directory", "--directory", "keycloak:https://127.0.0.1:1#workspace", "show"];
    let mut program = Image::built().command(unpacked(), &realm);
    let said = run(program.env("GUESTLIST_KEYCLOAK_CLIENT_SECRET", "secret"), "").refused();
    assert!(said.contains("onnect") && !said.contains("certificate"), "{said}");
}

#[test]
fn program_of_the_image_names_no_folder_of_the_builder() {
    let program = fs::read(unpacked().join("usr/bin/guestlist")).unwrap();
    let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")));
    for folder in [ROOT, &home.unwrap()] {
        let found = program.windows(folder.len()).filter(|bytes| *bytes == folder.as_bytes()).count();
        assert_eq!(found, 0, "{folder}");
    }
}
