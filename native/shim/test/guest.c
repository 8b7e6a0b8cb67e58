/*
 * A program that does what is hard on a preloaded library; the tests run it with the shim and look at what was reported.
 * usage: guest CASE [ARGUMENT...]. It says what is wrong and exits 1; 0 when the program itself saw nothing unusual.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int wrong(const char *what) {
  fprintf(stderr, "guest: %s (errno %d)\n", what, errno);
  return 1;
}

static int open_and_close(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  close(fd);
  return 1;
}

static int count_descriptors(void) {
  int count = 0;
  for (int fd = 0; fd < 1024; fd++)
    if (fcntl(fd, F_GETFD) != -1) count++;
  return count;
}

static int wait_for(pid_t child) {
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ------------------------------------------------------------------------------------------------ opens */

/* Every function of the family that the libc has, on a file of its own name below the folder. */
static int case_opens(char **arguments) {
  const char *folder = arguments[0];
  char path[512];
  int fd;
  FILE *stream;
#define AT(name) (snprintf(path, sizeof path, "%s/%s", folder, name), path)
#define MAKES(name, call) \
  if ((fd = (call)) < 0) return wrong(name); \
  close(fd)
#define STREAMS(name, call)               \
  if ((stream = (call)) == NULL) return wrong(name); \
  fclose(stream)
  MAKES("open", open(AT("open"), O_CREAT | O_WRONLY, 0640));
  MAKES("openat", openat(AT_FDCWD, AT("openat"), O_CREAT | O_RDWR, 0600));
  MAKES("creat", creat(AT("creat"), 0644));
  MAKES("syscall", (int)syscall(SYS_openat, AT_FDCWD, AT("syscall"), O_CREAT | O_WRONLY, 0600));
  STREAMS("fopen", fopen(AT("fopen"), "w+"));
  STREAMS("freopen", freopen(AT("freopen"), "a", stdin));
  STREAMS("tmpfile", tmpfile());
  MAKES("mkstemp", mkstemp(AT("mkstemp-XXXXXX")));
  MAKES("mkostemp", mkostemp(AT("mkostemp-XXXXXX"), O_CLOEXEC));
  MAKES("mkstemps", mkstemps(AT("mkstemps-XXXXXX.c"), 2));
  DIR *dir = opendir(folder);
  if (dir == NULL) return wrong("opendir");
  MAKES("openat in a folder", openat(dirfd(dir), "relative", O_CREAT | O_WRONLY, 0600));
  closedir(dir);
  struct dirent **list;
  int count = scandir(folder, &list, NULL, NULL);
  if (count < 0) return wrong("scandir");
  while (count-- > 0) free(list[count]);
  free(list);
  if (open(AT("missing/file"), O_RDONLY) != -1 || errno != ENOENT) return wrong("a missing file");
  return 0;
}

static int case_bytes(char **arguments) {
  char path[512];
  snprintf(path, sizeof path, "%s/\xff\xfe\n\"\\", arguments[0]);
  int fd = open(path, O_CREAT | O_WRONLY, 0600);
  if (fd < 0) return wrong("open");
  close(fd);
  execl("/bin/true", "\xff\xfe", "tab\there", (char *)NULL);
  return wrong("exec");
}

static int case_errno(char **arguments) {
  (void)arguments;
  errno = 4711;
  int fd = open("/dev/null", O_RDONLY);
  if (fd < 0 || errno != 4711) return wrong("errno changed by a call that succeeded");
  close(fd);
  if (open("/no/such/file", O_RDONLY) != -1 || errno != ENOENT) return wrong("errno of a call that failed");
  if (execl("/no/such/program", "x", (char *)NULL) != -1 || errno != ENOENT) return wrong("errno of an exec that failed");
  return 0;
}

