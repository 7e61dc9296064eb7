// An upstream that costs next to nothing: one thread, epoll and nghttp2, HTTP/2 and HTTP/1.1 without TLS on one port.
// It answers POST requests once they have ended, as their header `x-answer` asks:
//
//   NAME           the JSON body in the file NAME.json; without the header it is small.json, or large.json below
//   /large/ events N MS    N times the event in the file event.txt, one every MS milliseconds, then last.txt cut N MS
//   the same, but broken off where last.txt should come; for N = 0 before the head status N       the small body under
//   this status
#pragma once

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct connection connection;
typedef struct exchange exchange;

// What a provider of today lets a client open on one connection.
enum { CONCURRENT_STREAMS = 100, HEAD_BYTES = 8192, ANSWER_NAME_BYTES = 32 };

typedef struct {
  const char *name;
  char *bytes;
  size_t length;
  char length_text[24];
} document;

// How far one answer has come.
typedef struct {
  const document *body;  // NULL: a stream of events
  size_t offset;         // in the body, or in the event that is being sent
  int released;          // events whose time has come
  int sent, events;      // the last one, `last.txt`, is not counted
  int interval_milliseconds;
  bool is_cut;
  char status[4];
} answer;

struct exchange {
  connection *owner;
  answer answer;
  int32_t stream;
  uint64_t due;                            // the millisecond of its next event, while it is on the wheel
  exchange *next, **link;                  // on the wheel
  exchange *next_sibling, **sibling_link;  // on its connection
};

struct connection {
  int socket;
  bool is_http2, is_known, is_dirty, is_broken;
  connection *next_dirty;
  char *rest;  // bytes that the socket would not take
  size_t rest_length, rest_offset;
  nghttp2_session *session;
  exchange *exchanges;
  // HTTP/1.1: one exchange at a time
  exchange *current;
  char head[HEAD_BYTES];
  size_t head_length, body_left;
  bool head_sent;
};

// answers.c
void answers_load(const char *folder);
bool answer_choose(answer *self, const char *wish);
const char *answer_wish_of_path(const char *path, size_t length);
const char *answer_type(const answer *self);
bool answer_is_whole(const answer *self);
bool answer_is_over(const answer *self);  // whole, or broken off
size_t answer_read(answer *self, uint8_t *into, size_t room);

// timers.c: events that wait for their time
void timers_start(exchange *exchange);
void timers_stop(exchange *exchange);
void timers_run(void (*release)(exchange *));
int timers_wait(void);  // for epoll_wait

// http2.c and http1.c. `fill` writes what the connection has to say, and 0 when that is nothing.
bool http2_open(connection *self);
bool http2_take(connection *self, const uint8_t *bytes, size_t count);
size_t http2_fill(connection *self, uint8_t *into, size_t room);
void http2_release(exchange *exchange);
void http2_close(connection *self);
bool http1_take(connection *self, const uint8_t *bytes, size_t count);
size_t http1_fill(connection *self, uint8_t *into, size_t room);
void http1_close(connection *self);

// main.c
void mark_dirty(connection *self);
