# Sourced by the scripts beside it; $root is the checkout.

# venv [GROUP...]: see to it that .venv has sshecho and the dependency groups of pyproject.toml.
venv() {
    python=$root/.venv/bin/python
    # Another folder, other dependencies or other plugins: install again.
    wanted="$(cat "$root/pyproject.toml" "$root/sshecho/dropin.py" | cksum) $root"
    stamp="$root/.venv/sshecho-$(echo base "$@" | tr ' ' -)"
    if [ -x "$python" ] && [ "$(cat "$stamp" 2> /dev/null)" = "$wanted" ]; then
        return
    fi
    # One that was broken off in the making has no pip.
    "$python" -m pip --version > /dev/null 2>&1 || new_venv
    echo "Installing sshecho and its dependencies into .venv ..." >&2
    for group in "$@"; do
        shift
        set -- "$@" --group "$root/pyproject.toml:$group"
    done
    "$python" -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
    "$python" -m pip install --quiet --disable-pip-version-check --editable "$root" "$@"
    echo "$wanted" > "$stamp"
}

# Make .venv with the first Python that is new enough and has the venv module.
new_venv() {
    for candidate in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
            2> /dev/null; then
            "$candidate" -m venv --clear "$root/.venv"
            return
        fi
    done
    echo "sshecho needs Python 3.11 or newer, with its venv module" \
        "(Debian: apt install python3-venv); PYTHON=... names one." >&2
    exit 1
}
