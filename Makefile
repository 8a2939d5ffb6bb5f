# Postern. `make` builds the programs, `make check` runs what needs no packages beyond the build's.
#   V=dev (ASan, UBSan) | release | tsan | cov | fuzz     CC=gcc | clang-14     O=build folder
V ?= dev
Q := $(if $(VERBOSE),,@)
ifeq ($(origin CC),default)
CC := gcc
endif
O ?= build/$(V)-$(notdir $(CC))

WARN := -Wall -Wextra -Wconversion -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes \
        -Wpointer-arith -Wwrite-strings -Wundef -Wformat=2 -Wimplicit-fallthrough -Werror
CPPFLAGS := -I. -D_GNU_SOURCE -DPOSTERN_VERSION='"$(shell cat VERSION)"'
BASE_CFLAGS := -std=gnu17 -g -fno-common -fno-strict-aliasing $(WARN)

SAN_dev := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SAN_tsan := -O1 -fsanitize=thread -fno-omit-frame-pointer
SAN_cov := -O0 --coverage
SAN_fuzz := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
SAN_release := -O2 -ftree-vectorize -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE -fstack-clash-protection
LD_release := -pie -Wl,-z,relro,-z,now
# ASSERT(!"words") is how impossible states are named
CLANG_ONLY := $(if $(findstring clang,$(CC)),-Wno-string-conversion)
CFLAGS := $(BASE_CFLAGS) $(CLANG_ONLY) $(SAN_$(V))
LDFLAGS := $(SAN_$(V)) $(LD_$(V))

LIBS_io := -lssl -lcrypto -lunbound -lidn2 -lz
LIBS_store := -lsqlite3
LIBS_ctl := -ljansson
LIBS_sys := -lseccomp
LIBS_cert := -lcurl
LIBS := $(LIBS_io) $(LIBS_store) $(LIBS_ctl) $(LIBS_sys) -lpthread
# of the tool; the daemon asks postern-fetcher, which has libcurl for all of it
LIBS_FETCH := $(LIBS) $(LIBS_cert)