static int case_pointers(char **arguments) {
  (void)arguments;
  char *bad[] = {(char *)1, (char *)4096, (char *)(uintptr_t)-4096, NULL};
  char *volatile none = NULL;
  char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(page + 4096, 4096, PROT_NONE);
  memset(page, 'a', 4096);
  for (int at = 0; at < 3; at++) {
    if (open(bad[at], O_RDONLY) != -1 || errno != EFAULT) return wrong("open");
    if (open(bad[at], O_RDONLY | O_TMPFILE | O_CREAT, 0) != -1) return wrong("open with flags that make no sense");
    if (syscall(SYS_openat, AT_FDCWD, bad[at], O_WRONLY) != -1 || errno != EFAULT) return wrong("syscall");
    if (execve(bad[at], environ, environ) != -1 || errno != EFAULT) return wrong("execve, path");
    if (execve("/bin/true", (char **)bad[at], environ) != -1 || errno != EFAULT) return wrong("execve, argv");
    if (execve("/bin/true", environ, (char **)bad[at]) != -1 || errno != EFAULT) return wrong("execve, envp");
    char *in_array[] = {"true", bad[at], NULL};
    if (execve("/bin/true", in_array, environ) != -1 || errno != EFAULT) return wrong("execve, an argument");
    if (execve("/bin/true", bad + 3, in_array) != -1 || errno != EFAULT) return wrong("execve, a variable");
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (connect(fd, (void *)bad[at], 16) != -1 || errno != EFAULT) return wrong("connect");
    if (sendto(fd, "x", 1, 0, (void *)bad[at], 16) != -1 || errno != EFAULT) return wrong("sendto");
#ifdef __GLIBC__ /* musl copies the message before it asks the kernel */
    if (sendmsg(fd, (void *)bad[at], 0) != -1 || errno != EFAULT) return wrong("sendmsg");
    if (sendmmsg(fd, (void *)bad[at], 1, 0) != -1 || errno != EFAULT) return wrong("sendmmsg");
#endif
    close(fd);
  }
  if (open(none, O_RDONLY) != -1 || errno != EFAULT) return wrong("open of NULL");
  if (execve(none, bad + 3, environ) != -1 || errno != EFAULT) return wrong("execve of NULL");
  if (open(page, O_RDONLY) != -1 || (errno != EFAULT && errno != ENAMETOOLONG)) return wrong("a path without an end");
  if (execve(page, environ, environ) != -1 || (errno != EFAULT && errno != ENAMETOOLONG)) return wrong("exec without an end");
  char *unended[] = {"true", page + 4000, NULL};
  if (execve("/bin/true", unended, environ) != -1 || errno != EFAULT) return wrong("an argument without an end");
  return open_and_close("/dev/null") ? 0 : wrong("open afterwards");
}

/* ------------------------------------------------------------------------------------------------ processes */

