#ifndef HERALD_SOCKETS_H
#define HERALD_SOCKETS_H

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* glibc declares accept4 only with _GNU_SOURCE, which would change other types of the Glibc module. */
static inline int sockets_accept(int descriptor, struct sockaddr *address, socklen_t *length) {
  return (int)syscall(SYS_accept4, descriptor, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static inline int sockets_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

static inline int sockets_epoll_set(int epoll, int operation, int descriptor, uint32_t interest,
                                    uint64_t token) {
  struct epoll_event event = {.events = interest, .data = {.u64 = token}};
  return epoll_ctl(epoll, operation, descriptor, &event);
}

static inline int sockets_epoll_poll(int epoll, struct epoll_event *events, int capacity) {
  return epoll_wait(epoll, events, capacity, 0);
}

static inline uint64_t sockets_token(const struct epoll_event *event) { return event->data.u64; }

static const uint32_t sockets_readable = EPOLLIN;
static const uint32_t sockets_writable = EPOLLOUT;
/* What ends a connection is reported unasked. */
static const uint32_t sockets_broken = EPOLLERR | EPOLLHUP;

#endif
