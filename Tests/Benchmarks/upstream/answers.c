// The answers, read from files once, and how far each of them has come.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "upstream.h"

static document small = {.name = "small"}, large = {.name = "large"};
static document event = {.name = "event"}, last = {.name = "last"};

static void load(document *self, const char *folder, const char *extension) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s.%s", folder, self->name, extension);
  FILE *file = fopen(path, "r");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
    perror(path);
    exit(1);
  }
  self->length = (size_t)ftell(file);
  self->bytes = malloc(self->length);
  rewind(file);
  if (self->bytes == NULL || fread(self->bytes, 1, self->length, file) != self->length) {
    perror(path);
    exit(1);
  }
  fclose(file);
  snprintf(self->length_text, sizeof self->length_text, "%zu", self->length);
}

void answers_load(const char *folder) {
  load(&small, folder, "json");
  load(&large, folder, "json");
  load(&event, folder, "txt");
  load(&last, folder, "txt");
}

bool answer_choose(answer *self, const char *wish) {
  *self = (answer){.body = &small, .status = "200"};
  if (sscanf(wish, "status %3s", self->status) == 1) return true;
  self->is_cut = strncmp(wish, "cut ", 4) == 0;
  if (sscanf(wish, "%*[a-z] %d %d", &self->events, &self->interval_milliseconds) == 2) {
    self->body = NULL;
    return true;
  }
  if (strcmp(wish, large.name) == 0) self->body = &large;
  return *wish == 0 || strcmp(wish, self->body->name) == 0;
}

const char *answer_wish_of_path(const char *path, size_t length) {
  return length > 7 && memcmp(path, "/large/", 7) == 0 ? large.name : "";
}

const char *answer_type(const answer *self) {
  return self->body ? "application/json" : "text/event-stream; charset=utf-8";
}

bool answer_is_whole(const answer *self) {
  return self->body ? self->offset == self->body->length : self->sent > self->events;
}

bool answer_is_over(const answer *self) {
  return answer_is_whole(self) || (self->is_cut && self->sent == self->events && self->released > self->events);
}

static size_t copy(const document *from, size_t *offset, uint8_t *into, size_t room) {
  size_t left = from->length - *offset, count = left < room ? left : room;
  memcpy(into, from->bytes + *offset, count);
  *offset += count;
  return count;
}

// As much as fits, but never of two events: each is a DATA frame or a chunk of its own.
size_t answer_read(answer *self, uint8_t *into, size_t room) {
  if (self->body) return copy(self->body, &self->offset, into, room);
  if (self->sent >= self->released || answer_is_over(self)) return 0;
  const document *from = self->sent < self->events ? &event : &last;
  size_t count = copy(from, &self->offset, into, room);
  if (self->offset == from->length) {
    self->sent++;
    self->offset = 0;
  }
  return count;
}
