# libahoy: builds, tests and installs. `make test` is what CI runs; `make demo` needs only Rust and a C compiler.

PREFIX ?= /usr/local
DESTDIR ?=
CARGO ?= cargo
CC ?= cc
# `make PROFILE=dist install` installs the small, slowly built library.
PROFILE ?= release
# `make PROFILE=dist FEATURES=--no-default-features install` installs the least one, without proxies, HTTP/2, brotli and
# zstd; add --features with some of them.
FEATURES ?=

TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
OUT := $(TARGET)/$(PROFILE)
STAGE := $(TARGET)/stage
STATIC := $(OUT)/static
OBJCOPY ?= objcopy
NM ?= nm
ARENA := $(TARGET)/arena
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# Before 1.0 each minor version has an ABI of its own; see build/main.rs.
ABI := $(if $(filter 0.%,$(VERSION)),$(basename $(VERSION)),$(firstword $(subst ., ,$(VERSION))))
INCLUDES := $(DESTDIR)$(PREFIX)/include
LIBRARIES := $(DESTDIR)$(PREFIX)/lib

.PHONY: all arena bench bench-bodies build dist minimal demo demo-discovery exits fuzz fuzz-coverage fuzz-planted soak stage test install uninstall lint check-header valgrind asan loom tsan hazards sim deps wheel gem npm go clean

all: build

# One kind at a time for dist: where an rlib is made as well, cargo leaves link-time optimisation out.
build:
ifeq ($(PROFILE),dist)
	$(CARGO) rustc --profile dist $(FEATURES) --features silent --lib --crate-type cdylib
	$(CARGO) rustc --profile dist $(FEATURES) --features silent --lib --crate-type staticlib
else
	$(CARGO) build --profile $(PROFILE) $(FEATURES)
endif

dist:
	$(MAKE) --no-print-directory build PROFILE=dist

# The least library: without proxies, HTTP/2, brotli and zstd.
minimal:
	$(MAKE) --no-print-directory build PROFILE=dist FEATURES=--no-default-features

# What a static link needs besides libahoy.a. Asking recompiles the crate, so the answer is kept. Of it the C compiler
# adds two by itself: libc, and what unwinds, of which a static program takes another form.
$(OUT)/native-static-libs: Cargo.toml Cargo.lock | build
	$(CARGO) rustc --profile $(PROFILE) $(FEATURES) $(if $(filter dist,$(PROFILE)),--features silent) --lib --crate-type staticlib -- --print native-static-libs 2>&1 | \
	    sed -n 's/^note: native-static-libs: //p' >$@.new
	test -s $@.new && mv $@.new $@

# The archive that is installed: one object with what the functions of ahoy.h need, which alone are global in it. So it
# links beside another Rust archive, whose standard library has the same names. Symbols that nothing refers to go, for
# as strong ones they would take the place of the other's weak ones; so does bitcode, which is for link-time
# optimisation by the same compiler. Needs GNU's tools; elsewhere cargo's archive is taken as it is.
$(STATIC)/libahoy.a: $(OUT)/libahoy.a
	rm -rf $(STATIC) && mkdir -p $(STATIC)
ifeq ($(shell $(LD) --version 2>/dev/null | grep -c '^GNU ld'),1)
	$(NM) -D --defined-only $(OUT)/libahoy.so | sed -n 's/.* \(ahoy_[a-z0-9_]*\).*/-u \1/p' >$(STATIC)/roots
	$(LD) -r -S --gc-sections --force-group-allocation @$(STATIC)/roots -o $(STATIC)/whole.o $(OUT)/libahoy.a
	$(OBJCOPY) -R .llvmbc -R .llvmcmd $(STATIC)/whole.o
	$(NM) -g --defined-only $(STATIC)/whole.o | awk '$$3 !~ /^ahoy_/ { print $$3 }' >$(STATIC)/others
	$(OBJCOPY) --strip-unneeded --localize-symbols=$(STATIC)/others $(STATIC)/whole.o $(STATIC)/ahoy.o
	$(AR) rcs $@ $(STATIC)/ahoy.o
	rm -f $(STATIC)/whole.o $(STATIC)/ahoy.o
else
	cp $(OUT)/libahoy.a $@
endif

$(OUT)/libahoy.a: | build ;

install: build $(STATIC)/libahoy.a $(OUT)/native-static-libs
	install -d "$(INCLUDES)" "$(LIBRARIES)/pkgconfig"
	install -m 644 include/ahoy.h include/ahoy.hpp include/ahoy.ffi.h include/ahoy.json "$(INCLUDES)"
	install -m 755 $(OUT)/libahoy.so "$(LIBRARIES)/libahoy.so.$(VERSION)"
	ln -sf libahoy.so.$(VERSION) "$(LIBRARIES)/libahoy.so.$(ABI)"
	ln -sf libahoy.so.$(ABI) "$(LIBRARIES)/libahoy.so"
	install -m 644 $(STATIC)/libahoy.a "$(LIBRARIES)/libahoy.a"
	printf '%s\n' \
	    'prefix=$${pcfiledir}/../..' \
	    'includedir=$${prefix}/include' \
	    'libdir=$${prefix}/lib' \
	    '' \
	    'Name: ahoy' \
	    'Description: HTTP client for services on several hosts' \
	    'Version: $(VERSION)' \
	    'Cflags: -I$${includedir}' \
	    'Libs: -L$${libdir} -lahoy' \
	    "Libs.private: $$(sed 's/-lgcc_s//; s/-lc$$//' $(OUT)/native-static-libs)" \
	    >"$(LIBRARIES)/pkgconfig/ahoy.pc"
	chmod 644 "$(LIBRARIES)/pkgconfig/ahoy.pc"