static int case_execs(char **arguments) {
  (void)arguments;
  char *argv[] = {"true", "here", NULL};
  char *own[] = {"MINE=1", NULL};
  char *empty[] = {NULL};
  int fd;
#define CHILD(statement)                 \
  do {                                   \
    pid_t child = fork();                \
    if (child == 0) {                    \
      statement;                         \
      _exit(wrong(#statement));          \
    }                                    \
    if (wait_for(child) != 0) return 1;  \
  } while (0)
#define NAMED(name, statement) argv[1] = name; CHILD(statement)
  NAMED("execve", execve("/bin/true", argv, own));
  NAMED("execv", execv("/bin/true", argv));
  NAMED("execvp", execvp("true", argv));
  NAMED("execvpe", execvpe("true", argv, empty));
  CHILD(execl("/bin/true", "true", "execl", (char *)NULL));
  CHILD(execlp("true", "true", "execlp", (char *)NULL));
  CHILD(execle("/bin/true", "true", "execle", (char *)NULL, own));
  NAMED("fexecve", fd = open("/bin/true", O_RDONLY | O_CLOEXEC); fexecve(fd, argv, environ));
  NAMED("syscall", syscall(SYS_execve, "/bin/true", argv, environ));
  NAMED("execveat", fd = open("/bin", O_PATH); syscall(SYS_execveat, fd, "true", argv, own, 0));
  pid_t child;
  argv[1] = "posix_spawn";
  if (posix_spawn(&child, "/bin/true", NULL, NULL, argv, own) != 0 || wait_for(child) != 0) return wrong("posix_spawn");
  argv[1] = "posix_spawnp";
  if (posix_spawnp(&child, "true", NULL, NULL, argv, environ) != 0 || wait_for(child) != 0) return wrong("posix_spawnp");
  if (posix_spawn(NULL, "/no/such/program", NULL, NULL, argv, environ) != ENOENT) return wrong("a spawn that fails");
  if (system("true system") != 0) return wrong("system");
  FILE *stream = popen("true popen", "r");
  if (stream == NULL || pclose(stream) != 0) return wrong("popen");
  child = vfork();
  if (child == 0) {
    argv[1] = "vfork";
    execve("/bin/true", argv, empty);
    _exit(1);
  }
  return wait_for(child) == 0 ? 0 : wrong("vfork");
}

/* A cleaned environment of so many variables, by fork, vfork and posix_spawn; the child prints its own. */
static int case_clean(char **arguments) {
  int count = atoi(arguments[0]);
  const char *preload = arguments[1];
  char **own = calloc((size_t)count + 2, sizeof *own);
  int at = 0;
  for (; at < count; at++)
    if (asprintf(&own[at], "VARIABLE_%d=%d", at, at) < 0) return 1;
  if (preload != NULL && asprintf(&own[at], "LD_PRELOAD=%s", preload) < 0) return 1;
  char *argv[] = {"env", NULL};
  pid_t child = fork();
  if (child == 0) {
    execve("/usr/bin/env", argv, own);
    _exit(1);
  }
  if (wait_for(child) != 0) return wrong("fork");
  child = vfork();
  if (child == 0) {
    execve("/usr/bin/env", argv, own);
    _exit(1);
  }
  if (wait_for(child) != 0) return wrong("vfork");
  if (posix_spawn(&child, "/usr/bin/env", NULL, NULL, argv, own) != 0 || wait_for(child) != 0) return wrong("spawn");
  clearenv();
  return system("exec /usr/bin/env") == 0 ? 0 : wrong("system");
}

static int case_leak(char **arguments) {
  (void)arguments;
  char *argv[] = {"true", NULL};
  open_and_close("/dev/null");
  int before = count_descriptors();
  for (int at = 0; at < 50; at++) {
    pid_t child = vfork();
    if (child == 0) {
      /* As subprocess and others do: what the shim had is gone in the child. */
      if (at % 2) for (int fd = 3; fd < 1024; fd++) close(fd);
      execve("/bin/true", argv, environ);
      _exit(1);
    }
    if (wait_for(child) != 0) return wrong("vfork");
  }
  return count_descriptors() == before ? 0 : wrong("descriptors leaked");
}

static void *open_many(void *count) {
  for (long at = 0; at < *(long *)count; at++)
    if (!open_and_close("/dev/null")) return (void *)1;
  return NULL;
}

static int run_threads(long threads, long count) {
  pthread_t thread[64];
  for (long at = 0; at < threads; at++) pthread_create(&thread[at], NULL, open_many, &count);
  int failed = 0;
  for (long at = 0; at < threads; at++) {
    void *result;
    pthread_join(thread[at], &result);
    if (result != NULL) failed = 1;
  }
  return failed;
}

/* PROCESSES THREADS OPENS: each process has so many threads, each of them opens so many files. */
static int case_flood(char **arguments) {
  long processes = atol(arguments[0]);
  for (long at = 0; at < processes; at++)
    if (fork() == 0) exit(run_threads(atol(arguments[1]), atol(arguments[2])));
  int failed = 0;
  for (int status; wait(&status) > 0;) failed |= status;
  return failed == 0 ? 0 : wrong("a child");
}

/* Forks while threads are inside hooks: a child that inherited a lock would never end. */
static int case_fork(char **arguments) {
  long count = 20000;
  pthread_t thread[4];
  (void)arguments;
  for (int at = 0; at < 4; at++) pthread_create(&thread[at], NULL, open_many, &count);
  for (int at = 0; at < 100; at++) {
    pid_t child = fork();
    if (child == 0) _exit(open_and_close("/dev/zero") ? 0 : 1);
    if (wait_for(child) != 0) return wrong("a child");
  }
  for (int at = 0; at < 4; at++) pthread_join(thread[at], NULL);
  return 0;
}

/* ------------------------------------------------------------------------------------------------ signals */

static volatile sig_atomic_t handled;

static void open_in_handler(int signal) {
  (void)signal;
  int kept = errno;
  handled += open_and_close("/dev/full");
  errno = kept;
}

static int handle(int number, int flags) {
  struct sigaction action = {.sa_handler = open_in_handler, .sa_flags = flags};
  return sigaction(number, &action, NULL);
}

static int case_altstack(char **arguments) {
  (void)arguments;
  size_t size = 8192;
  char *memory = mmap(NULL, size + 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(memory, 4096, PROT_NONE);
  stack_t stack = {.ss_sp = memory + 4096, .ss_size = size};
  if (sigaltstack(&stack, NULL) != 0 || handle(SIGUSR1, SA_ONSTACK) != 0) return wrong("sigaltstack");
  raise(SIGUSR1); /* the first event of this process: the handler also connects */
  raise(SIGUSR1);
  return handled == 2 ? 0 : wrong("the handler");
}

/* A timer interrupts hooks wherever they are; the handler enters them again. */
static int case_signals(char **arguments) {
  const struct itimerval soon = {{0, 300}, {0, 300}};
  const struct itimerval never = {{0, 0}, {0, 0}};
  long opened = 0;
  long count = atol(arguments[0]);
  if (handle(SIGALRM, 0) != 0) return wrong("sigaction");
  setitimer(ITIMER_REAL, &soon, NULL);
  while (opened < count) opened += open_and_close("/dev/null");
  setitimer(ITIMER_REAL, &never, NULL);
  printf("%d\n", (int)handled);
  return 0;
}

/* ------------------------------------------------------------------------------------------------ descriptors */

static int case_closefrom(char **arguments) {
  (void)arguments;
  for (int round = 0; round < 3; round++) {
    if (!open_and_close("/dev/null")) return wrong("open");
    if (syscall(SYS_close_range, 3, ~0u, 0) != 0)
      for (int fd = 3; fd < 1024; fd++) close(fd);
  }
  int fd = open("/dev/null", O_RDONLY);
  return fd == 3 ? 0 : wrong("the first free descriptor is not 3");
}

/* Puts sockets and pipes of its own where the shim's connection was: none of our bytes may come out of them. */
static int case_reuse(char **arguments) {
  int own[2];
  char byte;
  (void)arguments;
  open_and_close("/dev/null");
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, own) != 0) return wrong("socketpair");
  for (int fd = 5; fd < 1024; fd++)
    if (fcntl(fd, F_GETFD) != -1 && dup2(own[0], fd) < 0) return wrong("dup2");
  for (int at = 0; at < 3; at++)
    if (!open_and_close("/dev/zero")) return wrong("open");
  if (recv(own[1], &byte, 1, MSG_DONTWAIT) != -1 || errno != EAGAIN) return wrong("bytes of the shim in a socket of ours");
  return 0;
}

static int case_full(char **arguments) {
  struct rlimit few = {16, 16};
  (void)arguments;
  if (setrlimit(RLIMIT_NOFILE, &few) != 0) return wrong("setrlimit");
  if (!open_and_close("/dev/null")) return wrong("open");
  while (open("/dev/null", O_RDONLY) >= 0) continue;
  if (errno != EMFILE) return wrong("no descriptor left");
  for (int fd = 3; fd < 16; fd++) close(fd);
  return open_and_close("/dev/zero") ? 0 : wrong("open afterwards");
}

/* ------------------------------------------------------------------------------------------------ addresses */

static int case_connects(char **arguments) {
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(9)};
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(9), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  struct sockaddr_un path = {.sun_family = AF_UNIX};
  (void)arguments;
  four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  strcpy(path.sun_path, "/no/such/socket");
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, (void *)&four, sizeof four) != -1 || errno != ECONNREFUSED) return wrong("connect");
  close(fd);
  fd = socket(AF_INET6, SOCK_DGRAM, 0);
  if (fd >= 0) connect(fd, (void *)&six, sizeof six);
  close(fd);
  fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (connect(fd, (void *)&path, sizeof path) != -1 || errno != ENOENT) return wrong("connect to a path");
  close(fd);
  fd = socket(AF_INET, SOCK_DGRAM, 0);
  four.sin_port = htons(10);
  if (sendto(fd, "x", 1, 0, (void *)&four, sizeof four) != 1) return wrong("sendto");
  four.sin_port = htons(11);
  struct iovec part = {"x", 1};
  struct mmsghdr many[3] = {{.msg_hdr = {.msg_name = &four, .msg_namelen = sizeof four, .msg_iov = &part, .msg_iovlen = 1}}};
  many[1] = many[2] = many[0];
  close(fd);
  fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (sendmsg(fd, &many[0].msg_hdr, 0) != 1) return wrong("sendmsg");
  close(fd);
  four.sin_port = htons(12);
  fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (sendmmsg(fd, many, 3, 0) < 1) return wrong("sendmmsg");
  close(fd);
  return 0;
}

/* ------------------------------------------------------------------------------------------------ the collector */

/* Opens FIRST, says so, waits for a line on stdin, opens the next; to the end of its arguments. SIGPIPE would end it. */
static int case_steps(char **arguments) {
  char line[16];
  for (; *arguments != NULL; arguments++) {
    int fd = open(*arguments, O_RDONLY);
    printf("%d\n", fd < 0 ? errno : 0);
    fflush(stdout);
    if (fd >= 0) close(fd);
    if (fgets(line, sizeof line, stdin) == NULL) return wrong("no more steps");
  }
  return 0;
}

/* Not a guest: a collector that accepts nobody. Its queue is full when it says so; it ends with its standard input. */
static int case_deaf(char **arguments) {
  struct sockaddr_un path = {.sun_family = AF_UNIX};
  char line[16];
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  strncpy(path.sun_path, arguments[0], sizeof path.sun_path - 1);
  if (bind(fd, (void *)&path, sizeof path) != 0 || listen(fd, 0) != 0) return wrong("listen");
  int client;
  do client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  while (connect(client, (void *)&path, sizeof path) == 0);
  puts("full");
  fflush(stdout);
  return fgets(line, sizeof line, stdin) == NULL ? 0 : 1;
}

/* Loses events, then becomes a program that says so. */
static int case_become(char **arguments) {
  long count = atol(arguments[0]);
  open_many(&count);
  execvp(arguments[1], arguments + 1);
  return wrong("exec");
}

