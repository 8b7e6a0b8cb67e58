/*
 * A guest for tests: does one thing, with raw system calls where libc would get in the way, and prints "NAME RESULT",
 * where RESULT is what the call returned or the name of its errno. Built static.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *name, long result) {
  if (result >= 0) printf("%s %ld\n", name, result);
  else printf("%s %s\n", name, strerrorname_np(errno));
  fflush(stdout);
}

/* Everything that could hurt one process. */
static int attack(char **arguments) {
  pid_t target = (pid_t)atoi(arguments[0]);
  struct rlimit none = {0, 0};
  struct sched_param parameters = {0};
  cpu_set_t processors;
  char byte;
  struct iovec local = {&byte, 1};
  struct iovec remote = {&byte, 1};
  siginfo_t information = {.si_code = SI_QUEUE};
  char path[32];
  CPU_ZERO(&processors);
  CPU_SET(0, &processors);
  say("kill", syscall(SYS_kill, target, SIGKILL));
  say("stop", syscall(SYS_kill, target, SIGSTOP));
  say("term", syscall(SYS_kill, target, SIGTERM));
  say("tkill", syscall(SYS_tkill, target, SIGKILL));
  say("tgkill", syscall(SYS_tgkill, target, target, SIGKILL));
  say("rt_sigqueueinfo", syscall(SYS_rt_sigqueueinfo, target, SIGKILL, &information));
  say("rt_tgsigqueueinfo", syscall(SYS_rt_tgsigqueueinfo, target, target, SIGKILL, &information));
  say("pidfd_open", syscall(SYS_pidfd_open, target, 0));
  snprintf(path, sizeof path, "/proc/%d", (int)target);
  int directory = open(path, O_RDONLY | O_DIRECTORY);
  say("pidfd_send_signal", syscall(SYS_pidfd_send_signal, directory, SIGKILL, NULL, 0));
  say("ptrace", syscall(SYS_ptrace, PTRACE_ATTACH, target, 0, 0));
  say("seize", syscall(SYS_ptrace, PTRACE_SEIZE, target, 0, 0));
  say("process_vm_readv", process_vm_readv(target, &local, 1, &remote, 1, 0));
  say("process_vm_writev", process_vm_writev(target, &local, 1, &remote, 1, 0));
  say("prlimit64", syscall(SYS_prlimit64, target, RLIMIT_NOFILE, &none, NULL));
  say("sched_setscheduler", sched_setscheduler(target, SCHED_OTHER, &parameters));
  say("sched_setaffinity", sched_setaffinity(target, sizeof processors, &processors));
  say("setpriority", setpriority(PRIO_PROCESS, (id_t)target, 19));
  say("setpriority_user", setpriority(PRIO_USER, 0, 19));
  say("setown", fcntl(0, F_SETOWN, target));
  say("siocspgrp", ioctl(0, 0x8902, &target));
  say("kill_all", syscall(SYS_kill, -1, SIGKILL));
  return 0;
}

/* The threads of a process, one by one. */
static int attack_threads(char **arguments) {
  long refused = 0;
  long sent = 0;
  for (int thread = atoi(arguments[0]) + 1; thread < atoi(arguments[0]) + 40; thread++) {
    if (syscall(SYS_tgkill, atoi(arguments[0]), thread, 0) == 0) sent++;
    else if (errno == EPERM) refused++;
  }
  say("threads_signalled", sent);
  say("threads_refused", refused);
  return 0;
}

static int group(char **arguments) {
  (void)arguments;
  signal(SIGUSR1, SIG_IGN);
  pid_t child = fork();
  if (child == 0) {
    signal(SIGUSR1, SIG_DFL);
    say("ready", 0);
    pause();
    return 0;
  }
  usleep(200000);
  int status = 0;
  say("kill_group", syscall(SYS_kill, 0, SIGUSR1));
  waitpid(child, &status, 0);
  say("child_signal", WTERMSIG(status));
  return 0;
}

