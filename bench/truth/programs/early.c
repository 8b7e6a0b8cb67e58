/* A library that allocates when it is started, before what is preloaded is started. */
#include <stdlib.h>

void *early;

__attribute__((constructor)) static void start(void) { early = malloc(100); }
