// epoll, a deadline to the microsecond, and one flush a turn for each connection that has something to say.
#define _GNU_SOURCE
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>

#include "client.h"

enum { EVENTS = 256 };

static int descriptor = -1;
static bool is_running;
static connection *dirty;
static void (*input_ready)(void);

uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void open_loop(void) {
  if (descriptor >= 0) return;
  descriptor = epoll_create1(0);
  prctl(PR_SET_TIMERSLACK, 1);
}

void loop_watch(connection *self) {
  open_loop();
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = self};
  if (epoll_ctl(descriptor, EPOLL_CTL_ADD, self->socket, &event) != 0) fail("epoll refused a socket");
}

void loop_add_input(int input, void (*ready)(void)) {
  open_loop();
  input_ready = ready;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(descriptor, EPOLL_CTL_ADD, input, &event) != 0) fail("epoll refused standard input");
}

void loop_dirty(connection *self) {
  if (self->is_dirty) return;
  self->is_dirty = true;
  self->next_dirty = dirty;
  dirty = self;
}

void loop_end(void) { is_running = false; }

static void flush_dirty(void) {
  while (dirty) {
    connection *self = dirty;
    dirty = self->next_dirty;
    self->is_dirty = false;
    if (!self->is_closing) connection_flush(self);
    connection_reap(self);
  }
}

static int wait_for(struct epoll_event *events, uint64_t wake_at) {
  if (dirty) return epoll_wait(descriptor, events, EVENTS, 0);
  if (wake_at == 0) return epoll_wait(descriptor, events, EVENTS, -1);
  uint64_t time = now(), left = wake_at > time ? wake_at - time : 0;
  struct timespec timeout = {.tv_sec = (time_t)(left / 1000000000), .tv_nsec = (long)(left % 1000000000)};
  return epoll_pwait2(descriptor, events, EVENTS, &timeout, NULL);
}

void loop_run(uint64_t (*tick)(void)) {
  struct epoll_event events[EVENTS];
  open_loop();
  for (is_running = true; is_running;) {
    uint64_t wake_at = tick ? tick() : 0;
    flush_dirty();
    if (!is_running) break;
    int ready = wait_for(events, wake_at);
    for (int index = 0; index < ready; index++) {
      connection *self = events[index].data.ptr;
      if (self == NULL) input_ready();
      else connection_ready(self);
    }
    flush_dirty();
  }
}
