// A transposition of 32-bit elements: see map.c.

#ifndef NITRAIN_TRANSPOSE_H
#define NITRAIN_TRANSPOSE_H

#include <stdint.h>

// nitrain_transpose copies rows x columns elements: d[r * drow + c] = s[c * scolumn + r].
void nitrain_transpose(uint32_t *d, int64_t drow, const uint32_t *s, int64_t scolumn, int64_t rows, int64_t columns);

#endif
