# Makes an environment of exactly the packages that a file pins; sourced by the install scripts beside it.
#
#     make_venv NAME VARIABLE PYTHON      # pins in NAME.txt, folder $VARIABLE or .cache/NAME under the repository
#
# Does nothing when the environment already holds what the file pins.
# shellcheck shell=bash

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"

fail() {
    echo "install-$name: $*" >&2
    exit 1
}

make_venv() {
    name="$1"
    local venv="${!2:-$root/.cache/$1}" python="$3" pins="$here/$1.txt" uv="$root/.venv/bin/uv"
    local stamp="$venv/.pins.sha256"
    if [ -f "$stamp" ] && sha256sum --check --status "$stamp"; then
        echo "install-$name: $venv is up to date"
        return
    fi
    if [ -d "$venv" ] && [ ! -f "$venv/pyvenv.cfg" ] && [ -n "$(ls -A "$venv")" ]; then
        fail "$venv is no virtual environment, and it would be emptied: name another folder in $2"
    fi
    [ -x "$uv" ] || fail "$uv is missing: make the development environment first"
    [ -x "$python" ] || fail "$python is missing"
    local try
    for try in 1 2; do
        if "$uv" venv --quiet --clear --python "$python" "$venv" &&
            "$uv" pip install --quiet --no-config --no-deps --python "$venv/bin/python" --requirements "$pins"; then
            sha256sum "$pins" >"$stamp"
            echo "install-$name: made $venv"
            return
        fi
        echo "install-$name: try $try failed" >&2
    done
    fail "could not install $pins into $venv; uv's message stands above"
}
