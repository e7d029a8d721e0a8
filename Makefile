# Two to begin with: `make run` and `make test`. They do all set-up themselves.

CARGO ?= cargo
NEED  := tests/tools/need

# What the Debian packages are made, checked, installed and booted with.
DEB_PACKAGES   := dpkg-dev binutils lintian mmdebstrap systemd-container
# The programs of each tier of tests, beside Rust.
DAEMON_PACKAGES   := strace openssl python3-jwt python3-cryptography prometheus python3-prometheus-client groff-base
FLEET_PACKAGES    := redis-server
LANGUAGE_PACKAGES := gcc g++ libc6-dev pkg-config valgrind \
                     ruby ruby-rack ruby-minitest ruby-actionpack ruby-railties puma \
                     python3-uvicorn python3-flask gunicorn python3-setuptools python3-wheel python3-venv python3-pip \
                     golang-go php-cli
TEST_PACKAGES     := $(DAEMON_PACKAGES) $(FLEET_PACKAGES) $(LANGUAGE_PACKAGES) $(DEB_PACKAGES)
# The tests of each tier; those of the daemon are the rest.
QUICK     := kind(lib) + package(jwtkeeper-wire) + package(jwtkeeper-client) + binary(keeper) + binary(house)
FLEET     := binary(fleet) + binary(store) - kind(lib)
LANGUAGES := binary(languages) + package(jwtkeeper-capi) - kind(lib)
PACKAGE   := binary(package)
BENCH_PACKAGES := redis-server gcc libc6-dev ruby golang-go php-cli

# nextest runs tests in processes of their own where it is present; it runs no doctests. Every step names the whole
# workspace: another selection of packages has other features, and compiles their dependencies once more.
NEXTEST := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo yes)
# Many tests mostly wait: twice as many run at once as there are processors.
export NEXTEST_TEST_THREADS ?= $(shell expr 2 '*' $$(nproc))
ifeq ($(NEXTEST),yes)
  RUN_TESTS = $(CARGO) nextest run --locked --workspace --no-fail-fast && $(CARGO) test --locked --workspace --doc
  RUN_FLEET_SUBSET = $(CARGO) nextest run --locked --workspace --no-fail-fast -E 'binary(fleet) & test(/^($(FLEET_SUBSET))::/)'
else
  RUN_TESTS = $(CARGO) test --locked --workspace --no-fail-fast
  RUN_FLEET_SUBSET = $(CARGO) test --locked --workspace --test fleet -- $(foreach part,$(subst |, ,$(FLEET_SUBSET)),$(part)::)
endif

TARGET := $(or $(CARGO_TARGET_DIR),target)
PROVE_STATE := $(abspath $(TARGET))/prove
CUTS ?= 5000
ENTRIES ?= 7000000
OPERATIONS ?= 5000000
# Servers of other versions than Debian's, and the fleet tests that `make test` runs on Valkey; `make prove` runs all of them.
SERVERS := $(abspath $(TARGET))/tools/redis
FLEETS  := prove-fleet-redis-6.2 prove-fleet-redis-8.2 prove-fleet-valkey-8.1
FLEET_SUBSET := acl|away|cluster|gem|health|refusals
PROOFS := prove-rotate prove-crash prove-cuts prove-cancel prove-live prove-fleet $(FLEETS) prove-languages prove-restart prove-flood prove-rotation-faults prove-history prove-package prove-syscalls prove-expiry
PREFIX ?= /usr/local
# Where what is to be installed was built.
BUILT ?= $(TARGET)/release
# Manual pages and completions.
MANUALS := $(TARGET)/manuals
VERSION := $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml | head -n 1)

.PHONY: run test quick test-daemon test-fleet test-languages test-package need-nextest check prove $(PROOFS) prove-fuzz need-cargo-fuzz bench docs manuals install install-lib install-manuals deb need-cargo-deb clean need-for-tests lint-and-build

