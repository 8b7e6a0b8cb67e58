/* The calls of raw.h by the syscall instruction: built as a static and as a dynamic program. */
#define RAW 1
#include "raw.h"
