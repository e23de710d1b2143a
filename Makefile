# midibertd: see README.md. `make help` lists the targets.
# SAN=address|undefined|thread builds everything again under build/$(SAN)/, tests included; WERROR=1 makes warnings fatal.

MODULES := base stream model engine osc web daemon train rehearsal tools
SAN ?=
WERROR ?=
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 20
BENCH_SECONDS ?= 60

CONFIG := $(or $(SAN),release)
BUILD := build$(if $(SAN),/$(SAN))
OBJ := build/$(CONFIG).obj
VERSION := $(or $(shell git --no-optional-locks describe --tags --always --dirty 2>/dev/null),unknown)

# ---- Tools and flags: CFLAGS, CPPFLAGS and LDFLAGS are the user's; what the project needs stands apart -------------------
ifeq ($(SAN),fuzzer)
ifneq (,$(filter default undefined,$(origin CC)))
CC := clang
endif
endif
CFLAGS ?= -O2 -g

ALL_PACKAGES := alsa jack openblas liblo jansson nettle inih libsystemd cmocka
debian_alsa := libasound2-dev
debian_jack := libjack-jackd2-dev
debian_openblas := libopenblas-dev
debian_liblo := liblo-dev
debian_jansson := libjansson-dev
debian_nettle := nettle-dev
debian_inih := libinih-dev
debian_libsystemd := libsystemd-dev
debian_cmocka := libcmocka-dev
header_alsa := alsa/
header_jack := jack/
header_openblas := cblas
header_liblo := lo/
header_jansson := jansson
header_nettle := nettle/
header_inih := ini.h
header_libsystemd := systemd/
header_cmocka := cmocka

MISSING := $(shell for p in $(ALL_PACKAGES); do pkg-config --exists $$p 2>/dev/null || echo $$p; done)
PACKAGES := $(filter-out $(MISSING) cmocka,$(ALL_PACKAGES))

# Left out where pkg-config does not find them, or on request: make HTTP=0 AVAHI=0 QR=0.
OPTIONAL := libwebsockets avahi-client libqrencode
switch_libwebsockets = $(HTTP)
switch_avahi-client = $(AVAHI)
switch_libqrencode = $(QR)
loss_libwebsockets := no OSCQuery and no page (libwebsockets-dev)
loss_avahi-client := nothing is announced with --lan (libavahi-client-dev)
loss_libqrencode := the page's address comes as text alone (libqrencode-dev)
source_libwebsockets := http
source_avahi-client := announce
source_libqrencode := qr
UNFOUND := $(shell for p in $(OPTIONAL); do pkg-config --exists $$p 2>/dev/null || echo $$p; done)
WITHOUT := $(foreach p,$(OPTIONAL),$(if $(filter $(p),$(UNFOUND))$(filter 0,$(switch_$(p))),$(p)))
WITH := $(filter-out $(WITHOUT),$(OPTIONAL))
ifeq ($(MAKELEVEL)$(filter clean help,$(MAKECMDGOALS)),0)
$(foreach p,$(WITHOUT),$(info without $(p): $(loss_$(p))))
endif
LEFT_OUT := $(foreach p,$(WITHOUT),web/$(source_$(p)).c) $(foreach p,$(WITH),web/$(source_$(p))_absent.c)
WEB_CFLAGS := $(if $(WITH),$(shell pkg-config --cflags $(WITH)))
WEB_LDLIBS := $(if $(WITH),$(shell pkg-config --libs $(WITH)))

SAN_address := -fsanitize=address -fno-omit-frame-pointer
SAN_undefined := -fsanitize=undefined -fno-sanitize-recover=all
SAN_thread := -fsanitize=thread
SAN_fuzzer := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
ifneq ($(SAN),)
ifeq ($(SAN_$(SAN)),)
$(error SAN=$(SAN) is none of address, undefined, thread)
endif
endif

