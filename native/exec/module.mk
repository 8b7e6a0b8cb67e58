# agent-exec: launcher, PID 1 and supervisor of a guest; static, so that it runs in every container.
EXEC_SOURCES := $(filter-out exec/main.c,$(wildcard exec/*.c)) $(PROTOCOL_SOURCES)
EXEC_HEADERS := $(wildcard exec/*.h) $(PROTOCOL_HEADERS)
EXEC_FLAGS := -D_GNU_SOURCE -pthread
EXEC_TESTS := $(wildcard exec/test/unit.c exec/test/test_*.c)

PRODUCTS += $(OUT)/agent-exec
CHECKS += check-exec
FUZZERS += fuzz-exec
.PHONY: check-exec fuzz-exec

$(OUT)/agent-exec: exec/main.c $(EXEC_SOURCES) $(EXEC_HEADERS) exec/module.mk Makefile | $(OUT)
	$(CC) $(ALL_CFLAGS) $(EXEC_FLAGS) -fstack-protector-strong -static exec/main.c $(EXEC_SOURCES) -o $@

check-exec: $(BUILD)/test_exec
	$<

$(BUILD)/test_exec: $(EXEC_TESTS) exec/test/unit.h $(EXEC_SOURCES) $(EXEC_HEADERS) | $(BUILD)
	$(CC) $(SANITIZE_CFLAGS) $(EXEC_FLAGS) $(EXEC_TESTS) $(EXEC_SOURCES) -o $@

fuzz-exec: $(BUILD)/fuzz_exec
	$(call FUZZ_RUN,$<)

$(BUILD)/fuzz_exec: exec/test/fuzz_exec.c $(FUZZ_MAIN) $(EXEC_SOURCES) $(EXEC_HEADERS) | $(BUILD)
	$(FUZZ_CC) $(FUZZ_CFLAGS) $(EXEC_FLAGS) exec/test/fuzz_exec.c $(FUZZ_MAIN) $(EXEC_SOURCES) -o $@

# What the process tests run as a guest; static, and without the filter's own headers.
$(BUILD)/guest: exec/test/guest.c | $(BUILD)
	$(CC) $(ALL_CFLAGS) $(EXEC_FLAGS) -static $< -o $@
