# libahoy: builds, tests and installs. `make test` is what CI runs; `make demo` needs only Rust and a C compiler.

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
DESTDIR ?=
CARGO ?= cargo
CC ?= cc
# dist is what is shipped: small, fast, and minutes to build. `make PROFILE=release` is quicker, and what the tests use.
PROFILE ?= dist
# `make FEATURES=--no-default-features` leaves proxies, HTTP/2, registries, brotli and zstd out; add --features with some of
# them.
FEATURES ?=

TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
OUT := $(TARGET)/$(PROFILE)
STAGE := $(TARGET)/stage
ARENA := $(TARGET)/arena
TOOL := $(TARGET)/tool
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# Before 1.0 each minor version has an ABI of its own; see build/main.rs.
ABI := $(if $(filter 0.%,$(VERSION)),$(basename $(VERSION)),$(firstword $(subst ., ,$(VERSION))))
.PHONY: abi acceptance-languages all arena asan bench bench-bodies build check-header clean conformance-python
.PHONY: conformance-ruby deb demo
.PHONY: demo-discovery deps dist exits fuzz fuzz-coverage fuzz-planted gem go hazards install library lint
.PHONY: linux-aarch64 linux-i686 linux-musl linux-portable loom minimal module npm quick release sim soak stage tarball test test-windows
.PHONY: test-language-packages test-linux-aarch64 test-linux-i686 test-linux-musl test-linux-portable test-packages tool tsan
.PHONY: uninstall valgrind wheel windows

all: tool

ALL_FEATURES = $(FEATURES) $(if $(filter dist minimal,$(PROFILE)),--features silent)

# What is installed, in $(OUT)/ready. For dist and minimal the archive alone is made, which gives the shared library as well
# (packaging/link.sh): where cargo makes an rlib too, it leaves link-time optimisation out.
build:
ifeq ($(PROFILE),linux-portable)
	@$(MAKE) --no-print-directory linux-portable PROFILE=dist
else
	@$(MAKE) --no-print-directory library
endif

# How often services pass where, counted: by it dist is compiled for speed there and for size elsewhere. What has changed since
# is compiled without; so is all by another version of Rust than counted. `make profile` counts anew. It is unpacked under
# a name of its own, for cargo looks at the name alone.
PROFDATA := $(abspath $(TARGET))/profile-$(shell cksum <packaging/ahoy.profdata.gz | cut -d ' ' -f 1)
PROFILED = $(if $(filter dist,$(PROFILE)),-Cprofile-use=$(PROFDATA) $(KNOWN_COLD))

# What was never called is compiled for size, which LLVM does of itself for large programs only, and not inlined: 0.12 MB less.
# A compiler of another LLVM might not know these options.
COLD = -Cllvm-args=-pgso-lwss-only=false -Cllvm-args=-inline-cold-callsite-threshold=0 -Cllvm-args=-inlinecold-threshold=0
# A function that has changed since it was counted would be a warning each: hundreds in a build that is well.
COLD += -Cllvm-args=-no-pgo-warn-mismatch
KNOWN_COLD = $(shell $${RUSTC:-rustc} $(COLD) --print target-cpus >/dev/null 2>&1 && echo '$(COLD) ')

$(PROFDATA): packaging/ahoy.profdata.gz
	mkdir -p $(@D)
	gzip -dc $< >$@.new
	mv $@.new $@

# No path of this machine goes into what is shipped: two builds are the same bytes, whatever folder they are made in. RUSTFLAGS
# would take the place of what a configuration of cargo says; beside this it holds.
REMAPPED = --remap-path-prefix=$(CURDIR)=ahoy --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=cargo
ifdef RUSTFLAGS
SHIPPING = RUSTFLAGS='$(RUSTFLAGS) $(PROFILED)$(REMAPPED)' $(CARGO)
else
SHIPPING = $(CARGO) --config "target.'cfg(all())'.rustflags = '$(PROFILED)$(REMAPPED)'"
endif

