// The loop: what came is taken, what is due is released, and then each connection with something to say is flushed
// once.
//
//   upstream PORT FOLDER
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "upstream.h"

enum { BUFFER = 256 * 1024, EVENTS = 256, BACKLOG = 4096, FLUSHES_A_TURN = 4 };

static const char preface[] = "PRI * HTTP/2.0";
static uint8_t buffer[BUFFER];
static connection *dirty;

void mark_dirty(connection *self) {
  if (self->is_dirty) return;
  self->is_dirty = true;
  self->next_dirty = dirty;
  dirty = self;
}

static int listen_on(int port) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, BACKLOG) != 0) {
    perror("upstream: cannot listen");
    exit(1);
  }
  return listener;
}

static void accept_all(int listener, int loop) {
  for (int socket; (socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    connection *self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    self->socket = socket;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = self};
    epoll_ctl(loop, EPOLL_CTL_ADD, socket, &event);
  }
}

// The first bytes tell the version; every client sends enough of them at once.
static bool learn_version(connection *self, size_t count) {
  self->is_known = true;
  self->is_http2 = count >= sizeof preface - 1 && memcmp(buffer, preface, sizeof preface - 1) == 0;
  return !self->is_http2 || http2_open(self);
}

static void take(connection *self) {
  ssize_t count;
  while (!self->is_broken && (count = recv(self->socket, buffer, BUFFER, 0)) > 0) {
    bool fine = self->is_known || learn_version(self, (size_t)count);
    fine = fine && (self->is_http2 ? http2_take : http1_take)(self, buffer, (size_t)count);
    self->is_broken = !fine;
  }
  if (!self->is_broken && (count == 0 || errno != EAGAIN)) self->is_broken = true;
  mark_dirty(self);
}

// Keeps what the socket does not take. False: nothing more can be sent now.
static bool send_all(connection *self, const uint8_t *bytes, size_t count) {
  ssize_t sent = send(self->socket, bytes, count, MSG_NOSIGNAL);
  if (sent == (ssize_t)count) return true;
  if (sent < 0 && errno != EAGAIN) {
    self->is_broken = true;
    return false;
  }
  size_t gone = sent < 0 ? 0 : (size_t)sent;
  self->rest = malloc(count - gone);
  if (self->rest == NULL) abort();
  memcpy(self->rest, bytes + gone, count - gone);
  self->rest_length = count - gone;
  self->rest_offset = 0;
  return false;
}

static bool send_rest(connection *self) {
  while (self->rest) {
    ssize_t sent =
        send(self->socket, self->rest + self->rest_offset, self->rest_length - self->rest_offset, MSG_NOSIGNAL);
    if (sent < 0) {
      self->is_broken = errno != EAGAIN;
      return false;
    }
    self->rest_offset += (size_t)sent;
    if (self->rest_offset < self->rest_length) continue;
    free(self->rest);
    self->rest = NULL;
  }
  return true;
}

static void flush(connection *self) {
  if (!self->is_known || !send_rest(self)) return;
  for (int turn = 0; turn < FLUSHES_A_TURN; turn++) {
    size_t count = (self->is_http2 ? http2_fill : http1_fill)(self, buffer, BUFFER);
    if (self->is_broken || count == 0 || !send_all(self, buffer, count)) return;
  }
  mark_dirty(self);  // the others first
}

static void finish(connection *self) {
  if (self->is_known) (self->is_http2 ? http2_close : http1_close)(self);
  close(self->socket);
  free(self->rest);
  free(self);
}

static void flush_dirty(void) {
  connection *next = dirty;
  dirty = NULL;
  while (next) {
    connection *self = next;
    next = self->next_dirty;
    self->is_dirty = false;
    if (!self->is_broken) flush(self);
    if (self->is_broken) finish(self);
  }
}

static void release(exchange *exchange) {
  if (exchange->owner->is_http2) http2_release(exchange);
  else mark_dirty(exchange->owner);
}

int main(int count, char **arguments) {
  if (count != 3) {
    fprintf(stderr, "usage: upstream PORT FOLDER\n");
    return 64;
  }
  answers_load(arguments[2]);
  prctl(PR_SET_TIMERSLACK, 1);
  int listener = listen_on(atoi(arguments[1])), loop = epoll_create1(0);
  struct epoll_event accepting = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
  epoll_ctl(loop, EPOLL_CTL_ADD, listener, &accepting);
  for (;;) {
    int ready = epoll_wait(loop, events, EVENTS, dirty ? 0 : timers_wait());
    for (int index = 0; index < ready; index++) {
      if (events[index].data.ptr == NULL) accept_all(listener, loop);
      else take(events[index].data.ptr);
    }
    timers_run(release);
    flush_dirty();
  }
}