struct instruction {
  unsigned short code;
  unsigned char yes, no;
  unsigned value;
};

/* Allows nothing but a few calls from here on, and then opens a file with one of them. */
static int case_filter(char **arguments) {
  (void)arguments;
  /* linux/filter.h is not everywhere: load the number; three that are allowed; kill. */
  struct instruction code[] = {{0x20, 0, 0, 0},          {0x15, 0, 1, SYS_openat}, {0x06, 0, 0, 0x7fff0000},
                               {0x15, 0, 1, SYS_close},  {0x06, 0, 0, 0x7fff0000}, {0x15, 0, 1, SYS_exit_group},
                               {0x06, 0, 0, 0x7fff0000}, {0x06, 0, 0, 0x80000000}};
  struct {
    unsigned short length;
    struct instruction *code;
  } program = {sizeof code / sizeof *code, code};
  if (!open_and_close("/dev/null")) return wrong("open");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return wrong("prctl");
  if (prctl(PR_SET_SECCOMP, 2, &program, 0, 0) != 0) return wrong("seccomp");
  _exit(open_and_close("/dev/zero") ? 0 : 1);
}

static int exec_in_child(char **argv) {
  pid_t child = fork();
  if (child == 0) {
    execv("/bin/true", argv);
    _exit(errno);
  }
  return wait_for(child);
}

/* Each kind of call once; prints the errno of each. */
static int case_refused(char **arguments) {
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(9)};
  char *argv[] = {"true", NULL};
  (void)arguments;
  four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
#define SAY(call) errno = 0, (void)!(call), printf("%d ", errno)
  SAY(open("/dev/null", O_RDONLY));
  SAY(fopen("/dev/null", "r"));
  SAY(opendir("/"));
  SAY(connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&four, sizeof four));
  SAY(sendto(socket(AF_INET, SOCK_DGRAM, 0), "x", 1, 0, (void *)&four, sizeof four));
  SAY((errno = exec_in_child(argv)));
  SAY(system("true"));
  SAY(popen("true", "r"));
  printf("%d\n", posix_spawn(NULL, "/bin/true", NULL, NULL, argv, environ));
  return 0;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    int (*run)(char **);
  } cases[] = {
      {"opens", case_opens},         {"bytes", case_bytes},         {"errno", case_errno},   {"pointers", case_pointers},
      {"execs", case_execs},         {"clean", case_clean},         {"leak", case_leak},     {"flood", case_flood},
      {"fork", case_fork},           {"altstack", case_altstack},   {"signals", case_signals}, {"closefrom", case_closefrom},
      {"reuse", case_reuse},         {"full", case_full},           {"connects", case_connects}, {"steps", case_steps},
      {"refused", case_refused},     {"deaf", case_deaf},           {"become", case_become},  {"filter", case_filter},
  };
  for (size_t at = 0; argc > 1 && at < sizeof cases / sizeof cases[0]; at++)
    if (strcmp(argv[1], cases[at].name) == 0) return cases[at].run(argv + 2);
  fprintf(stderr, "guest: no such case\n");
  return 2;
}
