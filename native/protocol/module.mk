# The encoder has no product of its own: shim and exec compile these sources into theirs. Fuzzers of every module may use
# FUZZ_CC, FUZZ_CFLAGS and FUZZ_MAIN (a driver of our own where there is no libFuzzer) and FUZZ_RUN.

PROTOCOL_SOURCES := protocol/event.c protocol/address.c protocol/variable.c
PROTOCOL_HEADERS := protocol/event.h protocol/address.h protocol/variable.h
PROTOCOL_TEST_SOURCES := protocol/strict_json.c
PROTOCOL_TEST_HEADERS := protocol/strict_json.h

LIBFUZZER := $(shell command -v clang >/dev/null && echo 'int LLVMFuzzerTestOneInput(const char*d,unsigned long n){return d&&n?0:0;}' \
  | clang -fsanitize=fuzzer -x c - -o /dev/null 2>/dev/null && echo yes)
ifeq ($(LIBFUZZER),yes)
FUZZ_CC := clang
FUZZ_CFLAGS := $(SANITIZE_CFLAGS) -fsanitize=fuzzer
FUZZ_MAIN :=
FUZZ_RUN = $(1) -max_total_time=$(SECONDS) -print_final_stats=1
else
FUZZ_CC := $(CC)
FUZZ_CFLAGS := $(SANITIZE_CFLAGS)
FUZZ_MAIN := protocol/fuzz_driver.c
FUZZ_RUN = $(1) $(SECONDS) $(SEED)
endif

CHECKS += check-protocol
FUZZERS += fuzz-protocol
.PHONY: check-protocol check-protocol-vectors check-protocol-symbols fuzz-protocol

check-protocol: check-protocol-vectors check-protocol-symbols

check-protocol-vectors: $(BUILD)/test_event
	$<

$(BUILD)/vectors.inc: protocol/vectors.py protocol/vectors.json | $(BUILD)
	python3 protocol/vectors.py protocol/vectors.json > $@

$(BUILD)/test_event: protocol/test_event.c $(BUILD)/vectors.inc $(PROTOCOL_SOURCES) $(PROTOCOL_HEADERS) \
    $(PROTOCOL_TEST_SOURCES) $(PROTOCOL_TEST_HEADERS)
	$(CC) $(SANITIZE_CFLAGS) -D_GNU_SOURCE -I$(BUILD) protocol/test_event.c $(PROTOCOL_SOURCES) \
	  $(PROTOCOL_TEST_SOURCES) -o $@

# What event.h promises: no libc but memcpy and memset, no writable memory of its own, small stack frames.
check-protocol-symbols: $(BUILD)/event_alone.o
	@wanted=$$(nm -u $< | awk '{print $$2}' | grep -vxE 'memcpy|memset|_GLOBAL_OFFSET_TABLE_'); \
	  test -z "$$wanted" || { echo "event.c needs $$wanted" >&2; exit 1; }
	@memory=$$(nm $< | awk '$$2 ~ /^[BbDdC]$$/ {print $$3}'); \
	  test -z "$$memory" || { echo "event.c has memory of its own: $$memory" >&2; exit 1; }
	@echo "protocol: the encoder needs memcpy and memset only"

$(BUILD)/event_alone.o: $(PROTOCOL_SOURCES) $(PROTOCOL_HEADERS) | $(BUILD)
	for source in $(PROTOCOL_SOURCES); do \
	  $(CC) $(ALL_CFLAGS) -fPIC -Wframe-larger-than=448 -c $$source -o $(BUILD)/$$(basename $$source .c)_part.o || exit 1; \
	done
	$(CC) -r -nostdlib $(BUILD)/event_part.o $(BUILD)/address_part.o $(BUILD)/variable_part.o -o $@

fuzz-protocol: $(BUILD)/fuzz_event
	$(call FUZZ_RUN,$<)

$(BUILD)/fuzz_event: protocol/fuzz_event.c $(FUZZ_MAIN) $(PROTOCOL_SOURCES) $(PROTOCOL_HEADERS) \
    $(PROTOCOL_TEST_SOURCES) $(PROTOCOL_TEST_HEADERS) | $(BUILD)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -D_GNU_SOURCE protocol/fuzz_event.c $(FUZZ_MAIN) $(PROTOCOL_SOURCES) $(PROTOCOL_TEST_SOURCES) -o $@
