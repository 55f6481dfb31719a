# libahoy: builds, tests and installs. `make test` is what CI runs; `make demo` needs only Rust and a C compiler.

PREFIX ?= /usr/local
DESTDIR ?=
CARGO ?= cargo
CC ?= cc
# `make PROFILE=dist install` installs the small, slowly built library.
PROFILE ?= release

TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
OUT := $(TARGET)/$(PROFILE)
STAGE := $(TARGET)/stage
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# Before 1.0 each minor version has an ABI of its own; see build.rs.
ABI := $(if $(filter 0.%,$(VERSION)),$(basename $(VERSION)),$(firstword $(subst ., ,$(VERSION))))
INCLUDES := $(DESTDIR)$(PREFIX)/include
LIBRARIES := $(DESTDIR)$(PREFIX)/lib

.PHONY: all bench build dist demo soak stage test install uninstall lint check-header valgrind asan deps clean

all: build

# One kind at a time for dist: where an rlib is made as well, cargo leaves link-time optimisation out.
build:
ifeq ($(PROFILE),dist)
	$(CARGO) rustc --profile dist --features silent --lib --crate-type cdylib
	$(CARGO) rustc --profile dist --features silent --lib --crate-type staticlib
else
	$(CARGO) build --profile $(PROFILE)
endif

dist:
	$(MAKE) --no-print-directory build PROFILE=dist

# What a static link needs besides libahoy.a. Asking recompiles the crate, so the answer is kept.
$(OUT)/native-static-libs: Cargo.toml Cargo.lock | build
	$(CARGO) rustc --profile $(PROFILE) $(if $(filter dist,$(PROFILE)),--features silent) --lib --crate-type staticlib -- --print native-static-libs 2>&1 | \
	    sed -n 's/^note: native-static-libs: //p' >$@.new
	test -s $@.new && mv $@.new $@

install: build $(OUT)/native-static-libs
	install -d "$(INCLUDES)" "$(LIBRARIES)/pkgconfig"
	install -m 644 include/ahoy.h "$(INCLUDES)/ahoy.h"
	install -m 755 $(OUT)/libahoy.so "$(LIBRARIES)/libahoy.so.$(VERSION)"
	ln -sf libahoy.so.$(VERSION) "$(LIBRARIES)/libahoy.so.$(ABI)"
	ln -sf libahoy.so.$(ABI) "$(LIBRARIES)/libahoy.so"
	install -m 644 $(OUT)/libahoy.a "$(LIBRARIES)/libahoy.a"
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
	    "Libs.private: $$(cat $(OUT)/native-static-libs)" \
	    >"$(LIBRARIES)/pkgconfig/ahoy.pc"
	chmod 644 "$(LIBRARIES)/pkgconfig/ahoy.pc"

uninstall:
	rm -f "$(INCLUDES)/ahoy.h" "$(LIBRARIES)/libahoy.a" "$(LIBRARIES)/pkgconfig/ahoy.pc" \
	    "$(LIBRARIES)/libahoy.so" "$(LIBRARIES)/libahoy.so.$(ABI)" "$(LIBRARIES)/libahoy.so.$(VERSION)"

# An installation inside the build tree, for the tests.
stage:
	$(MAKE) --no-print-directory install PREFIX=$(abspath $(STAGE)) DESTDIR=

# Straight from the build tree: no installation, no pkg-config.
demo: build
	CC='$(CC)' AHOY_LIB=$(OUT) examples-c/demo.sh

deps:
	sh tests/install-deps.sh

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings

# Fails on a header that is not what the sources say, and leaves it alone.
check-header:
	AHOY_HEADER=check $(CARGO) build --profile $(PROFILE)

test: deps
	+CARGO='$(CARGO)' CC='$(CC)' sh tests/run.sh

valgrind asan: deps
	+CARGO='$(CARGO)' CC='$(CC)' sh tests/run.sh $@

clean:
	$(CARGO) clean

# Beside nginx and libcurl on this machine; installs nothing, and says what is missing.
bench:
	bash benches/run.sh

# Five minutes of bad servers, cancels and forks; SOAK_SECONDS=60 for less.
SOAK_SECONDS ?= 300
soak: build
	AHOY_LIB=$(OUT) CC='$(CC)' sh tests/soak/run.sh $(SOAK_SECONDS)
