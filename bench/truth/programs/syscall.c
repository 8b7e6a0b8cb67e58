/* The calls of raw.h by libc's syscall(). */
#define RAW 0
#include "raw.h"
