# autoheal - build, check, run, install. `make help` lists the targets.
# Needs GNU make on Debian 12 (or a machine with the packages that tools/install-packages.sh names).

VERSION = 0.1.0

PREFIX = /usr/local
DESTDIR =
# The address of the sources, for the label of the image.
SOURCE =
IMAGE ?= autoheal:latest

# The compiler of what is shipped (musl), and the one of what is only tested here (glibc, sanitizers).
CC = musl-gcc
GCC = gcc
CLANG = clang
CLANG_FORMAT = clang-format
CLANG_TIDY = clang-tidy
# Small is the aim; OPT=-O2 is there to compare.
OPT = -Oz
# Names what is made; V=1 shows the commands.
Q = $(if $(V),,@echo "  $@";)

# From the bottom of the ladder to its top: a file includes only what stands before it.
SRC = direct.c text.c tz.c buf.c log.c \
	loop.c watchdog.c budget.c \
	net.c tls_der.c tls_names.c tls_files.c tls_check.c tls.c resolve.c \
	http.c frames.c \
	json.c json_write.c config.c target.c \
	watch.c healthchecks.c graph.c containers.c \
	audit.c incidents.c \
	policy_times.c policy_probe.c policy_kin.c policy_moves.c policy_crash.c policy_steps.c policy_restart.c \
	policy_people.c policy_storm.c policy_stale.c \
	policy_explain.c policy_resume.c policy.c metrics.c \
	memory.c store.c \
	facts.c call.c notice.c notify.c config_print.c config_json.c script.c docker.c \
	evidence.c dependents.c probe.c \
	monitor_act.c monitor_who.c monitor.c monitor_people.c monitor_probe.c monitor_config.c monitor_memory.c \
	self.c harden.c sandbox.c \
	server.c \
	api.c api_config.c api_containers.c api_people.c api_verdicts.c api_healthchecks.c api_events.c api_metrics.c \
	api_routes.c api_index.c \
	cli.c doctor.c autoheal.c
PAGE_JS = dom time ask api overview containers events detail settings live page
PAGE = page/index.html page/page.css $(PAGE_JS:%=page/%.js)
UNIT_SRC = $(wildcard tests/unit/test_*.c)
C_FILES = $(wildcard *.c *.h tests/unit/*.[ch] tests/bench/*.[ch] tests/fuzz/*.[ch])

PAGE_C = build/page.c

$(foreach f,$(filter-out $(SRC),$(wildcard *.c)),$(warning $f is not in SRC))
OBJ = $(SRC:%.c=build/obj/%.o) $(PAGE_C:build/%.c=build/obj/%.o)
SAN_OBJ = $(SRC:%.c=build/san/%.o) $(PAGE_C:build/%.c=build/san/%.o)
UNIT = $(UNIT_SRC:tests/unit/%.c=build/unit/%)

WARN = -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wformat=2 -Wundef -Wcast-qual -Wwrite-strings -Wvla
LANGUAGE = -std=c11 -D_GNU_SOURCE -DAUTOHEAL_VERSION='"$(VERSION)"' -I. -isystem build/include \
	-isystem build/bearssl/src/inc
COMMON = $(LANGUAGE) $(WARN) -Werror -g -MMD -MP -ffile-prefix-map=$(CURDIR)=.
# What -Oz leaves in though it makes this code larger: 5 KiB together, and the figures of `make bench` stay.
SMALLER = -fno-optimize-sibling-calls -fno-move-loop-invariants -fno-caller-saves -fno-inline-small-functions \
	-fno-expensive-optimizations -fno-tree-tail-merge -fno-ipa-sra -fno-shrink-wrap -fno-tree-fre \
	$(if $(filter x86_64-%,$(TARGET)),-malign-data=abi)
# musl's FD_SET mixes int and unsigned long; with glibc, gcc and clang still look at signs.
MUSL_FLAGS = $(OPT) -flto -flto-partition=one -Wno-sign-conversion -fPIE -fstack-protector \
	-ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables \
	$(SMALLER)
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all
SAN_FLAGS = -O1 -fno-omit-frame-pointer $(SANITIZE)

# musl-gcc's specs know no static PIE (they name Scrt1.o and a dynamic linker), so it is linked by hand.
# noseparate-code: code and constants share their pages, which saves 8 KiB of padding in the file.
# pack-relative-relocs: a bit for each constant pointer in place of 24 bytes, which harden_relocate() undoes;
# only where the start code of musl needs no pointer before main.
TARGET := $(shell $(GCC) -dumpmachine)
MUSL = /usr/lib/$(subst -gnu,-musl,$(TARGET))
comma = ,
PACKED = $(if $(filter x86_64-%,$(TARGET)),-Wl$(comma)-z$(comma)pack-relative-relocs)
LINK = $(GCC) $(MUSL_FLAGS) -nostdlib -static-pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,noseparate-code \
	-Wl,--gc-sections -Wl,--sort-section=alignment -Wl,--build-id=none -Wl,--fatal-warnings $(PACKED)

all: $(if $(SAN),san,build/autoheal build/autoheal.spdx.json build/image/bin/autoheal) ## the shipped binary build/autoheal (SAN=1: build/san/autoheal)

san: build/san/autoheal build/san/autoheal-oom ## the test binary build/san/autoheal: glibc, ASan, UBSan

objects: $(OBJ) $(SAN_OBJ) ## only compile

# ---- the shipped binary: musl, static PIE ------------------------------------------------------------

build/autoheal.debug: $(OBJ) build/bearssl/musl/libbearssl.a
	$(Q)$(LINK) -o $@ $(MUSL)/rcrt1.o $(MUSL)/crti.o $^ $(MUSL)/libc.a -lgcc $(MUSL)/crtn.o

build/autoheal: build/autoheal.debug tools/check-static.sh
	$(Q)strip -R .comment -o $@.tmp $<
	@tools/check-static.sh $@.tmp
	@mv $@.tmp $@

build/obj/%.o: %.c Makefile | build/include/jsmn.h build/bearssl/src/.verified
	@mkdir -p $(@D)
	$(Q)$(CC) $(COMMON) $(MUSL_FLAGS) -c -o $@ $<

build/obj/page.o: build/page.c Makefile | build/include/jsmn.h build/bearssl/src/.verified
	@mkdir -p $(@D)
	$(Q)$(CC) $(COMMON) $(MUSL_FLAGS) -c -o $@ $<

build/page.c: tools/pack-page.sh $(PAGE)
	@mkdir -p $(@D)
	$(Q)tools/pack-page.sh $@ $(PAGE)

build/autoheal.spdx.json: build/autoheal tools/make-sbom.sh
	@tools/make-sbom.sh $@ $< $(VERSION)

# What the image holds, as a tree: the builder takes modes from here. The authorities of the web are Debian's.
CA_FILE = /etc/ssl/certs/ca-certificates.crt
build/image/bin/autoheal: build/autoheal
	@rm -rf build/image && mkdir -p build/image/bin build/image/data && chmod 1777 build/image/data
	@install -D -m 644 $(CA_FILE) build/image$(CA_FILE)
	@cp $< $@

# ---- the test binary and the unit tests: glibc with sanitizers ---------------------------------------

build/san/autoheal: $(SAN_OBJ) build/bearssl/san/libbearssl.a
	$(Q)$(GCC) $(SAN_FLAGS) -o $@ $^

# The same with allocations that a test may refuse.
build/san/autoheal-oom: tests/engine/failing_allocator.c $(SAN_OBJ) build/bearssl/san/libbearssl.a
	$(Q)$(GCC) -D_GNU_SOURCE -g $(SAN_FLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc -o $@ $^

build/san/%.o: %.c Makefile | build/include/jsmn.h build/bearssl/src/.verified
	@mkdir -p $(@D)
	$(Q)$(GCC) $(COMMON) $(SAN_FLAGS) -c -o $@ $<

build/san/page.o: build/page.c Makefile | build/include/jsmn.h build/bearssl/src/.verified
	@mkdir -p $(@D)
	$(Q)$(GCC) $(COMMON) $(SAN_FLAGS) -c -o $@ $<

# Everything but main, as an archive: a test may bring its own version of a function.
build/san/libautoheal.a: $(filter-out build/san/autoheal.o,$(SAN_OBJ))
	@rm -f $@
	$(Q)ar rcsD $@ $^

build/unit/%.o: tests/unit/%.c Makefile | build/include/jsmn.h build/bearssl/src/.verified
	@mkdir -p $(@D)
	$(Q)$(GCC) $(LANGUAGE) -Wall -Wextra -Werror -g -MMD -MP $(SAN_FLAGS) -c -o $@ $<

build/unit/%: build/unit/%.o build/san/libautoheal.a build/bearssl/san/libbearssl.a
	$(Q)$(GCC) $(SAN_FLAGS) -o $@ $^ -lcmocka

.PRECIOUS: build/unit/%.o

# ---- fuzzing: clang, libFuzzer, the sanitizers -------------------------------------------------------

FUZZ_SRC = $(wildcard tests/fuzz/fuzz_*.c)
FUZZ = $(FUZZ_SRC:tests/fuzz/%.c=build/fuzz/%)
FUZZ_OBJ = $(patsubst %.c,build/fuzz/obj/%.o,$(filter-out autoheal.c,$(SRC))) build/fuzz/obj/page.o
# An empty span has no address, and nothing added to it is nothing: clang 14 objects, the standard of today does not.
FUZZ_FLAGS = -O1 -g -fno-omit-frame-pointer $(SANITIZE) -fno-sanitize=pointer-overflow
FUZZ_SECONDS = 60

build/fuzz/obj/%.o: %.c Makefile | build/include/jsmn.h build/bearssl/src/.verified
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(LANGUAGE) -MMD -MP $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -c -o $@ $<

build/fuzz/obj/page.o: build/page.c Makefile | build/include/jsmn.h build/bearssl/src/.verified
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(LANGUAGE) $(FUZZ_FLAGS) -c -o $@ $<

build/fuzz/libautoheal.a: $(FUZZ_OBJ)
	@rm -f $@
	$(Q)ar rcsD $@ $^

build/fuzz/%: tests/fuzz/%.c tests/fuzz/fuzz.h tests/fuzz/fuzz_world.h build/fuzz/libautoheal.a build/bearssl/san/libbearssl.a
	$(Q)$(CLANG) $(LANGUAGE) -Wall -Wextra -Werror $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $(filter %.c %.a,$^)

fuzz-programs: $(FUZZ)

fuzz: fuzz-programs ## fuzz every target for FUZZ_SECONDS (60) each; what it finds stays in build/fuzz
	@tools/fuzz.sh $(FUZZ_SECONDS) $(FUZZ)

# The kept inputs need no fuzzer: the test binary's objects serve.
build/replay/%: tests/fuzz/%.c tests/fuzz/replay.c tests/fuzz/fuzz.h tests/fuzz/fuzz_world.h build/san/libautoheal.a \
		build/bearssl/san/libbearssl.a
	@mkdir -p $(@D)
	$(Q)$(GCC) $(LANGUAGE) -Wall -Wextra -Werror $(SAN_FLAGS) -o $@ $(filter %.c %.a,$^)

REPLAY = $(FUZZ_SRC:tests/fuzz/%.c=build/replay/%)

replay-programs: $(REPLAY)

fuzz-replay: $(REPLAY) ## run the kept inputs of every fuzz target once
	@for t in $(REPLAY); do echo "$${t##*/}: $$($$t tests/fuzz/corpus/$${t##*/}/* 2>build/replay/log || { tail -n 30 build/replay/log >&2; echo failed; })"; \
		done | tee build/replay/result; ! grep -q failed build/replay/result

# ---- what comes from elsewhere, checked against pinned sums ------------------------------------------

deps: build/include/jsmn.h build/bearssl/musl/libbearssl.a build/bearssl/san/libbearssl.a ## fetch, check and build jsmn and BearSSL

build/.packages: tools/install-packages.sh
	@mkdir -p $(@D)
	@tools/install-packages.sh build
	@touch $@

build/include/jsmn.h: tools/fetch-jsmn.sh | build/.packages
	@tools/fetch-jsmn.sh $@

build/bearssl/src/.verified: tools/fetch-bearssl.sh | build/.packages
	@tools/fetch-bearssl.sh build/bearssl/src

BEARSSL_MAKE = $(MAKE) -s -C build/bearssl/src lib DLL=no TOOLS=no TESTS=no
# It needs no clock and no random numbers of its own: it is told the time, and seeded (tls.c).
BEARSSL_SET = -DBR_USE_UNIX_TIME=0 -DBR_USE_URANDOM=0 -DBR_RDRAND=0

build/bearssl/musl/libbearssl.a: build/bearssl/src/.verified
	+@$(BEARSSL_MAKE) BUILD=../musl CC=$(CC) AR=$(GCC)-ar CFLAGS="-W -Wall $(BEARSSL_SET) $(OPT) -flto -fPIE -ffunction-sections \
		-fdata-sections -fno-asynchronous-unwind-tables $(SMALLER) -ffile-prefix-map=$(CURDIR)=."

# BearSSL reads words at any address where the processor does (BR_LE_UNALIGNED), and says so.
build/bearssl/san/libbearssl.a: build/bearssl/src/.verified
	+@$(BEARSSL_MAKE) BUILD=../san CC=$(GCC) CFLAGS="-W -Wall $(BEARSSL_SET) -g $(SAN_FLAGS) -fno-sanitize=alignment"

# ---- checks ------------------------------------------------------------------------------------------

check: unit format-check clang-check ## unit tests, format and clang's warnings: seconds

unit-programs: $(UNIT)

unit: $(UNIT) ## the unit tests alone
	@status=0; for t in $(UNIT); do ./$$t || status=1; done; exit $$status

clang-check: build/include/jsmn.h build/bearssl/src/.verified $(PAGE_C) ## compile everything with clang and the same warnings
	@printf '%s\n' $(SRC) $(PAGE_C) | xargs -P$$(nproc) -n4 \
		$(CLANG) $(LANGUAGE) $(WARN) -Werror -fsyntax-only

tidy: build/include/jsmn.h build/bearssl/src/.verified ## clang-tidy over the sources
	@printf '%s\n' $(SRC) | xargs -P$$(nproc) -I{} \
		$(CLANG_TIDY) --quiet --warnings-as-errors='*' {} -- $(LANGUAGE)

format: ## let clang-format lay out all C files
	@$(CLANG_FORMAT) -i $(C_FILES)

format-check: ## say which C files clang-format would change
	@$(CLANG_FORMAT) --dry-run --Werror $(C_FILES)

test: ## install what is needed, build and run every suite; SKIP_REAL=1 leaves the real engine and browser out
	@tools/run-tests.sh

bench: build/autoheal ## measure the shipped binary: latency, memory, throughput, idleness, TLS; a table, kept in build/bench.txt
	@tools/install-packages.sh bench
	@/usr/bin/python3 tests/bench/run.py

test-all: ## the same with the long tests
	@AUTOHEAL_TEST_LONG=1 tools/run-tests.sh

# ---- use ---------------------------------------------------------------------------------------------

run: build/autoheal ## see it work: on your engine without acting (RUN=live acts), else on a private one with samples
	@RUN="$(RUN)" exec tools/run.sh

docs: build/autoheal ## write docs/api.md anew, from the table of calls, and docs/limits.md, from the constants
	@tools/make-docs.py $<
	@tools/make-limits.py

image: build/image/bin/autoheal ## the Docker image IMAGE=autoheal:latest on the engine at DOCKER_HOST
	DOCKER_BUILDKIT=0 $(firstword $(wildcard /usr/bin/docker) docker) build -q -f Dockerfile.scratch \
		--build-arg VERSION=$(VERSION) --build-arg SOURCE="$(SOURCE)" -t $(IMAGE) .

install: build/autoheal ## install under DESTDIR and PREFIX
	install -D -m 755 build/autoheal $(DESTDIR)$(PREFIX)/bin/autoheal

clean: ## remove everything that was built
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'

.PHONY: fuzz fuzz-replay fuzz-programs replay-programs bench docs all san objects deps check unit unit-programs clang-check tidy format format-check test test-all run image \
	install clean help
.DELETE_ON_ERROR:

-include $(wildcard build/obj/*.d build/san/*.d build/unit/*.d build/fuzz/obj/*.d)
