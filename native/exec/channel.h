/* The audit channel of the runner: a stream socket to the collector, which never answers. */
#ifndef AGENTOPS_EXEC_CHANNEL_H
#define AGENTOPS_EXEC_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/*
 * Reads unix:///path or tcp://HOST:PORT; HOST is an IPv4 address, an IPv6 address in brackets, or localhost: a static
 * program has no name service. Returns the length of the address, or 0.
 */
socklen_t channel_address(const char *endpoint, struct sockaddr_storage *address);

/* Connects (blocking). -1: errno says why; EINVAL when the endpoint is none. */
int channel_open(const char *endpoint);

/* Sends everything, however often the kernel takes only part of it. */
bool channel_send(int channel, const char *bytes, size_t length);

#endif
