#include "shim/real.h"

struct real real;

extern void *dlsym(void *, const char *) __attribute__((weak));

/* The next library that has it, behind ours. */
#define NEXT ((void *)-1l)

/*
 * dlsym keeps a message when it finds nothing, which the program's next dlerror would return. execve comes last: every
 * libc has it, and a search that succeeds clears the message.
 */
#define RESOLVE(name, type, parameters) *(void **)&real.name = dlsym(NEXT, #name);

void real_resolve(void) {
  if (&dlsym == NULL) return;
  REAL_FUNCTIONS(RESOLVE)
}
