/* Checks that say where they failed and let the others go on. */
#ifndef AGENTOPS_EXEC_UNIT_H
#define AGENTOPS_EXEC_UNIT_H

#include <stdio.h>
#include <string.h>

extern unsigned unit_failures;
extern unsigned unit_checks;

#define CHECK(condition)                                                      \
  do {                                                                        \
    unit_checks++;                                                            \
    if (!(condition)) {                                                       \
      unit_failures++;                                                        \
      fprintf(stderr, "%s:%d: not %s\n", __FILE__, __LINE__, #condition);     \
    }                                                                         \
  } while (0)

void test_options(void);
void test_rules(void);
void test_filter(void);
void test_memory(void);
void test_process(void);
void test_resolve(void);
void test_ring(void);
void test_environment(void);

#endif
