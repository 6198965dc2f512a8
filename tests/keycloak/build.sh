#!/usr/bin/env bash
# Fetches Keycloak with Java's own tools and builds its image, once, into target/keycloak. Says clearly what is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=26.7.3
home=target/keycloak/$version

# Where systems keep their Javas.
places=${GUESTLIST_JAVA_PLACES-/usr/lib/jvm /Library/Java/JavaVirtualMachines}

# A Java of 21 or newer: the one that is set or in PATH, else the newest that the system has.
find_java() {
    local java place installed=()
    for place in $places; do
        installed+=("$place"/*/bin/java "$place"/*/Contents/Home/bin/java)
    done
    for java in "${JAVA_HOME:-/nowhere}/bin/java" "$(command -v java || true)" $(ls -d "${installed[@]}" 2>/dev/null | sort -rV); do
        [ -x "$java" ] || continue
        local major
        major=$("$java" -version 2>&1 | sed -nE '1s/.*"([0-9]+).*/\1/p')
        if [ "${major:-0}" -ge 21 ]; then
            dirname "$(dirname "$(readlink -f "$java")")"
            return
        fi
    done
}

java=$(find_java)
if [ -z "$java" ]; then
    echo "This needs Java 21 or newer for Keycloak, and there is none in JAVA_HOME, in PATH or below ${places// / or }." >&2
    echo "Install a JDK, for example your system's package openjdk-21-jdk or Temurin." >&2
    exit 1
fi
command -v mvn >/dev/null || {
    echo "This needs Maven to fetch Keycloak, and mvn is not in PATH: install your system's package maven." >&2
    exit 1
}
mkdir -p "$home"
echo "$java" >target/keycloak/java

if [ ! -e "$home/ready" ]; then
    echo "keycloak: fetching $version (177 MB), once"
    mvn -q -B dependency:copy -Dartifact="org.keycloak:keycloak-quarkus-dist:$version:zip" -DoutputDirectory="$PWD/$home"
    echo "keycloak: unpacking"
    (cd "$home" && "$java/bin/jar" xf "keycloak-quarkus-dist-$version.zip" && rm "keycloak-quarkus-dist-$version.zip")
    chmod +x "$home/keycloak-$version"/bin/*.sh
    echo "keycloak: building its image (about a minute), once"
    JAVA_HOME=$java "$home/keycloak-$version/bin/kc.sh" build --db=dev-mem --features=organization >/dev/null
    ln -sfn "$version/keycloak-$version" target/keycloak/keycloak
    touch "$home/ready"
fi
