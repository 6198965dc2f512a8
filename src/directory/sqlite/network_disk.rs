//! Whether a file is on a network file system. SQLite's log needs shared memory and locks that all processes see. On
//! a network file system, two machines can damage the directory without an error.

use std::path::{Path, PathBuf};

/// File systems whose files several machines can open, with their names in `/proc/self/mountinfo`.
const NETWORK: [&str; 14] = [
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "fuse.glusterfs",
    "fuse.s3fs",
    "fuse.sshfs",
    "gfs2",
    "lustre",
    "nfs",
    "nfs4",
    "ocfs2",
    "smb3",
];

/// The network file system of a file, if it is on one. If the system does not tell, the file counts as local.
pub fn network_disk(file: &Path) -> Option<String> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    file_system(&folder, &mounts).filter(|name| is_network(name)).map(ToOwned::to_owned)
}

fn is_network(name: &str) -> bool {
    NETWORK.contains(&name) || name.starts_with("fuse.") && !name.starts_with("fuse.fuse-overlayfs")
}

/// The file system of a folder: the one with the longest mount point above it. Of several at the same mount point, it
/// is the last one.
fn file_system<'a>(folder: &Path, mounts: &'a str) -> Option<&'a str> {
    let mut found: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let mut fields = line.split(' ');
        let (Some(point), Some(name)) = (fields.nth(4), fields.skip_while(|field| *field != "-").nth(1)) else {
            continue;
        };
        let point = unescaped(point);
        let depth = point.components().count();
        if folder.starts_with(&point) && found.is_none_or(|(deepest, _)| deepest <= depth) {
            found = Some((depth, name));
        }
    }
    found.map(|(_, name)| name)
}

/// A path whose special characters are escaped, such as `\040` for a space.
fn unescaped(text: &str) -> PathBuf {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (code, sign)| text.replace(code, sign))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:26 / /var/lib rw - tmpfs tmpfs rw
41 30 0:40 / /var/lib/guest\\040list rw,relatime shared:20 master:1 - nfs4 server:/export rw,vers=4.2
42 30 0:41 / /var/lib/guestlist rw - cifs //server/share rw
43 42 0:42 / /var/lib/guestlist rw - ext4 /dev/vdb rw
44 22 0:43 / /srv rw - fuse.sshfs host:/srv rw
45 22 0:44 / /overlay rw - overlay overlay rw";

    #[test]
    fn network_disk_longest_mount_point_decides() {
        for (folder, name, network) in [
            ("/home", "ext4", false),
            ("/var/lib/other", "tmpfs", false),
            ("/var/lib/guest list/a", "nfs4", true),
            ("/var/lib/guestlist", "ext4", false),
            ("/var/lib/guestlist2", "tmpfs", false),
            ("/srv/a/b", "fuse.sshfs", true),
            ("/overlay", "overlay", false),
        ] {
            let found = file_system(Path::new(folder), MOUNTS);
            assert_eq!(found, Some(name), "{folder}");
            assert_eq!(found.is_some_and(is_network), network, "{folder}");
        }
    }

    #[test]
    fn network_disk_this_machine_says_where_files_lie() {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        assert_eq!(file_system(Path::new("/"), &mounts).is_some(), !mounts.is_empty());
    }
}
