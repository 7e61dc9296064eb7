// HTTP/1.1 with keep-alive: one request at a time, its body framed by content-length. That is what proxies send here.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "upstream.h"

enum { CHUNK_ROOM = 16 };

static const char *value_of(const connection *self, const char *name, char *into, size_t room) {
  into[0] = 0;
  const char *found = strcasestr(self->head, name);
  if (found == NULL) return into;
  found += strlen(name);
  found += strspn(found, " \t");
  size_t count = strcspn(found, "\r\n");
  if (count >= room) count = room - 1;
  memcpy(into, found, count);
  into[count] = 0;
  return into;
}

static bool begin_exchange(connection *self) {
  char text[ANSWER_NAME_BYTES];
  self->body_left = strtoul(value_of(self, "\r\ncontent-length:", text, sizeof text), NULL, 10);
  exchange *opened = self->current = calloc(1, sizeof *self->current);
  if (opened == NULL) abort();
  opened->owner = self;
  self->head_sent = false;
  const char *wish = value_of(self, "\r\nx-answer:", text, sizeof text), *path = strchr(self->head, ' ');
  if (*wish == 0 && path) wish = answer_wish_of_path(path + 1, strlen(path + 1));
  return answer_choose(&opened->answer, wish);
}

// Takes a head's bytes up to its empty line, and the bytes after it as the body's.
static bool take_head(connection *self, const uint8_t **bytes, size_t *count) {
  size_t before = self->head_length, room = HEAD_BYTES - 1 - before;
  size_t taken = *count < room ? *count : room;
  memcpy(self->head + before, *bytes, taken);
  self->head[before + taken] = 0;
  char *end = strstr(self->head, "\r\n\r\n");
  if (end) taken = (size_t)(end - self->head) + 4 - before;
  self->head_length += taken;
  *bytes += taken;
  *count -= taken;
  if (end == NULL) return self->head_length < HEAD_BYTES - 1;
  self->head[self->head_length] = 0;
  return begin_exchange(self);
}

bool http1_take(connection *self, const uint8_t *bytes, size_t count) {
  while (count > 0) {
    if (self->current == NULL) {
      if (!take_head(self, &bytes, &count)) return false;
    } else {
      if (self->body_left == 0) return false;  // a second request before the first one's answer
      size_t taken = count < self->body_left ? count : self->body_left;
      self->body_left -= taken;
      bytes += taken;
      count -= taken;
    }
    bool ended = self->current && self->body_left == 0 && self->head_length > 0;
    if (!ended) continue;
    self->head_length = 0;
    if (self->current->answer.body == NULL) timers_start(self->current);
    mark_dirty(self);
  }
  return true;
}

static size_t write_head(connection *self, char *into, size_t room) {
  const answer *answer = &self->current->answer;
  const char *framing = answer->body ? "content-length: " : "x-accel-buffering: no\r\ntransfer-encoding: chunked";
  const char *length = answer->body ? answer->body->length_text : "";
  self->head_sent = true;
  return (size_t)snprintf(into, room, "HTTP/1.1 %s said\r\ncontent-type: %s\r\n%s%s\r\n\r\n", answer->status,
                          answer_type(answer), framing, length);
}

static size_t write_chunk(answer *answer, uint8_t *into, size_t room) {
  char start[CHUNK_ROOM];
  size_t count = answer_read(answer, into + CHUNK_ROOM, room - 2 * CHUNK_ROOM);
  if (count == 0) return 0;
  size_t length = (size_t)snprintf(start, sizeof start, "%zx\r\n", count);
  memcpy(into, start, length);
  memmove(into + length, into + CHUNK_ROOM, count);
  memcpy(into + length + count, "\r\n", 2);
  return length + count + 2;
}

static void end_exchange(connection *self) {
  timers_stop(self->current);
  free(self->current);
  self->current = NULL;
}

size_t http1_fill(connection *self, uint8_t *into, size_t room) {
  if (self->current == NULL || self->head_length > 0) return 0;
  answer *answer = &self->current->answer;
  if (answer->is_cut && (answer->events == 0 || answer_is_over(answer))) {
    self->is_broken = true;
    return 0;
  }
  size_t filled = self->head_sent ? 0 : write_head(self, (char *)into, room);
  if (answer->body) {
    filled += answer_read(answer, into + filled, room - filled);
  } else {
    for (size_t count; room - filled > 4096 && (count = write_chunk(answer, into + filled, room - filled)) > 0;)
      filled += count;
    if (answer_is_whole(answer)) {
      memcpy(into + filled, "0\r\n\r\n", 5);
      filled += 5;
    }
  }
  if (answer_is_whole(answer)) end_exchange(self);
  return filled;
}

void http1_close(connection *self) {
  if (self->current) end_exchange(self);
}
