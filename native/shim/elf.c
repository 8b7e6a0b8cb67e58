/*
 * The next definition of a function behind this library, found as the loader finds it, without an allocation. For every
 * glibc: before 2.34 dlsym is in a library of its own that a program need not have loaded, and at all times it allocates.
 */
#include <elf.h>
#include <link.h>
#include <stddef.h>

#include "shim/real.h"

extern struct r_debug _r_debug __attribute__((weak)); /* glibc's loader; musl has none, but always dlsym */
extern ElfW(Dyn) _DYNAMIC[] __attribute__((visibility("hidden")));

#define HIDDEN_VERSION 0x8000

struct library {
  uintptr_t base;
  const char *names;
  const ElfW(Sym) *symbols;
  const uint16_t *versions; /* NULL: none has a version */
  const uint32_t *hash;     /* DT_GNU_HASH */
};

static int library_read(struct library *library, const struct link_map *map) {
  library->base = map->l_addr;
  library->names = NULL;
  library->symbols = NULL;
  library->versions = NULL;
  library->hash = NULL;
  for (const ElfW(Dyn) *entry = map->l_ld; entry != NULL && entry->d_tag != DT_NULL; entry++) {
    uintptr_t at = entry->d_un.d_ptr;
    const void *place = (const void *)(at < library->base ? at + library->base : at); /* not every loader relocates them */
    if (entry->d_tag == DT_STRTAB) library->names = place;
    if (entry->d_tag == DT_SYMTAB) library->symbols = place;
    if (entry->d_tag == DT_VERSYM) library->versions = place;
    if (entry->d_tag == DT_GNU_HASH) library->hash = place;
  }
  return library->names != NULL && library->symbols != NULL && library->hash != NULL;
}

static int same(const char *one, const char *other) {
  while (*one != '\0' && *one == *other) one++, other++;
  return *one == *other;
}

/* The function of that name; of several versions the one that is not hidden, which is what programs link to today. */
static void *library_find(const struct library *library, const char *name, uint32_t hash) {
  uint32_t buckets = library->hash[0];
  uint32_t first = library->hash[1];
  uint32_t words = library->hash[2];
  const uint32_t *bucket = library->hash + 4 + words * (sizeof(ElfW(Addr)) / 4);
  const uint32_t *chain = bucket + buckets;
  if (buckets == 0) return NULL;
  uint32_t at = bucket[hash % buckets];
  if (at < first) return NULL;
  for (;; at++) {
    uint32_t link = chain[at - first];
    const ElfW(Sym) *symbol = &library->symbols[at];
    int current = library->versions == NULL || (library->versions[at] & HIDDEN_VERSION) == 0;
    if ((link | 1) == (hash | 1) && current && symbol->st_shndx != SHN_UNDEF && (symbol->st_info & 15) == STT_FUNC &&
        same(library->names + symbol->st_name, name))
      return (void *)(library->base + symbol->st_value);
    if ((link & 1) != 0) return NULL;
  }
}

void *elf_next(const char *name) {
  if (&_r_debug == NULL) return NULL;
  const struct link_map *map = _r_debug.r_map;
  while (map != NULL && map->l_ld != _DYNAMIC) map = map->l_next;
  if (map == NULL) return NULL;
  uint32_t hash = 5381;
  for (const char *at = name; *at != '\0'; at++) hash = hash * 33 + (unsigned char)*at;
  for (map = map->l_next; map != NULL; map = map->l_next) {
    struct library library;
    void *found = library_read(&library, map) ? library_find(&library, name, hash) : NULL;
    if (found != NULL) return found;
  }
  return NULL;
}
