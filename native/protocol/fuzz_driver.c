/*
 * Runs LLVMFuzzerTestOneInput where there is no libFuzzer: pseudo-random inputs, and mutations of earlier ones, for a
 * bounded time. The same seed gives the same inputs. usage: PROGRAM SECONDS [SEED]
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_BYTES 4096
#define KEPT 64

static uint64_t state;

/* xorshift64* */
static uint64_t next_random(void) {
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return state * UINT64_C(2685821657736338717);
}

static size_t below(size_t bound) {
  return (size_t)(next_random() >> 16) % bound;
}

/* Bytes that parsers and encoders treat differently are more likely than chance would have them. */
static uint8_t next_byte(void) {
  static const uint8_t special[] = {0,    1,    8,    10,   13,   31,   32,   34,   47,   64,   92,   127,  128,  143,
                                    159,  160,  191,  192,  193,  194,  223,  224,  237,  239,  240,  244,  245,  255};
  size_t choice = below(4);
  if (choice == 0) return special[below(sizeof special)];
  if (choice == 1) return (uint8_t)('a' + below(26));
  return (uint8_t)next_random();
}

static size_t mutate(uint8_t *data, size_t size) {
  for (size_t times = 1 + below(8); times > 0; times--) {
    size_t choice = below(4);
    if (choice == 0 && size < MAX_BYTES) data[size++] = next_byte();
    else if (choice == 1 && size > 0) size = below(size) + 1;
    else if (choice == 2 && size > 0) data[below(size)] ^= (uint8_t)(1u << below(8));
    else if (size > 0) data[below(size)] = next_byte();
  }
  return size;
}

int main(int argc, char **argv) {
  static uint8_t kept[KEPT][MAX_BYTES];
  static size_t sizes[KEPT];
  double seconds = argc > 1 ? atof(argv[1]) : 10;
  uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : UINT64_C(20251201);
  unsigned long runs = 0;
  struct timespec start;
  struct timespec now;
  state = seed == 0 ? 1 : seed;
  printf("seed %llu\n", (unsigned long long)seed);
  fflush(stdout);
  clock_gettime(CLOCK_MONOTONIC, &start);
  do {
    for (int batch = 0; batch < 256; batch++) {
      size_t slot = below(KEPT);
      if (below(3) == 0) {
        sizes[slot] = below(below(16) == 0 ? MAX_BYTES : 200);
        for (size_t at = 0; at < sizes[slot]; at++) kept[slot][at] = next_byte();
      } else {
        sizes[slot] = mutate(kept[slot], sizes[slot]);
      }
      /* A copy of the exact size: reading past the end of an input is found, too. */
      uint8_t *data = malloc(sizes[slot] + (sizes[slot] == 0));
      if (data == NULL) abort();
      memcpy(data, kept[slot], sizes[slot]);
      LLVMFuzzerTestOneInput(data, sizes[slot]);
      free(data);
      runs++;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while ((double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9 < seconds);
  printf("%lu inputs, nothing found\n", runs);
  return 0;
}