library: $(if $(PROFILED),$(PROFDATA))
ifneq ($(filter dist minimal,$(PROFILE)),)
	$(SHIPPING) rustc --profile $(PROFILE) $(ALL_FEATURES) --lib --crate-type staticlib
else
	$(CARGO) build --profile $(PROFILE) $(ALL_FEATURES)
endif
	@$(MAKE) --no-print-directory $(OUT)/native-static-libs
	CC='$(CC)' sh packaging/link.sh $(OUT) $(VERSION) $(ABI)
	CARGO='$(CARGO)' sh packaging/notices.sh $(OUT)/ready/THIRD-PARTY $(ALL_FEATURES)

dist:
	$(MAKE) --no-print-directory build PROFILE=dist

# For x86-64 with glibc 2.17 or later: what is built for others. `make install`, `tarball`, `wheel`, `gem`, `npm` with
# PROFILE=linux-portable take it. Fetches zig (100 MB) once. docs/platforms.md.
PORTABLE := $(TARGET)/linux-portable
linux-portable: dist
	sh packaging/targets/linux-portable.sh $(PORTABLE) $(TARGET)/dist $(VERSION) $(ABI)

# For musl (Alpine), 64-bit ARM and x86 with 32 bits, with the C examples and the NULL test on them. Each fetches a compiler
# (145 MB) and zig (100 MB) once; a quarter of an hour.
linux-musl linux-aarch64 linux-i686: linux-%:
	PROFILE=$(PROFILE) sh packaging/targets/linux-cross.sh $* $(TARGET)/$@ $(VERSION) $(ABI)

test-linux-portable: linux-portable
	sh tests/linux_cross.sh portable $(PORTABLE) $(VERSION) $(ABI)

test-linux-musl test-linux-aarch64 test-linux-i686: test-linux-%: linux-%
	sh tests/linux_cross.sh $* $(TARGET)/linux-$* $(VERSION) $(ABI)

# Archives of what RELEASED names and the targets above have built, each with an SBOM, and their checksums; then programs
# are linked with each. `make linux-portable linux-musl linux-aarch64 windows release`.
RELEASED ?= $(notdir $(wildcard $(foreach one,linux-portable linux-musl linux-aarch64 linux-i686 windows macos-arm64 macos-x86_64,$(TARGET)/$(one))))
release:
	sh packaging/release.sh $(TARGET)/handed-out $(TARGET) $(VERSION) $(ABI) $(RELEASED)
	sh packaging/test-release.sh $(TARGET)/handed-out $(VERSION)

# The least library: without proxies, HTTP/2, registries, brotli and zstd, and compiled for size. `make install
# PROFILE=minimal` installs it.
minimal:
	$(MAKE) --no-print-directory build PROFILE=minimal FEATURES=--no-default-features

# For macOS 11 on both processors, in $(TARGET)/macos-arm64 and macos-x86_64: compiled and looked at, never run. Needs
# `sh tests/install-macos.sh`; fetches a compiler (145 MB) and zig (100 MB) once.
.PHONY: macos macos-arm64 macos-x86_64
macos: macos-arm64 macos-x86_64
macos-arm64 macos-x86_64: macos-%:
	CARGO='$(CARGO)' PROFILE=$(PROFILE) sh packaging/targets/macos.sh $* $(TARGET)/$@ $(VERSION) $(ABI)

# What a static link needs besides libahoy.a. Asking compiles an empty crate: on Linux the list is that of the standard
# library, to which the packages add nothing (tests/install.sh links with it).
$(OUT)/native-static-libs:
	mkdir -p $(OUT)
	echo '' | $${RUSTC:-rustc} --crate-type staticlib --crate-name empty -o $(OUT)/libempty.a --print native-static-libs - 2>&1 | \
	    sed -n 's/^note: native-static-libs: //p' >$@.new
	rm -f $(OUT)/libempty.a
	test -s $@.new && mv $@.new $@

