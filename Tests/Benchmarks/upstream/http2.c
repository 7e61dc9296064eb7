// HTTP/2: nghttp2 holds the streams, each with its exchange.
#include <stdlib.h>
#include <string.h>

#include "upstream.h"

enum { FRAME_ROOM = 16384 + 9 };

static nghttp2_nv field(const char *name, const char *value) {
  return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static exchange *exchange_of(nghttp2_session *session, int32_t stream) {
  return nghttp2_session_get_stream_user_data(session, stream);
}

static ssize_t read_answer(nghttp2_session *session, int32_t stream, uint8_t *into, size_t room, uint32_t *flags,
                           nghttp2_data_source *source, void *user) {
  exchange *self = source->ptr;
  size_t count = answer_read(&self->answer, into, room);
  if (answer_is_whole(&self->answer)) *flags |= NGHTTP2_DATA_FLAG_EOF;
  else if (count == 0 && answer_is_over(&self->answer)) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // a reset
  else if (count == 0) return NGHTTP2_ERR_DEFERRED;
  return (ssize_t)count;
}

static void join(connection *owner, exchange *self) {
  self->next_sibling = owner->exchanges;
  self->sibling_link = &owner->exchanges;
  if (self->next_sibling) self->next_sibling->sibling_link = &self->next_sibling;
  owner->exchanges = self;
}

static void end(exchange *self) {
  timers_stop(self);
  *self->sibling_link = self->next_sibling;
  if (self->next_sibling) self->next_sibling->sibling_link = self->sibling_link;
  free(self);
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  exchange *self = calloc(1, sizeof *self);
  if (self == NULL) abort();
  self->owner = user;
  self->stream = frame->hd.stream_id;
  join(self->owner, self);
  answer_choose(&self->answer, "");
  return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, self);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                     const uint8_t *value, size_t value_length, uint8_t flags, void *user) {
  exchange *self = exchange_of(session, frame->hd.stream_id);
  if (name_length == 5 && memcmp(name, ":path", 5) == 0)
    answer_choose(&self->answer, answer_wish_of_path((const char *)value, value_length));
  if (name_length != 8 || memcmp(name, "x-answer", 8) != 0 || value_length >= ANSWER_NAME_BYTES) return 0;
  char wish[ANSWER_NAME_BYTES] = {0};
  memcpy(wish, value, value_length);
  return answer_choose(&self->answer, wish) ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
  if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) return 0;
  exchange *self = exchange_of(session, frame->hd.stream_id);
  const document *body = self->answer.body;
  if (self->answer.is_cut && self->answer.events == 0)
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, self->stream, NGHTTP2_INTERNAL_ERROR);
  nghttp2_nv head[] = {field(":status", self->answer.status), field("content-type", answer_type(&self->answer)),
                       body ? field("content-length", body->length_text) : field("cache-control", "no-cache")};
  if (body == NULL) timers_start(self);
  nghttp2_data_provider provider = {{.ptr = self}, read_answer};
  return nghttp2_submit_response(session, frame->hd.stream_id, head, 3, &provider);
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *user) {
  exchange *self = exchange_of(session, stream);
  if (self) end(self);
  return 0;
}

bool http2_open(connection *self) {
  static nghttp2_session_callbacks *callbacks;
  if (callbacks == NULL) {
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  }
  if (nghttp2_session_server_new(&self->session, callbacks, self) != 0) return false;
  nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, CONCURRENT_STREAMS},
                                       {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}};
  nghttp2_submit_settings(self->session, NGHTTP2_FLAG_NONE, settings, 2);
  nghttp2_session_set_local_window_size(self->session, NGHTTP2_FLAG_NONE, 0, 1 << 26);
  return true;
}

bool http2_take(connection *self, const uint8_t *bytes, size_t count) {
  return nghttp2_session_mem_recv(self->session, bytes, count) == (ssize_t)count;
}

size_t http2_fill(connection *self, uint8_t *into, size_t room) {
  size_t filled = 0;
  while (room - filled > FRAME_ROOM) {
    const uint8_t *bytes;
    ssize_t count = nghttp2_session_mem_send(self->session, &bytes);
    if (count < 0) self->is_broken = true;
    if (count <= 0) break;
    memcpy(into + filled, bytes, (size_t)count);
    filled += (size_t)count;
  }
  return filled;
}

void http2_release(exchange *self) {
  nghttp2_session_resume_data(self->owner->session, self->stream);
  mark_dirty(self->owner);
}

void http2_close(connection *self) {
  nghttp2_session_del(self->session);  // which says nothing of the streams that were open
  while (self->exchanges) end(self->exchanges);
}