# Sanitizers make the compiler see code that nobody wrote, and warn of it: there warnings stay warnings.
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes $(if $(SAN),,$(if $(WERROR),-Werror))
# No -ffast-math, and the instruction set stays portable; loops over rows may be vectorised.
MATH_FLAGS := -fno-math-errno -fno-trapping-math $(if $(findstring clang,$(CC)),,-ftree-vectorize -fvect-cost-model=dynamic)
PROJECT_CFLAGS := -std=c11 -I. -pthread $(WARNINGS) $(MATH_FLAGS) $(SAN_$(SAN)) \
	$(if $(PACKAGES),$(shell pkg-config --cflags $(PACKAGES)))
PROJECT_LDLIBS := $(if $(PACKAGES),$(shell pkg-config --libs $(PACKAGES))) -lm -pthread
CMOCKA_LDLIBS := $(if $(filter cmocka,$(MISSING)),,$(shell pkg-config --libs cmocka))

COMPILE = $(CC) $(CPPFLAGS) $(CFLAGS) $(PROJECT_CFLAGS)
LINK = $(CC) $(CFLAGS) $(SAN_$(SAN)) $(LDFLAGS)

# ---- What is built -------------------------------------------------------------------------------------------------------
lib = $(OBJ)/lib$(1).a
objects = $(patsubst %.c,$(OBJ)/%.o,$(1))
members = $(filter-out $(LEFT_OUT),$(wildcard $(1)/*.c)) $(members_$(1))
members_web := $(OBJ)/web/page_data.o
programs = $(patsubst tests/$(1)/%.c,$(BUILD)/$(1)/%,$(wildcard tests/$(1)/$(2)*.c))
DAEMON_LIBS := $(foreach m,web engine model stream osc base,$(call lib,$(m)))
TOOL_LIBS := $(foreach m,rehearsal train engine model stream osc base,$(call lib,$(m)))

UNIT := $(call programs,unit,test_)
SUPPORT := $(call programs,support)
BENCH := $(call programs,bench)
FUZZERS := $(call programs,fuzz,fuzz_)
SOURCES := $(foreach m,$(MODULES) tests/unit tests/support tests/bench tests/fuzz examples/demo,$(wildcard $(m)/*.c))
HEADERS := $(foreach m,$(MODULES),$(wildcard $(m)/*.h))

all: $(BUILD)/midibertd $(BUILD)/midibert ## build the two programs (default)
units: $(UNIT)
tests: all units $(SUPPORT) $(BUILD)/demo.mid $(BUILD)/demo/listen ## build the programs, the unit tests and the helper programs of the tests

# ---- Rules ---------------------------------------------------------------------------------------------------------------
# A file whose time changes only when its text does: $(call stamp,FILE,TEXT).
define stamp
$(1): FORCE
	@mkdir -p $$(@D)
	@printf '%s\n' '$(subst ','\'',$(2))' | cmp -s - $$@ || printf '%s\n' '$(subst ','\'',$(2))' >$$@
endef
$(eval $(call stamp,$(OBJ)/compile.flags,$(COMPILE)))
$(eval $(call stamp,$(OBJ)/link.flags,$(LINK) $(PROJECT_LDLIBS) $(WEB_LDLIBS) $(LDLIBS)))
$(eval $(call stamp,$(OBJ)/version,$(VERSION) $(PREFIX)))

$(OBJ)/%.o: %.c $(OBJ)/compile.flags
	@mkdir -p $(@D)
	$(COMPILE) -MMD -MP -c -o $@ $<

# No fuzzer multiplies matrices, and clang takes minutes to instrument these.
$(patsubst %,build/fuzzer.obj/model/%.o,bf16 backend_avx512_int8 backend_avx2 backend_neon): private PROJECT_CFLAGS := $(filter-out -fsanitize%,$(PROJECT_CFLAGS))

# One static archive a module; built anew when a file joins or leaves it.
define module
$(eval $(call stamp,$(OBJ)/$(1).members,$(call members,$(1))))
$$(call lib,$(1)): $$(call objects,$$(call members,$(1))) $$(OBJ)/$(1).members
	@mkdir -p $$(@D)
	rm -f $$@; $$(AR) rcs $$@ $$(filter %.o,$$^)
endef
$(foreach m,$(MODULES),$(eval $(call module,$(m))))

# The page goes into the program as it stands in web/page/.
PAGE := $(sort $(wildcard web/page/*))
$(OBJ)/web/page_data.c: scripts/embed.sh $(PAGE) $(OBJ)/web.members
	@mkdir -p $(@D)
	scripts/embed.sh $(PAGE) >$@
$(OBJ)/web/page_data.o: $(OBJ)/web/page_data.c $(OBJ)/compile.flags
	$(COMPILE) -MMD -MP -c -o $@ $<
$(OBJ)/web/%.o: private PROJECT_CFLAGS += $(WEB_CFLAGS)

$(BUILD)/midibertd: private PROJECT_LDLIBS += $(WEB_LDLIBS)
$(BUILD)/midibertd: $(call objects,$(wildcard daemon/*.c)) $(DAEMON_LIBS)
$(BUILD)/midibert: $(call objects,$(wildcard tools/*.c)) $(TOOL_LIBS)
$(BUILD)/midibertd $(BUILD)/midibert: $(OBJ)/link.flags
	@mkdir -p $(@D)
	$(LINK) -o $@ $(filter %.o %.a,$^) $(PROJECT_LDLIBS) $(LDLIBS)

# Only the files that name the version or the installed place are compiled again when these change.
VERSIONED := $(call objects,$(shell grep -lE 'MIDIBERTD_VERSION|MIDIBERTD_PREFIX' $(SOURCES) /dev/null 2>/dev/null))
$(VERSIONED): private PROJECT_CFLAGS += -DMIDIBERTD_VERSION='"$(VERSION)"' -DMIDIBERTD_PREFIX='"$(PREFIX)"'
$(VERSIONED): $(OBJ)/version

# tests/unit/test_NAME.c: one cmocka program each; tests/support/NAME.c, tests/bench/NAME.c: programs that tests and
# measurements run; tests/fuzz/fuzz_NAME.c: libFuzzer. Each is linked with the modules whose headers it includes and those
# below them, and with no other: a module that reaches up does not link.
below_base := base
below_stream := stream base
below_model := model base
below_osc := osc base
below_engine := engine stream model base
below_train := train engine stream model base
below_rehearsal := rehearsal train engine stream model base
below_web := web osc base
below_daemon := daemon web engine stream model osc base
below_tools := tools train engine stream model osc base
below_tests := train engine stream model osc base
INCLUDED := $(shell grep -oE '^.include "[a-z]+/' /dev/null $(wildcard tests/*/*.c) | sed 's/:.*"/:/; s|/$$||')
below = $(sort $(foreach m,base $(patsubst $(1):%,%,$(filter $(1):%,$(INCLUDED))),$(below_$(m))))
define test_program
$(BUILD)/$(1)/$(2): $(OBJ)/tests/$(1)/$(2).o $(foreach m,$(call below,tests/$(1)/$(2).c),$(call lib,$(m))) $(OBJ)/link.flags
	@mkdir -p $$(@D)
	$$(LINK) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $(3) $$(PROJECT_LDLIBS) $$(LDLIBS)
