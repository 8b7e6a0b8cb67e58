/* Connections from C: of every family, refused and accepted, and by the resolver. Built for glibc and for musl. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void attempt(const char *name, int family, int type, const void *address, socklen_t length) {
    int fd = socket(family, type, 0);
    printf("%s %d\n", name, connect(fd, address, length));
    close(fd);
}

static unsigned short port(const char *name) { return htons((unsigned short)atoi(getenv(name))); }

int main(void) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = port("TRUTH_HTTP")};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    attempt("inet", AF_INET, SOCK_STREAM, &in, sizeof in);
    in.sin_port = port("TRUTH_CLOSED");
    attempt("refused", AF_INET, SOCK_STREAM, &in, sizeof in);
    attempt("datagrams", AF_INET, SOCK_DGRAM, &in, sizeof in);
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = port("TRUTH_HTTP6"), .sin6_addr = in6addr_loopback};
    attempt("inet6", AF_INET6, SOCK_STREAM, &six, sizeof six);
    six.sin6_port = port("TRUTH_HTTP");
    inet_pton(AF_INET6, "::ffff:127.0.0.1", &six.sin6_addr);
    attempt("mapped", AF_INET6, SOCK_STREAM, &six, sizeof six);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    strncpy(un.sun_path, getenv("TRUTH_UNIX"), sizeof un.sun_path - 1);
    attempt("unix", AF_UNIX, SOCK_STREAM, &un, sizeof un);
    memcpy(un.sun_path, "\0no such name", 13);
    attempt("abstract", AF_UNIX, SOCK_STREAM, &un, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 13));
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    attempt("unspecified", AF_INET, SOCK_DGRAM, &none, sizeof none);
    attempt("too short", AF_INET, SOCK_STREAM, &in, 4);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found = NULL;
    printf("getaddrinfo %d\n", getaddrinfo("localhost", getenv("TRUTH_HTTP"), &hints, &found));
    return 0;
}
