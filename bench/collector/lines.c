/*
 * The moving parts of bench/collector.ts that must cost next to nothing. Times are CLOCK_MONOTONIC nanoseconds, which
 * Node's process.hrtime gives too.
 *
 *   lines send SOCKET FILE CONNECTIONS   every connection sends its share of FILE's lines, all at once, from one thread,
 *                                        shuts down, and waits for the other side to close
 *   lines sink SOCKET BYTES              accepts, reads BYTES, throws them away; "ready" when it listens
 *   lines await FILE LINES TIMEOUT_MS    until FILE has so many lines; then fsync
 *
 * send prints when it began and when the last connection was closed; the others print when they ended.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 1024, CHUNK_BYTES = 65536 };

struct share {
    int fd;
    const char *at, *end;
};

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

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        fprintf(stderr, "%s: too long for a socket\n", path);
        exit(1);
    }
    strcpy(address.sun_path, path);
    return address;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = address_of(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail(path);
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) fail("fcntl");
    return fd;
}

static const char *map(const char *path, size_t *length)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0) fail(path);
    *length = (size_t)status.st_size;
    const char *bytes = mmap(NULL, *length, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (bytes == MAP_FAILED) fail("mmap");
    close(fd);
    return bytes;
}

/* Cuts the file into shares of whole lines. */
static void divide(struct share *shares, int count, const char *bytes, size_t length)
{
    const char *at = bytes;
    for (int i = 0; i < count; i++) {
        const char *end = bytes + length * (size_t)(i + 1) / (size_t)count;
        if (i + 1 < count) {
            const char *line_feed = memchr(end, '\n', (size_t)(bytes + length - end));
            if (line_feed != NULL) end = line_feed + 1;
        }
        shares[i].at = at;
        shares[i].end = end;
        at = end;
    }
}

static void send_some(int poll, struct share *share)
{
    struct epoll_event closing = {.events = EPOLLIN, .data.ptr = share};
    size_t left = (size_t)(share->end - share->at);
    ssize_t sent = send(share->fd, share->at, left < CHUNK_BYTES ? left : CHUNK_BYTES, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) fail("send");
    if (sent > 0) share->at += sent;
    if (share->at < share->end) return;
    if (shutdown(share->fd, SHUT_WR) < 0) fail("shutdown");
    if (epoll_ctl(poll, EPOLL_CTL_MOD, share->fd, &closing) < 0) fail("epoll_ctl");
}

static int is_closed(int fd)
{
    char byte;
    ssize_t got = recv(fd, &byte, 1, 0);
    if (got > 0 || (got < 0 && errno == EAGAIN)) return 0;
    if (got < 0) fail("recv");
    close(fd);
    return 1;
}

static int send_lines(const char *path, const char *file, int count)
{
    static struct share shares[MAX_CONNECTIONS];
    struct epoll_event events[64];
    if (count < 1 || count > MAX_CONNECTIONS) return 2;
    size_t length;
    const char *bytes = map(file, &length);
    divide(shares, count, bytes, length);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    if (poll < 0) fail("epoll_create1");
    for (int i = 0; i < count; i++) shares[i].fd = connect_to(path);
    long long begin = now_ns();
    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLOUT, .data.ptr = &shares[i]};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, shares[i].fd, &event) < 0) fail("epoll_ctl");
    }
    for (int open = count; open > 0;) {
        int ready = epoll_wait(poll, events, 64, -1);
        if (ready < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < ready; i++) {
            struct share *share = events[i].data.ptr;
            if (share->at < share->end) send_some(poll, share);
            else if (is_closed(share->fd)) open--;
        }
    }
    printf("%lld %lld\n", begin, now_ns());
    return 0;
}

static int sink(const char *path, long long expected)
{
    static char bytes[CHUNK_BYTES];
    struct sockaddr_un address = address_of(path);
    struct epoll_event events[64];
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    if (listener < 0 || poll < 0) fail("socket");
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 511) < 0) fail(path);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event) < 0) fail("epoll_ctl");
    printf("ready\n");
    fflush(stdout);
    while (expected > 0) {
        int ready = epoll_wait(poll, events, 64, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                event.data.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                if (event.data.fd < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, event.data.fd, &event) < 0) fail("accept");
                continue;
            }
            ssize_t got = read(fd, bytes, sizeof bytes);
            if (got > 0) expected -= got;
            else close(fd);
        }
    }
    printf("%lld\n", now_ns());
    return 0;
}

static int await_lines(const char *path, long long expected, long long timeout_ms)
{
    static char bytes[1 << 20];
    const struct timespec pause = {.tv_nsec = 2000000};
    long long deadline = now_ns() + timeout_ms * 1000000;
    long long lines = 0;
    int fd = -1;
    while (lines < expected) {
        if (fd < 0) fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t got = fd < 0 ? 0 : read(fd, bytes, sizeof bytes);
        if (got < 0) fail(path);
        for (const char *at = bytes; (at = memchr(at, '\n', (size_t)(bytes + got - at))) != NULL; at++) lines++;
        if (got > 0) continue;
        if (now_ns() > deadline) {
            fprintf(stderr, "%s: %lld of %lld lines after %lld ms\n", path, lines, expected, timeout_ms);
            return 1;
        }
        nanosleep(&pause, NULL);
    }
    if (fsync(fd) < 0) fail("fsync");
    long long end = now_ns();
    if (lines != expected) fprintf(stderr, "%s: %lld lines, not %lld\n", path, lines, expected);
    printf("%lld\n", end);
    return lines == expected ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "send") == 0) return send_lines(argv[2], argv[3], atoi(argv[4]));
    if (argc == 4 && strcmp(argv[1], "sink") == 0) return sink(argv[2], atoll(argv[3]));
    if (argc == 5 && strcmp(argv[1], "await") == 0) return await_lines(argv[2], atoll(argv[3]), atoll(argv[4]));
    fprintf(stderr, "usage: lines send SOCKET FILE CONNECTIONS | sink SOCKET BYTES | await FILE LINES TIMEOUT_MS\n");
    return 2;
}