# Copies what was built, without cargo.
install:
	@PREFIX='$(PREFIX)' LIBDIR='$(LIBDIR)' DESTDIR='$(DESTDIR)' sh packaging/install.sh $(OUT) $(VERSION) $(ABI)

# The command-line tool, a host of the library just built: it looks for it in ../lib, where `make install` puts it.
tool: build
	mkdir -p $(OUT)/ready/bin $(OUT)/ready/lib
	ln -sf ../libahoy.so.$(VERSION) $(OUT)/ready/lib/libahoy.so
	ln -sf ../libahoy.so.$(VERSION) $(OUT)/ready/lib/libahoy.so.$(ABI)
	AHOY_LIB=$(abspath $(OUT))/ready/lib $(SHIPPING) build --locked --release --manifest-path tools/ahoy/Cargo.toml --target-dir $(TOOL)
	cp $(TOOL)/release/ahoy $(OUT)/ready/bin/ahoy

uninstall:
	@PREFIX='$(PREFIX)' LIBDIR='$(LIBDIR)' DESTDIR='$(DESTDIR)' sh packaging/uninstall.sh $(VERSION) $(ABI)

# Debian packages of what `make` built: libahoy$(ABI), libahoy-dev, and ahoy where the tool is built.
deb:
	sh packaging/debian/build.sh $(OUT) $(VERSION) $(ABI)

# For Windows on x86-64, in $(TARGET)/windows; needs `sh tests/install-windows.sh`, and fetches a compiler of 145 MB once.
windows:
	CARGO='$(CARGO)' PROFILE=$(PROFILE) sh packaging/targets/windows.sh $(TARGET)/windows $(VERSION) $(ABI)

# That under wine: examples, the NULL test and most of the Rust tests. docs/platforms.md.
test-windows:
	bash tests/windows.sh $(TARGET)/windows

# The same as an archive, to be unpacked anywhere.
TREE := libahoy-$(VERSION)-$(shell uname -m)-linux-gnu
tarball:
	rm -rf $(OUT)/$(TREE)
	PREFIX=/ahoy DESTDIR=$(abspath $(OUT))/$(TREE) sh packaging/install.sh $(OUT) $(VERSION) $(ABI)
	tar -C $(OUT)/$(TREE) --transform 's,^ahoy,$(TREE),' --sort=name --owner=0 --group=0 --numeric-owner \
	    --mtime="@$$(git log -1 --format=%ct 2>/dev/null || date +%s)" -cJf $(OUT)/$(TREE).tar.xz ahoy
	rm -rf $(OUT)/$(TREE)
	ls -l $(OUT)/$(TREE).tar.xz

# Each package in a clean root, where the quickstarts are built and run from the installed files alone. Needs root, the
# network for the first run, and `sh tests/install-deps.sh packages`.
test-packages: deb tarball
	sh packaging/test.sh $(OUT) $(VERSION) $(ABI)
	sh packaging/test-recipes.sh $(PROFILE)

# An installation inside the build tree, for the tests.
stage:
	$(MAKE) --no-print-directory build PROFILE=release
	$(MAKE) --no-print-directory install PROFILE=release PREFIX=$(abspath $(STAGE)) LIBDIR=$(abspath $(STAGE))/lib DESTDIR=

# The library for programs of this tree.
quick:
	$(CARGO) build --release

# Straight from the build tree: no installation, no pkg-config.
demo: quick
	CC='$(CC)' AHOY_LIB=$(TARGET)/release examples-c/demo.sh

# The same of a service that is registered in etcd, which it starts.
demo-discovery: quick
	CC='$(CC)' AHOY_LIB=$(TARGET)/release examples-c/discovery.sh

deps:
	sh tests/install-deps.sh
	sh tests/install-consul.sh

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --all-targets -- -D warnings
	$(CARGO) fmt --check --manifest-path benches/arena/Cargo.toml
	$(CARGO) clippy --manifest-path benches/arena/Cargo.toml --target-dir $(ARENA)/build --all-targets -- -D warnings

