//! The example pipeline works as documented: a review evaluates and shows, a delivery applies.

use std::path::Path;
use std::process::Command;

use super::folder::{CAROL, Folder, PARTNER, guest, manifests};

fn pipeline(folder: &Folder, what: &str) -> (i32, String) {
    let built = Path::new(env!("CARGO_BIN_EXE_guestlist")).parent().unwrap();
    let path = format!("{}:{}", built.display(), std::env::var("PATH").unwrap());
    let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/pipeline/pipeline.sh"))
        .arg(what)
        .current_dir(folder.path(""))
        .env("PATH", path)
        .env("MANIFESTS", "manifests")
        .env("GUESTLIST_WORKSPACE", "workspace.yaml")
        .env("GUESTLIST_DIRECTORY", "sqlite:directory.db")
        .env("SARIF", "guestlist.sarif")
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn a_review_shows_and_a_delivery_does() {
    let folder = Folder::new();
    folder.declare(&manifests());
    let (code, said) = pipeline(&folder, "review");
    assert!(code == 0 && said.contains("0 errors") && said.contains("+ invite bob@acme.example"), "{said}");
    assert!(folder.path("guestlist.sarif").exists());
    assert_eq!(folder.addresses("guests"), Vec::<String>::new());
    assert_eq!(pipeline(&folder, "deliver").0, 0);
    assert_eq!(folder.addresses("guests").len(), 2);
    // An empty plan is a success; a guest that the files omit is removed; a broken rule is a failure.
    let (code, said) = pipeline(&folder, "review");
    assert!(code == 0 && said.contains("Plan: 0 operations"), "{said}");
    folder.declare(&[PARTNER, &guest("carol", "GuestAdmin")].concat());
    assert_eq!(pipeline(&folder, "deliver").0, 0);
    assert_eq!(folder.addresses("guests"), [CAROL]);
    folder.declare(&[PARTNER, &guest("carol", "Owner")].concat());
    let (code, said) = pipeline(&folder, "review");
    assert!(code != 0 && said.contains("InvalidValue"), "{said}");
}
