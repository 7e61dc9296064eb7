#include <stdlib.h>

#include "client.h"

void samples_add(samples *self, uint64_t value) {
  if (self->count == self->room) {
    self->room = self->room ? self->room * 2 : 4096;
    self->values = realloc(self->values, self->room * sizeof *self->values);
    if (self->values == NULL) abort();
  }
  self->values[self->count++] = value;
}

static int ascending(const void *left, const void *right) {
  uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
  return (a > b) - (a < b);
}

// The smallest value that `share` of all are not above.
double samples_at(samples *self, double share) {
  if (self->count == 0) return 0;
  qsort(self->values, self->count, sizeof *self->values, ascending);
  size_t index = (size_t)(share * (double)self->count);
  return (double)self->values[index < self->count ? index : self->count - 1];
}
