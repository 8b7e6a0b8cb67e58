/* Environments: what of one is shown in events, and what the guest's own is made of. */
#ifndef AGENTOPS_EXEC_ENVIRONMENT_H
#define AGENTOPS_EXEC_ENVIRONMENT_H

#include "exec/options.h"

/* Bytes of an entry that events show: its name, or all of it where the value is known to be harmless. */
size_t environment_shown(const char *entry, size_t length, bool whole);

/*
 * The guest's environment: ours, without AUDIT_* of others, and with what the shim needs in that mode (`mark` in hybrid
 * mode). NULL: no memory. Not freed: an exec follows.
 */
char **environment_of_guest(char *const *ours, const struct options *options, enum record_mode mode,
                            const uint32_t mark[2]);

#endif
