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
#define RESOLVE_ELF(name, type, parameters) *(void **)&real.name = elf_next(#name);

void real_resolve_elf(void) {
  REAL_FUNCTIONS(RESOLVE_ELF)
}

void real_resolve_dlsym(void) {
  if (&dlsym == NULL) return;
  REAL_FUNCTIONS(RESOLVE)
}

/*
 * Never dlsym where the loader's own list can be read: for a name that is missing glibc's dlsym allocates a message, and
 * who asks first may be an allocator that opens a file while it holds its lock (jemalloc in rustc: it waited for ever).
 */
void real_resolve(void) {
  real_resolve_elf();
  if (real.execve == NULL) real_resolve_dlsym();
}
