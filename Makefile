# midibertd: see README.md. `make help` lists the targets.
MODULES := base stream model engine osc daemon train tools
SAN ?=
CONFIG := $(if $(SAN),$(SAN),release)
BUILD := build$(if $(SAN),/$(SAN))
OBJ := build/$(CONFIG).obj

CC ?= gcc
CFLAGS ?= -O2 -g
PKGS := alsa jack openblas liblo jansson inih libsystemd
PROJECT_CFLAGS := -std=c11 -I. -MMD -MP -pthread -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
	-fno-math-errno -fno-trapping-math -ftree-vectorize -fvect-cost-model=dynamic $(if $(WERROR),-Werror) $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer) \
	$(foreach p,$(PKGS),$(shell pkg-config --cflags $(p) 2>/dev/null))
LDLIBS += $(foreach p,$(PKGS),$(shell pkg-config --libs $(p) 2>/dev/null)) -lm -pthread $(if $(SAN),-fsanitize=$(SAN))

lib = $(OBJ)/lib$(1).a
sources = $(wildcard $(1)/*.c)
objects = $(patsubst %.c,$(OBJ)/%.o,$(1))

all: $(BUILD)/midibertd $(BUILD)/midibert

DAEMON_LIBS := $(foreach m,daemon engine model stream osc base,$(call lib,$(m)))
TOOL_LIBS := $(foreach m,train engine model stream osc base,$(call lib,$(m)))

$(BUILD)/midibertd: $(DAEMON_LIBS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ -Wl,--whole-archive $(call lib,daemon) -Wl,--no-whole-archive $(DAEMON_LIBS) $(LDLIBS)

$(BUILD)/midibert: $(call objects,$(call sources,tools)) $(TOOL_LIBS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

define module
$$(OBJ)/lib$(1).a: $$(call objects,$$(call sources,$(1)))
	@mkdir -p $$(@D)
	rm -f $$@; $$(AR) rcs $$@ $$^
endef
$(foreach m,$(filter-out tools,$(MODULES)),$(eval $(call module,$(m))))

$(OBJ)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(PROJECT_CFLAGS) -c -o $@ $<

# Unit tests: tests/unit/test_NAME.c, one program each, linked with every module but daemon and tools.
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
$(BUILD)/unit/%: $(OBJ)/tests/unit/%.o $(TOOL_LIBS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)
check-unit: $(UNIT)
	set -e; for t in $(UNIT); do $$t; done

clean:
	rm -rf build

-include $(shell find build -name '*.d' 2>/dev/null)
.PHONY: all clean check-unit
.SECONDARY:
