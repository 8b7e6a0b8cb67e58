/* The shim's parts, compiled into this program: its hooks are hook_NAME here, so that sanitizers see every access. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/variable.h"
#include "shim/endpoint.h"
#include "shim/raw.h"
#include "shim/real.h"
#include "shim/shim.h"

extern int hook_open(const char *, int, ...);
extern void *hook_fopen(const char *, const char *);
extern void *hook_opendir(const char *);
extern int hook_connect(int, const void *, unsigned);
extern int hook_execve(const char *, strings, strings);
extern int hook_execlp(const char *, const char *, ...);
extern int hook_posix_spawn(int *, const char *, const void *, const void *, strings, strings);
extern long hook_syscall(long, long, long, long, long, long, long);
extern int closedir(void *);
extern char **environ;

static int failures;

#define CHECK(condition)                                                             \
  do {                                                                               \
    if (!(condition)) {                                                              \
      failures++;                                                                    \
      fprintf(stderr, "FAILED %s:%d: %s\n", __FILE__, __LINE__, #condition);         \
    }                                                                                \
  } while (0)

/* ------------------------------------------------------------------------------------------------ endpoint */

static int parses(struct endpoint *endpoint, const char *text) {
  size_t length = strlen(text);
  char *copy = malloc(length + (length == 0)); /* of the exact size: a byte too many is seen */
  memcpy(copy, text, length);
  int result = endpoint_parse(endpoint, copy, length);
  free(copy);
  return result;
}

static void test_endpoint(void) {
  static const char *const six[] = {"::", "::1", "1::", "fe80::1:2", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4", "1::8", "2001:DB8::aB",
                                    "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8"};
  static const char *const wrong[] = {
      "", "unix", "unix:", "unix://", "unix:///", "unix://a", "unix:///a/", "tcp://", "tcp://1.2.3.4", "tcp://1.2.3.4:",
      "tcp://1.2.3.4:0", "tcp://1.2.3.4:65536", "tcp://1.2.3:1", "tcp://1.2.3.4.5:1", "tcp://01.2.3.4:1", "tcp://256.2.3.4:1",
      "tcp://1.2.3.4:1x", "tcp://name:1", "tcp://[]:1", "tcp://[:]:1", "tcp://[:::]:1", "tcp://[1::2::3]:1",
      "tcp://[1:2:3:4:5:6:7]:1", "tcp://[1:2:3:4:5:6:7:8:9]:1", "tcp://[12345::]:1", "tcp://[::1]", "tcp://[::1", "tcp://[::1]1",
      "tcp://[::1.2.3]:1", "tcp://[1:2:3:4:5:6:7:1.2.3.4]:1", "http://1.2.3.4:1", "tcp://[::1]:", "tcp://[g::]:1",
      "tcp://[1:]:1", "tcp://:1"};
  struct endpoint endpoint;
  for (size_t at = 0; at < sizeof six / sizeof *six; at++) {
    char text[100];
    unsigned char expected[16];
    snprintf(text, sizeof text, "tcp://[%s]:443", six[at]);
    CHECK(inet_pton(AF_INET6, six[at], expected) == 1);
    CHECK(parses(&endpoint, text) && endpoint.family == AF_INET6 && endpoint.address_length == 28);
    CHECK(memcmp(endpoint.address + 8, expected, 16) == 0 && endpoint.address[2] == 1 && endpoint.address[3] == 187);
  }
  for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++)
    if (parses(&endpoint, wrong[at])) failures++, fprintf(stderr, "FAILED: %s is an endpoint\n", wrong[at]);
  CHECK(parses(&endpoint, "tcp://10.0.0.255:65535") && memcmp(endpoint.address + 4, "\12\0\0\377", 4) == 0);
  CHECK(parses(&endpoint, "tcp://localhost:1") && memcmp(endpoint.address + 4, "\177\0\0\1", 4) == 0);
  CHECK(parses(&endpoint, "unix:///run/a b.sock") && strcmp(endpoint.path, "/run/a b.sock") == 0);
}

/* ------------------------------------------------------------------------------------------------ memory */

static void test_memory(void) {
  char *pages = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(pages + 8192, 4096, PROT_NONE);
  memset(pages, 'x', 8192);
  char to[16384];
  int cut = 0;
  struct probe probe = {0, 0};
  CHECK(probe_readable(&probe, pages, 8192));
  CHECK(!probe_readable(&probe, pages, 8193));
  CHECK(!probe_readable(&probe, pages + 8192, 1));
  CHECK(!probe_readable(&probe, (void *)1, 1) && !probe_readable(&probe, (void *)(uintptr_t)-8, 16));
  CHECK(copy_string(&probe, to, sizeof to, pages, &cut) == -1);
  CHECK(copy_string(&probe, to, sizeof to, NULL, &cut) == -1 && cut == 0);
  CHECK(copy_string(&probe, to, 5000, pages, &cut) == 5000 && cut == 1);
  cut = 0;
  pages[8191] = '\0';
  CHECK(copy_string(&probe, to, sizeof to, pages, &cut) == 8191 && cut == 0);
  CHECK(copy_string(&probe, to, 8191, pages, &cut) == 8191 && cut == 0);
  munmap(pages, 12288);
}

/* ------------------------------------------------------------------------------------------------ environment */

static size_t shown(const char *entry) {
  return variable_shown(entry, strlen(entry));
}

static void test_shown(void) {
  static const char *const whole[] = {"PATH=/bin", "HOME=", "LANG=C", "LC_ALL=C", "PWD=/", "LD_PRELOAD=/x"};
  static const char *const names[] = {"PATHX=1", "XPATH=1", "LC_API_KEY=1", "lc_all=1", "LC_=1", "path=1", "TOKEN=1", "EDITOR2=1"};
  for (size_t at = 0; at < sizeof whole / sizeof *whole; at++) CHECK(shown(whole[at]) == strlen(whole[at]));
  for (size_t at = 0; at < sizeof names / sizeof *names; at++) CHECK(shown(names[at]) == strcspn(names[at], "="));
  CHECK(shown("") == 0 && shown("=x") == 0 && shown("NOVALUE") == 7);
}

static char *seen[64];
static size_t seen_count;

static long remember(void *context, strings environment) {
  (void)context;
  for (size_t at = 0; at < seen_count; at++) free(seen[at]);
  seen_count = 0;
  for (; environment != NULL && environment[seen_count] != NULL && seen_count < 63; seen_count++)
    seen[seen_count] = strdup(environment[seen_count]);
  seen[seen_count] = NULL;
  return 42;
}

static int has(const char *entry) {
  int count = 0;
  for (size_t at = 0; at < seen_count; at++) count += strcmp(seen[at], entry) == 0;
  return count == 1;
}

static void test_complete(void) {
  char *own[] = {"LD_PRELOAD=/x/y.so:/opt/libauditshim.so", "AUDIT_ENDPOINT=unix:///s", "AUDIT_MODE=open", NULL};
  char *other[] = {"A=1", "LD_PRELOAD=/z.so /opt/other/libauditshim.so", "AUDIT_ENDPOINT=unix:///else", "AUDIT_OTHER=1", NULL};
  char *good[] = {"AUDIT_MODE=open", "LD_PRELOAD=/q.so:/opt/libauditshim.so", "AUDIT_ENDPOINT=unix:///s", NULL};
  char *none[] = {NULL};
  struct call call;
  call_begin(&call);
  environment_keep(own);
  CHECK(environment_complete(&call, none, 0, remember, NULL) == 42 && seen_count == 3);
  CHECK(has("LD_PRELOAD=/opt/libauditshim.so") && has("AUDIT_ENDPOINT=unix:///s") && has("AUDIT_MODE=open"));
  environment_complete(&call, NULL, 0, remember, NULL);
  CHECK(seen_count == 3);
  environment_complete(&call, good, 0, remember, NULL);
  CHECK(seen_count == 3 && strcmp(seen[1], good[1]) == 0);
  for (call.borrowed = 0; call.borrowed < 2; call.borrowed++) {
    environment_complete(&call, other, 0, remember, NULL);
    CHECK(seen_count == 5 && has("A=1") && has("AUDIT_OTHER=1") && has("AUDIT_ENDPOINT=unix:///s"));
    CHECK(has("LD_PRELOAD=/opt/libauditshim.so:/z.so /opt/other/libauditshim.so") && has("AUDIT_MODE=open"));
  }
  call.borrowed = 0;
  call.live->dropped = 7;
  environment_complete(&call, good, 1, remember, NULL);
  CHECK(seen_count == 4 && has("AUDIT_DROPPED=7"));
  call.live->dropped = 0;
  own[0] = "LD_PRELOAD=libauditshim.so:/xlibauditshim.so"; /* relative, and another library */
  environment_keep(own);
  environment_complete(&call, none, 0, remember, NULL);
  CHECK(seen_count == 2);
}

/* Both ways to find the real functions find the same ones. */
static void test_real(void) {
  struct real by_dlsym;
  real_resolve_dlsym();
  memcpy(&by_dlsym, &real, sizeof real);
  real_resolve_elf();
  CHECK(real.execve != NULL && real.fopen != NULL && real.posix_spawn != NULL && real.openat != NULL);
#define SAME(name, type, parameters) CHECK(real.name == by_dlsym.name);
  REAL_FUNCTIONS(SAME)
  CHECK(elf_next("no_such_function") == NULL);
  memcpy(&real, &by_dlsym, sizeof real);
}

