#include "exec/channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/* Asked of the kernel, which may give less: room for a burst while the collector commits. */
static const int send_buffer_bytes = 4 << 20;

static socklen_t unix_address(const char *path, struct sockaddr_storage *address) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  if (path[0] != '/' || strlen(path) >= sizeof name.sun_path) return 0;
  strcpy(name.sun_path, path);
  memcpy(address, &name, sizeof name);
  return sizeof name;
}

static socklen_t tcp_address(const char *text, struct sockaddr_storage *address) {
  struct sockaddr_in inet = {.sin_family = AF_INET};
  struct sockaddr_in6 inet6 = {.sin6_family = AF_INET6};
  char host[64] = {0};
  unsigned port = 0;
  char rest;
  if (sscanf(text, text[0] == '[' ? "[%63[^]]]:%5u%c" : "%63[^:]:%5u%c", host, &port, &rest) != 2) return 0;
  if (port == 0 || port > 65535) return 0;
  if (strcmp(host, "localhost") == 0) strcpy(host, "127.0.0.1");
  if (inet_pton(AF_INET, host, &inet.sin_addr) == 1) {
    inet.sin_port = htons((in_port_t)port);
    memcpy(address, &inet, sizeof inet);
    return sizeof inet;
  }
  if (inet_pton(AF_INET6, host, &inet6.sin6_addr) != 1) return 0;
  inet6.sin6_port = htons((in_port_t)port);
  memcpy(address, &inet6, sizeof inet6);
  return sizeof inet6;
}

socklen_t channel_address(const char *endpoint, struct sockaddr_storage *address) {
  memset(address, 0, sizeof *address);
  if (strncmp(endpoint, "unix://", 7) == 0) return unix_address(endpoint + 7, address);
  if (strncmp(endpoint, "tcp://", 6) == 0) return tcp_address(endpoint + 6, address);
  return 0;
}

int channel_open(const char *endpoint) {
  struct sockaddr_storage address;
  socklen_t length = channel_address(endpoint, &address);
  const int on = 1;
  if (length == 0) {
    errno = EINVAL;
    return -1;
  }
  int channel = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (channel < 0) return -1;
  setsockopt(channel, SOL_SOCKET, SO_SNDBUF, &send_buffer_bytes, sizeof send_buffer_bytes);
  if (address.ss_family != AF_UNIX) {
    setsockopt(channel, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(channel, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  if (connect(channel, (const struct sockaddr *)&address, length) == 0) return channel;
  int reason = errno;
  close(channel);
  errno = reason;
  return -1;
}

bool channel_send(int channel, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t sent = send(channel, bytes, length, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    bytes += sent;
    length -= (size_t)sent;
  }
  return true;
}