# A daemon on a throw-away secret and an embedded store in target/dev; it prints how to use it.
run:
	$(CARGO) build --locked --release --bin jwtkeeperd --bin jwtkeeperctl
	$(CARGO) build --locked --release -p jwtkeeper-capi
	@exec $(TARGET)/release/jwtkeeperd --dev target/dev

# Form, lints, and every test. What the tests need is fetched while cargo compiles.
test:
	@$(NEED) $(TEST_PACKAGES)
	@$(MAKE) --no-print-directory --jobs=2 need-for-tests lint-and-build
	$(RUN_TESTS)
	JWTKEEPER_TEST_REDIS=$(SERVERS)/valkey-8.1 $(RUN_FLEET_SUBSET)

# The tests tier by tier: CONTRIBUTING.md says when to run which. ONLY='test(name)' selects some of a tier.
ONLY ?= all()
TIER = $(CARGO) nextest run --locked --workspace --no-fail-fast --no-tests=pass -E '($(1)) & ($(ONLY))'

quick: need-nextest
	$(call TIER,$(QUICK))

test-daemon: need-nextest
	@$(NEED) $(DAEMON_PACKAGES)
	$(CARGO) build --locked --workspace --bins --examples
	$(call TIER,all() - ($(QUICK)) - ($(FLEET)) - ($(LANGUAGES)) - ($(PACKAGE)))

test-fleet: need-nextest
	@$(NEED) $(FLEET_PACKAGES)
	@tests/tools/need-redis $(SERVERS)
	$(CARGO) build --locked --workspace --bins --examples
	$(call TIER,$(FLEET))

test-languages: need-nextest
	@$(NEED) $(DAEMON_PACKAGES) $(FLEET_PACKAGES) $(LANGUAGE_PACKAGES)
	@tests/tools/need-node
	$(CARGO) build --locked --workspace --lib --bins --examples
	$(call TIER,$(LANGUAGES))

test-package: need-nextest need-cargo-deb
	@$(NEED) $(DEB_PACKAGES)
	@mkdir -p $(TARGET)/package
	@[ "$$(id -u)" -ne 0 ] || tests/tools/debian-root $(abspath $(TARGET))/package/debian
	$(CARGO) build --locked --workspace --all-targets
	$(call TIER,$(PACKAGE))

need-nextest:
ifneq ($(NEXTEST),yes)
	@echo "cargo-nextest is missing; install it with: cargo install --locked cargo-nextest (make test needs none)" >&2; exit 1
endif

# jwtkeeper-client is checked by itself too, with no features but its own defaults.
lint-and-build:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) check --locked -p jwtkeeper-client
	$(CARGO) build --locked --workspace --all-targets

need-for-tests: need-cargo-deb
	@$(NEED) $(TEST_PACKAGES)
	@tests/tools/need-node
	@mkdir -p $(TARGET)/package $(TARGET)/tools
	@tests/tools/need-redis $(SERVERS)
	@[ "$$(id -u)" -ne 0 ] || tests/tools/debian-root $(abspath $(TARGET))/package/debian

# The tests, and what may be depended on.
check: test
	@$(CARGO) deny --version >/dev/null 2>&1 || { echo "cargo-deny is missing; install it with: cargo install --locked cargo-deny" >&2; exit 1; }
	$(CARGO) deny --locked check licenses bans sources

# The harnesses of the tests at full size, with their figures. Interrupted, each goes on where it was.
prove: $(PROOFS)

prove-rotate: TESTS = rotate_race
prove-crash:  TESTS = crash
prove-cancel: TESTS = cancel fork
prove-live:   TESTS = changes no_inotify lost_events swaps rollback rollover hangup
prove-restart: TESTS = activation audit
prove-rotate prove-crash prove-cancel prove-live prove-restart: need-for-tests
	$(CARGO) build --locked --workspace --examples --bins
	JWTKEEPER_PROVE=$(PROVE_STATE) $(CARGO) test --locked --workspace --test daemon -- --nocapture --test-threads=1 $(TESTS)

