// OpenSSL's memory; see Allocation.c.
#pragma once

#include <stddef.h>

// Must be called before OpenSSL allocates anything.
void strait_use_own_allocation(void);

// Bytes of a peer now lie in a buffer of OpenSSL's: they, and what they are decrypted to, are cleansed with it.
void strait_note_received(const void *memory, size_t count);
