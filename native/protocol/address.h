/* The address of a connect, as members of an event. Same conditions as event.h. */
#ifndef AGENTOPS_ADDRESS_H
#define AGENTOPS_ADDRESS_H

#include "event.h"

/*
 * Writes "family", and what goes with it: "address" and "port" (inet, inet6), "path" (unix; absent for an unnamed
 * address, "@name" for an abstract one, "./@name" for a file of that name), "number" (other).
 *
 * sockaddr: a copy that nobody else changes; NULL or too short for its family means family "other".
 */
void event_sockaddr(struct event_line *line, const void *sockaddr, size_t length);

#endif
