/*
 * One kind of call, as often as told: prints the nanoseconds that one took. Times itself, so that the start of the
 * program, of a supervisor or of strace is not part of it. Linked dynamically: a preloaded library sees all of it.
 *
 *   calls open COUNT FILE        open for reading and close
 *   calls connect COUNT PORT     socket, connect to 127.0.0.1:PORT where nobody listens, close
 *   calls exec COUNT PROGRAM     vfork, execve, wait for its end
 *   calls time FILE COMMAND...   runs COMMAND and writes the nanoseconds that it took to FILE; ends with its status
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void open_once(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) fail(path);
    close(fd);
}

static void connect_once(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 || errno != ECONNREFUSED) fail("connect");
    close(fd);
}

static int wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) fail("waitpid");
    return status;
}

static void exec_once(const char *program)
{
    char *const argv[] = {(char *)program, NULL};
    pid_t child = vfork();
    if (child < 0) fail("vfork");
    if (child == 0) {
        execve(program, argv, environ);
        _exit(127);
    }
    int status = wait_for(child);
    if (status != 0) {
        fprintf(stderr, "%s: status %d\n", program, status);
        exit(1);
    }
}

static int timed(const char *path, char **command)
{
    long long begin = now_ns();
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    int status = wait_for(child);
    long long nanos = now_ns() - begin;
    FILE *file = fopen(path, "w");
    if (file == NULL || fprintf(file, "%lld\n", nanos) < 0 || fclose(file) != 0) fail(path);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
    if (argc >= 4 && strcmp(argv[1], "time") == 0) return timed(argv[2], argv + 3);
    if (argc != 4) return 2;
    void (*once)(const char *) = strcmp(argv[1], "open") == 0      ? open_once
                                 : strcmp(argv[1], "connect") == 0 ? connect_once
                                                                   : exec_once;
    long count = atol(argv[2]);
    for (long i = 0; i < count / 20 + 1; i++) once(argv[3]);
    long long begin = now_ns();
    for (long i = 0; i < count; i++) once(argv[3]);
    printf("%.1f\n", (double)(now_ns() - begin) / (double)count);
    return 0;
}
