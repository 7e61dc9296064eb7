#pragma once

#include <stddef.h>

// Blocks of whole pages, clear when they are taken.
enum pages_kind { PAGES_TABLE, PAGES_FRAMES, PAGES_KINDS };
enum { PAGES_TABLE_BYTES = 4096, PAGES_FRAMES_BYTES = 5 * 4096 };

// NULL where there are none: ordinary memory does then.
void *pages_take(enum pages_kind kind);

// Of which kind a block is; -1 for memory that is not from here.
int pages_kind_of(const void *block);

size_t pages_size(int kind);

// Gives a block back, cleansed.
void pages_give(void *block, int kind);

// Gives the system the pages of a block, which stays taken: they are clear when they are next used.
void pages_rest(void *block);

int pages_are_clear(const void *block);
