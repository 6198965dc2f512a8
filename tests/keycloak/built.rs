//! `make keycloak` with a missing tool: it names the tool and the fix.

use std::path::Path;
use std::process::Command;

const TOOLS: [&str; 7] = ["bash", "dirname", "ls", "mkdir", "readlink", "sed", "sort"];

/// Runs the script on a system with only basic tools and this version of Java. Returns its error.
fn complaint(java: Option<&str>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (bin, home) = (folder.path().join("bin"), folder.path().join("jdk/bin"));
    for made in [&bin, &home] {
        std::fs::create_dir_all(made).unwrap();
    }
    let places = std::env::var_os("PATH").unwrap();
    for tool in TOOLS {
        let found = std::env::split_paths(&places).map(|place| place.join(tool)).find(|path| path.exists());
        std::os::unix::fs::symlink(found.unwrap(), bin.join(tool)).unwrap();
    }
    if let Some(version) = java {
        let script = format!("#!{}/bash\necho 'openjdk version \"{version}\" 2026-01-01' >&2\n", bin.display());
        program(&home.join("java"), &script);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keycloak/build.sh");
    let output = Command::new(bin.join("bash"))
        .arg(script)
        .env_clear()
        .env("PATH", &bin)
        .env("GUESTLIST_JAVA_PLACES", folder.path())
        .output()
        .unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(1), Vec::new()));
    String::from_utf8(output.stderr).unwrap().replace(&folder.path().display().to_string(), "/opt/jvm")
}

fn program(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn missing_java_or_maven_is_reported_with_packages_to_install() {
    let no_java = "This needs Java 21 or newer for Keycloak, and there is none in JAVA_HOME, in PATH or below /opt/jvm.\n\
                   Install a JDK, for example your system's package openjdk-21-jdk or Temurin.\n";
    assert_eq!(complaint(None), no_java);
    assert_eq!(complaint(Some("17.0.19")), no_java);
    let no_maven = "This needs Maven to fetch Keycloak, and mvn is not in PATH: install your system's package maven.\n";
    assert_eq!(complaint(Some("21.0.1")), no_maven);
    assert_eq!(complaint(Some("25")), no_maven);
}