/* ------------------------------------------------------------------------------------------------ hooks */

static int listener;
static char received[1 << 20];

static void *receive_all(void *unused) {
  size_t length = 0;
  int fd = accept(listener, NULL, NULL);
  for (ssize_t count; (count = read(fd, received + length, sizeof received - 1 - length)) > 0;) length += (size_t)count;
  close(fd);
  return unused;
}

static int lines_with(const char *text) {
  int count = 0;
  for (const char *at = received; (at = strstr(at, text)) != NULL; at++) count++;
  return count;
}

static void listen_at(struct sockaddr_un *address) {
  listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  unlink(address->sun_path);
  CHECK(bind(listener, (void *)address, sizeof *address) == 0 && listen(listener, 64) == 0);
}

static void use_hooks(void) {
  char *argv[] = {"true", "spawned", NULL};
  int fd = hook_open("/dev/null", O_RDONLY);
  CHECK(fd >= 0 && close(fd) == 0);
  CHECK(hook_open("/no/such", O_RDONLY) == -1 && errno == ENOENT);
  CHECK(hook_open((const char *)1, O_RDONLY) == -1 && errno == EFAULT);
  FILE *stream = hook_fopen("/dev/zero", "r");
  CHECK(stream != NULL && fclose(stream) == 0);
  void *folder = hook_opendir("/");
  CHECK(folder != NULL && closedir(folder) == 0);
  CHECK((fd = (int)hook_syscall(__NR_openat, AT_FDCWD, (long)"/dev/full", O_RDONLY, 0, 0, 0)) >= 0 && close(fd) == 0);
  CHECK(hook_syscall(__NR_getpid, 0, 0, 0, 0, 0, 0) == getpid());
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  fd = socket(AF_INET, SOCK_DGRAM, 0);
  CHECK(hook_connect(fd, &address, sizeof address) == 0 && close(fd) == 0);
  pid_t child;
  int status = -1;
  CHECK(hook_posix_spawn(&child, "/bin/true", NULL, NULL, argv, environ) == 0);
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  CHECK((child = fork()) >= 0);
  if (child == 0) {
    hook_execlp("true", "true", "executed", (char *)NULL);
    _exit(1);
  }
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void test_hooks(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "/tmp/agentops-test-shim-%d", (int)getpid());
  char endpoint[128];
  snprintf(endpoint, sizeof endpoint, "unix://%s", address.sun_path);
  setenv("AUDIT_ENDPOINT", endpoint, 1);
  setenv("AUDIT_SESSION_ID", "run_unit", 1);
  setenv("AUDIT_DROPPED", "3", 1);
  CHECK(shim_ready());
  CHECK(getenv("AUDIT_DROPPED") == NULL);
  struct call call;
  call_begin(&call);
  use_hooks(); /* nobody listens: nothing changes, all of it is counted */
  CHECK(call.live->dropped == 3 + 7); /* the forked child has a count of its own */
  uint64_t lost = call.live->dropped;
  call.live->retry_at = 0;
  listen_at(&address);
  pthread_t thread;
  pthread_create(&thread, NULL, receive_all, NULL);
  use_hooks();
  CHECK(call.live->dropped == 0);
  for (int fd = 3; fd < 1024; fd++) /* the connection is the highest descriptor */
    if (fd >= 100 && fd != listener) close(fd);
  pthread_join(thread, NULL);
  char count[64];
  snprintf(count, sizeof count, "\"count\":%d,", (int)lost);
  CHECK(lines_with(count) == 1 && lines_with("\"event_type\":\"Drop\"") == 1);
  CHECK(lines_with("\"event_type\":\"Open\"") == 5 && lines_with("\"event_type\":\"Connect\"") == 1);
  CHECK(lines_with("\"spawned\"") == 1 && lines_with("\"executed\"") == 1);
  CHECK(lines_with("\"path\":\"/no/such\",\"flags\":0,\"result\":2") == 1);
  settings.closed = 1;
  close(listener);
  unlink(address.sun_path);
  CHECK(hook_open("/dev/null", O_RDONLY) == -1 && errno == EIO);
  settings.closed = 0;
}

int main(void) {
  test_endpoint();
  test_memory();
  test_shown();
  test_real();
  test_hooks();
  test_complete();
  for (size_t at = 0; at < seen_count; at++) free(seen[at]);
  if (failures == 0) puts("shim: nothing found");
  return failures == 0 ? 0 : 1;
}
