#include "variable.h"

/* Names whose values say how a program was started, and never hold secrets; and LC_*. */
static const char shown[][16] = {
    "PATH",    "HOME",   "LANG", "LANGUAGE", "TERM", "COLORTERM", "PWD",    "OLDPWD",   "SHELL", "SHLVL",      "USER",
    "LOGNAME", "TMPDIR", "TMP",  "TEMP",     "TZ",   "HOSTNAME",  "EDITOR", "NO_COLOR", "CI",    "LD_PRELOAD", "LD_LIBRARY_PATH",
};

/* A name with one of these in it is never shown with its value, whatever else it is. */
static const char secret[][16] = {
    "KEY", "TOKEN", "SECRET", "PASS", "PWORD", "CREDENTIAL", "AUTH", "COOKIE", "PRIVATE", "SIGNATURE", "CERT", "JWT", "PIN",
};

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define NOT_A_VARIABLE_BYTES 64

/* Words of the tables end with a NUL, or with the row. */
static size_t word_length(const char *word) {
  size_t length = 0;
  while (length < sizeof *shown && word[length] != '\0') length++;
  return length;
}

static char upper(char letter) {
  return letter >= 'a' && letter <= 'z' ? (char)(letter - 'a' + 'A') : letter;
}

static int equal(const char *name, const char *word, size_t length) {
  for (size_t at = 0; at < length; at++)
    if (name[at] != word[at]) return 0;
  return 1;
}

static int contains(const char *name, size_t length, const char *word) {
  size_t size = word_length(word);
  for (size_t start = 0; start + size <= length; start++) {
    size_t at = 0;
    while (at < size && upper(name[start + at]) == word[at]) at++;
    if (at == size) return 1;
  }
  return 0;
}

static int is_shown(const char *name, size_t length) {
  for (size_t at = 0; at < COUNT(secret); at++)
    if (contains(name, length, secret[at])) return 0;
  if (length > 3 && equal(name, "LC_", 3)) return 1;
  for (size_t at = 0; at < COUNT(shown); at++)
    if (word_length(shown[at]) == length && equal(name, shown[at], length)) return 1;
  return 0;
}

size_t variable_shown(const char *entry, size_t length) {
  size_t name = 0;
  while (name < length && entry[name] != '=') name++;
  if (name == length) return length < NOT_A_VARIABLE_BYTES ? length : NOT_A_VARIABLE_BYTES;
  return is_shown(entry, name) ? length : name;
}
