// Linux calls that Swift cannot import by itself.
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

// Clears memory that held content. The barrier keeps the compiler from leaving it out.
static inline void strait_cleanse(void *memory, size_t count) {
  memset(memory, 0, count);
  __asm__ __volatile__("" : : "r"(memory) : "memory");
}
