#include "CChecksum.h"

#include <string.h>

static uint32_t table[256];

// The reversed polynomial 0x82F63B78 of RFC 3720, section 12.1. Runs before main, so no reader ever sees half a table.
__attribute__((constructor)) static void fill_table(void) {
  for (uint32_t index = 0; index < 256; index++) {
    uint32_t value = index;
    for (int bit = 0; bit < 8; bit++) value = value & 1 ? 0x82F63B78u ^ value >> 1 : value >> 1;
    table[index] = value;
  }
}

uint32_t strait_crc32c_portable(uint32_t before, const void *bytes, size_t count) {
  const uint8_t *next = bytes;
  uint32_t crc = ~before;
  while (count-- > 0) crc = table[(crc ^ *next++) & 255] ^ crc >> 8;
  return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t before, const void *bytes, size_t count) {
  const uint8_t *next = bytes;
  uint64_t crc = ~before;
  for (; count >= 8; count -= 8, next += 8) {
    uint64_t word;
    memcpy(&word, next, 8);
    crc = __builtin_ia32_crc32di(crc, word);
  }
  uint32_t rest = (uint32_t)crc;
  while (count-- > 0) rest = __builtin_ia32_crc32qi(rest, *next++);
  return ~rest;
}

uint32_t strait_crc32c(uint32_t before, const void *bytes, size_t count) {
  return __builtin_cpu_supports("sse4.2") ? by_instruction(before, bytes, count)
                                          : strait_crc32c_portable(before, bytes, count);
}
#else
uint32_t strait_crc32c(uint32_t before, const void *bytes, size_t count) {
  return strait_crc32c_portable(before, bytes, count);
}
#endif