# Fails on a header that is not what the sources say, and leaves it alone.
check-header:
	AHOY_HEADER=check $(CARGO) check --lib

# Notes the functions, callbacks, types and numbers of the version that is being made, in abi/. docs/abi.md.
abi:
	python3 tests/abi.py write

test:
	+CARGO='$(CARGO)' CC='$(CC)' sh tests/run.sh

# Every order in which threads can meet at the end of a call.
loom:
	RUSTFLAGS='--cfg ahoy_loom' CARGO_TARGET_DIR=$(TARGET)/loom AHOY_HEADER=skip $(CARGO) test --locked --lib loom_

# The rules of src/policy, and which endpoint has which key, on processors of 32 bits and of the other order of bytes, with
# musl and under wine. Fetches a compiler (145 MB) and zig (100 MB) once. SYSTEMS=i686 for one.
.PHONY: policies-everywhere
policies-everywhere:
	sh tests/policies/run.sh $(SYSTEMS)

# Registries that stand still for a minute and are killed for ten seconds, under calls and with the default settings: two
# minutes. Needs what `make deps` installs; without Consul that is said.
.PHONY: test-registries-slow
test-registries-slow: deps
	$(CARGO) test --locked --features xds --test outage -- --ignored --nocapture

# The races that ThreadSanitizer sees; fetches a compiler of 150 MB once, and takes a quarter of an hour.
tsan: deps
	CARGO='$(CARGO)' CC='$(CC)' sh tests/tsan.sh

# The hazard table, with how each row's tests end.
hazards: deps stage
	AHOY_STAGE=$(abspath $(STAGE)) CARGO='$(CARGO)' CC='$(CC)' sh tests/hazard_table.sh

# Fifty exits each of Python programs whose calls are under way; a quarter of an hour for each Python.
exits: stage
	AHOY_STAGE=$(abspath $(STAGE)) AHOY_EXITS=50 CC='$(CC)' bash tests/exits.sh

valgrind asan: deps
	+CARGO='$(CARGO)' CC='$(CC)' sh tests/run.sh $@

# Packages for the languages, with the library in them. `make wheel gem npm` makes those to hand on.
PACKAGES := $(TARGET)/packages

wheel: build
	bindings/python/wheel.sh $(OUT)/ready/libahoy.so.$(VERSION) $(PACKAGES)

gem: build
	bindings/ruby/gem.sh $(OUT)/ready/libahoy.so.$(VERSION) $(PACKAGES)

npm: build
	bindings/node/npm.sh $(OUT)/ready/libahoy.so.$(VERSION) $(PACKAGES)

# The Go module, as a proxy on disk.
module: build
	bindings/go/module.sh $(OUT)/ready/libahoy.a $(VERSION) $(PACKAGES)/go

# Each in a clean root, where the programs of its README are run by it alone. Needs root, mmdebstrap, and the network for
# the first run.
test-language-packages: wheel gem npm module
	sh bindings/packages.sh $(PACKAGES)

# The test suites of requests and httpx through libahoy, from their source packages on PyPI: about eight minutes.
conformance-python: quick
	sh bindings/python/conformance/requests.sh $(TARGET)/release/libahoy.so
	sh bindings/python/conformance/httpx.sh $(TARGET)/release/libahoy.so

# Faraday's shared examples for adapters through libahoy: a minute. bindings/ruby/conformance/faraday.sh says where they
# come from.
conformance-ruby: quick
	sh tests/install-deps.sh faraday
	sh bindings/ruby/conformance/faraday.sh $(TARGET)/release/libahoy.so

# The checks of Go, Node, Python and Ruby with the numbers that are asked for, 100,000 calls and 50 exits among them, and their
# figures: ten to fifteen minutes.
acceptance-languages: stage
	bindings/go/archive.sh $(TARGET)/release/ready/libahoy.a
	AHOY_LIBRARY=$(abspath $(STAGE))/lib/libahoy.so bash tests/language_acceptance.sh

