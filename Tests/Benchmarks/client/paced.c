// Requests that come at their own time, whether or not earlier ones have been answered: gaps are exponential, from a
// fixed seed, so that every proxy meets the same arrivals. A request waits for a connection without one under way; its
// time counts from when it should have been sent.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"

static connection **idle;
static int idle_count, opened_count, answered, failed, arrived, sent;
static uint64_t *arrivals, began;
static samples latencies;

static void plan_arrivals(void) {
  unsigned short seed[3] = {1, 2, 3};
  double at = 0;
  for (int index = 0; index < asked.requests; index++) {
    at += -log(1 - erand48(seed)) * 1e9 / asked.rate;
    arrivals[index] = (uint64_t)at;
  }
}

static void send_waiting(void) {
  while (sent < arrived && idle_count > 0) {
    connection_ask(idle[--idle_count], began + arrivals[sent]);
    sent++;
  }
}

// Beyond the last arrival; what has no answer by then has failed.
enum { PATIENCE_SECONDS = 30 };

static uint64_t deadline(void) {
  static uint64_t start;
  if (start == 0) start = now();
  return (began ? began + arrivals[asked.requests - 1] : start) + (uint64_t)PATIENCE_SECONDS * 1000000000;
}

static uint64_t tick(void) {
  uint64_t end = deadline();
  if (now() > end) loop_end();
  if (began == 0) return end;
  while (arrived < asked.requests && began + arrivals[arrived] <= now()) arrived++;
  send_waiting();
  return arrived < asked.requests ? began + arrivals[arrived] : end;
}

static void opened(connection *self) {
  idle[idle_count++] = self;
  if (++opened_count < asked.connections) connection_open();
  else began = now();
}

static void ended(stream *self, bool whole) {
  if (whole) samples_add(&latencies, now() - self->asked);
  answered += whole;
  failed += !whole;
  if (!self->owner->is_closing) idle[idle_count++] = self->owner;
  if (answered + failed == asked.requests) loop_end();
}

static void closed(connection *self, bool asked_to) {
  (void)asked_to;
  for (int index = 0; index < idle_count; index++)
    if (idle[index] == self) idle[index--] = idle[--idle_count];
  if (began == 0) fail("a connection was refused when %d of %d were open", opened_count, asked.connections);
  if (--opened_count == 0) loop_end();
}

// How long this program wanted to run while others had its core, in microseconds.
static double waited_us(void) {
  unsigned long long ran = 0, waited = 0;
  FILE *account = fopen("/proc/self/schedstat", "r");
  if (account == NULL) return 0;
  int found = fscanf(account, "%llu %llu", &ran, &waited);
  fclose(account);
  return found == 2 ? (double)waited / 1e3 : 0;
}

int run_paced(void) {
  static const mode mode = {.opened = opened, .ended = ended, .closed = closed};
  idle = calloc((size_t)asked.connections, sizeof *idle);
  arrivals = calloc((size_t)asked.requests, sizeof *arrivals);
  if (idle == NULL || arrivals == NULL) abort();
  plan_arrivals();
  connections_prepare(&mode);
  connection_open();
  loop_run(tick);
  double p50 = samples_at(&latencies, 0.5), p99 = samples_at(&latencies, 0.99), most = samples_at(&latencies, 1);
  printf(
      "{\"answered\": %d, \"failed\": %d, \"seconds\": %.3f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f, "
      "\"waited_us\": %.1f, \"cipher\": \"%s\"}\n",
      answered, asked.requests - answered, (double)(now() - began) / 1e9, p50 / 1e3, p99 / 1e3, most / 1e3,
      waited_us(), cipher_seen());
  return 0;
}
