/*
 * The calls that are recorded, made in one of three ways: RAW 1, by the syscall instruction; RAW 0, by libc's syscall().
 * What is done is the same and deterministic. Used by static-raw, dynamic-raw and syscall.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static long call6(long n, long a, long b, long c, long d, long e, long f) {
#if RAW && defined(__x86_64__)
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result = n;
    __asm__ volatile("syscall"
                     : "+a"(result)
                     : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
#elif RAW && defined(__aarch64__)
    register long x8 __asm__("x8") = n;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
#else
    return syscall(n, a, b, c, d, e, f);
#endif
}

#define CALL(n, a, b, c, d, e) call6((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)

static void run(int way) {
    char *argv[] = {"true", "from", "raw", NULL};
    char *env[] = {"A=b", NULL};
    pid_t pid = fork();
    if (pid == 0) {
        long fd;
        switch (way) {
        case 0: CALL(SYS_execve, "/bin/true", argv, env, 0, 0); break;
        case 1: CALL(SYS_execveat, AT_FDCWD, "/bin/true", argv, env, 0); break;
        case 2:
            fd = CALL(SYS_openat, AT_FDCWD, "/bin/true", O_PATH | O_CLOEXEC, 0, 0);
            CALL(SYS_execveat, fd, "", argv, env, AT_EMPTY_PATH);
            break;
        case 3:
            fd = CALL(SYS_openat, AT_FDCWD, "/bin", O_PATH | O_DIRECTORY | O_CLOEXEC, 0, 0);
            CALL(SYS_execveat, fd, "true", argv, env, 0);
            break;
        default: CALL(SYS_execve, "/no/such/program", argv, env, 0, 0); break;
        }
        _exit(9);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    printf("%d\n", WEXITSTATUS(status));
    fflush(stdout);
}

int main(void) {
    long directory = CALL(SYS_openat, AT_FDCWD, ".", O_RDONLY | O_DIRECTORY, 0, 0);
    for (int i = 0; i < 50; i++) {
        char name[32];
        snprintf(name, sizeof name, "file-%d", i);
        close((int)CALL(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT, 0600, 0));
        close((int)CALL(SYS_openat, directory, name, O_RDONLY, 0, 0));
    }
#ifdef SYS_open
    close((int)CALL(SYS_open, "file-1", O_RDWR, 0, 0, 0));
    close((int)CALL(SYS_creat, "created", 0600, 0, 0, 0));
#endif
    struct open_how how = {.flags = O_RDWR | O_CREAT, .mode = 0600, .resolve = RESOLVE_BENEATH};
    close((int)CALL(SYS_openat2, AT_FDCWD, "second", &how, sizeof how, 0));
    how = (struct open_how){.flags = O_RDONLY};
    close((int)CALL(SYS_openat2, directory, "second", &how, sizeof how, 0));
    CALL(SYS_openat, AT_FDCWD, "/no/such/file", O_WRONLY, 0, 0);
    CALL(SYS_openat, AT_FDCWD, NULL, O_WRONLY, 0, 0);
    for (int way = 0; way < 5; way++) run(way);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(getenv("TRUTH_HTTP")))};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    printf("%ld\n", CALL(SYS_connect, fd, &in, sizeof in, 0, 0));
    close(fd);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    strncpy(un.sun_path, getenv("TRUTH_UNIX"), sizeof un.sun_path - 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    printf("%ld\n", CALL(SYS_connect, fd, &un, sizeof un, 0, 0));
    close(fd);
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    printf("%ld\n", CALL(SYS_connect, fd, &none, sizeof none, 0, 0));
    close(fd);
    return 0;
}
