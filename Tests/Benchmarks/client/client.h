// A load generator over HTTP/2, for what h2load cannot do: new and resumed connections, streams that are read event by
// event, connections that only stay open, and requests that come at their own time whether or not answers do.
//
// loop.c runs the sockets, connection.c speaks TLS and HTTP/2, and each mode (connect.c, events.c, hold.c, paced.c)
// says what to ask and what to count. One thread. The result is one line of JSON on standard output.
#pragma once

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  const char *url, *key, *answer;
  char host[64], authority[80], path[256];
  int port;
  bool is_tls, resume;
  const char *body;
  size_t body_length;
  int connections, streams, requests, rate, at_once;
  int sources;      // addresses of 127.0.2.0/24 to come from; 0: none in particular
  int abort_after;  // events, after which a stream is reset; 0: none is
} options;

typedef struct connection connection;

// One request and what has come of its answer.
typedef struct stream stream;
struct stream {
  connection *owner;
  stream *next, **link;  // on its connection
  int32_t id;
  int status;
  bool ended;            // END_STREAM came
  uint64_t asked, last;  // nanoseconds: when it was, or should have been, sent; when bytes came last
  uint64_t longest_gap;
  size_t bytes, events;
  bool after_newline, is_settled;
  size_t body_sent;
};

struct connection {
  int socket;
  SSL *tls;
  nghttp2_session *session;
  bool is_open, is_dirty, is_closing, is_asked_to_close;
  connection *next_dirty;
  stream *streams;
  uint8_t *rest;
  size_t rest_length, rest_offset;
};

// What a mode does when something happens. Those that are NULL are left out.
typedef struct {
  void (*opened)(connection *);
  void (*data)(stream *);                    // bytes or events came
  void (*ended)(stream *, bool whole);       // the stream is freed after this
  void (*closed)(connection *, bool asked);  // the connection is freed after this; `asked` when we closed it
} mode;

// main.c
extern options asked;
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

// loop.c
uint64_t now(void);  // nanoseconds
void loop_watch(connection *self);
void loop_dirty(connection *self);
// Until `loop_end`. `tick` may be NULL; it returns when it wants to be called again.
void loop_run(uint64_t (*tick)(void));
void loop_end(void);
void loop_add_input(int descriptor, void (*ready)(void));

// connection.c
extern const mode *the_mode;
void connections_prepare(const mode *mode);
void connection_open(void);
void connection_close(connection *self);
void connection_ready(connection *self);
void connection_flush(connection *self);
void connection_reap(connection *self);  // frees it where it is closing
bool connection_resumed(const connection *self);
const char *cipher_seen(void);

// http2.c
void http2_open(connection *self);
bool http2_take(connection *self, const uint8_t *bytes, size_t count);
ssize_t http2_fill(connection *self, uint8_t *into, size_t room);
bool http2_is_over(const connection *self);
void http2_close(connection *self);
void stream_reset(stream *self);
stream *connection_ask(connection *self, uint64_t asked_at);

// modes
int run_connect(void);
int run_events(void);
int run_hold(void);
int run_paced(void);

// percentiles.c
typedef struct {
  uint64_t *values;
  size_t count, room;
} samples;
void samples_add(samples *self, uint64_t value);
double samples_at(samples *self, double share);  // sorts