endef
$(foreach t,$(UNIT),$(eval $(call test_program,unit,$(notdir $(t)),$(CMOCKA_LDLIBS))))
$(foreach t,$(SUPPORT),$(eval $(call test_program,support,$(notdir $(t)))))
$(foreach t,$(BENCH),$(eval $(call test_program,bench,$(notdir $(t)))))
$(foreach t,$(FUZZERS),$(eval $(call test_program,fuzz,$(notdir $(t)),-fsanitize=fuzzer)))

# The demonstration's own programs know nothing but the wire format.
$(BUILD)/demo/%: $(OBJ)/examples/demo/%.o $(OBJ)/link.flags
	@mkdir -p $(@D)
	$(LINK) -o $@ $< -lm $(LDLIBS)
$(BUILD)/demo.mid: examples/demo/score.txt $(BUILD)/demo/perform
	$(BUILD)/demo/perform $< $@

# A library that is not here fails the files that include it, and what is made of them, in one line.
$(foreach p,$(MISSING),$(eval $(call objects,$(shell grep -lE '#include <$(header_$(p))' $(SOURCES) /dev/null)): | missing-$(p)))
missing-%:
	@echo "pkg-config finds no $*: install $(debian_$*) (Debian), or run scripts/install-deps.sh" >&2; exit 1

