# Sourced: a virtual environment below the target folder with the packages of a list, made once. environment NAME PACKAGE...
target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$PWD/$target ;; esac

environment() {
    folder=$target/conformance/$1
    shift
    if [ "$(cat "$folder/packages" 2>/dev/null)" != "$*" ]; then
        rm -rf "$folder"
        mkdir -p "$folder"
        python3 -m venv "$folder/venv"
        "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$@"
        echo "$*" >"$folder/packages"
    fi
    python=$folder/venv/bin/python
}

# source NAME VERSION: the unpacked source package, whose folder becomes $source.
source_of() {
    source=$folder/$1-$2
    if [ ! -d "$source" ]; then
        "$folder/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
            --no-build-isolation --dest "$folder" "$1==$2"
        tar -xzf "$folder/$1-$2.tar.gz" -C "$folder"
    fi
}

# compared NAME PYTEST-ARGUMENT...: the suite with its own transport, then with the plugin NAME_plugin, then what differs.
compared() {
    name=$1
    shift
    here=$root/bindings/python/conformance
    (cd "$source" && "$python" -m pytest -q -p no:cacheprovider --junitxml "$folder/theirs.xml" "$@" >"$folder/theirs.log" 2>&1) || :
    (cd "$source" && AHOY_LIBRARY=$library PYTHONPATH=$root/bindings/python/src:$here \
        "$python" -m pytest -q -p no:cacheprovider -p "${name}_plugin" --junitxml "$folder/ours.xml" "$@" >"$folder/ours.log" 2>&1) || :
    "$python" "$here/compare.py" "$name" "$folder/theirs.xml" "$folder/ours.xml" "$here/$name.txt"
}
