// New connections, each with one request: so many in all, so many at once. With --resume each one continues the session
// of the one before it, but for the first.
#include <stdio.h>

#include "client.h"

static int begun, ended_connections, whole, resumed;

static void begin_next(void) {
  if (begun == asked.requests) return;
  begun++;
  connection_open();
}

static void opened(connection *self) {
  resumed += connection_resumed(self);
  connection_ask(self, now());
}

static void ended(stream *self, bool is_whole) {
  whole += is_whole;
  connection_close(self->owner);
}

static void closed(connection *self, bool asked_to) {
  (void)self, (void)asked_to;
  if (++ended_connections == asked.requests) loop_end();
  // The first one's ticket serves the others.
  else
    for (int wanted = begun == 1 ? asked.at_once : 1; wanted > 0; wanted--) begin_next();
}

int run_connect(void) {
  static const mode mode = {.opened = opened, .ended = ended, .closed = closed};
  connections_prepare(&mode);
  begin_next();
  loop_run(NULL);
  printf("{\"connections\": %d, \"whole\": %d, \"resumed\": %d, \"cipher\": \"%s\"}\n", ended_connections, whole,
         resumed, cipher_seen());
  return 0;
}
