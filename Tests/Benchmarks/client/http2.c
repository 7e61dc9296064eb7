// HTTP/2 by nghttp2: asks, and tells the mode what came.
#include <stdlib.h>
#include <string.h>

#include "client.h"

enum { FRAME_ROOM = 16384 + 9, WINDOW_BITS = 20, CONNECTION_WINDOW = 1 << 26 };

static nghttp2_session_callbacks *callbacks;

static nghttp2_nv field(const char *name, const char *value) {
  return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static stream *stream_of(nghttp2_session *session, int32_t id) {
  return nghttp2_session_get_stream_user_data(session, id);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                     const uint8_t *value, size_t value_length, uint8_t flags, void *user) {
  (void)value_length, (void)flags, (void)user;
  stream *self = stream_of(session, frame->hd.stream_id);
  if (self && name_length == 7 && memcmp(name, ":status", 7) == 0) self->status = atoi((const char *)value);
  return 0;
}

// An event ends with an empty line.
static size_t count_events(stream *self, const uint8_t *bytes, size_t count) {
  size_t found = 0;
  for (size_t index = 0; index < count; index++) {
    bool newline = bytes[index] == '\n';
    found += newline && self->after_newline;
    self->after_newline = newline && !self->after_newline;
  }
  return found;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t count,
                   void *user) {
  (void)flags, (void)user;
  stream *self = stream_of(session, id);
  if (self == NULL) return 0;
  uint64_t time = now();
  if (self->bytes > 0 && time - self->last > self->longest_gap) self->longest_gap = time - self->last;
  self->last = time;
  self->bytes += count;
  if (asked.answer) self->events += count_events(self, bytes, count);
  if (the_mode->data) the_mode->data(self);
  return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  (void)user;
  if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
  if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) return 0;
  stream *self = stream_of(session, frame->hd.stream_id);
  if (self) self->ended = true;
  return 0;
}

static void end(stream *self, bool whole) {
  *self->link = self->next;
  if (self->next) self->next->link = self->link;
  if (the_mode->ended) the_mode->ended(self, whole);
  free(self);
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *user) {
  (void)user;
  stream *self = stream_of(session, id);
  if (self == NULL) return 0;
  end(self, error == 0 && self->ended && self->status == 200);
  return 0;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *into, size_t room, uint32_t *flags,
                         nghttp2_data_source *source, void *user) {
  (void)session, (void)id, (void)user;
  stream *self = source->ptr;
  size_t left = asked.body_length - self->body_sent, count = left < room ? left : room;
  memcpy(into, asked.body + self->body_sent, count);
  self->body_sent += count;
  if (self->body_sent == asked.body_length) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return (ssize_t)count;
}

static void prepare_callbacks(void) {
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
}

void http2_open(connection *self) {
  if (callbacks == NULL) prepare_callbacks();
  if (nghttp2_session_client_new(&self->session, callbacks, self) != 0) fail("nghttp2 made no session");
  nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                       {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << WINDOW_BITS}};
  nghttp2_submit_settings(self->session, NGHTTP2_FLAG_NONE, settings, 2);
  nghttp2_session_set_local_window_size(self->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
  self->is_open = true;
  loop_dirty(self);
  if (the_mode->opened) the_mode->opened(self);
}

stream *connection_ask(connection *self, uint64_t asked_at) {
  static char length[24], credential[512];
  if (length[0] == 0) {
    snprintf(length, sizeof length, "%zu", asked.body_length);
    snprintf(credential, sizeof credential, "Bearer %s", asked.key);
  }
  nghttp2_nv head[] = {field(":method", "POST"),
                       field(":scheme", asked.is_tls ? "https" : "http"),
                       field(":authority", asked.authority),
                       field(":path", asked.path),
                       field("content-type", "application/json"),
                       field("content-length", length),
                       field("authorization", credential),
                       field("x-answer", asked.answer ? asked.answer : "")};
  stream *opened = calloc(1, sizeof *opened);
  if (opened == NULL) abort();
  opened->owner = self;
  opened->asked = asked_at;
  nghttp2_data_provider provider = {{.ptr = opened}, read_body};
  size_t fields = sizeof head / sizeof head[0] - (asked.answer ? 0 : 1);
  int32_t id = opened->id = nghttp2_submit_request(self->session, NULL, head, fields, &provider, opened);
  if (id < 0) fail("cannot ask: %s", nghttp2_strerror(id));
  opened->next = self->streams;
  opened->link = &self->streams;
  if (opened->next) opened->next->link = &opened->next;
  self->streams = opened;
  loop_dirty(self);
  return opened;
}

void stream_reset(stream *self) {
  nghttp2_submit_rst_stream(self->owner->session, NGHTTP2_FLAG_NONE, self->id, NGHTTP2_CANCEL);
  loop_dirty(self->owner);
}

// Writes what the session has to say; below 0 when it has failed.
ssize_t http2_fill(connection *self, uint8_t *into, size_t room) {
  size_t filled = 0;
  while (room - filled > FRAME_ROOM) {
    const uint8_t *bytes;
    ssize_t count = nghttp2_session_mem_send(self->session, &bytes);
    if (count < 0) return count;
    if (count == 0) break;
    memcpy(into + filled, bytes, (size_t)count);
    filled += (size_t)count;
  }
  return (ssize_t)filled;
}

bool http2_take(connection *self, const uint8_t *bytes, size_t count) {
  return nghttp2_session_mem_recv(self->session, bytes, count) == (ssize_t)count;
}

bool http2_is_over(const connection *self) {
  return !nghttp2_session_want_read(self->session) && !nghttp2_session_want_write(self->session);
}

// What was open ends as not whole; nghttp2 says nothing of it when a session is deleted.
void http2_close(connection *self) {
  nghttp2_session_del(self->session);
  while (self->streams) end(self->streams, false);
}