# The tests of Python's binding on each Python of pyenv from 3.9 on and on that of Debian sid, or on PYTHONS: three minutes.
.PHONY: pythons
pythons: quick
	tests/pythons.sh $(TARGET)/release/libahoy.so $(TARGET)/pythons

# The archive, where the Go module looks for it.
go: build
	bindings/go/archive.sh $(OUT)/ready/libahoy.a

clean:
	$(CARGO) clean

# What the compiler knows of how often services pass where: about ten minutes. packaging/profile.sh says what it needs.
.PHONY: profile
profile:
	CARGO='$(CARGO)' CC='$(CC)' sh packaging/profile.sh $(TARGET)/profile packaging/ahoy.profdata.gz

# Beside nginx and libcurl on this machine; installs nothing, and says what is missing.
bench:
	bash benches/micro/run.sh

# Bodies alone, with the release profile: a minute after the build.
bench-bodies:
	PROFILE=release ROUNDS=9 bash benches/micro/run.sh bodies

# Each parser of peers' bytes and of text for two minutes (SECONDS_EACH=120), from the seeds in fuzz/seeds. Needs
# cargo-fuzz: cargo install cargo-fuzz. Single ones: sh fuzz/run.sh answer_head
fuzz:
	CARGO='$(CARGO)' sh fuzz/run.sh

# How many lines of its parser the seeds of each target reach; fails below 80 % (LEAST=80).
fuzz-coverage:
	CARGO='$(CARGO)' sh fuzz/coverage.sh

# Whether each target finds the bug in fuzz/planted within its two minutes.
fuzz-planted:
	CARGO='$(CARGO)' sh fuzz/planted.sh

# Five minutes of bad servers, cancels and forks; SOAK_SECONDS=60 for less.
SOAK_SECONDS ?= 300
soak: quick
	AHOY_LIB=$(TARGET)/release CC='$(CC)' sh tests/soak/run.sh $(SOAK_SECONDS)

# A client with nothing set, every balancer, what a user would write instead (libcurl with a loop), HAProxy and nginx,
# over servers that fail by script. Installs nothing, and names the contestants that are missing. target/arena/report.html
# is to be looked at, report.json and cells.csv to be read.
#     make arena                            an hour and a half
#     make arena QUICK=1                    a few of each, about three minutes; the page says what that cannot support
#     make arena SECONDS=20 SEEDS=5         longer; SCENARIOS and CONTESTANTS are lists of names, RAW=1 keeps each call
#     make arena REALTIME=1                 before other work of the machine, where that is allowed (root)
SECONDS ?= 6
SEEDS ?= 1
arena: quick
	$(CARGO) build --release --manifest-path benches/arena/Cargo.toml --target-dir $(ARENA)/build
	$(ARENA)/build/release/arena --library $(TARGET)/release/libahoy.so --out $(ARENA) --seeds $(SEEDS) \
	    $(if $(QUICK),--quick,--seconds $(SECONDS)) $(if $(RAW),--raw) $(if $(REALTIME),--realtime) \
	    $(if $(SCENARIOS),--scenarios '$(SCENARIOS)') $(if $(CONTESTANTS),--contestants '$(CONTESTANTS)')

# The policies in virtual time: first against closed forms, then through the scenarios; benches/simulator/README.md says how to
# read what it prints. It takes about eight minutes of one core.
#     make sim QUICK=1                      a minute
#     make sim SEEDS=1 ONLY=one-bad         a part: one-bad, overload, defaults, lists, large, fleet
sim:
	AHOY_HEADER=skip $(CARGO) build --release --example sim
	$(TARGET)/release/examples/sim prove $(if $(QUICK),--quick)
	$(TARGET)/release/examples/sim run --out $(TARGET)/sim $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) \
	    --seeds $(if $(filter file,$(origin SEEDS)),5,$(SEEDS))
