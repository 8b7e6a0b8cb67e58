/* Unit tests of agent-exec's parts; run under AddressSanitizer and UndefinedBehaviorSanitizer. */
#include "exec/test/unit.h"

unsigned unit_failures;
unsigned unit_checks;

int main(void) {
  test_options();
  test_rules();
  test_filter();
  test_memory();
  test_process();
  test_resolve();
  test_ring();
  test_environment();
  printf("exec: %u checks, %u failed\n", unit_checks, unit_failures);
  return unit_failures > 0 ? 1 : 0;
}