static int foreign(char **arguments) {
  (void)arguments;
#ifdef __x86_64__
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory", "r8", "r9", "r10", "r11"); /* getpid of i386 */
  errno = (int)-result;
  say("int80", result < 0 ? -1 : 0);
  say("x32", syscall(SYS_getpid | 0x40000000));
#else
  say("int80", (errno = EPERM, -1));
  say("x32", (errno = EPERM, -1));
#endif
  return 0;
}

static int io_uring(char **arguments) {
  char parameters[256] = {0};
  (void)arguments;
  say("io_uring_setup", syscall(425, 4, parameters));
  return 0;
}

/* A file opened, a program executed, with nothing of libc in between. */
static int raw(char **arguments) {
  char *command[] = {"true", "static raw", NULL};
  char *environment[] = {"SECRET_TOKEN=hunter2", "HOME=/nowhere", NULL};
  say("open", syscall(SYS_openat, AT_FDCWD, arguments[0], O_RDONLY) >= 0 ? 0 : -1);
  say("write", syscall(SYS_openat, AT_FDCWD, arguments[1], O_WRONLY | O_CREAT, 0600) >= 0 ? 0 : -1);
  struct {
    unsigned long long flags, mode, resolve;
  } how = {O_RDONLY, 0, 0};
  say("openat2", syscall(437, AT_FDCWD, arguments[0], &how, sizeof how) >= 0 ? 0 : -1);
  syscall(SYS_execve, "/bin/true", command, environment);
  say("execve", -1);
  return 1;
}

static int dumpable(char **arguments) {
  say("set", prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
  say("open", open(arguments[0], O_RDONLY) >= 0 ? 0 : -1);
  return 0;
}

static int unreadable(char **arguments) {
  (void)arguments;
  say("open", syscall(SYS_openat, AT_FDCWD, (void *)8, O_RDONLY));
  say("execve", syscall(SYS_execve, (void *)8, NULL, NULL));
  say("argv", syscall(SYS_execve, "/bin/true", (void *)8, NULL));
  say("connect", connect(0, (void *)8, 16));
  say("length", connect(0, (void *)8, 1000));
  say("openat2", syscall(437, AT_FDCWD, "/", (void *)8, 24));
  return 0;
}

/* ------------------------------------------------------------------------------------------------ connects */

static struct sockaddr_in address_of(const char *host, const char *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((in_port_t)atoi(port))};
  inet_pton(AF_INET, host, &address.sin_addr);
  return address;
}

static int connect_to(char **arguments) {
  struct sockaddr_in address = address_of(arguments[0], arguments[1]);
  bool patient = arguments[2] == NULL;
  int socket_type = patient ? SOCK_STREAM : SOCK_STREAM | SOCK_NONBLOCK;
  int fd = socket(AF_INET, socket_type, 0);
  say("connect", connect(fd, (struct sockaddr *)&address, sizeof address));
  say("flags", fcntl(fd, F_GETFL) & O_NONBLOCK);
  if (patient) say("again", connect(fd, (struct sockaddr *)&address, sizeof address));
  return 0;
}

static int connect_unix(char **arguments) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, arguments[0], sizeof address.sun_path - 1);
  say("connect", connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address));
  return 0;
}

static volatile bool racing = true;
static struct sockaddr_in shared_address;
static in_port_t ports[2];

static void *flip(void *argument) {
  for (unsigned i = 0; racing; i++) *(volatile in_port_t *)&shared_address.sin_port = ports[i & 1];
  return argument;
}

/* HOST ALLOWED DENIED COUNT: connects while another thread changes the port. */
static int race(char **arguments) {
  pthread_t thread;
  long reached = 0;
  long refused = 0;
  shared_address = address_of(arguments[0], arguments[1]);
  ports[0] = htons((in_port_t)atoi(arguments[1]));
  ports[1] = htons((in_port_t)atoi(arguments[2]));
  pthread_create(&thread, NULL, flip, NULL);
  for (int i = 0; i < atoi(arguments[3]); i++) {
    struct sockaddr_in peer = {0};
    socklen_t size = sizeof peer;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&shared_address, sizeof shared_address) != 0) refused += errno == EPERM;
    else if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.sin_port == ports[1]) reached++;
    close(fd);
  }
  racing = false;
  pthread_join(thread, NULL);
  say("reached", reached);
  say("refused", refused);
  return 0;
}

