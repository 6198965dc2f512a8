//! The committed CRDs are what the types say, and they look as they must.
#![allow(missing_docs)]

use std::path::Path;

#[test]
fn the_committed_crds_are_what_the_types_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let files = guestlist::api::crd_files().unwrap();
    if std::env::var_os("GUESTLIST_WRITE_CRDS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for (name, content) in &files {
            std::fs::write(folder.join(name), content).unwrap();
        }
    }
    for (name, content) in &files {
        let committed = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(
            committed == *content,
            "crds/{name} is not what src/api says; run GUESTLIST_WRITE_CRDS=1 cargo test --test crds"
        );
    }
}
