# The encoder has no product of its own: shim and exec compile these sources into theirs.
PROTOCOL_SOURCES := protocol/event.c protocol/address.c
PROTOCOL_HEADERS := protocol/event.h protocol/address.h
