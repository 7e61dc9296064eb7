// Connections that stay: each asks once, or opens --streams streams that begin to answer and then are quiet. Says so on
// standard output when all are there, and leaves when standard input ends.
#include <stdio.h>
#include <unistd.h>

#include "client.h"

static int open_connections, settled, lost;

static int expected(void) { return asked.connections * (asked.streams ? asked.streams : 1); }

static void opened(connection *self) {
  if (++open_connections < asked.connections) connection_open();
  for (int count = asked.streams ? asked.streams : 1; count > 0; count--) connection_ask(self, now());
}

static void settle(void) {
  if (++settled < expected()) return;
  printf("{\"settled\": %d, \"cipher\": \"%s\"}\n", settled, cipher_seen());
  fflush(stdout);
}

static void data(stream *self) {
  if (asked.streams == 0 || self->is_settled || self->events == 0) return;
  self->is_settled = true;
  settle();
}

static void ended(stream *self, bool whole) {
  (void)self;
  if (asked.streams == 0 && whole) settle();
  else lost++;
}

static void closed(connection *self, bool asked_to) {
  (void)self, (void)asked_to;
  lost++;
  if (settled < expected()) fail("a connection was lost when %d of %d had settled", settled, expected());
}

static void input_ended(void) {
  char byte;
  if (read(STDIN_FILENO, &byte, 1) <= 0) loop_end();
}

int run_hold(void) {
  static const mode mode = {.opened = opened, .data = data, .ended = ended, .closed = closed};
  connections_prepare(&mode);
  loop_add_input(STDIN_FILENO, input_ended);
  connection_open();
  loop_run(NULL);
  printf("{\"lost\": %d}\n", lost);
  return 0;
}