static void on_alarm(int number) {
  (void)number;
}

/* A listener that does not accept, its backlog full. */
static struct sockaddr_in full_listener(void) {
  struct sockaddr_in address = address_of("127.0.0.1", "0");
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  bind(listener, (struct sockaddr *)&address, sizeof address);
  listen(listener, 1);
  getsockname(listener, (struct sockaddr *)&address, &size);
  for (int i = 0; i < 16; i++) {
    connect(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), (struct sockaddr *)&address, sizeof address);
  }
  return address;
}

/* A connect that takes for ever, beside opens that must not wait for it; a signal ends it. */
static void *slow_connect(void *argument) {
  say("slow", connect(socket(AF_INET, SOCK_STREAM, 0), argument, sizeof(struct sockaddr_in)));
  return NULL;
}

static int slow(char **arguments) {
  pthread_t thread;
  struct sockaddr_in address = full_listener();
  (void)arguments;
  struct sigaction action = {.sa_handler = on_alarm};
  sigaction(SIGALRM, &action, NULL);
  pthread_create(&thread, NULL, slow_connect, &address);
  usleep(300000);
  int opened = 0;
  for (int i = 0; i < 1000; i++) {
    int fd = open("/dev/null", O_RDONLY);
    if (fd < 0) continue;
    close(fd);
    opened++;
  }
  say("opened", opened);
  pthread_kill(thread, SIGALRM);
  pthread_join(thread, NULL);
  return 0;
}

/* ------------------------------------------------------------------------------------------------ many */

static void *open_many(void *argument) {
  for (int i = 0; i < *(int *)argument; i++) close(open("/dev/null", O_RDONLY));
  return NULL;
}

static int opens(char **arguments) {
  pthread_t threads[64];
  int count = atoi(arguments[1]);
  int thread_count = atoi(arguments[0]);
  for (int i = 0; i < thread_count; i++) pthread_create(&threads[i], NULL, open_many, &count);
  for (int i = 0; i < thread_count; i++) pthread_join(threads[i], NULL);
  say("opens", (long)thread_count * count);
  return 0;
}

/* Leaves a process behind that has left everything: session, parent, and SIGTERM. */
static int leave_daemon(char **arguments) {
  int link[2];
  char byte;
  if (pipe(link) != 0) return 1;
  if (fork() == 0) {
    setsid();
    if (fork() != 0) _exit(0);
    signal(SIGTERM, arguments[0] == NULL ? SIG_DFL : SIG_IGN);
    printf("daemon %d\n", (int)getpid());
    fflush(stdout);
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++) dup2(null, fd);
    close(link[0]);
    if (write(link[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  wait(NULL);
  close(link[1]);
  return read(link[0], &byte, 1) == 1 ? 0 : 1;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    int (*run)(char **arguments);
    int arguments;
  } things[] = {{"attack", attack, 1},       {"threads", attack_threads, 1}, {"group", group, 0},
                {"foreign", foreign, 0},     {"io_uring", io_uring, 0},      {"raw", raw, 2},
                {"dumpable", dumpable, 1},   {"unreadable", unreadable, 0},  {"connect", connect_to, 2},
                {"unix", connect_unix, 1},   {"race", race, 4},              {"slow", slow, 0},
                {"opens", opens, 2},         {"daemon", leave_daemon, 0}};
  for (size_t i = 0; argc > 1 && i < sizeof things / sizeof *things; i++) {
    if (strcmp(argv[1], things[i].name) == 0 && argc >= 2 + things[i].arguments) return things[i].run(argv + 2);
  }
  fprintf(stderr, "guest: what?\n");
  return 2;
}