uninstall:
	rm -f "$(INCLUDES)/ahoy.h" "$(INCLUDES)/ahoy.hpp" "$(INCLUDES)/ahoy.ffi.h" "$(INCLUDES)/ahoy.json" "$(LIBRARIES)/libahoy.a" "$(LIBRARIES)/pkgconfig/ahoy.pc" \
	    "$(LIBRARIES)/libahoy.so" "$(LIBRARIES)/libahoy.so.$(ABI)" "$(LIBRARIES)/libahoy.so.$(VERSION)"

# An installation inside the build tree, for the tests.
stage:
	$(MAKE) --no-print-directory install PREFIX=$(abspath $(STAGE)) DESTDIR=

# Straight from the build tree: no installation, no pkg-config.
demo: build
	CC='$(CC)' AHOY_LIB=$(OUT) examples-c/demo.sh

# The same of a service that is registered in etcd, which it starts.
demo-discovery: build
	CC='$(CC)' AHOY_LIB=$(OUT) examples-c/discovery.sh

deps:
	sh tests/install-deps.sh
	sh tests/install-consul.sh

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	$(CARGO) fmt --check --manifest-path benches/arena/Cargo.toml
	$(CARGO) clippy --manifest-path benches/arena/Cargo.toml --target-dir $(ARENA)/build --all-targets -- -D warnings

# Fails on a header that is not what the sources say, and leaves it alone.
check-header:
	AHOY_HEADER=check $(CARGO) build --profile $(PROFILE)

test: deps
	+CARGO='$(CARGO)' CC='$(CC)' sh tests/run.sh

# Every order in which threads can meet at the end of a call.
loom:
	RUSTFLAGS='--cfg ahoy_loom' CARGO_TARGET_DIR=$(TARGET)/loom AHOY_HEADER=skip $(CARGO) test --locked --lib loom_

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

# Packages for the languages, with the library in them. `make PROFILE=dist wheel gem npm` makes those to hand on.
PACKAGES := $(TARGET)/packages

wheel: build
	bindings/python/wheel.sh $(OUT)/libahoy.so $(PACKAGES)

gem: build
	bindings/ruby/gem.sh $(OUT)/libahoy.so $(PACKAGES)

npm: build
	bindings/node/npm.sh $(OUT)/libahoy.so $(PACKAGES)

# The archive, where the Go module looks for it.
go: build $(STATIC)/libahoy.a
	bindings/go/archive.sh $(STATIC)/libahoy.a

clean:
	$(CARGO) clean

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
soak: build
	AHOY_LIB=$(OUT) CC='$(CC)' sh tests/soak/run.sh $(SOAK_SECONDS)

# What a user gets who sets nothing, every balancer, what a user would write instead (libcurl with a loop), HAProxy
# and nginx, over servers that fail by script. Installs nothing, and says who is missing. target/arena/report.html is
# to be looked at, report.json and cells.csv to be read.
#     make arena                            an hour and a half
#     make arena QUICK=1                    a few of each, about three minutes; the page says what that cannot support
#     make arena SECONDS=20 SEEDS=5         longer; SCENARIOS and CONTESTANTS are lists of names, RAW=1 keeps each call
#     make arena REALTIME=1                 before other work of the machine, where that is allowed (root)
SECONDS ?= 6
SEEDS ?= 1
arena: build
	$(CARGO) build --release --manifest-path benches/arena/Cargo.toml --target-dir $(ARENA)/build
	$(ARENA)/build/release/arena --library $(OUT)/libahoy.so --out $(ARENA) --seeds $(SEEDS) \
	    $(if $(QUICK),--quick,--seconds $(SECONDS)) $(if $(RAW),--raw) $(if $(REALTIME),--realtime) \
	    $(if $(SCENARIOS),--scenarios '$(SCENARIOS)') $(if $(CONTESTANTS),--contestants '$(CONTESTANTS)')

# The policies in virtual time: first against closed forms, then through the scenarios; benches/simulator/README.md says how to
# read what it prints. It takes about eight minutes of one core.
#     make sim QUICK=1                      a minute
#     make sim SEEDS=1 ONLY=one-bad         a part: one-bad, overload, defaults, large, fleet
sim:
	AHOY_HEADER=skip $(CARGO) build --release --example sim
	$(TARGET)/release/examples/sim prove $(if $(QUICK),--quick)
	$(TARGET)/release/examples/sim run --out $(TARGET)/sim $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) \
	    --seeds $(if $(filter file,$(origin SEEDS)),5,$(SEEDS))
