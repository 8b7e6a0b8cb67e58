/* What the environment says at the start of the program. The program may change its environment, but not this. */
#include "shim/shim.h"

#include <string.h>

#define WAIT_MS 10000
#define MOST_WAIT_MS 60000

struct settings settings;

static const char *value_of(char *const *environment, const char *name) {
  size_t length = text_length(name);
  for (size_t at = 0; environment[at] != NULL; at++)
    if (text_starts(environment[at], name) && environment[at][length] == '=') return environment[at] + length + 1;
  return NULL;
}

static void copy_name(char to[EVENT_MAX_NAME + 1], const char *from) {
  size_t length = 0;
  if (from != NULL)
    for (; length < EVENT_MAX_NAME && from[length] != '\0'; length++) to[length] = from[length];
  to[length] = '\0';
}

static void read_token(const char *text) {
  settings.token_length = 0;
  if (text == NULL || text_length(text) != 64) return;
  for (size_t at = 0; at < 64; at++) {
    char digit = text[at];
    if (!((digit >= '0' && digit <= '9') || (digit >= 'a' && digit <= 'f'))) return;
  }
  memcpy(settings.token, text, 64);
  settings.token[64] = '\n';
  settings.token_length = 65;
}

static unsigned read_wait(const char *text) {
  unsigned value = 0;
  if (text == NULL || *text == '\0') return WAIT_MS;
  for (; *text != '\0'; text++) {
    if (*text < '0' || *text > '9') return WAIT_MS;
    value = value * 10 + (unsigned)(*text - '0');
    if (value > MOST_WAIT_MS) return MOST_WAIT_MS;
  }
  return value == 0 ? 1 : value;
}

void settings_read(char *const *environment) {
  memset(&settings, 0, sizeof settings);
  if (environment == NULL) return;
  const char *endpoint = value_of(environment, "AUDIT_ENDPOINT");
  if (endpoint == NULL) return;
  settings.enabled = 1;
  endpoint_parse(&settings.endpoint, endpoint, text_length(endpoint));
  read_token(value_of(environment, "AUDIT_TOKEN"));
  copy_name(settings.session, value_of(environment, "AUDIT_SESSION_ID"));
  copy_name(settings.agent, value_of(environment, "AUDIT_AGENT"));
  const char *mode = value_of(environment, "AUDIT_MODE");
  settings.closed = mode != NULL && text_equal(mode, "closed");
  const char *shim = value_of(environment, "AUDIT_SHIM");
  settings.hybrid = shim != NULL && text_equal(shim, "hybrid");
  const char *mark = value_of(environment, "AUDIT_MARK");
  settings.marked = mark != NULL && text_length(mark) == 16 && parse_hex32(mark, 8, &settings.mark[0]) &&
                    parse_hex32(mark + 8, 8, &settings.mark[1]);
  settings.wait_ms = read_wait(value_of(environment, "AUDIT_WAIT_MS"));
  settings.context.source = "Shim";
  settings.context.session = settings.session;
  settings.context.agent = settings.agent[0] == '\0' ? NULL : settings.agent;
  environment_keep(environment);
}