# oneDNN is not needed: without its header its backends say that they were not built. Nor are they with two
# sanitizers: the search for leaks crashes at the end of a program that has used it, and its OpenMP looks like races.
ONEDNN := $(if $(filter address thread,$(SAN)),no,$(shell $(CC) $(CPPFLAGS) -include dnnl.h -E -x c /dev/null >/dev/null 2>&1 && echo yes))
$(OBJ)/model/backend_onednn.o: private PROJECT_CFLAGS += $(if $(filter yes,$(ONEDNN)),-DMIDIBERTD_ONEDNN)
$(OBJ)/model/backend_onednn.o: $(OBJ)/onednn $(if $(ONEDNN),,| without-onednn)
$(eval $(call stamp,$(OBJ)/onednn,$(ONEDNN)))
without-onednn:
	@echo "no dnnl.h: building without oneDNN, its backends will be missing; install libdnnl-dev 2 (Debian) for them" >&2

# ---- Tests ---------------------------------------------------------------------------------------------------------------
check: ## install what the tests need, then run every test; ends with "N passed, N failed"
	+@MAKE='$(MAKE)' tests/run check
check-all: ## what check does, and PipeWire, the thread sanitizer and long fuzzing
	+@MAKE='$(MAKE)' tests/run check-all
check-unit: ## unit tests (with SAN=... under that sanitizer)
	+@MAKE='$(MAKE)' SAN=$(SAN) tests/run unit
check-e2e: ## end-to-end tests: the programs against JACK, ALSA, files and OSC receivers
	+@MAKE='$(MAKE)' SAN=$(SAN) tests/run e2e
check-headers: ## every header compiles alone
	@CC='$(CC)' tests/check_headers.sh $(HEADERS)
check-includes: ## modules include only what they may; a library's headers stay in one file
	@tests/check_includes.sh
check-format: ## say which files clang-format would change
	@command -v clang-format >/dev/null || { echo "clang-format is not installed" >&2; exit 1; }
	clang-format --dry-run --Werror $(SOURCES) $(HEADERS)
fuzz: ## run each tests/fuzz/fuzz_*.c for FUZZ_SECONDS (20) under libFuzzer
	+@MAKE='$(MAKE)' FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run fuzz
fuzzers: $(FUZZERS)
lint: ## cppcheck over the sources
	@command -v cppcheck >/dev/null || { echo "cppcheck is not installed" >&2; exit 1; }
	cppcheck -q --std=c11 --language=c --enable=warning,portability --inline-suppr --error-exitcode=1 -I. \
		--suppress=missingIncludeSystem --suppress=varFuncNullUB $(MODULES) tests/support tests/bench examples/demo

# ---- What is shown -------------------------------------------------------------------------------------------------------
demo: ## install what is missing, build, and play the built-in piece through the daemon (under a minute)
	@scripts/install-deps.sh build
	+@$(MAKE) --no-print-directory -j$$(nproc) all $(BUILD)/demo.mid $(BUILD)/demo/listen
	@examples/demo/run $(BUILD)
bench: all $(BENCH) ## measure: products, notes, training, OSC, then note-on at a JACK port to datagram (BENCH_SECONDS=60)
	@BENCH_SECONDS=$(BENCH_SECONDS) tests/bench/run $(BUILD)