PRODUCT := base mail proto policy io store cert sys keeper fetcher ctl gate cli
srcs = $(sort $(wildcard $(1)/*.c))
objs = $(patsubst %.c,$(O)/%.o,$(call srcs,$(1)))
MAINS := gate/main.c cli/main.c fetcher/main.c
# What the simulator replaces at link time: the six seams (ARCHITECTURE.md, section 1).
SEAMS := io/loop_epoll.c io/inet.c io/work.c io/tls.c io/tls_ctx.c io/tls_dane.c io/tls_facts.c io/tls_judge.c \
         io/tls_pem.c io/tls_make.c io/tls_look.c io/dns_unbound.c io/maildir.c gate/supervisor.c gate/child.c \
         gate/helper.c gate/spawn.c gate/loaded.c gate/reload.c gate/fetching.c fetcher/fetcher.c \
         cert/exchange_curl.c cert/fetch_curl.c keeper/keeper.c keeper/ask.c keeper/provider.c

lib_objs = $(foreach f,$(1),$(filter-out $(patsubst %.c,$(O)/%.o,$(MAINS)),$(call objs,$(f))))

LAYERS_base := base
LAYERS_mail := base mail
LAYERS_proto := base mail proto
LAYERS_policy := base mail policy
LAYERS_io := base mail proto io
LAYERS_store := base mail io store
LAYERS_cert := base mail cert
LAYERS_sys := base mail sys
LAYERS_keeper := base mail proto io sys keeper
LAYERS_fetcher := base mail io proto cert sys fetcher
LAYERS_ctl := base ctl
LAYERS_gate := base mail proto policy io store cert sys keeper fetcher ctl gate
LAYERS_cli := $(LAYERS_gate) cli

# What a worker needs of HTTP: which URLs there are, and how to ask.
WORKER_FETCH := $(O)/cert/fetch_url.o $(O)/fetcher/wire.o

.SECONDARY:
.PHONY: all check unit tidy purity format fuzz-build clean bench-tools
all: $(O)/posternd $(O)/postern-fetcher $(O)/postern

$(O)/posternd: $(O)/gate/main.o $(call lib_objs,base mail proto policy io store sys keeper ctl gate) $(WORKER_FETCH)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)
$(O)/postern-fetcher: $(O)/fetcher/main.o $(call lib_objs,base sys fetcher) $(patsubst %,$(O)/%.o,cert/fetch_url cert/exchange_curl io/loop_epoll io/inet mail/ip)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcurl -lseccomp
$(O)/postern: $(O)/cli/main.o $(call lib_objs,base mail proto policy io store cert sys keeper fetcher ctl gate cli)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_FETCH)

$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# --- unit tests: one program a folder, test/unit/<folder>/*.c
UNITS := $(filter $(PRODUCT),$(notdir $(wildcard test/unit/*)))
UNIT_ALSO_keeper := test/unit/io/pki.c test/unit/io/tls_pair.c
define unit_rule
$(O)/unit_$(1): $(patsubst %.c,$(O)/%.o,$(wildcard test/unit/$(1)/*.c) $(UNIT_ALSO_$(1)) test/test.c test/golden.c) $(call lib_objs,$(LAYERS_$(1)))
	$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$^ $$(if $$(filter cert,$(LAYERS_$(1))),$$(LIBS_FETCH),$$(LIBS))
endef
$(foreach u,$(UNITS),$(eval $(call unit_rule,$(u))))
unit: $(patsubst %,$(O)/unit_%,$(UNITS))
	@tools/run-tests.sh $^
check: tidy unit

# --- the simulator: the real gate and store over simulated leaves
SIM_OBJS = $(call objs,sim) $(filter-out $(patsubst %.c,$(O)/%.o,$(SEAMS)),$(call lib_objs,base mail proto policy io store cert keeper fetcher ctl gate))
$(O)/postern-sim: $(SIM_OBJS)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)
$(O)/sim_stories: $(call objs,test/sim) $(O)/test/test.o $(O)/test/golden.o $(filter-out $(O)/sim/main.o,$(SIM_OBJS))
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

# --- benchmark tools: load generator, sink, backlog, and what nobody can do without
bench-tools: $(addprefix $(O)/bench-,load sink fill floor match pause verify)
$(O)/bench-fill: $(O)/bench/fill.o $(call lib_objs,base mail io store)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)
$(O)/bench-match: $(O)/bench/match.o $(O)/bench/lib/clock.o $(call lib_objs,base mail policy)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lssl -lcrypto -lpthread
$(O)/bench-%: $(O)/bench/%.o $(call objs,bench/lib) $(call lib_objs,base)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lssl -lcrypto -lpthread

# --- fuzz targets: V=fuzz CC=clang-14
FUZZERS := $(patsubst fuzz/%.c,%,$(wildcard fuzz/fuzz_*.c))
$(O)/fuzz_%: $(O)/fuzz/fuzz_%.o $(call lib_objs,base mail proto policy io store cert keeper fetcher ctl gate sys)
	$(Q)$(CC) $(LDFLAGS) $(if $(filter fuzz,$(V)),-fsanitize=fuzzer) -o $@ $^ $(LIBS_FETCH)
# besides what the rule for all has
$(O)/fuzz_import: $(call lib_objs,cli)
$(O)/fuzz_suppose: $(call lib_objs,cli)
fuzz-build: $(patsubst %,$(O)/%,$(FUZZERS))

tidy:
	@tools/tidy.sh
purity: $(call lib_objs,base mail proto policy)
	@tools/purity.sh $(O)
format:
	@clang-format-14 -i $$(git ls-files -co --exclude-standard '*.c' '*.h')

clean:
	rm -rf build

-include $(shell find $(O) -name '*.d' 2>/dev/null)