prove-cuts: need-for-tests
	JWTKEEPER_PROVE_CUTS=$(CUTS) $(CARGO) test --locked --workspace --test store -- --nocapture --test-threads=1 powercut faults group

prove-fleet: need-for-tests
	$(CARGO) build --locked --workspace --examples --bins
	JWTKEEPER_PROVE=$(PROVE_STATE) $(CARGO) test --locked --workspace --test fleet -- --nocapture --test-threads=1

# The same on other servers.
$(FLEETS): prove-fleet-%: need-for-tests
	$(CARGO) build --locked --workspace --examples --bins
	JWTKEEPER_TEST_REDIS=$(SERVERS)/$* JWTKEEPER_PROVE=$(PROVE_STATE)/$* \
	    $(CARGO) test --locked --workspace --test fleet -- --nocapture --test-threads=1

# Faults longer than the grace, with 100 sessions that rotate meanwhile.
prove-rotation-faults: need-for-tests
	$(CARGO) build --locked --workspace --examples --bins
	JWTKEEPER_PROVE=$(PROVE_STATE) $(CARGO) test --locked --workspace --test fleet -- --nocapture --test-threads=1 rotation_faults

# OPERATIONS of clients in two realms on two hosts whose clocks differ, each answer judged by the history.
prove-history: need-for-tests
	$(CARGO) build --locked --workspace --examples --bins
	JWTKEEPER_PROVE_OPERATIONS=$(OPERATIONS) $(CARGO) test --locked --workspace --test fleet -- --nocapture --test-threads=1 history

prove-languages: need-for-tests
	$(CARGO) build --locked --workspace --lib --examples --bins
	JWTKEEPER_PROVE=$(PROVE_STATE) $(CARGO) test --locked --workspace --test languages -- --nocapture --test-threads=1 hears_of_no_restarts go::the_package_s_own_tests_pass

# A flood of one uid, measured on an optimised daemon.
prove-flood: need-for-tests
	$(CARGO) build --locked --release -p jwtkeeper --bins
	JWTKEEPER_PROVE=$(PROVE_STATE) JWTKEEPERD=$(abspath $(TARGET))/release/jwtkeeperd \
	    $(CARGO) test --locked --workspace --test daemon -- --nocapture --test-threads=1 flood

# ENTRIES revocations that come and expire together: what callers wait for, memory and file.
prove-expiry: need-for-tests
	JWTKEEPER_PROVE_ENTRIES=$(ENTRIES) $(CARGO) test --locked --release -p jwtkeeper --test store -- --nocapture --test-threads=1 multitude

# The packages as they are released, installed and booted.
prove-package: need-for-tests deb
	JWTKEEPER_TEST_PROFILE=release $(CARGO) test --locked --workspace --test package