speed: all $(BENCH) ## measure on a quiet machine and write the tables of docs/SPEED.md and README.md
	scripts/speed.py --build $(BUILD) --seconds $(BENCH_SECONDS) $(SPEED)
readme: ## write the numbers of the weights' card into README.md
	@scripts/readme-numbers.sh

manual: all ## write man pages, completions and the tables of docs/OSC.md from the programs' own --help and --list-osc
	scripts/manual.sh $(BUILD)/midibert >docs/midibert.1
	scripts/osc-page.sh $(BUILD)/midibertd >docs/midibert-osc.7
	scripts/conf-page.sh $(BUILD)/midibertd >docs/midibertd.conf.5
	scripts/osc-manual.sh $(BUILD)/midibertd docs/OSC.md >$(BUILD)/OSC.md && mv $(BUILD)/OSC.md docs/OSC.md
	scripts/completions.sh $(BUILD) completions

# ---- Installation --------------------------------------------------------------------------------------------------------
BINDIR = $(DESTDIR)$(PREFIX)/bin
SHAREDIR = $(DESTDIR)$(PREFIX)/share/midibert
MANDIR = $(DESTDIR)$(PREFIX)/share/man
UNITDIR = $(DESTDIR)$(PREFIX)/lib/systemd/user
UNITS = $(wildcard systemd/*.service)
CONVERT = scripts/convert.py scripts/weights_file.py
WEIGHTS = $(wildcard weights/default.* weights/full.* weights/small.* weights/encoder.* weights/beat.*)
MAN = $(sort $(wildcard docs/*.[157]))
BASHDIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR = $(DESTDIR)$(PREFIX)/share/zsh/site-functions

install: all ## install programs, man pages, completions, systemd user unit and weights below DESTDIR and PREFIX (/usr/local)
	install -d $(BINDIR) $(SHAREDIR) $(MANDIR)/man1 $(MANDIR)/man5 $(MANDIR)/man7 $(UNITDIR) $(BASHDIR) $(ZSHDIR)
	install -m 755 $(BUILD)/midibertd $(BUILD)/midibert $(BINDIR)
	$(if $(WEIGHTS),install -m 644 $(WEIGHTS) $(SHAREDIR))
	install -m 755 $(CONVERT) $(SHAREDIR)
	for m in $(MAN); do install -m 644 $$m $(MANDIR)/man$${m##*.}; done
	for p in midibertd midibert; do install -m 644 completions/$$p.bash $(BASHDIR)/$$p; done
	install -m 644 completions/_midibertd completions/_midibert $(ZSHDIR)
	for u in $(UNITS); do sed 's|/usr/local/bin|$(PREFIX)/bin|g' $$u >$(UNITDIR)/$${u##*/}; chmod 644 $(UNITDIR)/$${u##*/}; done
uninstall: ## remove what install put there
	rm -f $(addprefix $(BINDIR)/,midibertd midibert) $(addprefix $(SHAREDIR)/,$(notdir $(WEIGHTS) $(CONVERT))) \
		$(addprefix $(BASHDIR)/,midibertd midibert) $(addprefix $(ZSHDIR)/,_midibertd _midibert) \
		$(addprefix $(UNITDIR)/,$(notdir $(UNITS)))
	for m in $(MAN); do rm -f $(MANDIR)/man$${m##*.}/$${m##*/}; done
	if [ -d $(SHAREDIR) ]; then rmdir --ignore-fail-on-non-empty $(SHAREDIR); fi
clean: ## remove build/
	rm -rf build
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' Makefile

-include $(wildcard $(OBJ)/*/*.d $(OBJ)/*/*/*.d)
FORCE:
.PHONY: without-onednn all units tests check check-all check-unit check-e2e check-headers check-includes check-format fuzz fuzzers lint \
	demo bench speed readme manual install uninstall clean help FORCE
.SECONDARY:
.DELETE_ON_ERROR:
