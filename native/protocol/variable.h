/* Which environment variables an event shows with their values. Same conditions as event.h. */
#ifndef AGENTOPS_VARIABLE_H
#define AGENTOPS_VARIABLE_H

#include <stddef.h>

/*
 * How much of an environment string may be shown: all of it for a variable that says how a program was started and cannot
 * be a secret, the name otherwise. Of a string without "=", which is no variable, at most 64 bytes.
 */
size_t variable_shown(const char *entry, size_t length);

#endif
