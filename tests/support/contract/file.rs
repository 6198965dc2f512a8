//! A directory on a file.

use std::path::{Path, PathBuf};

use futures::executor::block_on;
use guestlist::directory::Import;
use guestlist::directory::sqlite::{Directory, OpenMode, Store};
use guestlist::directory::{AccountRecord, DirectoryWriter, Epoch};

use super::{alice, at, ensure_partner, us, user};

/// Alice and two accounts of hers.
pub fn import() -> Import {
    let account = |name: &str| AccountRecord { name: name.to_owned(), owners: vec![alice()], deleted: false };
    Import { users: vec![user(&alice())], accounts: vec![account("instagram"), account("tiktok")] }
}

/// A directory on a file, with the partner acme, Alice and two accounts.
pub fn furnished(file: &Path) -> (Directory, Epoch) {
    let mut store = Store::open(file, OpenMode::Create).unwrap();
    store.import(&import()).unwrap();
    let directory = Directory::start(store).unwrap();
    let epoch = block_on(async {
        directory.claim(&us()).await.unwrap();
        let epoch = directory.lead().await.unwrap();
        directory.execute(&ensure_partner(), None, at(0), epoch).await.unwrap();
        epoch
    });
    (directory, epoch)
}

/// A folder, and the path of the future file in it.
pub fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("directory.db");
    (folder, file)
}
