# agent-exec: launcher, PID 1 and supervisor of a guest; static, so that it runs in every container.
EXEC_SOURCES := $(filter-out exec/main.c,$(wildcard exec/*.c))
EXEC_HEADERS := $(wildcard exec/*.h) $(PROTOCOL_HEADERS)
EXEC_FLAGS := -D_GNU_SOURCE -pthread

$(OUT)/agent-exec: exec/main.c $(EXEC_SOURCES) $(EXEC_HEADERS) $(PROTOCOL_SOURCES) | $(OUT)
	$(CC) $(ALL_CFLAGS) $(EXEC_FLAGS) -fstack-protector-strong -static -o $@ exec/main.c $(EXEC_SOURCES) $(PROTOCOL_SOURCES)

PRODUCTS += $(OUT)/agent-exec