# Every daemon of these tests is watched for system calls that its unit's filter has not; what is found is printed. Left out are
# those that start it by a command of their own, or stop and continue it all the while, which strace does not bear.
prove-syscalls: need-for-tests
	rm -rf $(PROVE_STATE)/syscalls
	$(CARGO) build --locked --workspace --examples --bins
	JWTKEEPER_TEST_SYSCALLS=$(PROVE_STATE)/syscalls $(CARGO) test --locked --workspace --test daemon --test fleet -- --skip trace:: --skip syscalls:: --skip no_inotify:: --skip config_map --skip timed_out_calls
	@found=$$(cat $(PROVE_STATE)/syscalls/* | grep -v -e '<detached' -e '???(' | cut -d' ' -f2- | sort | uniq -c); \
	    echo "daemons watched: $$(ls $(PROVE_STATE)/syscalls | wc -l); calls outside of the filter: $${found:-none}"; [ -z "$$found" ]

# Each fuzz target for FUZZ_SECONDS, one after another; the bodies are tests/fuzz, and `make test` runs them over fuzz/corpus.
# Stable Rust has no sanitizers; coverage guides the fuzzer all the same. New inputs go to $(TARGET)/fuzz/found.
FUZZ_SECONDS ?= 600
FUZZ_TARGETS ?= wire token keys config reply
FUZZ := PATH=$(abspath $(TARGET))/tools/bin:$$PATH $(CARGO) fuzz
prove-fuzz: need-cargo-fuzz
	@$(NEED) g++
	@failed=; for target in $(FUZZ_TARGETS); do \
	    found=$(abspath $(TARGET))/fuzz/found/$$target log=$(abspath $(TARGET))/fuzz/$$target.log; mkdir -p $$found; \
	    $(FUZZ) run -s none --target-dir $(abspath $(TARGET))/fuzz $$target $$found fuzz/corpus/$$target -- \
	        -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 >$$log 2>&1 || failed="$$failed $$target"; \
	    echo "$$target: $$(sed -n 's/^stat::number_of_executed_units: *//p' $$log) executions in $(FUZZ_SECONDS) s;" \
	        "findings: $$(grep -c 'ERROR: libFuzzer' $$log)"; \
	done; [ -z "$$failed" ] || { echo "failed:$$failed; see $(TARGET)/fuzz/*.log" >&2; exit 1; }

# Rates beside their peers', in one run; target/bench/summary.json keeps them.
bench:
	@$(NEED) $(BENCH_PACKAGES)
	@tests/tools/need-node
	$(CARGO) build --locked --release -p jwtkeeper -p jwtkeeper-bench --bins
	$(CARGO) build --locked --release -p jwtkeeper-capi
	$(CARGO) build --locked --release -p jwtkeeper-client --example load
	$(TARGET)/release/jwtkeeper-bench

# The documentation of the crates, in target/doc.
docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --features jwtkeeper-client/tower

# Manual pages and completions of the programs, in target/manuals.
manuals:
	$(CARGO) build --locked --release -p jwtkeeper-ctl --example manual
	rm -rf $(MANUALS)
	$(TARGET)/release/examples/manual $(MANUALS)

install: DOC = $(DESTDIR)$(PREFIX)/share/doc/jwtkeeperd
install: manuals
	$(CARGO) build --locked --release --bin jwtkeeperd --bin jwtkeeperctl
	$(CARGO) build --locked --release -p jwtkeeper-capi
	@$(MAKE) --no-print-directory install-lib install-manuals
	install -D -m 0755 $(TARGET)/release/jwtkeeperd $(DESTDIR)$(PREFIX)/sbin/jwtkeeperd
	install -D -m 0755 $(TARGET)/release/jwtkeeperctl $(DESTDIR)$(PREFIX)/bin/jwtkeeperctl
	install -D -m 0755 packaging/jwtkeeperd-setup $(DESTDIR)$(PREFIX)/sbin/jwtkeeperd-setup
	install -D -m 0644 packaging/jwtkeeperd-setup.8 $(DESTDIR)$(PREFIX)/share/man/man8/jwtkeeperd-setup.8
	install -D -m 0644 systemd/jwtkeeperd.socket $(DESTDIR)$(PREFIX)/lib/systemd/system/jwtkeeperd.socket
	sed 's|/usr/sbin/|$(PREFIX)/sbin/|; s|/usr/bin/|$(PREFIX)/bin/|' systemd/jwtkeeperd.service \
	    > $(DESTDIR)$(PREFIX)/lib/systemd/system/jwtkeeperd.service
	chmod 0644 $(DESTDIR)$(PREFIX)/lib/systemd/system/jwtkeeperd.service
	install -D -m 0644 systemd/jwtkeeperd.sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/jwtkeeperd.conf
	install -D -m 0644 systemd/jwtkeeperd.tmpfiles.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/jwtkeeperd.conf
	packaging/install-docs $(DOC)
	@# The administrator's file is never replaced.
	[ -e $(DESTDIR)/etc/jwtkeeper/jwtkeeper.toml ] || { \
	    install -d $(DESTDIR)/etc/jwtkeeper && \
	    sed 's|/usr/share/|$(PREFIX)/share/|' packaging/jwtkeeper.toml > $(DESTDIR)/etc/jwtkeeper/jwtkeeper.toml; }

# The Debian packages jwtkeeperd, libjwtkeeper0 and libjwtkeeper-dev, in target/deb.
deb: need-cargo-deb
	@$(NEED) dpkg-dev binutils
	$(CARGO) build --locked --release --bin jwtkeeperd --bin jwtkeeperctl
	$(CARGO) build --locked --release -p jwtkeeper-capi
	$(CARGO) build --locked --release -p jwtkeeper-ctl --example manual
	packaging/deb/build release

# cargo-deb packages what is built; it lies in $(TARGET)/tools, and nothing else is installed by cargo.
CARGO_DEB := 3.8.0
need-cargo-deb:
	@[ "$$($(TARGET)/tools/bin/cargo-deb --version 2>/dev/null)" = $(CARGO_DEB) ] || \
	    $(CARGO) install --locked --quiet --version $(CARGO_DEB) --root $(TARGET)/tools --target-dir $(TARGET)/tools/build cargo-deb

CARGO_FUZZ := 0.13.2
need-cargo-fuzz:
	@[ "$$($(TARGET)/tools/bin/cargo-fuzz --version 2>/dev/null)" = "cargo-fuzz $(CARGO_FUZZ)" ] || \
	    $(CARGO) install --locked --quiet --version $(CARGO_FUZZ) --root $(TARGET)/tools --target-dir $(TARGET)/tools/build cargo-fuzz

# libjwtkeeper alone, as it lies in $(BUILT).
install-lib: LIB = $(DESTDIR)$(PREFIX)/lib
install-lib:
	install -D -m 0755 $(BUILT)/libjwtkeeper.so $(LIB)/libjwtkeeper.so.$(VERSION)
	ln -sf libjwtkeeper.so.$(VERSION) $(LIB)/libjwtkeeper.so.0
	ln -sf libjwtkeeper.so.0 $(LIB)/libjwtkeeper.so
	install -D -m 0644 $(BUILT)/libjwtkeeper.a $(LIB)/libjwtkeeper.a
	install -D -m 0644 client/capi/include/jwtkeeper.h $(DESTDIR)$(PREFIX)/include/jwtkeeper.h
	install -d $(LIB)/pkgconfig
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' client/capi/jwtkeeper.pc.in > $(LIB)/pkgconfig/jwtkeeper.pc
	chmod 0644 $(LIB)/pkgconfig/jwtkeeper.pc

# What `manuals` wrote.
install-manuals: SHARE = $(DESTDIR)$(PREFIX)/share
install-manuals:
	install -d $(addprefix $(SHARE)/,man/man1 man/man5 man/man8)
	install -d $(addprefix $(SHARE)/,bash-completion/completions zsh/site-functions fish/vendor_completions.d)
	install -m 0644 $(MANUALS)/*.1 $(SHARE)/man/man1
	install -m 0644 $(MANUALS)/*.5 $(SHARE)/man/man5
	install -m 0644 $(MANUALS)/*.8 $(SHARE)/man/man8
	for program in jwtkeeperctl jwtkeeperd; do \
	    install -m 0644 $(MANUALS)/$$program.bash $(SHARE)/bash-completion/completions/$$program && \
	    install -m 0644 $(MANUALS)/_$$program $(SHARE)/zsh/site-functions && \
	    install -m 0644 $(MANUALS)/$$program.fish $(SHARE)/fish/vendor_completions.d || exit 1; \
	done

clean:
	$(CARGO) clean
