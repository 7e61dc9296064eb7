// Streams that are read event by event, all begun at once on connections that are open by then.
#include <stdio.h>

#include "client.h"

static int open_connections, ended_streams, whole_streams;
static size_t events;
static uint64_t began, longest_gap;

static connection **connections;

static void opened(connection *self) {
  connections[open_connections++] = self;
  if (open_connections < asked.connections) {
    connection_open();
    return;
  }
  began = now();
  for (int index = 0; index < open_connections; index++)
    for (int count = 0; count < asked.streams; count++) connection_ask(connections[index], began);
}

static void data(stream *self) {
  if (asked.abort_after > 0 && self->events >= (size_t)asked.abort_after) stream_reset(self);
}

static void ended(stream *self, bool whole) {
  whole_streams += whole;
  events += self->events;
  if (self->longest_gap > longest_gap) longest_gap = self->longest_gap;
  if (++ended_streams == asked.connections * asked.streams) loop_end();
}

static void closed(connection *self, bool asked_to) {
  (void)self, (void)asked_to;
  if (began == 0) fail("a connection was closed before the streams began");
}

int run_events(void) {
  static const mode mode = {.opened = opened, .data = data, .ended = ended, .closed = closed};
  connection *room[asked.connections];
  connections = room;
  connections_prepare(&mode);
  connection_open();
  loop_run(NULL);
  printf(
      "{\"streams\": %d, \"whole\": %d, \"events\": %zu, \"seconds\": %.3f, \"longest_gap_ms\": %.1f, \"cipher\": "
      "\"%s\"}\n",
      ended_streams, whole_streams, events, (double)(now() - began) / 1e9, (double)longest_gap / 1e6, cipher_seen());
  return 0;
}
