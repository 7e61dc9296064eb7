// CRC-32C (Castagnoli), the checksum of everything the edge writes to its disk.
#pragma once

#include <stddef.h>
#include <stdint.h>

// The checksum of `count` bytes, continuing from the checksum of what came before them (0 for nothing).
uint32_t strait_crc32c(uint32_t before, const void *bytes, size_t count);

// The same by a table, for processors without the instruction, and for the test that holds the two together.
uint32_t strait_crc32c_portable(uint32_t before, const void *bytes, size_t count);
