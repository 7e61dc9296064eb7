// A wheel of millisecond slots. An exchange sits in the slot of its next event; one that is due in a later turn of the
// wheel is passed over.
#include <time.h>

#include "upstream.h"

enum { SLOTS = 4096 };

static exchange *slots[SLOTS];
static size_t waiting;
static uint64_t ran_until, phases;

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void put(exchange *self) {
  exchange **slot = &slots[self->due % SLOTS];
  self->next = *slot;
  self->link = slot;
  if (self->next) self->next->link = &self->next;
  *slot = self;
  waiting++;
}

// The first events of streams that begin together are spread evenly over the interval, as independent answers would be.
void timers_start(exchange *self) {
  uint64_t phase = (phases++ * 2654435769u & 0xffffffff) * (uint64_t)self->answer.interval_milliseconds >> 32;
  if (waiting == 0) ran_until = now();
  // A long silence comes after the first event, not before it.
  self->due = now() + 1 + (phase < 1000 ? phase : phase % 1000);
  put(self);
}

void timers_stop(exchange *self) {
  if (self->link == NULL) return;
  *self->link = self->next;
  if (self->next) self->next->link = self->link;
  self->link = NULL;
  waiting--;
}

void timers_run(void (*release)(exchange *)) {
  if (waiting == 0) return;
  for (uint64_t until = now(); ran_until < until;) {
    uint64_t tick = ++ran_until;
    for (exchange *self = slots[tick % SLOTS], *next; self; self = next) {
      next = self->next;
      if (self->due > tick) continue;
      timers_stop(self);
      self->answer.released++;
      if (self->answer.released <= self->answer.events) {
        self->due += (uint64_t)self->answer.interval_milliseconds;
        if (self->due <= tick) self->due = tick + 1;
        put(self);
      }
      release(self);
    }
  }
}

int timers_wait(void) { return waiting > 0 ? 1 : -1; }
